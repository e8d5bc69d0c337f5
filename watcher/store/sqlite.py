"""The SQLite engine: one connection that does all reading, writing and checkpointing, in one thread.

Two connections that race a checkpoint can lose committed rows in every SQLite from 3.7.0 to 3.51.2; one cannot. What is
committed must survive a power cut, so commits are synced (`synchronous=FULL`), and no setting is trusted unread.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from watcher.core.duration import Millis
from watcher.errors import StoreError, VolumeError
from watcher.store import place, sql
from watcher.store.sql import Migration
from watcher.store.transaction import Params, Row, Transaction

T = TypeVar("T")

OLDEST = (3, 37, 0)
"""STRICT tables are the youngest feature in use."""

_REPAIRED: Mapping[tuple[int, ...], tuple[int, ...]] = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}
"""Older lines of SQLite that got the repair of 3.51.3 too."""

SETTINGS: Mapping[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "fullfsync": 1,  # what FULL needs to mean it on macOS
    "foreign_keys": 1,
    "busy_timeout": 5_000,
    "wal_autocheckpoint": 1_000,  # pages, about 4 MiB
    "journal_size_limit": 4 << 20,
}
"""What must be in force on a file. `synchronous=NORMAL` would lose acknowledged commits in a power cut."""

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space, what was not written will be tried again",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write: look at its health and its free space",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database: set another url, or move it away",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore a backup, or move it away to start afresh without its history",
    sqlite3.SQLITE_READONLY: "it cannot be written: make the file and its directory writable",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: it must be a file, in a directory that can be written",
    sqlite3.SQLITE_BUSY: "another program holds it: close that program",
}

_VOLUME = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
"""What comes of the volume, and goes by itself once that is mended."""


class SqliteTransaction:
    """The named queries on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queries = sql.queries()

    def execute(self, name: str, params: Params) -> int:
        """Run a query; returns how many rows it touched."""
        return self._connection.execute(self._queries[name], params).rowcount

    def executemany(self, name: str, rows: Sequence[Params]) -> None:
        """Run a query once for each set of parameters."""
        self._connection.executemany(self._queries[name], rows)

    def rows(self, name: str, params: Params | None = None) -> list[Row]:
        """Run a query; returns its rows, columns by name."""
        return [dict(row) for row in self._connection.execute(self._queries[name], params or {}).fetchall()]


class SqliteDriver:
    """The connection and its transactions. `database` is what messages call it."""

    def __init__(self, connection: sqlite3.Connection, database: str, *, on_close: Callable[[], None]) -> None:
        self.database = database
        self.connection = connection
        self._transaction = SqliteTransaction(connection)
        self._on_close = on_close

    def transact(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """Run `work` in one transaction and commit it; whatever it raises rolls everything back. Raises StoreError."""
        with explaining(self.database), begun(self.connection, write=write):
            return work(self._transaction)

    def settings(self) -> dict[str, str | int]:
        """The settings that are in force."""
        return {name: _setting(self.connection, name) for name in SETTINGS}

    def damages(self) -> list[str]:
        """What is wrong with the file, as far as it can be seen without reading every index."""
        try:
            found = [str(row[0]) for row in self.connection.execute("PRAGMA quick_check(20)")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [] if found == ["ok"] else found

    def refuse_damaged(self) -> None:
        """Refuse a damaged file before anything builds on it; the file stays as it is."""
        if found := self.damages():
            raise StoreError(f"{self.database}: {_ADVICE[sqlite3.SQLITE_CORRUPT]} (SQLite: {found[0]})")

    def applied(self) -> dict[int, str]:
        """The checksums of the migrations that made this schema."""
        if "schema_migrations" not in self.tables():
            return {}
        rows = self.connection.execute("SELECT version, checksum FROM schema_migrations").fetchall()
        return {row["version"]: row["checksum"] for row in rows}

    def tables(self) -> list[str]:
        """The names of its tables."""
        found = self.connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return [row[0] for row in found.fetchall()]

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        return {name: self.connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in self.tables()}  # noqa: S608  names from the schema itself

    def migrate(self, known: Sequence[Migration], now: Millis) -> tuple[int, int]:
        """Bring the schema up to date, one transaction for each step; returns the versions before and after."""
        with explaining(self.database):
            applied = self.applied()
            for each in sql.pending(applied, known, self.database):
                with begun(self.connection, write=True):
                    self._apply(each, now)
            return max(applied, default=0), max(self.applied(), default=0)

    def _apply(self, migration: Migration, now: Millis) -> None:
        for statement in statements(migration.script):
            self.connection.execute(statement)
        row = (migration.version, migration.checksum, now)
        self.connection.execute("INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (?, ?, ?)", row)

    def close(self) -> None:
        """Let go of everything. SQLite moves what is in the write-ahead log into the file; what it cannot move stays there."""
        self._on_close()


@contextmanager
def begun(connection: sqlite3.Connection, *, write: bool) -> Iterator[None]:
    """A transaction: committed at the end, rolled back on any exception, a failed commit included."""
    connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # Asked, not assumed: on a full disk SQLite may have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one; SQLite's own `executescript` would commit before the first."""
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""


@contextmanager
def explaining(database: str) -> Iterator[None]:
    """SQLite's errors as errors for a person: which file, and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_IOERR and place.is_full(Path(database)):
            code = sqlite3.SQLITE_FULL  # not every failure for want of room is called one
        advice = _ADVICE.get(code, "the database refuses")
        kind = VolumeError if code in _VOLUME else StoreError
        raise kind(f"{database}: {advice} (SQLite: {error})") from error


def open_sqlite(
    path: Path | None, *, settings: Mapping[str, str | int] = SETTINGS, create: bool = True
) -> SqliteDriver:
    """Open a database file, or one in memory (`None`), with the settings in force. Raises StoreError."""
    refuse_too_old(sqlite3.sqlite_version_info)
    database = "in memory" if path is None else str(path)
    with explaining(database), ExitStack() as stack:
        connection = _open_memory() if path is None else _open_file(path, stack, create=create)
        stack.callback(connection.close)
        connection.row_factory = sqlite3.Row
        _refuse_foreign(connection, database)
        _put_in_force(connection, settings, database)
        return SqliteDriver(connection, database, on_close=stack.pop_all().close)


def refuse_too_old(version: tuple[int, ...]) -> None:
    """Refuse a SQLite library that does not understand the schema."""
    if version < OLDEST:
        found, oldest = (".".join(map(str, each)) for each in (version, OLDEST))
        raise StoreError(f"SQLite {found} is too old, {oldest} is needed: use a newer Python build")


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether racing checkpoints of two connections can lose commits in this version of SQLite."""
    return (3, 7, 0) <= version < _REPAIRED.get(version[:2], (3, 51, 3))


def _open_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _open_file(path: Path, stack: ExitStack, *, create: bool) -> sqlite3.Connection:
    with place.explaining(path):
        if create:
            place.make_directory(path)
        elif not path.exists():
            raise StoreError(f"{path}: there is no such database")
        stack.callback(os.close, place.lock(path))
        place.inspect(path)
        if not path.exists():
            _make(path)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that exists; SQLite would make one that does not, open to everybody."""
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)


def _make(path: Path) -> None:
    """Make a database under another name first, so that one under its own name is never empty unless it was emptied."""
    fresh = place.beside(path, ".new")
    place.make_empty(fresh)
    connection = _connect(fresh)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = wal").fetchall()
    finally:
        connection.close()
    place.put_in_place(fresh, path)


def _refuse_foreign(connection: sqlite3.Connection, database: str) -> None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    if tables and "schema_migrations" not in tables:
        raise StoreError(f"{database}: belongs to another program: set another url")


def _put_in_force(connection: sqlite3.Connection, settings: Mapping[str, str | int], database: str) -> None:
    """Apply the settings and read them back. What must hold is `SETTINGS`, whatever was applied."""
    for name, value in settings.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
    required = {**SETTINGS, "journal_mode": "memory"} if database == "in memory" else SETTINGS
    for name, value in required.items():
        found = _setting(connection, name)
        if found != value:
            raise StoreError(f"{database}: {name} is {found} and must be {value}: use a local file system")


def _setting(connection: sqlite3.Connection, name: str) -> str | int:
    value: str | int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
