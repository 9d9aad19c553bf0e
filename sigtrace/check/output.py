"""What a command prints: read as fast as it comes, so that it never waits for us, and only the end of it is kept."""

from __future__ import annotations

import codecs
import os
import re
import threading
from collections import deque

_CHUNK = 64 * 1024
_KEPT_LINES = 200
_LONGEST_LINE = 4096
"""Characters that are kept of a line."""
_OVERLAP = 4096
"""Characters before a chunk that a match may begin in."""


class Output:
    """The reading end of a pipe, drained by its own thread. `writer` is for the command; close it once that has it."""

    def __init__(self, pattern: re.Pattern[str] | None = None) -> None:
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        self._pattern = pattern
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._line = ""
        self._matched = threading.Event()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    @property
    def matched(self) -> bool:
        """Whether the pattern has been printed."""
        return self._matched.is_set()

    def close_writer(self) -> None:
        """Close our copy of the writing end. Safe to repeat."""
        writer, self.writer = self.writer, -1
        if writer >= 0:
            os.close(writer)

    def close(self, seconds: float = 1.0) -> None:
        """Wait until all has been read: until nobody has the pipe open for writing any more, or `seconds` are over."""
        self.close_writer()
        self._thread.join(seconds)

    def tail(self, count: int = _KEPT_LINES) -> tuple[str, ...]:
        """Return the last lines, as they were printed: they may contain any characters."""
        lines = [*self._lines, *([self._line] if self._line else [])]
        return tuple(lines[-count:]) if count else ()

    def _drain(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        before = ""
        while raw := os.read(self._reader, _CHUNK):
            text = decoder.decode(raw)
            if self._pattern and not self.matched:
                before = before[-_OVERLAP:] + text
                if self._pattern.search(before):
                    self._matched.set()
            self._keep(text)
        os.close(self._reader)

    def _keep(self, text: str) -> None:
        *whole, rest = text.split("\n")
        for line in whole:
            self._lines.append((self._line + line[:_LONGEST_LINE])[:_LONGEST_LINE].rstrip("\r"))
            self._line = ""
        self._line = (self._line + rest[:_LONGEST_LINE])[:_LONGEST_LINE]
