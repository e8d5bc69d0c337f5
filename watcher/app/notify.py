"""Tell the service manager how the daemon is: the protocol of `sd_notify(3)`, one datagram for each thing to say.

Without NOTIFY_SOCKET in the environment nobody wants to know, and nothing is sent.
"""

import os
import socket
from collections.abc import Callable, Mapping

import structlog

from watcher.core.duration import Millis
from watcher.ports import Clock

log = structlog.get_logger(__name__)

TELL_EVERY: Millis = 5_000
_LONGEST = 1_000


class Notifier:
    """Says things to a service manager. Nothing that goes wrong with that is worth failing for."""

    def __init__(self, address: str, clock: Clock, *, watchdog: Millis = 0) -> None:
        """`address` is a path, or `@` and an abstract name; `watchdog` is how often it wants a sign of life, 0: never."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._clock = clock
        self._watchdog = watchdog
        self._status = ""

    @property
    def every(self) -> Millis:
        """How often to look: twice within the time after which it takes us for dead."""
        return min(TELL_EVERY, self._watchdog // 2) if self._watchdog else TELL_EVERY

    def ready(self) -> None:
        """It has started, or reloaded."""
        self._say("READY=1")

    def reloading(self) -> None:
        """It reads its configuration anew. The moment is rounded up: one before its own signal would not count."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={(self._clock.monotonic() + 1) * 1000}")

    def stopping(self) -> None:
        """It winds down."""
        self._say("STOPPING=1", "STATUS=stopping")

    def look(self, problems: Mapping[str, str], status: str) -> None:
        """How it is now: `problems` only a restart can help, `status` is a line for people."""
        if self._watchdog and not problems:
            self._say("WATCHDOG=1")
        status = " ".join(status.split())[:_LONGEST]
        if status != self._status:
            self._say(f"STATUS={status}")
            self._status = status

    async def follow(self, look: Callable[[], tuple[Mapping[str, str], str]]) -> None:
        """Look for as long as it is let."""
        while self._address:
            self.look(*look())
            await self._clock.sleep(self.every)

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError as error:
            log.warning("notify.failed", error=str(error))


def notifier(environ: Mapping[str, str], clock: Clock) -> Notifier:
    """The service manager that this process was started by, if any."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address and not address.startswith(("/", "@")):
        log.warning("notify.failed", error="NOTIFY_SOCKET is neither a path nor an abstract name")
        address = ""
    wanted, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    ours = whose in {"", str(os.getpid())}
    watchdog = int(wanted) // 1000 if ours and wanted.isascii() and wanted.isdigit() else 0
    return Notifier(address, clock, watchdog=watchdog)
