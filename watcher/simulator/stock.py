"""Every simulated resource, in memory, and the raw moves: any field to any value at once, and no rules.

A raw change of a Deployment's `status` ends the course that would have changed it: whoever makes one has taken over. One
consequence follows even from a raw change: a Deployment that becomes Deployed has a revision.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from watcher.simulator import staged
from watcher.simulator.catalogue import BY_KEY, CONNECTORS
from watcher.simulator.connectors import (
    Connectors,
    Reference,
    Source,
    no_such_connector,
    one_of,
    without_identity,
)
from watcher.simulator.errors import duplicate_field, invalid_json
from watcher.simulator.payload import apps_of, deployment_payload
from watcher.simulator.resource import Resource, Shelf, resource
from watcher.simulator.revisions import Revisions
from watcher.simulator.running import Running

WHERE: Mapping[str, str] = {
    "project": "project",
    "deployedRegion": "region",
    "status": "status",
    "type": "type",
    "connector": "connector_key",
}
"""What Deployments can be chosen by, and where a resource has it."""


class Logbook(Protocol):
    """What keeps the logs of Deployments."""

    def deployed(self, payload: Mapping[str, Any], at: int) -> object:
        """A Deployment was deployed at that wall-clock moment."""
        ...

    def forget(self, deployment_id: str) -> None:
        """A Deployment is gone."""
        ...


@dataclass(slots=True, kw_only=True)
class Stock(Connectors):
    """The resources of one simulation. Projects in `production_disabled` cannot have production Deployments."""

    logbook: Logbook | None = None
    production_disabled: set[str] = field(default_factory=set)
    revisions: Revisions = field(default_factory=Revisions)
    running: Running = field(default_factory=Running)
    deployed: Shelf = field(default_factory=Shelf)

    # ── Deployments ──────────────────────────────────────────────────────────

    def projects(self) -> Sequence[str]:
        """The keys of all projects that have had a Deployment."""
        return tuple(self.deployed.by_project)

    def deployments(self, project: str) -> Mapping[str, Resource]:
        """A project's Deployments by id, oldest first. A project nobody has heard of is an empty one."""
        return self.deployed.by_project.get(project, {})

    def everything(self) -> Iterator[Resource]:
        """Every Deployment."""
        return iter(self.deployed.by_id.values())

    def by_id(self, deployment_id: str) -> Resource:
        """One Deployment. Raises ApiError 404."""
        return one_of(self.deployed.by_id.get(deployment_id), "Deployment", ("id", deployment_id))

    def by_key(self, project: str, key: str) -> Resource:
        """One Deployment of a project. Raises ApiError 404."""
        return one_of(self.deployed.find(project, key), "Deployment", ("key", key))

    def deployment(self, project: str, ref: Reference) -> Resource:
        """One Deployment of a project. Raises ApiError 404."""
        how, value = ref
        found = self.deployments(project).get(value) if how == "id" else self.deployed.find(project, value)
        return one_of(found, "Deployment", ref)

    def create(self, projects: Sequence[str], count: int, fields: Mapping[str, Any]) -> list[Resource]:
        """Add `count` Deployments, round robin over `projects`.

        `fields` replace top-level fields of each (`None` leaves one out); `keyPrefix` starts their keys, a `connector` that
        is a text names a Connector or a ConnectorStaged, and `nulls` lists fields that are there and null. Raises ApiError
        400 where that cannot be, and then adds nothing.
        """
        fields = without_identity(fields, {})
        prefix = fields.pop("keyPrefix", None)
        sources = self._chosen_sources(fields)
        if fields.get("key") is not None:
            self.refuse_taken(projects, count, fields["key"])
        made = []
        for n in range(count):
            source = sources[self._created % len(sources)]
            self._created += 1
            key = f"{prefix or source.key}-{self._created:06d}"
            made.append(self._add(projects[n % len(projects)], source, {"key": key, **fields}))
        return made

    def update(self, deployment_id: str, fields: Mapping[str, Any]) -> Resource:
        """Replace top-level fields (`None` removes one). `version` goes up by one unless it is among them."""
        old = self.by_id(deployment_id)
        changed = without_identity(fields, {"id": old.id, "projectKey": old.project})
        if changed.get("key") not in {None, old.key}:
            self.refuse_taken([old.project], 1, changed["key"])
        if "status" in changed:
            self.progress.cancel(("deployment", old.id))
        return self.alter_deployment(old, changed, self.clock.now())

    def delete(self, deployment_id: str) -> Resource:
        """Remove a Deployment at once, as if it had never been."""
        gone = self.by_id(deployment_id)
        self.deployed.drop(gone)
        self.progress.cancel(("deployment", gone.id))
        self.revisions.forget(gone.id)
        self.running.forget(gone.id)
        if self.logbook is not None:
            self.logbook.forget(gone.id)
        return gone

    def where(self, where: Mapping[str, str]) -> Iterator[Resource]:
        """The Deployments whose project, deployedRegion, status, type and connector (its key) are as given."""
        unknown = where.keys() - WHERE.keys()
        if unknown:
            raise invalid_json(f"Deployments are chosen by {', '.join(WHERE)}, not by {', '.join(sorted(unknown))}")
        wanted = [(WHERE[name], value) for name, value in where.items()]
        return (one for one in self.everything() if all(getattr(one, name) == value for name, value in wanted))

    def alter_deployment(self, old: Resource, changes: Mapping[str, Any], at: int) -> Resource:
        """Replace fields of a Deployment at that moment, with what follows."""
        new = self.altered(self.deployed, old, changes, at)
        self.revisions.note(old, new)
        self.running.note(old, new)
        return new

    def running_since(self, deployment_id: str, begin: int) -> int | None:
        """The first moment from `begin` on at which a Deployment was created or deployed; `None` without one."""
        found = self.deployed.by_id.get(deployment_id)
        return None if found is None else self.running.since(found, begin)

    # ── within ───────────────────────────────────────────────────────────────

    def refuse_taken(self, projects: Sequence[str], count: int, key: str) -> None:
        """Raise ApiError 400 where `count` new Deployments of that key, round robin, cannot all have it."""
        taken = any(self.deployed.find(project, key) for project in projects[:count])
        if taken or count > len(set(projects)):
            raise duplicate_field("key", key)

    def _add(self, project: str, source: Source, fields: Mapping[str, Any]) -> Resource:
        now = self.clock.now()
        payload = deployment_payload(self.chance, source.connector, source.apps, fields, now)
        made = resource(project, payload, created=now, modified=now)
        self.deployed.keep(made)
        return made

    def _chosen_sources(self, fields: dict[str, Any]) -> Sequence[Source]:
        """What to deploy; takes a text out of `fields`, an object stays there and replaces the whole field."""
        name = fields.get("connector")
        if not isinstance(name, str):
            ids = [found.id for connector in CONNECTORS if (found := self.published.find("", connector.key))]
            return [self._sources[one] for one in ids] or [self._catalogue_source(CONNECTORS[0].key)]
        del fields["connector"]
        return [self._source_named(name)]

    def _source_named(self, name: str) -> Source:
        found = self.published.find("", name)
        if found is not None:
            return self._sources[found.id]
        draft = self.staged.find("", name)
        if draft is not None:
            copy = staged.copy_of(draft.payload, certified=False)
            return Source(key=name, connector=copy, apps=apps_of(copy))
        return self._catalogue_source(name)

    def _catalogue_source(self, name: str) -> Source:
        """A Connector of the catalogue that has been deleted meanwhile."""
        if name not in BY_KEY:
            raise no_such_connector(name)
        payload = staged.catalogue_connector(self.chance.uuid(), BY_KEY[name], name)
        copy = staged.copy_of(payload, certified=payload["certified"])
        return Source(key=name, connector=copy, apps=BY_KEY[name].apps)
