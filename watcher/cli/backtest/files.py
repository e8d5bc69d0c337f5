"""Log records from files: one JSON object a line, in the shape of the API.

A file is read once, from its beginning to its end, and may be of any size: what is out of order is put in order within
`ROOM` records, and a file that is more out of order than that is refused, because raw records are never written anywhere,
not even to sort them.
"""

import gzip
import heapq
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from watcher.cli.backtest.progress import Progress
from watcher.connect import log_page
from watcher.connect.log_wire import Origin
from watcher.core.duration import Millis
from watcher.core.logrecord import LogRecord
from watcher.errors import WatcherError

ROOM = 200_000
"""Records that are held to put them in order, of all files together."""
CHUNK = 2_000
"""Lines that are decoded at once."""
MAX_LINE = 4 * 1024 * 1024
"""Bytes of a line; a longer one is none of Connect's."""
SHOWN = 10
"""Bad lines that are told one by one."""
STDIN = Path("-")

_by_time: Callable[[LogRecord], Millis] = itemgetter(5)
_GZIP = b"\x1f\x8b"


class _Head(msgspec.Struct, rename="camel"):
    """What only records in files need to say of themselves."""

    deployment_id: Any = None
    project: Any = None


class _Line(NamedTuple):
    number: int
    raw: bytes


_head = msgspec.json.Decoder(_Head).decode


@dataclass(slots=True, kw_only=True)
class Files:
    """Reads files. `homes` are the projects there are, `home` that of records which say none; empty: they must.

    `good` and `bad` count lines. Bad ones are told by file and number, the first few of them.
    """

    homes: frozenset[str]
    home: str
    say: Callable[[str], None]
    progress: Progress
    good: int = 0
    bad: int = 0

    def records(self, paths: Sequence[Path]) -> Iterator[LogRecord]:
        """The records of all files, in order of time. Raises WatcherError."""
        room = max(ROOM // len(paths), CHUNK)
        sorted_files = [in_order(self._records_of(path), name=_name(path), room=room) for path in paths]
        return sorted_files[0] if len(paths) == 1 else heapq.merge(*sorted_files, key=_by_time)

    def _records_of(self, path: Path) -> Iterator[LogRecord]:
        with _opened(path) as stream:
            numbered = enumerate(_lines(stream, _name(path)), start=1)
            lines = (_Line(number, raw) for number, raw in numbered if raw.strip())
            while chunk := list(islice(lines, CHUNK)):
                yield from self._decoded(path, chunk)
                self.progress.say(f"{self.good} records")

    def _decoded(self, path: Path, lines: Sequence[_Line]) -> Iterator[LogRecord]:
        """The records of some lines, in the order of the lines."""
        places: dict[tuple[str, str], list[_Line]] = {}
        for line in lines:
            try:
                places.setdefault(self._place(line.raw), []).append(line)
            except ValueError as error:
                self._refuse(path, line, str(error))
        found: list[tuple[int, LogRecord]] = []
        for place, those in places.items():
            found += self._read(path, Origin(*place), those)
        self.good += len(found)
        return (record for _, record in sorted(found, key=itemgetter(0)))

    def _place(self, raw: bytes) -> tuple[str, str]:
        """Project and Deployment of a record. Raises ValueError with what is wrong with it."""
        head = _read_head(raw)
        project = head.project or self.home
        if not project:
            raise ValueError("does not say its project, and the configuration has several: say --project")
        if not isinstance(project, str) or project not in self.homes:
            raise ValueError("is of a project that the configuration does not have")
        if not isinstance(head.deployment_id, str) or not head.deployment_id:
            raise ValueError("has no deploymentId")
        return project, head.deployment_id

    def _read(self, path: Path, origin: Origin, lines: Sequence[_Line]) -> Iterator[tuple[int, LogRecord]]:
        """The records of one Deployment, with the numbers of their lines."""
        records = _decoded([line.raw for line in lines], origin)
        if len(records) == len(lines):
            yield from zip((line.number for line in lines), records, strict=True)
            return
        for line in lines:
            if alone := _decoded([line.raw], origin):
                yield line.number, alone[0]
            else:
                self._refuse(path, line, "is no log record with a timestamp")

    def _refuse(self, path: Path, line: _Line, why: str) -> None:
        self.bad += 1
        if self.bad <= SHOWN:
            self.say(f"{_name(path)}:{line.number}: {why}")
        if self.bad == SHOWN + 1:
            self.say("more lines that are no log records are only counted")


def in_order(records: Iterable[LogRecord], *, name: str, room: int = ROOM) -> Iterator[LogRecord]:
    """The records in order of time, at most `room` of them held. Raises WatcherError where that is not enough."""
    held: list[LogRecord] = []
    done: Millis = 0
    for record in records:
        if record[5] < done:
            raise WatcherError(
                f"{name} is too large to be put in order of time here, and is not: sort its lines by timestamp first"
            )
        held.append(record)
        if len(held) >= room:
            held.sort(key=_by_time)
            half = (len(held) + 1) // 2
            yield from held[:half]
            done = held[half - 1][5]
            del held[:half]
    held.sort(key=_by_time)
    yield from held


def _name(path: Path) -> str:
    return "standard input" if path == STDIN else str(path)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file, unpacked. Raises WatcherError where it cannot be opened."""
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise WatcherError(f"{path}: {error.strerror or type(error).__name__}") from None
    with stream:
        if stream.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
            yield stream
            return
        with gzip.open(stream) as unpacked:
            yield cast("BinaryIO", unpacked)


def _lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Line by line; of one that is too long nothing but that it is there. Raises WatcherError."""
    number = 0
    try:
        while raw := stream.readline(MAX_LINE):
            number += 1
            if len(raw) < MAX_LINE or raw.endswith(b"\n"):
                yield raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                continue
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield b"too long"
    except (EOFError, zlib.error, OSError) as error:
        raise WatcherError(f"{name} cannot be read beyond line {number}: {type(error).__name__}") from None


def _read_head(raw: bytes) -> _Head:
    """What a line says of itself, if it is an object. Raises ValueError."""
    try:
        return _head(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:  # half a character within it breaks no record
        found = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return _Head(deployment_id=found.get("deploymentId"), project=found.get("project"))
    raise ValueError("is no JSON object")


def _decoded(lines: Sequence[bytes], origin: Origin) -> Sequence[LogRecord]:
    """The records of lines, as a page of the API with just these would be read; fewer where some are none."""
    try:
        return log_page.read(b'{"data":[' + b",".join(lines) + b"]}", origin).records
    except ValueError:
        return []
