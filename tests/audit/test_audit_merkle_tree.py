"""The Merkle tree is that of RFC 6962: these are the leaves and roots by which others try theirs."""

import pytest

from audit.merkle_tree import EMPTY_ROOT, MerkleTree

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_roots_are_those_of_the_standard():
    tree = MerkleTree()
    assert tree.root() == EMPTY_ROOT
    for size, (leaf, root) in enumerate(zip(LEAVES, ROOTS, strict=True), 1):
        tree.append(bytes.fromhex(leaf))
        assert (tree.size, tree.root().hex()) == (size, root)
        tree = MerkleTree(tree.size, tree.subtrees)


def test_subtrees_of_another_size_are_refused():
    with pytest.raises(ValueError, match="another number"):
        MerkleTree(2, [EMPTY_ROOT, EMPTY_ROOT])
