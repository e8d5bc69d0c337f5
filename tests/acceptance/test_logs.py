"""Logs, from the outside: pushed by an exporter we did not write, read from the simulator, with deaths in between."""

import asyncio
import random  # noqa: TID251  seeded
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.acceptance.otlp_sender import Sender
from tests.acceptance.process import Daemon, Setting, free_port
from watcher.simulator import Simulator, serve
from watcher.simulator.logbook import Record

SEED = 20261124
KEY = "canary-key-of-the-sender"
DEATHS = 4
BATCHES = 50
BATCH = 60
EVERY = 20
"""One record in so many is an error of its own."""
LINES = 2_400
"""What is polled: as many pages as are read without a pause once the process has died for the last time."""

RULE = """
disable_rules = ["NewError", "ErrorBurst"]
[[rules]]
name = "Seen"
on = "log"
matchers = ['level="ERROR"']
by = ["deployment"]
labels = { severity = "warning" }
annotations = { summary = "{{ message }}" }
"""


def setting(simulator: Simulator, folder: Path, port: int, *, source: str = "otlp") -> Setting:
    made = Setting(simulator.url, folder, blind_after="30s", extra=RULE)
    made.project("shop")
    more = f'key = "{KEY}"' if source == "otlp" else 'poll_interval = "5s"'
    made.projects[-1] += f'logs = {{ source = "{source}", max_requests_per_second = 50, {more} }}\n'
    made.receivers.append(f'[otlp]\nlisten = "127.0.0.1:{port}"\n')
    return made


def stored(folder: Path) -> tuple[Counter[str], int, int]:
    """How often each message was kept as a hit, and how many records and errors were tallied."""
    connection = sqlite3.connect(folder / "state" / "watcher.db")
    try:
        rows = connection.execute(
            "SELECT json_extract(body, '$.hit.message'), json_extract(body, '$.hit.count') FROM events WHERE type = 'hit'"
        ).fetchall()
        records, errors = connection.execute("SELECT SUM(records), SUM(errors) FROM tallies").fetchone()
    finally:
        connection.close()
    found: Counter[str] = Counter()
    for message, count in rows:
        found[message] += count
    return found, records, errors


async def test_kill_9_during_ingest_loses_no_hit_and_doubles_none(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    port = free_port()
    async with serve() as simulator:
        (made,) = simulator.create("shop", key="payment")
        deployment_id = made["id"]
        async with Daemon(setting(simulator, tmp_path, port).write()) as daemon:
            await daemon.start()
            sender = Sender(f"http://127.0.0.1:{port}/v1/logs", {"x-connect-watcher-key": KEY})
            sending = asyncio.create_task(sender.send_all(_requests(deployment_id)))
            for _ in range(DEATHS):
                await sender.advanced(chance.randrange(1, 8))
                await daemon.kill()
                await daemon.start()
            await asyncio.wait_for(sending, 90)
            assert await daemon.stop() == 0
    hits, records, errors = stored(tmp_path)
    expected = {f"error number {number} of this run" for number in range(BATCHES * BATCH // EVERY)}
    assert set(hits) == expected
    assert set(hits.values()) == {1}
    assert (records, errors) == (BATCHES * BATCH, len(expected))
    assert sender.refused > 0


async def test_kill_9_while_logs_are_polled_loses_no_hit_and_doubles_none(tmp_path: Path) -> None:
    """Records come twice, late and page by page; the process dies between any two pages."""
    chance = random.Random(SEED)
    async with serve() as simulator:
        (made,) = simulator.create("shop", key="payment", applications=[{"id": "a", "applicationName": "processor"}])
        count = simulator.logbook.append(made["id"], "processor", list(_records(simulator.clock.now())))
        async with Daemon(setting(simulator, tmp_path, free_port(), source="poll").write()) as daemon:
            await daemon.start()
            for _ in range(DEATHS):
                await _pages(simulator, chance.randrange(1, 12))
                await daemon.kill()
                await daemon.start()
            await _read_to_the_end(simulator)
            assert await daemon.stop() == 0
    hits, records, errors = stored(tmp_path)
    expected = {f"error number {number} of this run" for number in range(LINES // EVERY)}
    assert set(hits) <= expected  # those of one minute that a page brings together are one hit with their number
    assert hits.total() == len(expected)
    assert (records, errors) == (count, len(expected))


def _records(now: int) -> Iterator[Record]:
    """What was written within the last minutes, so that it is news: a line every 20 ms."""
    for number in range(LINES):
        is_error = number % EVERY == 0
        text = f"error number {number // EVERY} of this run" if is_error else f"order {number} exported"
        severity = "ERROR" if is_error else "DEFAULT"
        yield Record(
            timestamp=now - 20 * (LINES - number), type="APPLICATION_TEXT", details={"message": text}, severity=severity
        )


def _asked(simulator: Simulator) -> int:
    return sum(each.path.endswith("/logs") for each in simulator.journal.entries)


async def _pages(simulator: Simulator, more: int) -> None:
    """Wait for so many more pages to be asked for."""
    wanted = _asked(simulator) + more
    await simulator.journal.wait(lambda _: _asked(simulator) >= wanted, 60)


async def _read_to_the_end(simulator: Simulator) -> None:
    """Wait until a walk begins after others were asked for: what came before it is committed."""
    begun = _asked(simulator)

    def again(_: object) -> bool:
        found = [each for each in simulator.journal.entries if each.path.endswith("/logs")][begun:]
        return len(found) > 1 and "pageToken" not in found[-1].query

    await simulator.journal.wait(again, 90)


def _requests(deployment_id: str) -> list[bytes]:
    return [_request(deployment_id, batch) for batch in range(BATCHES)]


def _request(deployment_id: str, batch: int) -> bytes:
    """A request as a Collector would make it of what Platform Insights forwards."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for at in range(BATCH):
        number = batch * BATCH + at
        is_error = number % EVERY == 0
        text = f"error number {number // EVERY} of this run" if is_error else f"order {number} exported"
        record = scope.log_records.add(time_unix_nano=time.time_ns())  # noqa: TID251  the sender's own clock
        record.body.string_value = text
        fields = {
            "type": "APPLICATION_TEXT",
            "deploymentId": deployment_id,
            "applicationName": "processor",
            "severity": "ERROR" if is_error else "DEFAULT",
        }
        for name, value in fields.items():
            record.attributes.add(key=name).value.string_value = value
    body: bytes = request.SerializeToString()
    return body
