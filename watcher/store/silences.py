"""Silences and what people did, inside a transaction.

An act is one row of each: what it changes, the event that brings it to judge, and who did it. So there is no act that
nobody is on record for, and none that judge does not hear of.
"""

from collections.abc import Mapping

import msgspec

from watcher.core.duration import Millis
from watcher.core.group import Group
from watcher.core.silence import Audit, Fields, Progress, Stage
from watcher.ports import Act, SilenceRow
from watcher.store import codec
from watcher.store.logs import event_row
from watcher.store.transaction import Params, Row, Transaction

AUDIT_FOR: Millis = 400 * 86_400_000
"""How long it is known who did what: longer than any silence lasts."""
ITSELF = "connect-watcher"
"""Who ends a silence that lasts until a deployment."""

_fields = msgspec.json.Decoder(dict[str, str]).decode
_counts = msgspec.json.Decoder(dict[str, int]).decode


def commit(act: Act, tx: Transaction) -> bool:
    """Write an act; `False`, and nothing is written, where what it is to end is over, or is not there."""
    at = act.audit.at
    if act.expires and not tx.execute("expire_silence", {"id": act.expires, "at": at}):
        return False
    if act.silence is not None:
        silence = act.silence
        row = {"id": silence["silence"], "created_at": at, "ends_at": int(silence["ends_at"]), "body": _json(silence)}
        tx.execute("add_silence", row)
    tx.execute("add_event", event_row(act.event))
    tx.execute("add_audit", _audit_row(act.audit))
    return True


def found(*, ended: bool, now: Millis, tx: Transaction) -> list[SilenceRow]:
    """Silences, newest first."""
    return [_row(each) for each in tx.rows("load_silences", {"ended": int(ended), "now": now})]


def one(silence_id: str, tx: Transaction) -> SilenceRow | None:
    """One silence, or `None`."""
    rows = tx.rows("load_silence", {"id": silence_id})
    return _row(rows[0]) if rows else None


def group(key: str, tx: Transaction) -> Group | None:
    """A group as judge left it."""
    rows = tx.rows("load_group", {"key": key})
    if not rows:
        return None
    alerts = [codec.alert(row["body"]) for row in tx.rows("load_group_alerts", {"key": key})]
    return codec.whole(codec.group(rows[0]["body"]), {each.key: each for each in alerts})


def audit(limit: int, tx: Transaction) -> list[Audit]:
    """What was done, newest first."""
    return [Audit(**row) for row in tx.rows("load_audit", {"limit": limit})]


def standing(tx: Transaction) -> list[tuple[Fields, Progress]]:
    """The silences that judge goes by, as it left them."""
    return [
        (_fields(row["body"]), Progress(stage=Stage(row["stage"]), held=_counts(row["held"])))
        for row in tx.rows("load_standing_silences")
    ]


def progress_row(silence_id: str, progress: Progress) -> Params:
    """How far judge has come with a silence, as a row."""
    return {
        "id": silence_id,
        "stage": str(progress.stage),
        "held": _json(progress.held),
        "expired_at": progress.ended_at if progress.why else 0,
    }


def endings(progress: Mapping[str, Progress]) -> list[Params]:
    """The silences that judge has ended by itself, as rows of the audit."""
    return [
        _audit_row(Audit(at=each.ended_at, actor=ITSELF, action="silence.ended", subject=name, detail=each.why))
        for name, each in progress.items()
        if each.why
    ]


def purge(before: Millis, now: Millis, tx: Transaction) -> None:
    """Delete silences that were over before then, and acts that nobody will ask about."""
    tx.execute("purge_silences", {"before": before})
    tx.execute("purge_audit", {"before": now - AUDIT_FOR})


def _row(row: Row) -> SilenceRow:
    return SilenceRow(fields=_fields(row["body"]), expired_at=row["expired_at"])


def _audit_row(each: Audit) -> Params:
    return {
        "at": each.at,
        "actor": each.actor,
        "action": each.action,
        "subject": each.subject,
        "detail": each.detail,
    }


def _json(value: Mapping[str, str] | Mapping[str, int]) -> str:
    return msgspec.json.encode(value).decode()
