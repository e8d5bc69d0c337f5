"""The verbs about logs, as they are inside a transaction: what taking in writes, what measuring reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.logrecord import MINUTE, Place, Tally
from watcher.core.picture import Activity, Span, Spot
from watcher.core.reading import LogCursor
from watcher.ports import LogWrite
from watcher.store import codec
from watcher.store.transaction import Params, Transaction

PUSHED_FOR: Millis = 86_400_000
"""How long a pushed request is remembered: senders give up long before."""
HEARD_FOR: Millis = 90 * 86_400_000
"""How long it is known when an application was heard that has been silent since."""
TALLIES_FOR: Millis = 2 * 86_400_000
"""How long tallies are kept: no rule looks back further."""


def commit(writes: Sequence[LogWrite], now: Millis, tx: Transaction) -> list[bool]:
    """Write what batches came to; `False` for those that had been written before."""
    return [_commit(each, now, tx) for each in writes]


def _commit(write: LogWrite, now: Millis, tx: Transaction) -> bool:
    if write.digest and not tx.execute("add_pushed", {"key": write.digest, "at": now}):
        return False
    events = list(_unknown(write, now, tx)) if write.keys else write.events
    place = {"project": write.project}
    _many(tx, "add_event", [event_row(each) for each in events])
    _many(tx, "add_tally", [_tally(*each) for each in write.tallies.items()])
    _many(tx, "add_activity", list(_activity(write.tallies)))
    _many(tx, "save_log_cursor", [_cursor(each) for each in write.cursors])
    _many(
        tx,
        "remove_log_cursor",
        [{**place, "deployment": deployment, "application": name} for deployment, name in write.dropped],
    )
    if write.source is not None:
        source = write.source
        tx.execute("save_source", {**place, "source": source.source, "body": codec.encode(source)})
    return True


def cursors(project: str, tx: Transaction) -> list[LogCursor]:
    """How far a project's polled logs have been read."""
    return [codec.cursor(row["body"]) for row in tx.rows("load_log_cursors", {"project": project})]


def hits(cursor: int, reach: Millis, tx: Transaction) -> list[Event]:
    """The last hits that were judged before, however long ago that was."""
    return [codec.event(row) for row in tx.rows("load_hits", {"cursor": cursor, "reach": reach})]


def tallies(project: str, spans: Iterable[Span], tx: Transaction) -> dict[Span, dict[Spot, Tally]]:
    """Tallies by application, for each span of whole minutes."""
    return {span: _summed(project, span, tx) for span in spans}


def activity(project: str, tx: Transaction) -> dict[Spot, Activity]:
    """When each application was heard."""
    rows = tx.rows("load_activity", {"project": project})
    return {(row["deployment"], row["application"]): Activity(row["first_at"], row["last_at"]) for row in rows}


def forget(project: str, tx: Transaction) -> None:
    """Forget how far logs were read, and who was heard."""
    for name in ("forget_tallies", "forget_activity", "forget_log_cursors"):
        tx.execute(name, {"project": project})


def purge(now: Millis, tx: Transaction) -> None:
    """Delete what no rule and no sender comes back to."""
    tx.execute("purge_tallies", {"minute": (now - TALLIES_FOR) // MINUTE})
    tx.execute("purge_pushed", {"before": now - PUSHED_FOR})
    tx.execute("purge_activity", {"before": now - HEARD_FOR})


def event_row(each: Event) -> Params:
    """An event as a row."""
    body = codec.encode(each)
    return {"project": each.project, "subject": each.subject, "type": str(each.type), "at": each.at, "body": body}


def _unknown(write: LogWrite, now: Millis, tx: Transaction) -> Iterator[Event]:
    """The events that no pushed request has brought before."""
    for key, event in zip(write.keys, write.events, strict=True):
        if tx.execute("add_pushed", {"key": key.encode(), "at": now}):
            yield event


def _many(tx: Transaction, name: str, rows: Sequence[Params]) -> None:
    if rows:
        tx.executemany(name, rows)


def _tally(place: Place, tally: Tally) -> Params:
    return {
        "project": place.project,
        "minute": place.minute,
        "deployment": place.deployment_id,
        "application": place.application,
        "records": tally.records,
        "errors": tally.errors,
        "http": tally.http,
        "http_4xx": tally.http_4xx,
        "http_5xx": tally.http_5xx,
    }


def _activity(places: Mapping[Place, Tally]) -> Iterator[Params]:
    spans: dict[tuple[str, str, str], list[int]] = {}
    for each in places:
        spans.setdefault(each[:3], []).append(each.minute)
    for (project, deployment, application), minutes in spans.items():
        first, last = min(minutes) * MINUTE, max(minutes) * MINUTE
        row = {"project": project, "deployment": deployment, "application": application}
        yield {**row, "first_at": first, "last_at": last}


def _cursor(each: LogCursor) -> Params:
    return {
        "project": each.project,
        "deployment": each.deployment_id,
        "application": each.application,
        "body": codec.encode(each),
    }


def _summed(project: str, span: Span, tx: Transaction) -> dict[Spot, Tally]:
    first, last = (each // MINUTE for each in span)
    rows = tx.rows("load_tallies", {"project": project, "first": first, "last": last})
    return {
        (row["deployment"], row["application"]): Tally(
            records=row["records"],
            errors=row["errors"],
            http=row["http"],
            http_4xx=row["http_4xx"],
            http_5xx=row["http_5xx"],
        )
        for row in rows
    }
