"""Resources as they are kept: the JSON they are served as, and beside it the few fields that requests look for.

So a page of 500 Deployments is a join of bytes, and 100,000 of them fit in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watcher.simulator.payload import Payload, text_or_none, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One Deployment, ConnectorStaged or Connector; only the first has a project, a type, a region and a Connector.

    `created` and `modified` are the server's own times, which the API sorts by but does not show.
    """

    id: str
    project: str
    key: str | None
    type: str | None
    status: str | None
    region: str | None
    connector: str | None
    connector_key: str | None
    integration_types: frozenset[str]
    created: int
    modified: int
    encoded: bytes

    @property
    def payload(self) -> Payload:
        """The resource as an object of one's own."""
        decoded: Payload = msgspec.json.decode(self.encoded)
        return decoded


def resource(project: str, payload: Mapping[str, Any], *, created: int, modified: int) -> Resource:
    """Keep `payload`. Any field may have been set to anything, so nothing is taken for granted.

    Without a project it is about a Connector itself, which has its own integration types.
    """
    connector = payload.get("connector") if project else payload
    shown: Mapping[str, Any] = connector if isinstance(connector, Mapping) else {}
    return Resource(
        id=payload["id"],
        project=project,
        key=text_or_none(payload.get("key")),
        type=text_or_none(payload.get("type")),
        status=text_or_none(payload.get("status")),
        region=text_or_none(payload.get("deployedRegion")),
        connector=text_or_none(shown.get("id")),
        connector_key=text_or_none(shown.get("key")),
        integration_types=frozenset(texts(shown.get("integrationTypes"))),
        created=created,
        modified=modified,
        encoded=msgspec.json.encode(payload),
    )


@dataclass(slots=True)
class Shelf:
    """The resources of one kind, by id, in order of creation; by project, and by key in it."""

    by_id: dict[str, Resource] = field(default_factory=dict)
    by_project: dict[str, dict[str, Resource]] = field(default_factory=dict)
    _by_key: dict[tuple[str, str], str] = field(default_factory=dict)

    def find(self, project: str, key: str) -> Resource | None:
        """One resource by its key."""
        found = self._by_key.get((project, key))
        return None if found is None else self.by_id[found]

    def keep(self, new: Resource) -> None:
        """Take a resource in, in place of the one with its id."""
        old = self.by_id.get(new.id)
        if old is not None:
            self._forget_key(old)
        self.by_id[new.id] = new
        self.by_project.setdefault(new.project, {})[new.id] = new
        if new.key is not None:
            self._by_key[new.project, new.key] = new.id

    def drop(self, gone: Resource) -> None:
        """Forget a resource."""
        self._forget_key(gone)
        del self.by_id[gone.id], self.by_project[gone.project][gone.id]

    def _forget_key(self, old: Resource) -> None:
        if old.key is not None:
            self._by_key.pop((old.project, old.key), None)
