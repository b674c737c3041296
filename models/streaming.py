"""Turns the bytes of generated tokens into text that may be shown. Knows no model."""

from __future__ import annotations

import codecs
from collections.abc import Iterable


class StopCutter:
    """Decodes UTF-8 without ever cutting a character, and ends the text before the first stop string.

    Text that may be the beginning of a stop string is held back until it is known not to be one.
    """

    def __init__(self, stop: Iterable[str] = ()) -> None:
        self._stop = tuple(filter(None, stop))
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False

    def feed(self, piece: bytes) -> str:
        """Take the bytes of one token; return the text that is now certain (often empty)."""
        return "" if self.stopped else self._release(self._decoder.decode(piece))

    def finish(self) -> str:
        """The rest of the text; a character that never became whole is shown as U+FFFD."""
        if self.stopped:
            return ""
        text = self._release(self._decoder.decode(b"", True))
        held, self._held = self._held, ""
        return text + held

    def _release(self, text: str) -> str:
        text = self._held + text
        ends = [place for place in map(text.find, self._stop) if place >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of `text` that `stop` may begin with."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
