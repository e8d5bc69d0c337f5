"""The store's SQL as it ships: named queries, and the numbered migrations of a schema. Read once from the package."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from watcher.errors import StoreError

_HEADING = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_NUMBERED = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema. Once released it never changes: its checksum is kept in every database."""

    version: int
    script: str

    @property
    def checksum(self) -> str:
        """A name for its exact text."""
        return hashlib.sha256(self.script.encode()).hexdigest()


@cache
def queries() -> Mapping[str, str]:
    """Every query by name: `-- name: fetch_due` heads the statement that follows it."""
    found: dict[str, str] = {}
    for script in _scripts("queries").values():
        _, *parts = _HEADING.split(script)
        found.update(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    return found


@cache
def migrations() -> tuple[Migration, ...]:
    """The schema's steps in order."""
    named = {_NUMBERED.fullmatch(name): script for name, script in sorted(_scripts("migrations").items())}
    return tuple(Migration(version=int(name[1]), script=script) for name, script in named.items() if name)


def pending(applied: Mapping[int, str], known: Sequence[Migration], database: str) -> tuple[Migration, ...]:
    """The migrations that a database still needs, given the checksums of those it has.

    Raises:
        StoreError: the database is newer than this program, or was made by a migration that is not the one known here.
    """
    newest = max((each.version for each in known), default=0)
    if (schema := max(applied, default=0)) > newest:
        raise StoreError(
            f"database {database} has schema {schema}, this version knows {newest}: use a newer connect-watcher"
        )
    for each in known:
        if applied.get(each.version, each.checksum) != each.checksum:
            raise StoreError(
                f"database {database} was made by another migration {each.version} than this version has: "
                f"use the connect-watcher that made it"
            )
    return tuple(each for each in known if each.version not in applied)


def _scripts(folder: str) -> dict[str, str]:
    files = resources.files(__package__).joinpath(folder).iterdir()
    return {each.name: each.read_text(encoding="utf-8") for each in files if each.name.endswith(".sql")}
