"""SQLite on a disk: its settings, its schema, what it keeps when its process dies or its disk is full."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import START, FakeClock
from tests.integration.stores import KNOWN, crash, driver_of, event, fill, inside, observe, refusal, sql_on
from watcher.core.event import Event, EventReason, EventType
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment
from watcher.errors import StoreError
from watcher.ports import Judgement, Observation, Store
from watcher.store import check, inline, open_store, sql, upgrade
from watcher.store.opening import open_sound
from watcher.store.runner import OwnThread
from watcher.store.sql import Migration
from watcher.store.sqlite import SETTINGS, has_wal_reset_bug, open_sqlite, refuse_too_old
from watcher.store.store import SqlStore
from watcher.store.upkeep import library_warnings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "watcher.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{path}", clock=FakeClock())
    yield opened
    await opened.close()


# ── settings ─────────────────────────────────────────────────────────────────


async def test_commits_are_synced(store: Store) -> None:
    await observe(store, event())

    assert await inside(store)._run(driver_of(store).settings) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "fullfsync": 1,
        "foreign_keys": 1,
        "busy_timeout": 5_000,
        "wal_autocheckpoint": 1_000,
        "journal_size_limit": 4_194_304,
    }


def test_a_database_in_memory_has_the_same_settings_but_no_log() -> None:
    driver, _ = open_sound(None, START)

    assert driver.settings() == {**SETTINGS, "journal_mode": "memory"}
    driver.close()


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("journal_mode", "delete", "delete"),
        ("synchronous", "normal", 1),
        ("synchronous", "off", 0),
        ("fullfsync", 0, 0),
        ("foreign_keys", 0, 0),
        ("busy_timeout", 0, 0),
        ("wal_autocheckpoint", 0, 0),
        ("journal_size_limit", -1, -1),
    ],
)
def test_a_setting_that_is_not_in_force_is_refused(path: Path, name: str, value: str | int, found: object) -> None:
    with pytest.raises(StoreError, match=f"{path}: {name} is {found} and must be {SETTINGS[name]}"):
        open_sqlite(path, settings={**SETTINGS, name: value})

    open_sqlite(path).close()


def test_settings_that_are_not_applied_are_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="must be"):
        open_sqlite(path, settings={})


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 54, 1), False),
    ],
)
def test_a_library_that_can_lose_commits_is_named(version: tuple[int, ...], affected: bool) -> None:
    assert has_wal_reset_bug(version) is affected
    assert bool(library_warnings(version)) is affected


def test_a_library_that_is_too_old_is_refused() -> None:
    refuse_too_old((3, 37, 0))
    with pytest.raises(StoreError, match=r"SQLite 3\.36\.9 is too old, 3\.37\.0 is needed"):
        refuse_too_old((3, 36, 9))


# ── schema ───────────────────────────────────────────────────────────────────


def test_upgrade_makes_and_migrates(path: Path) -> None:
    url = f"sqlite:///{path}"

    assert upgrade(url, clock=FakeClock()) == (0, KNOWN)
    assert upgrade(url, clock=FakeClock()) == (KNOWN, KNOWN)


def test_a_newer_schema_is_refused(path: Path) -> None:
    upgrade(f"sqlite:///{path}", clock=FakeClock())
    sql_on(path, f"INSERT INTO schema_migrations VALUES ({KNOWN + 7}, 'x', 0)")

    says = f"database {path} has schema {KNOWN + 7}, this version knows {KNOWN}: use a newer connect-watcher"
    assert refusal(path) == says
    report = check(f"sqlite:///{path}")
    assert (report.schema, report.known, report.problems) == (KNOWN + 7, KNOWN, (says,))


def test_a_changed_migration_is_refused(path: Path) -> None:
    upgrade(f"sqlite:///{path}", clock=FakeClock())
    sql_on(path, "UPDATE schema_migrations SET checksum = 'other' WHERE version = 1")

    assert f"database {path} was made by another migration 1" in refusal(path)


def test_a_migration_that_fails_leaves_the_schema_as_it_was(path: Path) -> None:
    upgrade(f"sqlite:///{path}", clock=FakeClock())
    driver = open_sqlite(path)
    steps = (*sql.migrations(), Migration(version=KNOWN + 1, script="CREATE TABLE half (x);\nCREATE TABLE half (x);\n"))

    with pytest.raises(StoreError, match="already exists"):
        driver.migrate(steps, START)

    assert "half" not in driver.tables()
    assert max(driver.applied()) == KNOWN
    driver.close()


def test_a_process_killed_while_migrating_leaves_the_old_schema_or_the_new(tmp_path: Path) -> None:
    outcome = crash("migrating", tmp_path)

    assert outcome["violations"] == []
    assert outcome["ended"] == 0
    assert outcome["kills"] > 30
    assert outcome["versions"] == KNOWN + 3


async def test_rows_of_other_versions_can_be_read(store: Store, path: Path) -> None:
    found = Deployment(id="1", project="shop", status="Failed")
    await store.commit_observation(Observation(source=SourceState(project="shop"), upserts=[found], events=[event()]))
    await store.close()
    sql_on(path, """UPDATE records SET body = '{"id":"1","project":"shop","status":"Failed","colour":"red"}'""")
    sql_on(path, """UPDATE events SET body = '{"type":"gone","project":"shop","at":5}'""")

    reopened = await open_store(f"sqlite:///{path}", clock=FakeClock())

    assert list(await reopened.load_records("shop", "deployments", Deployment)) == [found]
    assert list((await reopened.backlog(0, 5)).events) == [Event(type=EventType.GONE, project="shop", at=5, seq=1)]
    await reopened.close()


async def test_a_row_that_cannot_be_read_is_named(store: Store, path: Path) -> None:
    await observe(store, event())
    await store.close()
    sql_on(path, "UPDATE events SET body = '{}'")

    reopened = await open_store(f"sqlite:///{path}", clock=FakeClock())

    with pytest.raises(StoreError, match="a stored Event cannot be read: Object missing required field `type`"):
        await reopened.backlog(0, 5)
    await reopened.close()


# ── upkeep ───────────────────────────────────────────────────────────────────


async def test_check_reports_a_sound_database(store: Store, path: Path) -> None:
    await observe(store, event(), event())
    await store.close()

    report = check(f"sqlite:///{path}")

    assert (report.database, report.schema, report.known, report.problems) == (str(path), KNOWN, KNOWN, ())
    assert report.rows["events"] == 2
    assert report.sqlite == sqlite3.sqlite_version
    assert report.settings == SETTINGS
    assert report.warnings == library_warnings(sqlite3.sqlite_version_info)


def test_check_tells_what_is_missing(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such database"):
        check(f"sqlite:///{path}")
    assert not path.parent.exists()

    open_sqlite(path).close()
    path.chmod(0o644)
    report = check(f"sqlite:///{path}")

    assert report.schema == 0
    assert report.problems[0] == "migration 1 is missing: run `connect-watcher db upgrade`"
    assert report.warnings[0] == f"{path} can be read by others: chmod 600 it"


def test_check_tells_of_damage(path: Path) -> None:
    fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4096] + bytes(4096))

    report = check(f"sqlite:///{path}")

    assert report.problems
    assert report.rows == {}


# ── judged events ────────────────────────────────────────────────────────────


async def test_a_judged_event_keeps_its_reason(store: Store, path: Path) -> None:
    await observe(store, event(), event())
    await store.commit_judgement(Judgement(cursor=1, reasons={1: (EventReason.TOLD_ONCE, "Deployed")}))
    await store.close()

    driver = open_sqlite(path)
    rows = driver.connection.execute("SELECT seq, reason, rule, judged_at FROM events ORDER BY seq").fetchall()
    driver.close()

    assert [tuple(row) for row in rows] == [(1, "told_once", "Deployed", START), (2, None, None, None)]


async def test_a_judgement_of_nothing_writes_one_row(store: Store) -> None:
    statements = await traced(store, store.commit_judgement(Judgement(cursor=3)))

    assert [each.split()[0] for each in statements] == ["BEGIN", "UPDATE", "COMMIT"]


async def traced(store: Store, verb: Any) -> list[str]:
    """The statements that a verb hands to SQLite."""
    driver, run, seen = driver_of(store), inside(store)._run, list[str]()
    await run(lambda: driver.connection.set_trace_callback(seen.append))
    await verb
    await run(lambda: driver.connection.set_trace_callback(None))
    return seen


async def test_the_outbox_is_read_through_its_indexes(store: Store) -> None:
    driver, run = driver_of(store), inside(store)._run

    def plan(name: str) -> str:
        params = {"sink": "s", "now": 1, "limit": 1, "before": 1, "cursor": 1}
        return " | ".join(
            row[3] for row in driver.connection.execute(f"EXPLAIN QUERY PLAN {sql.queries()[name]}", params).fetchall()
        )

    names = (
        "due_deliveries",
        "next_due",
        "outbox_oldest",
        "outbox_counts",
        "purge_events",
        "purge_deliveries",
        "events_after",
    )
    plans = {name: await run(lambda name=name: plan(name)) for name in names}  # type: ignore[misc]  # bound now

    assert {name: text for name, text in plans.items() if "INDEX" not in text and "PRIMARY KEY" not in text} == {}
    assert "SCAN outbox USING COVERING INDEX" in plans["outbox_counts"]
    assert all("SCAN" not in text for name, text in plans.items() if name != "outbox_counts"), plans


# ── death ────────────────────────────────────────────────────────────────────


def test_a_process_killed_at_any_moment_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    outcome = crash("commits", tmp_path, 20_261_124, 45)

    assert outcome["violations"] == []
    assert min(outcome["kills"].values()) >= 15
    assert outcome["observed"] > 100
    assert outcome["sent"] > 100


# ── a full disk ──────────────────────────────────────────────────────────────


def test_a_disk_that_refuses_keeps_what_is_written_and_recovers(tmp_path: Path) -> None:
    outcome = crash("full", tmp_path)

    assert len(outcome["errors"]) == 3
    assert f"{tmp_path}/watcher.db: the disk fails to read or write" in outcome["errors"][0]
    assert outcome["seen"] == [str(n + 1) for n in range(outcome["written"])]
    assert outcome["written"] > 5
    assert outcome["violations"] == []


async def test_a_full_disk_fails_whole_and_is_forgiven(path: Path) -> None:
    driver, _ = open_sound(path, START)
    store = SqlStore(driver, run=inline, clock=FakeClock(), on_close=lambda: None)
    pages = driver.connection.execute("PRAGMA page_count").fetchone()[0]
    driver.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    much = [event(fields={"text": "x" * 3_000}) for _ in range(20)]

    for _ in range(3):
        with pytest.raises(StoreError, match="the disk is full: free some space"):
            await observe(store, *much)
        assert list((await store.backlog(0, 5)).events) == []
        assert await store.load_source("shop", "deployments") is None

    driver.connection.execute("PRAGMA max_page_count = 100000")
    await observe(store, *much)
    assert len((await store.backlog(0, 50)).events) == 20
    await store.close()


# ── the thread ───────────────────────────────────────────────────────────────


async def test_a_verb_that_is_no_longer_waited_for_still_ends(store: Store) -> None:
    gate = threading.Event()
    blocking = asyncio.ensure_future(inside(store)._run(gate.wait))
    waiting = [asyncio.create_task(observe(store, event(fields={"n": str(n)}))) for n in range(3)]
    await asyncio.wait(waiting, timeout=0)
    for each in waiting[:2]:
        each.cancel()
    gate.set()
    await asyncio.gather(blocking, *waiting, return_exceptions=True)

    assert [each.cancelled() for each in waiting] == [True, True, False]
    assert [each.fields["n"] for each in (await store.backlog(0, 5)).events] == ["0", "1", "2"]


async def test_the_connection_belongs_to_one_thread(store: Store) -> None:
    driver, run = driver_of(store), inside(store)._run

    assert isinstance(run, OwnThread)
    assert len({await run(threading.get_ident) for _ in range(5)} | {threading.get_ident()}) == 2
    with pytest.raises(sqlite3.ProgrammingError, match="thread"):
        driver.connection.execute("SELECT 1")
