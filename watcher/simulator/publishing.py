"""Legal requests about ConnectorStaged: what is checked, what is refused, what begins.

An error that is asked for in `repository` by the name of a repository or tag is met here, and DuplicateField and
FieldValueNotFound by adding a private Project twice and removing one that is not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from watcher.simulator import lifecycle, staged
from watcher.simulator.actions import Arguments, apply, read_action
from watcher.simulator.connectors import Reference, worded
from watcher.simulator.deploying import refuse_any, refuse_stale
from watcher.simulator.errors import duplicate_field, refused
from watcher.simulator.lifecycle import Course, Refusal
from watcher.simulator.payload import Payload
from watcher.simulator.repository import unreadable
from watcher.simulator.resource import Resource
from watcher.simulator.stock import Stock
from watcher.simulator.wanted import Body, ConnectorStagedDraft, read


class ConnectorUpdate(Body, frozen=True, kw_only=True):
    """An update of a ConnectorStaged. Whether one without actions would be taken is unknown; here it is not."""

    version: int
    actions: Annotated[list[dict[str, Any]], Meta(min_length=1)]


@dataclass(slots=True, kw_only=True)
class Editing:
    """An update under way: what has become of the payload, and the courses that begin if all goes well."""

    stock: Stock
    payload: Payload
    reference: str
    connector: Mapping[str, Any] | None
    courses: dict[str, Course] = field(default_factory=dict)


def request_draft_create(stock: Stock, draft: Mapping[str, Any]) -> Resource:
    """Create a ConnectorStaged. One with the key of a published Connector that has none becomes its. Raises ApiError."""
    wanted = read(draft, ConnectorStagedDraft)
    refuse_any([unreadable(wanted.repository.url, wanted.repository.tag)])
    if wanted.key is not None and stock.staged.find("", wanted.key):
        raise duplicate_field("key", wanted.key)
    draft_id = stock.id_for(stock.staged, wanted.key)
    connector = stock.published.by_id.get(draft_id)
    published = None if connector is None else connector.payload
    payload = staged.new_draft(draft_id, wanted, published)
    return stock.add_draft({**payload, "hasChanges": staged.has_changes(payload, published)})


def request_draft_update(stock: Stock, ref: Reference, update: Mapping[str, Any], author: str = "") -> Resource:
    """Apply update actions to a ConnectorStaged, all or none of them. Raises ApiError.

    `author` is the Project that certification comments are by.
    """
    old = stock.draft(ref)
    wanted = read(update, ConnectorUpdate)
    actions = [read_action(raw, f"$.actions[{n}]") for n, raw in enumerate(wanted.actions)]
    payload = old.payload
    refuse_stale(payload, ref, wanted.version)
    connector = stock.published.by_id.get(old.id)
    published = None if connector is None else connector.payload
    editing = Editing(stock=stock, payload=payload, reference=worded(ref), connector=published)
    for name, arguments in actions:
        edit(editing, name, {**arguments, "author": author})
    new = stock.alter_draft(old, changes_of(old.payload, editing), stock.clock.now())
    if any(name == "unlist" for name, _ in actions) and published is not None and published.get("certified"):
        stock.unlisted.add(old.id)
    for course, what in editing.courses.items():
        stock.progress.begin((course, old.id), what.moves)
    return new


def request_draft_delete(stock: Stock, ref: Reference, version: int | None = None) -> Resource:
    """Delete a ConnectorStaged, and its Connector with it; a version is checked where given. Raises ApiError."""
    old = stock.draft(ref)
    if version is not None:
        refuse_stale(old.payload, ref, version)
    refuse_any(
        [lifecycle.may_remove(old.status, {one.status for one in stock.everything() if one.connector == old.id})]
    )
    return stock.delete_draft(old.id)


def edit(editing: Editing, name: str, arguments: Arguments) -> None:
    """Apply one action. Raises ApiError."""
    refuse_any([lifecycle.may_edit(editing.payload.get("status"))])
    if name == "publish":
        publish(editing, certification=arguments["certification"])
    elif name == "updatePreviewable":
        preview(editing)
    else:
        changed = apply(editing.payload, name, arguments)
        if isinstance(changed, Refusal):
            raise refused(changed.code, **{"reference": editing.reference, **changed.words})
        if changed.get("repository") != editing.payload.get("repository"):
            editing.courses |= dict.fromkeys(("publish", "preview"), Course(at_once={}))
        editing.payload = changed


def publish(editing: Editing, *, certification: bool) -> None:
    """Let a publication begin."""
    stock, payload, connector = editing.stock, editing.payload, editing.connector
    certified = connector is not None and bool(connector.get("certified"))
    same = payload.get("status") == "Published" and not staged.has_changes(payload, connector)
    refuse_any(
        [lifecycle.may_publish(payload.get("status"), certification=certification, certified=certified and same)]
    )
    outcome = stock.plans.take("publish", names_of(payload))
    follow(editing, "publish", lifecycle.publish(stock.durations, outcome, certification=certification))


def preview(editing: Editing) -> None:
    """Let a request for previewable status begin."""
    stock = editing.stock
    refuse_any([lifecycle.may_preview(editing.payload.get("isPreviewable"))])
    outcome = stock.plans.take("preview", names_of(editing.payload))
    follow(editing, "preview", lifecycle.preview(stock.durations, outcome))


def follow(editing: Editing, name: str, course: Course) -> None:
    """Take in what a course changes at once, and let it begin with the others."""
    editing.payload = {**editing.payload, **course.at_once}
    editing.courses[name] = course


def changes_of(before: Payload, editing: Editing) -> Payload:
    """Every field that an update leaves different, `None` for one that it removes."""
    after = {name: value for name, value in editing.payload.items() if value is not None or before.get(name, 1) is None}
    after["hasChanges"] = staged.has_changes(after, editing.connector)
    gone = dict.fromkeys(before.keys() - after.keys())
    return {**{name: value for name, value in after.items() if before.get(name) != value}, **gone}


def names_of(payload: Mapping[str, Any]) -> Sequence[str | None]:
    """What a plan may call a ConnectorStaged by."""
    return payload.get("key"), payload.get("id")
