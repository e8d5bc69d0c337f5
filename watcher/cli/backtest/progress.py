"""Progress on standard error, no more often than a person can read it."""

from collections.abc import Callable

from watcher.core.duration import Millis
from watcher.ports import Clock

LIVE: Millis = 500
"""How often a terminal's line is written anew …"""
LOGGED: Millis = 10_000
"""… and how often a line is added where nobody watches."""


class Progress:
    """What is being done now. Short work says nothing."""

    def __init__(self, clock: Clock, write: Callable[[str], None], *, live: bool) -> None:
        self._clock = clock
        self._write = write
        self._live = live
        self._told = clock.monotonic()
        self._open = False

    def say(self, text: str) -> None:
        """Show what is being done, unless something was shown a moment ago."""
        now = self._clock.monotonic()
        if now - self._told < (LIVE if self._live else LOGGED):
            return
        self._told = now
        self._open = self._live
        self._write(f"\r\x1b[K{text}" if self._live else f"{text}\n")

    def done(self) -> None:
        """Leave the terminal's line as it was."""
        if self._open:
            self._write("\r\x1b[K")
            self._open = False
