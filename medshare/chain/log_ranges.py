"""How many blocks a node is asked for logs at once: fewer after it refused, more again while it answers."""

from __future__ import annotations


class LogRange:
    """The size of the next question for logs.

    A node that refuses a range refuses the next one like it: so the size is kept from question to question, halved
    after a refusal, and doubled after four answers, never beyond what the profile says.

    Args:
        largest: most blocks of one question.
    """

    _PATIENCE = 4

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.size = largest
        self._answered = 0

    def refused(self, asked: int) -> None:
        """Note that the node refused a question about ``asked`` blocks."""
        self.size = max(1, min(self.size, asked) // 2)
        self._answered = 0

    def answered(self, asked: int) -> None:
        """Note that the node answered a question about ``asked`` blocks; a short one says nothing about a long one."""
        if asked < self.size or self.size == self._largest:
            return
        self._answered += 1
        if self._answered == self._PATIENCE:
            self.size = min(self._largest, 2 * self.size)
            self._answered = 0
