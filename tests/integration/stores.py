"""What the tests of the SQLite store share: small databases, and looks inside."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import START, FakeClock
from watcher.core.event import Event, EventType
from watcher.core.sight import SourceState
from watcher.errors import StoreError
from watcher.ports import Observation, Store
from watcher.store import inline, open_store, sql
from watcher.store.opening import open_sound
from watcher.store.sqlite import SqliteDriver
from watcher.store.store import SqlStore

KNOWN = sql.migrations()[-1].version
ROOT = Path(__file__).parents[2]


def event(**fields: object) -> Event:
    return replace(Event(type=EventType.STATUS, project="shop", at=START), **fields)  # type: ignore[arg-type]  # by name


async def observe(store: Store, *events: Event) -> None:
    await store.commit_observation(Observation(source=SourceState(project="shop"), events=events))


def fill(path: Path, events: int = 200) -> None:
    """A database of some size, closed."""

    async def write() -> None:
        store = await open_store(f"sqlite:///{path}", clock=FakeClock(), run=inline)
        await observe(store, *(event(fields={"text": "x" * 200, "n": str(n)}) for n in range(events)))
        await store.close()

    asyncio.run(write())


def inside(store: Store) -> SqlStore:
    assert isinstance(store, SqlStore)
    return store


def driver_of(store: Store) -> SqliteDriver:
    driver = inside(store)._driver
    assert isinstance(driver, SqliteDriver)
    return driver


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        open_sound(path, START)
    return str(caught.value)


def sql_on(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def crash(scene: str, folder: Path, *numbers: int) -> dict[str, Any]:
    """Play a scene of `store_crash` in a process of its own."""
    command = [sys.executable, "-m", "tests.integration.store_crash", scene, str(folder), *map(str, numbers)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome
