"""The drafts of Connectors, polled from the Connect API once for each API client.

Their paths have no project key, and what two clients of one team see may overlap: a draft belongs to the client that
saw it first, as long as that one sees it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from watcher.connect import Clean, ProjectAccess, Session, drafts
from watcher.core.snapshot import ConnectorStaged, Listing
from watcher.ports import Source

Remembered = Callable[[str], Awaitable[Sequence[ConnectorStaged]]]
"""The drafts that were last committed for a project."""


@dataclass(slots=True, kw_only=True)
class Roster:
    """Whose each draft of one host is. Read from the store once, before anybody claims anything."""

    projects: tuple[str, ...]
    remembered: Remembered
    owners: dict[str, str] = field(default_factory=dict)
    _read: bool = False

    async def claim(self, project: str, seen: Sequence[str]) -> set[str]:
        """Those of the drafts seen through `project` that are its own. What it does not see is free for others."""
        if not self._read:
            known = [each for key in self.projects for each in await self.remembered(key)]
            self.owners = {each.id: each.project for each in known} | self.owners
            self._read = True
        mine = {each for each in seen if self.owners.setdefault(each, project) == project}
        for lost in [each for each, owner in self.owners.items() if owner == project and each not in mine]:
            del self.owners[lost]
        return mine


class DraftSource:
    """Implements `ports.Source` for the drafts of one API client that are its own."""

    def __init__(self, source: Source[ConnectorStaged], project: str, roster: Roster) -> None:
        self._source = source
        self._project = project
        self._roster = roster
        self._mine: set[str] = set()

    async def list(self) -> Listing[ConnectorStaged]:
        """Read the whole list. Raises SourceError."""
        listing = await self._source.list()
        mine = await self._roster.claim(self._project, list(listing.records))
        unchanged = listing.unchanged and mine == self._mine
        self._mine = mine
        others = len(listing.records) - len(mine)
        if not others:
            return replace(listing, unchanged=unchanged)
        kept = {key: each for key, each in listing.records.items() if key in mine}
        return replace(listing, records=kept, total=listing.total - others, unchanged=unchanged)

    async def get(self, record_id: str) -> ConnectorStaged | None:
        """Read one draft. Raises SourceError."""
        return await self._source.get(record_id)


def draft_source(project: ProjectAccess, session: Session, clean: Clean, roster: Roster) -> Source[ConnectorStaged]:
    """The drafts that the project's API client sees and no other client saw before."""
    return DraftSource(drafts(project, session, clean), project.key, roster)
