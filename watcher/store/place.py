"""Where a database file lives: its directory, its permissions, and the lock that keeps a second process out.

The lock is a file beside the database. The database itself is never opened by anything but SQLite: closing any descriptor
of a file drops every POSIX lock that the process holds on it, SQLite's own included.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from watcher.errors import StoreError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
ROOM = 64 * 1024
"""Bytes without which nothing can be begun: what processes share of a database takes half of that."""


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """The system's errors as errors for a person, where nothing better is known."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {_reason(error)}") from error


def beside(database: Path, ending: str) -> Path:
    """A file that belongs to the database: `watcher.db` → `watcher.db-wal`."""
    return database.with_name(database.name + ending)


def make_directory(database: Path) -> None:
    """Make the database's directory for this user alone. Its parent must exist: a mount that is missing stays visible."""
    directory, uid = database.parent, os.geteuid()
    try:
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    except FileNotFoundError as error:
        raise StoreError(
            f"{directory}: there is no {directory.parent}: make it, mount it, or set another url"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{directory}: {_reason(error)}: {_advice(error, f'make it a directory of uid {uid}')}"
        ) from error


def lock(database: Path) -> int:
    """Keep every other process out; the descriptor that is returned holds the lock until it is closed."""
    path = beside(database, ".lock")
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    except OSError as error:
        advice = _advice(error, f"make {path.parent} writable for uid {os.geteuid()}")
        raise StoreError(f"{path}: {_reason(error)}: {advice}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(held, 20).decode(errors="replace").strip()
        os.close(held)
        if isinstance(error, BlockingIOError):
            raise StoreError(f"another connect-watcher holds {database} (pid {holder or 'unknown'})") from error
        raise StoreError(f"{path}: cannot be locked, {_reason(error)}: use a local file system") from error
    _sign(held)
    return held


def inspect(database: Path) -> None:
    """Refuse what would otherwise start as an empty history, or fail only at the first write."""
    wal = beside(database, "-wal")
    if not database.exists():
        if wal.exists() and wal.stat().st_size:
            raise StoreError(
                f"{wal}: its database is gone: put {database} back, or move this file away to start afresh"
            )
        return
    found = database.stat()
    if not os.access(database, os.R_OK | os.W_OK):
        owner, uid = found.st_uid, os.geteuid()
        raise StoreError(
            f"{database}: belongs to uid {owner} and is not readable and writable for uid {uid}: change that"
        )
    if found.st_size == 0:
        raise StoreError(
            f"{database}: is empty, its history is lost: restore a backup, or move it away to start afresh"
        )


def make_empty(path: Path) -> None:
    """Make an empty file for this user alone; SQLite gives its companions the same mode."""
    for ending in ("", "-journal", "-wal", "-shm"):
        beside(path, ending).unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def put_in_place(made: Path, database: Path) -> None:
    """Give a finished file its name, for good: the directory is synced."""
    made.replace(database)
    directory = os.open(database.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def is_full(database: Path) -> bool:
    """Whether its volume has no room for anything."""
    try:
        found = os.statvfs(database.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < ROOM


def is_open_to_others(database: Path) -> bool:
    """Whether group or world may read it."""
    return bool(database.stat().st_mode & 0o077)


def _sign(held: int) -> None:
    # The number is only for people; a full disk must not keep the daemon from starting.
    with suppress(OSError):
        os.ftruncate(held, 0)
        os.write(held, f"{os.getpid()}\n".encode())


def _advice(error: OSError, otherwise: str) -> str:
    """What to do about it."""
    known = {errno.ENOSPC: "free some space", errno.EDQUOT: "free some space", errno.EROFS: "mount it to be written to"}
    return known.get(error.errno or 0, otherwise)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
