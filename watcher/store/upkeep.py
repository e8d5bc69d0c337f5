"""What an operator asks of a database that no daemon is using: is it sound, is its schema up to date."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from watcher.errors import StoreError
from watcher.ports import Clock
from watcher.store import place, sql
from watcher.store.opening import locate, open_sound
from watcher.store.sqlite import SqliteDriver, explaining, has_wal_reset_bug, open_sqlite


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The state of a database. `problems` keep it from being used; `warnings` are worth knowing.

    `schema` is the version it has, `known` the one that this program would bring it to.
    """

    database: str
    schema: int
    known: int
    sqlite: str
    settings: Mapping[str, str | int]
    rows: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def upgrade(url: str, *, clock: Clock) -> tuple[int, int]:
    """Bring a database's schema up to date, making the database if there is none; returns the versions before and after."""
    driver, versions = open_sound(locate(url), clock.now())
    driver.close()
    return versions


def check(url: str) -> Report:
    """Look a database over without changing what is in it. Raises StoreError where it cannot even be opened."""
    path = locate(url)
    if path is None:
        raise StoreError("a database in memory has nothing to check")
    driver = open_sqlite(path, create=False)
    try:
        with explaining(driver.database):
            return _report(driver, path)
    finally:
        driver.close()


def _report(driver: SqliteDriver, path: Path) -> Report:
    damages = driver.damages()
    found = {} if damages else driver.applied()
    return Report(
        database=driver.database,
        schema=max(found, default=0),
        known=max(each.version for each in sql.migrations()),
        sqlite=sqlite3.sqlite_version,
        settings=driver.settings(),
        rows={} if damages else driver.counts(),
        problems=tuple(damages) or _schema_problems(driver, found),
        warnings=(*_file_warnings(path), *library_warnings(sqlite3.sqlite_version_info)),
    )


def library_warnings(version: tuple[int, ...]) -> tuple[str, ...]:
    """What is worth knowing about a version of the SQLite library."""
    if not has_wal_reset_bug(version):
        return ()
    text = ".".join(map(str, version))
    return (
        f"SQLite {text} can lose commits when two connections checkpoint at once: harmless, the daemon has only one",
    )


def _schema_problems(driver: SqliteDriver, found: Mapping[int, str]) -> tuple[str, ...]:
    try:
        missing = sql.pending(found, sql.migrations(), driver.database)
    except StoreError as error:
        return (str(error),)
    return tuple(f"migration {each.version} is missing: run `connect-watcher db upgrade`" for each in missing)


def _file_warnings(path: Path) -> tuple[str, ...]:
    return (f"{path} can be read by others: chmod 600 it",) if place.is_open_to_others(path) else ()
