"""Logs, from the outside: pushed by an exporter we did not write, read from the simulator, with deaths in between."""

import asyncio
import random  # noqa: TID251  seeded
import sqlite3
import time
from collections import Counter
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.acceptance.otlp_sender import Sender
from tests.acceptance.process import Daemon, Setting, free_port
from watcher.simulator import Simulator, serve

SEED = 20261124
KEY = "canary-key-of-the-sender"
DEATHS = 12
BATCHES = 120
BATCH = 60
EVERY = 20
"""One record in so many is an error of its own."""

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
    key = f', key = "{KEY}"' if source == "otlp" else ""
    made.projects[-1] += f'logs = {{ source = "{source}"{key} }}\n'
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
    return request.SerializeToString()
