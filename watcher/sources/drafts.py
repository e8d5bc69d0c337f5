"""The drafts of Connectors, polled from the Connect API once for each API client.

Their paths have no project key, and what two clients of one team see may overlap: a draft belongs to the client that
saw it first, and another takes it over only when that one has been told that it does not exist: a list may lie.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from watcher.connect import Clean, ProjectAccess, Session, drafts
from watcher.core.snapshot import ConnectorStaged, Listing
from watcher.ports import Source

Remembered = Callable[[str], Awaitable[Sequence[ConnectorStaged]]]
"""The drafts that were last committed for a project."""


DENIALS = 2
"""Single reads through which the owner must be told that a draft does not exist before another client may have it."""


@dataclass(slots=True, kw_only=True)
class Roster:
    """Whose each draft of one host is. Read from the store once, before anybody claims anything."""

    projects: tuple[str, ...]
    remembered: Remembered
    owners: dict[str, str] = field(default_factory=dict)
    _denials: Counter[str] = field(default_factory=Counter)
    _read: bool = False

    async def claim(self, project: str, seen: Collection[str]) -> set[str]:
        """Those of the drafts seen through `project` that are its own."""
        await self._remember()
        mine = {each for each in seen if self.owners.setdefault(each, project) == project}
        for each in mine:
            self._denials.pop(each, None)
        return mine

    def is_of_another(self, draft: str, project: str) -> bool:
        """Whether the draft belongs to another project's client."""
        return self.owners.get(draft, project) != project

    def deny(self, draft: str) -> None:
        """Its owner was told that the draft does not exist."""
        self._denials[draft] += 1
        if self._denials[draft] >= DENIALS:
            del self._denials[draft]
            self.owners.pop(draft, None)

    async def _remember(self) -> None:
        if not self._read:
            known = [each for key in self.projects for each in await self.remembered(key)]
            self.owners = {each.id: each.project for each in known} | self.owners
            self._read = True


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
        mine = await self._roster.claim(self._project, listing.records.keys())
        unchanged = listing.unchanged and mine == self._mine
        self._mine = mine
        others = len(listing.records) - len(mine)
        if not others:
            return replace(listing, unchanged=unchanged)
        kept = {key: each for key, each in listing.records.items() if key in mine}
        return replace(listing, records=kept, total=listing.total - others, unchanged=unchanged)

    async def get(self, record_id: str) -> ConnectorStaged | None:
        """Read one draft; one that belongs to another client does not exist for this one. Raises SourceError."""
        if self._roster.is_of_another(record_id, self._project):
            return None
        found = await self._source.get(record_id)
        if found is None:
            self._roster.deny(record_id)
        return found


def draft_source(project: ProjectAccess, session: Session, clean: Clean, roster: Roster) -> Source[ConnectorStaged]:
    """The drafts that the project's API client sees and no other client saw before."""
    return DraftSource(drafts(project, session, clean), project.key, roster)
