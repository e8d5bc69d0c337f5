"""Every simulated resource, in memory.

A Deployment is kept as the JSON it is served as, so a page of 500 is a join of bytes and 100,000 of them fit in memory;
the few fields that requests select or sort by are kept beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watcher.simulator.catalogue import BY_KEY, CONNECTORS, Connector
from watcher.simulator.chance import Chance
from watcher.simulator.clock import Clock
from watcher.simulator.errors import deployment_not_found, duplicate_field, invalid_json
from watcher.simulator.payload import deployment_payload, merged

IDENTITY = ("id", "projectKey")
"""What the simulator gives a Deployment once and for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One Deployment. `created` and `modified` are the server's own times, which the API sorts by but does not show."""

    id: str
    project: str
    key: str | None
    type: str | None
    status: str | None
    integration_types: frozenset[str]
    created: int
    modified: int
    encoded: bytes

    @property
    def payload(self) -> dict[str, Any]:
        """The Deployment as an object of one's own."""
        decoded: dict[str, Any] = msgspec.json.decode(self.encoded)
        return decoded


def resource(project: str, payload: Mapping[str, Any], *, created: int, modified: int) -> Resource:
    """Keep `payload` as a resource. Any field may have been set to anything, so nothing is taken for granted."""
    connector = payload.get("connector")
    integration_types = connector.get("integrationTypes") if isinstance(connector, Mapping) else None
    return Resource(
        id=payload["id"],
        project=project,
        key=text_or_none(payload.get("key")),
        type=text_or_none(payload.get("type")),
        status=text_or_none(payload.get("status")),
        integration_types=frozenset(map(str, integration_types if isinstance(integration_types, list) else ())),
        created=created,
        modified=modified,
        encoded=msgspec.json.encode(payload),
    )


def text_or_none(value: Any) -> str | None:
    """The value where it is a text."""
    return value if isinstance(value, str) else None


@dataclass(slots=True, kw_only=True)
class World:
    """The resources of one simulation and the moves that change them.

    `transitions` counts the status changes applied so far.
    """

    chance: Chance
    clock: Clock
    transitions: int = 0
    _projects: dict[str, dict[str, Resource]] = field(default_factory=dict)
    _by_id: dict[str, Resource] = field(default_factory=dict)
    _by_key: dict[tuple[str, str], str] = field(default_factory=dict)
    _connector_ids: dict[str, str] = field(init=False)
    _created: int = 0

    def __post_init__(self) -> None:
        """All Deployments of a Connector carry the same id of it."""
        self._connector_ids = {connector.key: self.chance.uuid() for connector in CONNECTORS}

    def projects(self) -> Sequence[str]:
        """The keys of all projects that have had a Deployment."""
        return tuple(self._projects)

    def deployments(self, project: str) -> Mapping[str, Resource]:
        """A project's Deployments by id, oldest first. A project nobody has heard of is an empty one."""
        return self._projects.get(project, {})

    def everything(self) -> Iterator[Resource]:
        """Every Deployment."""
        return iter(self._by_id.values())

    def by_id(self, deployment_id: str) -> Resource:
        """One Deployment. Raises ApiError 404."""
        found = self._by_id.get(deployment_id)
        if found is None:
            raise deployment_not_found(f"id={deployment_id}")
        return found

    def by_key(self, project: str, key: str) -> Resource:
        """One Deployment of a project. Raises ApiError 404."""
        found = self._by_key.get((project, key))
        if found is None:
            raise deployment_not_found(f"key={key}")
        return self._by_id[found]

    def create(self, projects: Sequence[str], count: int, fields: Mapping[str, Any]) -> list[Resource]:
        """Add `count` Deployments, round robin over `projects`.

        `fields` replace top-level fields of each (`None` leaves one out); `keyPrefix` starts their keys, and a
        `connector` that is a text names one of the catalogue. Raises ApiError 400 where that cannot be, and then
        adds nothing.
        """
        fields = dict(fields)
        refuse_identity(fields, {})
        prefix = fields.pop("keyPrefix", None)
        connectors = chosen_connectors(fields)
        if fields.get("key") is not None:
            self._refuse_taken(projects, count, fields["key"])
        made = []
        for n in range(count):
            connector = connectors[self._created % len(connectors)]
            self._created += 1
            key = f"{prefix or connector.key}-{self._created:06d}"
            made.append(self._add(projects[n % len(projects)], connector, {"key": key, **fields}))
        return made

    def update(self, deployment_id: str, fields: Mapping[str, Any]) -> Resource:
        """Replace top-level fields (`None` removes one). `version` goes up by one unless it is among them."""
        old = self.by_id(deployment_id)
        refuse_identity(fields, {"id": old.id, "projectKey": old.project})
        payload = old.payload
        changed = {name: value for name, value in fields.items() if name not in IDENTITY}
        if "version" not in changed and isinstance(payload.get("version"), int):
            changed["version"] = payload["version"] + 1
        now = self.clock.now()
        new = resource(old.project, merged(payload, changed, now), created=old.created, modified=now)
        if new.key is not None and new.key != old.key:
            self._refuse_taken([old.project], 1, new.key)
        self.transitions += new.status != old.status
        self._forget_key(old)
        self._keep(new)
        return new

    def delete(self, deployment_id: str) -> Resource:
        """Remove a Deployment at once, as if it had never been."""
        gone = self.by_id(deployment_id)
        self._forget_key(gone)
        del self._by_id[gone.id], self._projects[gone.project][gone.id]
        return gone

    def _add(self, project: str, connector: Connector, fields: Mapping[str, Any]) -> Resource:
        now = self.clock.now()
        payload = deployment_payload(self.chance, connector, self._connector_ids[connector.key], fields, now)
        made = resource(project, payload, created=now, modified=now)
        self._keep(made)
        return made

    def _keep(self, kept: Resource) -> None:
        self._projects.setdefault(kept.project, {})[kept.id] = kept
        self._by_id[kept.id] = kept
        if kept.key is not None:
            self._by_key[kept.project, kept.key] = kept.id

    def _forget_key(self, old: Resource) -> None:
        if old.key is not None:
            self._by_key.pop((old.project, old.key), None)

    def _refuse_taken(self, projects: Sequence[str], count: int, key: str) -> None:
        taken = any((project, key) in self._by_key for project in projects[:count])
        if taken or count > len(set(projects)):
            raise duplicate_field("key", key)


def refuse_identity(fields: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    """Raise ApiError 400 where `fields` would change what identifies a Deployment."""
    changed = [name for name in IDENTITY if name in fields and fields[name] != identity.get(name)]
    if changed:
        raise invalid_json(f"{' and '.join(changed)} cannot be chosen")


def chosen_connectors(fields: dict[str, Any]) -> Sequence[Connector]:
    """The Connectors to deploy; takes a text out of `fields`, an object stays there and replaces the whole field."""
    name = fields.get("connector")
    if not isinstance(name, str):
        return CONNECTORS
    if name not in BY_KEY:
        raise invalid_json(f"no such connector: {name}; there are {', '.join(BY_KEY)}")
    del fields["connector"]
    return (BY_KEY[name],)
