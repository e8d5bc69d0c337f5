"""File: a CloudEvents 1.0 event on a line of its own for each notification, for whatever collects files.

A line counts once it is on the disk. The file is opened anew for each, so that it can be rotated at any time by moving
it away. A half line, left by a full disk or a crash, is ended before the next one. Who reads takes lines that are JSON
and remembers ids: a line whose write had an unknown outcome is written again.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from watcher.core.delivery import Delivery, Outcome
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError
from watcher.sinks.aside import Aside
from watcher.sinks.base import SinkConfig, Wiring, frozen_body
from watcher.sinks.event import MAX_ALERTS, encoded, payload
from watcher.sinks.outcome import Reason

DEADLINE = 10_000
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A link is not followed, and a pipe without a reader not waited for."""
_MODE = 0o600
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LATER = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.ETXTBSY})


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or path.name in {"", "..", "."}:
        raise ValueError("must be the absolute path of a file")
    return path


class FileConfig(SinkConfig):
    """Lines of JSON at the end of a file."""

    kind: ClassVar[str] = "file"

    path: Annotated[Path, AfterValidator(_absolute)]
    """Its directory must exist. A symbolic link is refused."""
    max_alerts: int = Field(default=MAX_ALERTS, ge=0)
    """How many alerts are spelled out, 0 for all. What is left out is counted."""

    def build(self, sink_id: str, wiring: Wiring) -> "File":
        """Make the sink. The file is not touched before there is something to write."""
        del wiring
        return File(sink_id, self)


class File:
    """Adds lines to one file."""

    paces: tuple[Pace, ...] = ()

    def __init__(self, sink_id: str, config: FileConfig) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.path = config.path
        self.max_alerts = config.max_alerts
        self._aside = Aside(1)

    def render(self, notification: Notification) -> bytes:
        """The line, without its end."""
        return encoded(payload(notification, self.max_alerts))

    async def send(self, delivery: Delivery) -> None:
        """Write the line and wait until the disk has it."""
        line = frozen_body(delivery) + b"\n"
        try:
            await self._aside.run(lambda: append(self.path, line), DEADLINE)
        except OSError as error:
            raise _failed(self.path, error) from None


def append(path: Path, line: bytes) -> None:
    """Add a line to a file and have it on the disk. Raises OSError, DeliveryError where it is no file."""
    file = os.open(path, _FLAGS, _MODE)
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise DeliveryError(f"{path}: is no regular file", Outcome.REFUSED, reason=Reason.BLOCKED)
        if about.st_size and os.pread(file, 1, about.st_size - 1) != b"\n":
            line = b"\n" + line
        _write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
    if not about.st_size:
        _keep_name(path)


def _write(file: int, line: bytes) -> None:
    """Write all of it: a disk that fills up takes a part, and says so only when asked for the rest."""
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(file, rest) :]


def _keep_name(path: Path) -> None:
    """Have the name of a new file on the disk as well."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _failed(path: Path, error: OSError) -> DeliveryError:
    said = f"{path}: {error.strerror or type(error).__name__}"
    if error.errno == errno.EIO:
        return DeliveryError(said, Outcome.UNKNOWN, reason=Reason.DISK)
    if error.errno in _FULL:
        return DeliveryError(said, Outcome.REJECTED, reason=Reason.DISK_FULL)
    if error.errno in _LATER:
        return DeliveryError(said, Outcome.REJECTED, reason=Reason.DISK)
    if error.errno == errno.ELOOP:
        return DeliveryError(f"{path}: is a symbolic link", Outcome.REFUSED, reason=Reason.BLOCKED)
    return DeliveryError(said, Outcome.REFUSED, reason=Reason.DISK)
