"""The error of a text that is no time control."""

from __future__ import annotations


class NotationError(ValueError):
    """The text is no time control. `message` says where and what was expected there, for people."""

    def __init__(self, problem: str, position: int) -> None:
        self.position = position
        """Offset of the first wrong character from the beginning of the text, which is 0."""
        self.message = f"Character {position + 1}: {problem}."
        """A sentence in which the first character of the text is number 1."""
        super().__init__(self.message)
