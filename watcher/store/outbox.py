"""The verbs about the outbox, as they are inside a transaction: what may be sent, what came of it, what is told in one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from watcher.core.breaker import Breaker
from watcher.core.delivery import BUDGET, Delivery, DeliveryState
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType, about_sink
from watcher.errors import StoreError
from watcher.ports import OutboxStats, Pacing, Settled, Waiting
from watcher.store import codec
from watcher.store.logs import event_row
from watcher.store.transaction import Params, Transaction

SETTLED: Final = frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD})
_UNSENT = "not taken within its time"


def due(sink: str, now: Millis, limit: int, tx: Transaction) -> list[Delivery]:
    """What may be attempted: lanes with something critical first, the newest of those first, then what is due longest."""
    found: dict[str, Delivery] = {}
    for name in ("due_urgent", "due_deliveries"):
        if len(found) < limit:
            rows = _deliveries(name, {"sink": sink, "now": now, "limit": limit}, tx)
            found |= {each.id: each for each in rows if each.id not in found}
    return list(found.values())[:limit]


def next_due(sink: str, tx: Transaction) -> Millis | None:
    """When the next head of a lane is due."""
    rows = tx.rows("next_due", {"sink": sink})
    return int(rows[0]["due_at"]) if rows else None


def waiting(rooms: Mapping[str, int], now: Millis, tx: Transaction) -> dict[str, Waiting]:
    """What may be attempted of each sink, and where that is nothing, when the next head of a lane is due."""
    found = {sink: due(sink, now, room, tx) if room else [] for sink, room in rooms.items()}
    return {
        sink: Waiting(due=rows, next_due=rows[0].due_at if rows else next_due(sink, tx)) for sink, rows in found.items()
    }


def claim(bodies: Mapping[str, bytes], paces: Mapping[str, Millis], now: Millis, tx: Transaction) -> list[Delivery]:
    """Mark deliveries as being sent, and what turns were taken for them."""
    _save_paces(paces, tx)
    done = [each for each, body in bodies.items() if tx.execute("claim", {"id": each, "body": body, "now": now})]
    return [found for each in done for found in _deliveries("claimed", {"id": each}, tx)]


def settle(
    settled: Sequence[Settled],
    events: Sequence[Event],
    breakers: Mapping[str, Breaker],
    paces: Mapping[str, Millis],
    now: Millis,
    tx: Transaction,
) -> None:
    """Write outcomes, what they say about their sinks, and events."""
    for each in settled:
        _settle(each, now, tx)
    for sink, breaker in breakers.items():
        tx.execute("save_breaker", {"sink": sink, "body": codec.encode(breaker)})
        if breaker.refusing:
            tx.execute("hold", {"sink": sink})
        elif not breaker.down:
            tx.execute("release", {"sink": sink, "now": now})
    _save_paces(paces, tx)
    for event in events:
        tx.execute("add_event", event_row(event))


def pacing(tx: Transaction) -> Pacing:
    """What is remembered of paces and of sinks that were down."""
    return Pacing(
        paces={row["name"]: row["full_at"] for row in tx.rows("load_paces")},
        breakers={row["sink"]: codec.breaker(row["body"]) for row in tx.rows("load_breakers")},
    )


def expire(sink: str, now: Millis, tx: Transaction) -> int:
    """Make dead letters of what has waited too long for a sink that is down, told as one event."""
    rows = tx.rows("expire", {"sink": sink, "now": now, "before": now - BUDGET, "error": _UNSENT})
    for each in rows:
        tx.execute("settle_digested", {"id": each["id"], "settled_at": now})
    count = sum(int(each["stands_for"]) for each in rows)
    if count:
        event = about_sink(EventType.DEAD_LETTER, sink, now, count=count, error=_UNSENT)
        tx.execute("add_event", event_row(event))
    return count


def digestible(sink: str, own: str, limit: int, tx: Transaction) -> list[Delivery]:
    """What waits for a sink and may be told in one."""
    return _deliveries("digestible", {"sink": sink, "own": own, "limit": limit}, tx)


def digest(made: Delivery, ids: Sequence[str], tx: Transaction) -> None:
    """Let one delivery stand for others. Raises StoreError where one of them does not wait any more."""
    if sum(tx.execute("digest", {"id": each, "digest": made.id}) for each in ids) != len(ids):
        raise StoreError(f"digest {made.id} stands for what no longer waits")
    tx.execute("add_delivery", row(made))


def dead_letters(sink: str, limit: int, before: int, tx: Transaction) -> list[Delivery]:
    """Dead letters, the newest first."""
    return _deliveries("dead_letters", {"sink": sink, "limit": limit, "before": before}, tx)


def dead_letter(delivery_id: str, tx: Transaction) -> Delivery | None:
    """One dead letter."""
    found = _deliveries("dead_letter", {"id": delivery_id}, tx)
    return found[0] if found else None


def replay(ids: Iterable[str], now: Millis, tx: Transaction) -> list[str]:
    """Bring dead letters back; their numbers, and so their order in their lanes, stay."""
    found = [dead for name in dict.fromkeys(ids) if (dead := dead_letter(name, tx)) is not None]
    ordered = [each.id for each in sorted(found, key=lambda each: each.seq)]
    for each in ordered:
        tx.execute("replay", {"id": each, "now": now})
    return ordered


def stats(tx: Transaction) -> OutboxStats:
    """The outbox by state, every state among it."""
    found = {each["state"]: each["deliveries"] for each in tx.rows("outbox_counts")}
    oldest = tx.rows("outbox_oldest", {})[0]["created_at"]
    return OutboxStats(rows={state: found.get(state, 0) for state in DeliveryState}, oldest=oldest)


def recover(now: Millis, tx: Transaction) -> int:
    """After a crash: what was being sent is pending, with an unknown outcome."""
    tx.execute("recover_dues", {"now": now})
    return tx.execute("recover_claims", {"now": now})


def abandon(sinks: frozenset[str], now: Millis, tx: Transaction) -> dict[str, int]:
    """Make dead letters of what waits for any other sink."""
    waiting = {str(each["sink"]): int(each["deliveries"]) for each in tx.rows("unsettled_by_sink", {})}
    lost = {sink: count for sink, count in waiting.items() if sink not in sinks}
    for sink, count in lost.items():
        for name in ("abandon", "abandon_digested"):
            tx.execute(name, {"sink": sink, "now": now})
        event = about_sink(EventType.DEAD_LETTER, sink, now, count=count, error="this sink is no longer configured")
        tx.execute("add_event", event_row(event))
    return lost


def row(each: Delivery) -> Params:
    """A delivery as a row that is added."""
    return {
        "id": each.id,
        "sink": each.sink,
        "lane": each.lane,
        "state": str(each.state),
        "severity": each.severity,
        "due_at": each.due_at,
        "attempts": each.attempts,
        "unknown_outcomes": each.unknown_outcomes,
        "created_at": each.created_at,
        "observed_at": each.observed_at,
        "last_error": each.last_error,
        "notification": each.notification,
        "body": each.body,
        "stands_for": each.stands_for,
    }


def _settle(each: Settled, now: Millis, tx: Transaction) -> None:
    state = each.settlement.state
    over = now if state in SETTLED else None
    place = {"id": each.delivery_id}
    tx.execute(
        "settle",
        {
            **place,
            "state": str(state),
            "due_at": each.settlement.due_at,
            "unknown": int(each.unknown),
            "malformed": int(each.malformed),
            "body": each.body,
            "error": each.error,
            "settled_at": over,
        },
    )
    if over is not None:
        tx.execute("settle_digested", {**place, "settled_at": over})
    if each.memo is not None:
        tx.execute("save_memo", {**place, "memo": each.memo, "at": now})
    elif over is not None:
        tx.execute("touch_memo", {**place, "at": now})


def _save_paces(paces: Mapping[str, Millis], tx: Transaction) -> None:
    if paces:
        tx.executemany("save_pace", [{"name": name, "full_at": at} for name, at in paces.items()])


def _deliveries(name: str, params: Params, tx: Transaction) -> list[Delivery]:
    return [codec.delivery(each) for each in tx.rows(name, params)]
