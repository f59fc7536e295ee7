"""A growing Merkle tree (RFC 6962, section 2.1): its root covers all leaves, in their order.

Only the roots of its complete subtrees are kept, at most one for each bit of its size, so that a leaf more costs a few
hashes, however large the tree is.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + leaf).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree of `size` leaves; `subtrees` are the roots of its complete subtrees, the largest first."""

    def __init__(self, size: int = 0, subtrees: Iterable[bytes] = ()) -> None:
        """Raises ValueError when a tree of this size has another number of complete subtrees."""
        self.size = size
        self.subtrees = list(subtrees)
        if len(self.subtrees) != size.bit_count():
            raise ValueError("a tree of this size has another number of complete subtrees")

    def append(self, leaf: bytes) -> None:
        """Add a leaf at the end."""
        root, size = leaf_hash(leaf), self.size
        while size & 1:
            root = _node_hash(self.subtrees.pop(), root)
            size >>= 1
        self.subtrees.append(root)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash of the whole tree."""
        if not self.subtrees:
            return EMPTY_ROOT
        *others, root = self.subtrees
        for left in reversed(others):
            root = _node_hash(left, root)
        return root
