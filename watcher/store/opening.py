"""From a URL to a database that is sound and up to date."""

from pathlib import Path

from watcher.core.duration import Millis
from watcher.errors import StoreError
from watcher.store import sql
from watcher.store.sqlite import SqliteDriver, open_sqlite

GRAMMAR = "sqlite:///relative.db, sqlite:////absolute/path.db, or sqlite:// for one in memory"


def locate(url: str) -> Path | None:
    """The file that a URL names; `None` for a database in memory. Links are followed, so that one file has one lock."""
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite":
        # Nothing but the scheme is repeated: what follows may hold a password.
        raise StoreError(f"no store for {scheme[:20]!r} urls: write {GRAMMAR}")
    if not rest:
        return None
    if not rest.startswith("/") or rest == "/":
        raise StoreError(f"not a store url: {url!r}: write {GRAMMAR}")
    try:
        return Path(rest[1:]).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"not a store url: {url!r}: {error}: write {GRAMMAR}") from error


def open_sound(path: Path | None, now: Millis) -> tuple[SqliteDriver, tuple[int, int]]:
    """Open a database, refuse it if it is damaged, migrate it; returns the schema's version before and after too."""
    driver = open_sqlite(path)
    try:
        driver.refuse_damaged()
        return driver, driver.migrate(sql.migrations(), now)
    except BaseException:
        driver.close()
        raise
