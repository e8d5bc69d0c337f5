"""The account that every acceptance test ends with: it holds for what a daemon left, and for no database that was tampered with."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.conservation import books, database_of, verify
from tests.acceptance.process import Daemon, Setting
from tests.acceptance.test_timelines import Stage, heard
from watcher.simulator import serve

LOST = "DELETE FROM outbox WHERE seq = (SELECT MAX(seq) FROM outbox)"
TWICE = """
    INSERT INTO outbox (id, sink, lane, state, severity, due_at, attempts, unknown_outcomes, created_at, observed_at,
        settled_at, last_error, notification)
    SELECT 'another', sink, lane, state, severity, due_at, attempts, unknown_outcomes, created_at, observed_at,
        settled_at, last_error, notification
    FROM outbox ORDER BY seq DESC LIMIT 1
"""
SWALLOWED = "UPDATE outbox SET state = 'digested', digest = 'nothing' WHERE seq = 1"
UNDERSTATED = """
    UPDATE outbox SET notification = CAST(json_set(CAST(notification AS TEXT), '$.reason', 'digest') AS BLOB) WHERE seq = 1
"""
FORGOTTEN = "UPDATE outbox SET state = 'pending'"


def tampered(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute(statement).rowcount > 0


@pytest.mark.timeout(60)
async def test_no_message_can_be_lost_doubled_or_swallowed_unnoticed(tmp_path: Path) -> None:
    async with serve() as simulator:
        made = Setting(simulator.url, tmp_path, blind_after="30s")
        made.project("shop")
        config = made.write()
        async with Daemon(config) as daemon:
            stage = Stage(simulator, "shop")
            stage.create("payment")
            await daemon.start()
            await heard(stage, 0)
            stage.set("payment", "Failed", "b2")
            await heard(stage, 1)
            assert await daemon.stop() == 0
    database = database_of(config)
    sound = database.read_bytes()
    verify(books(database), daemon.log, daemon.metrics)
    assert daemon.metrics
    for statement, log, metrics in (
        (LOST, b"", ""),
        (LOST, daemon.log, ""),
        (TWICE, b"", ""),
        (SWALLOWED, b"", ""),
        (UNDERSTATED, b"", ""),
        (FORGOTTEN, b"", daemon.metrics),
    ):
        tampered(database, statement)
        with pytest.raises(AssertionError):
            verify(books(database), log, metrics)
        database.write_bytes(sound)
