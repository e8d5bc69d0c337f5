"""Every ConnectorStaged and published Connector, in memory, and the raw moves: any field to any value, and no rules.

A raw change of `status` or `isPreviewable` ends the course that would have changed it: whoever makes one has taken over.
One consequence follows even from a raw change: a ConnectorStaged that becomes Published has a Connector.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, TypeAlias

from watcher.simulator import staged
from watcher.simulator.catalogue import BY_KEY, CONNECTORS
from watcher.simulator.chance import Chance
from watcher.simulator.clock import Clock
from watcher.simulator.errors import ApiError, duplicate_field, invalid_json, not_found
from watcher.simulator.lifecycle import Durations
from watcher.simulator.payload import NULL, Payload, apps_of, items, merged
from watcher.simulator.progress import Plans, Progress
from watcher.simulator.resource import Resource, Shelf, resource
from watcher.simulator.tempo import Tempo

Reference: TypeAlias = tuple[str, str]
"""How a request names a resource: `id` or `key`, and the value."""

IDENTITY = ("id", "projectKey")
"""What the simulator gives a resource once and for all."""

STAGED = "ConnectorStaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a raw Deployment is made of: the key it is named after, the copy of its Connector, and the applications."""

    key: str
    connector: Payload
    apps: Sequence[tuple[str, str]]


@dataclass(slots=True, kw_only=True)
class Connectors:
    """What there is to deploy, and the time in which it changes.

    `transitions` counts the status changes applied so far. Connectors in `unlisted` are not found by a search. Of drafts in
    `audiences` only those API clients know.
    """

    chance: Chance
    clock: Clock
    tempo: InitVar[Tempo | None] = None
    durations: Durations = field(default_factory=Durations)
    unlisted: set[str] = field(default_factory=set)
    audiences: dict[str, frozenset[str]] = field(default_factory=dict)
    transitions: int = 0
    progress: Progress = field(init=False)
    plans: Plans = field(default_factory=Plans)
    staged: Shelf = field(default_factory=Shelf)
    published: Shelf = field(default_factory=Shelf)
    _sources: dict[str, Source] = field(default_factory=dict)
    _created: int = 0

    def __post_init__(self, tempo: Tempo | None) -> None:
        """The Connectors of the catalogue have been published by somebody else: they have no ConnectorStaged here."""
        self.progress = Progress(tempo=tempo or Tempo(self.clock))
        now = self.clock.now()
        for connector in CONNECTORS:
            payload = staged.catalogue_connector(self.chance.uuid(), connector, connector.key)
            self.keep_connector(payload, now, now)

    # ── ConnectorStaged ──────────────────────────────────────────────────────

    def drafts(self) -> Mapping[str, Resource]:
        """Every ConnectorStaged by id, oldest first."""
        return self.staged.by_id

    def draft(self, ref: Reference) -> Resource:
        """One ConnectorStaged. Raises ApiError 404."""
        how, value = ref
        return one_of(self.staged.by_id.get(value) if how == "id" else self.staged.find("", value), STAGED, ref)

    def draft_by_key(self, key: str) -> Resource:
        """One ConnectorStaged. Raises ApiError 404."""
        return self.draft(("key", key))

    def seen(self, ref: Reference, client: str) -> Resource:
        """One ConnectorStaged, if that API client may know of it. Raises ApiError 404."""
        found = self.draft(ref)
        return one_of(found if self.is_seen(found.id, client) else None, STAGED, ref)

    def is_seen(self, draft_id: str, client: str) -> bool:
        """Whether an API client may know of a ConnectorStaged: anyone, unless it was made for some."""
        audience = self.audiences.get(draft_id)
        return not audience or client in audience

    def create_drafts(self, count: int, fields: Mapping[str, Any]) -> list[Resource]:
        """Add `count` ConnectorStaged; fields and keys as with Deployments, `connector` names one of the catalogue.

        `visible_to` lists the ids of the API clients that know of them, without which all do.
        """
        audience, fields = addressees(fields)
        made = []
        for key, connector, own in self._named(self.staged, count, fields):
            made_up = staged.catalogue_draft(self.id_for(self.staged, key), BY_KEY[connector], key)
            made.append(self.add_draft(merged({**made_up, **published_ones(own)}, own, self.clock.now())))
            if audience:
                self.audiences[made[-1].id] = audience
        return made

    def update_draft(self, draft_id: str, fields: Mapping[str, Any]) -> Resource:
        """Replace top-level fields of a ConnectorStaged; who it is `visible_to` is none of them, and changes alone."""
        old = self.draft(("id", draft_id))
        audience, fields = addressees(fields)
        changed = without_identity(fields, {"id": old.id})
        refuse_taken_key(self.staged, changed, old)
        for name, course in (("status", "publish"), ("isPreviewable", "preview")):
            if name in changed:
                self.progress.cancel((course, old.id))
        if audience is not None:
            self.audiences[old.id] = audience
        return self.alter_draft(old, changed, self.clock.now()) if changed or audience is None else old

    def delete_draft(self, draft_id: str) -> Resource:
        """Remove a ConnectorStaged and its Connector at once."""
        gone = self.draft(("id", draft_id))
        self.staged.drop(gone)
        self.audiences.pop(gone.id, None)
        for course in ("publish", "preview"):
            self.progress.cancel((course, gone.id))
        if gone.id in self.published.by_id:
            self.delete_connector(gone.id)
        return gone

    def add_draft(self, payload: Payload) -> Resource:
        """Take a new ConnectorStaged in."""
        now = self.clock.now()
        made = resource("", payload, created=now, modified=now)
        self.staged.keep(made)
        if made.status == "Published":
            self._publish(payload, now)
        return made

    def alter_draft(self, old: Resource, changes: Mapping[str, Any], at: int) -> Resource:
        """Replace fields of a ConnectorStaged at that moment, with what follows."""
        new = self.altered(self.staged, old, changes, at)
        if new.status == "Published" != old.status:
            self._publish(new.payload, at)
        return new

    def id_for(self, shelf: Shelf, key: str | None) -> str:
        """The id of what is new on a shelf: the one its other half has, where that is there already."""
        other = self.published if shelf is self.staged else self.staged
        half = other.find("", key or "")
        return self.chance.uuid() if half is None or half.id in shelf.by_id else half.id

    # ── Connectors ───────────────────────────────────────────────────────────

    def connectors(self) -> Mapping[str, Resource]:
        """Every published Connector by id, oldest first."""
        return self.published.by_id

    def connector(self, ref: Reference) -> Resource:
        """One published Connector. Raises ApiError 404."""
        how, value = ref
        found = self.published.by_id.get(value) if how == "id" else self.published.find("", value)
        return one_of(found, "Connector", ref)

    def connector_by_key(self, key: str) -> Resource:
        """One published Connector. Raises ApiError 404."""
        return self.connector(("key", key))

    def create_connectors(self, count: int, fields: Mapping[str, Any]) -> list[Resource]:
        """Add `count` published Connectors without a ConnectorStaged of their own; fields as with those."""
        made = []
        for key, connector, own in self._named(self.published, count, fields):
            now = self.clock.now()
            payload = merged(
                staged.catalogue_connector(self.id_for(self.published, key), BY_KEY[connector], key), own, now
            )
            made.append(self.keep_connector(payload, now, now))
        return made

    def update_connector(self, connector_id: str, fields: Mapping[str, Any]) -> Resource:
        """Replace top-level fields of a published Connector."""
        old = self.connector(("id", connector_id))
        changed = without_identity(fields, {"id": old.id})
        refuse_taken_key(self.published, changed, old)
        now = self.clock.now()
        return self.keep_connector(merged(old.payload, with_version(old.payload, changed), now), old.created, now)

    def delete_connector(self, connector_id: str) -> Resource:
        """Remove a published Connector at once."""
        gone = self.connector(("id", connector_id))
        self.published.drop(gone)
        self.unlisted.discard(gone.id)
        self._sources.pop(gone.id, None)
        return gone

    def keep_connector(self, payload: Payload, created: int, modified: int) -> Resource:
        """Take a published Connector in, in place of the one with its id."""
        kept = resource("", payload, created=created, modified=modified)
        self.published.keep(kept)
        copy = staged.copy_of(payload, certified=bool(payload.get("certified")))
        self._sources[kept.id] = Source(key=kept.key or "deployment", connector=copy, apps=apps_of(payload))
        return kept

    def private_projects(self, connector_id: str) -> Sequence[str]:
        """The projects that a private Connector is for, as its ConnectorStaged says; none means its creator's."""
        draft = self.staged.by_id.get(connector_id)
        return items(draft.payload.get("privateProjects")) if draft is not None else ()

    # ── within ───────────────────────────────────────────────────────────────

    def _publish(self, draft: Payload, at: int) -> None:
        old = self.published.by_id.get(draft["id"])
        version = old.payload.get("version") if old is not None else 0
        payload = staged.published(draft, version + 1 if isinstance(version, int) else 1)
        self.keep_connector(payload, at if old is None else old.created, at)
        if payload["certified"]:
            self.unlisted.discard(payload["id"])

    def altered(self, shelf: Shelf, old: Resource, changes: Mapping[str, Any], at: int) -> Resource:
        """Replace fields of a resource."""
        payload = old.payload
        new = resource(
            old.project, merged(payload, with_version(payload, changes), at), created=old.created, modified=at
        )
        self.transitions += new.status != old.status
        shelf.keep(new)
        return new

    def _named(
        self, shelf: Shelf, count: int, fields: Mapping[str, Any]
    ) -> Iterator[tuple[str | None, str, Mapping[str, Any]]]:
        """The key, the catalogue entry and the other fields of each new ConnectorStaged or Connector."""
        own = without_identity(fields, {})
        prefix, name = own.pop("keyPrefix", None), own.pop("connector", None)
        names = [connector.key for connector in CONNECTORS] if name is None else [name]
        if not set(names) <= BY_KEY.keys():
            raise no_such_connector(name)
        if own.get("key") is not None and (count > 1 or shelf.find("", own["key"])):
            raise duplicate_field("key", own["key"])
        for _ in range(count):
            chosen = names[self._created % len(names)]
            self._created += 1
            yield own.get("key", f"{prefix or chosen}-{self._created:06d}"), chosen, own


def worded(ref: Reference) -> str:
    """A reference as messages have it: `key=…`."""
    return "=".join(ref)


def one_of(found: Resource | None, what: str, ref: Reference) -> Resource:
    """What was found. Raises ApiError 404 where that is nothing."""
    if found is None:
        raise not_found(what, worded(ref))
    return found


def with_version(payload: Payload, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The changes, with the next version unless one is among them."""
    if "version" in changes or not isinstance(payload.get("version"), int):
        return changes
    return {**changes, "version": payload["version"] + 1}


def published_ones(fields: Mapping[str, Any]) -> Payload:
    """What is different of a ConnectorStaged that begins as Published."""
    if fields.get("status") != "Published":
        return {}
    return {"hasChanges": False, "alreadyListed": fields.get("private") is False}


def without_identity(fields: Mapping[str, Any], identity: Mapping[str, str]) -> dict[str, Any]:
    """The fields that may be changed. Raises ApiError 400 where others would be."""
    fields = nulled(fields)
    refuse_identity(fields, identity)
    return {name: value for name, value in fields.items() if name not in IDENTITY}


def addressees(fields: Mapping[str, Any]) -> tuple[frozenset[str] | None, Mapping[str, Any]]:
    """Who a ConnectorStaged is visible to, where that is said, and its other fields. Raises ApiError 400."""
    if "visible_to" not in fields:
        return None, fields
    named = fields["visible_to"]
    if not isinstance(named, list | tuple) or not all(isinstance(one, str) for one in named):
        raise invalid_json("visible_to is a list of the ids of API clients")
    return frozenset(named), {name: value for name, value in fields.items() if name != "visible_to"}


def nulled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with those that `nulls` names set to null. Raises ApiError 400 where that is no list of others."""
    named = fields.get("nulls", ())
    others = {name: value for name, value in fields.items() if name != "nulls"}
    if not isinstance(named, list | tuple) or not all(isinstance(name, str) for name in named) or others.keys() & named:
        raise invalid_json("nulls are the names of fields that are set to null and to nothing else")
    return {**others, **dict.fromkeys(named, NULL)}


def refuse_identity(fields: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    """Raise ApiError 400 where `fields` would change what identifies a resource."""
    changed = [name for name in IDENTITY if name in fields and fields[name] != identity.get(name)]
    if changed:
        raise invalid_json(f"{' and '.join(changed)} cannot be chosen")


def refuse_taken_key(shelf: Shelf, changed: Mapping[str, Any], old: Resource) -> None:
    """Raise ApiError 400 where the key that `old` would get is another's."""
    key = changed.get("key")
    if key is not None and key != old.key and shelf.find("", key):
        raise duplicate_field("key", key)


def no_such_connector(name: Any) -> ApiError:
    """A Connector that nobody has heard of."""
    return invalid_json(f"no such connector: {name}; there are {', '.join(BY_KEY)}")
