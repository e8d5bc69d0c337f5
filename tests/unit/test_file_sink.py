import asyncio
import errno
import json
import os
import resource
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from threading import Event, stack_size
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from pydantic import ValidationError

from tests.fakes import fake_env
from tests.notifications import DELIVERY_ID, FAILED, MIXED, alert, delivery, notification, notifications
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification
from watcher.errors import DeliveryError
from watcher.http import Http
from watcher.sinks import Wiring
from watcher.sinks.aside import Aside
from watcher.sinks.file import File, FileConfig, _failed, append
from watcher.sinks.outcome import Reason

HTTP = Http()
HALF = b'{"specversion":"1.0","id":"cw_half'


def file_sink(path: Path, **config: Any) -> File:
    wiring = Wiring(http=HTTP, env=fake_env(), read=Path.read_text, stream=StringIO())
    return FileConfig.model_validate({"path": str(path), **config}).build("team/file/0", wiring)


async def refusal(sink: File) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sink.send(delivery(sink.render(FAILED)))
    return caught.value


# ── lines ────────────────────────────────────────────────────────────────────


@given(notifications())
def test_whatever_is_told_is_one_line_that_is_an_event(told: Notification) -> None:
    line = file_sink(Path("/nowhere/x")).render(told)
    assert b"\n" not in line
    event = from_structured_event(HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=line))
    assert event.get_id() == told.id


async def test_lines_are_added_in_order_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "told.ndjson"
    sink = file_sink(path)
    for told in (FAILED, MIXED):
        await sink.send(delivery(sink.render(told)))
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines == [sink.render(FAILED) + b"\n", sink.render(MIXED) + b"\n"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_lines_of_many_at_once_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "told.ndjson"
    sink = file_sink(path)
    told = [notification(alert(deployment=f"d{n}", annotations={"error": "x" * 20_000})) for n in range(20)]
    await asyncio.gather(*(sink.send(delivery(sink.render(each))) for each in told))
    read = [json.loads(line)["subject"] for line in path.read_bytes().splitlines()]
    assert sorted(read) == sorted(f"d{n}" for n in range(20))


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "told.ndjson"
    sink = file_sink(path)
    await sink.send(delivery(sink.render(FAILED)))
    path.rename(tmp_path / "told.ndjson.1")
    await sink.send(delivery(sink.render(MIXED)))
    assert path.read_bytes() == sink.render(MIXED) + b"\n"
    assert (tmp_path / "told.ndjson.1").read_bytes() == sink.render(FAILED) + b"\n"


@pytest.mark.parametrize("before", [HALF, b"\n" + HALF, b"{}\n" + HALF, b"x"])
async def test_a_half_line_is_ended_before_the_next(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "told.ndjson"
    path.write_bytes(before)
    sink = file_sink(path)
    await sink.send(delivery(sink.render(FAILED)))
    assert path.read_bytes() == before + b"\n" + sink.render(FAILED) + b"\n"
    assert json.loads(path.read_bytes().splitlines()[-1])["id"] == DELIVERY_ID


def test_what_is_left_out_is_counted() -> None:
    told = notification(*[alert(deployment=f"d{n}") for n in range(130)])
    content = json.loads(file_sink(Path("/nowhere/x")).render(told))["data"]
    assert (len(content["alerts"]), content["omitted"], content["counts"]["firing"]) == (100, 30, 130)


# ── the disk ─────────────────────────────────────────────────────────────────


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond that, which is a disk that fills up in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handled)


async def test_a_disk_that_fills_up_is_tried_again_and_the_line_arrives_whole(tmp_path: Path) -> None:
    path = tmp_path / "told.ndjson"
    sink = file_sink(path)
    with room_for(50):
        error = await refusal(sink)
    assert (error.outcome, error.reason) == (Outcome.REJECTED, Reason.DISK_FULL)
    assert path.stat().st_size == 50
    await sink.send(delivery(sink.render(FAILED)))
    half, whole = path.read_bytes().splitlines()
    assert sink.render(FAILED).startswith(half)
    assert whole == sink.render(FAILED)


async def test_a_full_device_is_no_regular_file_either() -> None:
    error = await refusal(file_sink(Path("/dev/full")))
    assert (error.outcome, error.reason) == (Outcome.REFUSED, Reason.BLOCKED)


@pytest.mark.parametrize(
    ("number", "outcome", "reason"),
    [
        (errno.ENOSPC, Outcome.REJECTED, Reason.DISK_FULL),
        (errno.EDQUOT, Outcome.REJECTED, Reason.DISK_FULL),
        (errno.EMFILE, Outcome.REJECTED, Reason.DISK),
        (errno.EIO, Outcome.UNKNOWN, Reason.DISK),
        (errno.EROFS, Outcome.REFUSED, Reason.DISK),
        (errno.EACCES, Outcome.REFUSED, Reason.DISK),
        (errno.ENOENT, Outcome.REFUSED, Reason.DISK),
        (errno.ELOOP, Outcome.REFUSED, Reason.BLOCKED),
    ],
)
def test_what_the_system_says_has_one_meaning(number: int, outcome: Outcome, reason: Reason) -> None:
    error = _failed(Path("/x"), OSError(number, os.strerror(number)))
    assert (error.outcome, error.reason) == (outcome, reason)


async def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    error = await refusal(file_sink(tmp_path / "no" / "told.ndjson"))
    assert (error.outcome, str(error)) == (
        Outcome.REFUSED,
        f"{tmp_path / 'no' / 'told.ndjson'}: No such file or directory",
    )


# ── no surprises ─────────────────────────────────────────────────────────────


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "passwd", tmp_path / "told.ndjson"
    target.write_text("root")
    path.symlink_to(target)
    error = await refusal(file_sink(path))
    assert (error.outcome, str(error)) == (Outcome.REFUSED, f"{path}: is a symbolic link")
    path.unlink()
    path.symlink_to(tmp_path / "nothing")
    assert (await refusal(file_sink(path))).outcome is Outcome.REFUSED
    assert target.read_text() == "root"
    assert not (tmp_path / "nothing").exists()


async def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        (tmp_path / "folder").mkdir()
        for name in ("pipe", "socket", "folder"):
            assert (await refusal(file_sink(tmp_path / name))).outcome is Outcome.REFUSED


@pytest.mark.parametrize("path", ["told.ndjson", "./told.ndjson", "", "/", "/var/..", "~/told"])
def test_a_path_is_absolute(path: str) -> None:
    with pytest.raises(ValidationError):
        FileConfig.model_validate({"path": path})


# ── time ─────────────────────────────────────────────────────────────────────


async def test_a_disk_that_hangs_holds_up_only_so_many_and_only_so_long() -> None:
    aside, stuck = Aside(1), Event()
    with pytest.raises(DeliveryError) as first:
        await aside.run(stuck.wait, 20)
    with pytest.raises(DeliveryError) as second:
        await aside.run(lambda: None, 20)
    assert (first.value.outcome, second.value.outcome) == (Outcome.UNKNOWN, Outcome.UNSENT)
    stuck.set()
    assert await aside.run(lambda: 7, 5_000) == 7


async def test_a_thread_that_cannot_be_had_is_no_thread_lost() -> None:
    aside, before = Aside(1), stack_size(1 << 46)  # more than any system gives
    try:
        with pytest.raises(DeliveryError) as refused:
            await aside.run(lambda: 7, 5_000)
    finally:
        stack_size(before)
    assert refused.value.outcome is Outcome.UNSENT
    assert await aside.run(lambda: 7, 5_000) == 7


async def test_what_is_raised_aside_arrives(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        await Aside(1).run(lambda: append(tmp_path, b"x"), 5_000)
