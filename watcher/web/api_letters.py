"""Dead letters through the API: shown, and sent again."""

import json
from http import HTTPStatus

import msgspec
import structlog

from watcher import render
from watcher.core.delivery import Delivery, DeliveryState
from watcher.core.duration import Millis
from watcher.core.notification import Notification
from watcher.core.silence import Audit
from watcher.web.api_live import time_of
from watcher.web.api_models import (
    DeadLetter,
    DeadLetterQuery,
    DeadLetters,
    DeadLetterWhole,
    OfId,
    Replay,
    Replayed,
)
from watcher.web.api_problem import ProblemError
from watcher.web.api_world import ANONYMOUS, Live

log = structlog.get_logger(__name__)

_read = msgspec.json.Decoder(Notification).decode
NAMED = 10
"""Ids that the record spells out; the others are counted."""
PAGE = 20
"""Dead letters that are read at a time: each has a whole message in it."""
_UNREADABLE = "a message that cannot be read"


async def list_dead_letters(live: Live, query: DeadLetterQuery) -> DeadLetters:
    """A page of them. One row more than asked for says whether there is a next page."""
    found = await live.store.dead_letters(sink=query.sink, limit=query.limit + 1, before=query.before)
    shown = found[: query.limit]
    return DeadLetters(
        dead_letters=tuple(_outline(live, each) for each in shown),
        next=shown[-1].seq if len(found) > query.limit else 0,
    )


async def get_dead_letter(live: Live, asked: OfId) -> DeadLetterWhole:
    """One of them, with its payload."""
    found = await live.store.dead_letter(asked.id)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no dead letter with this id")
    body = None if found.body is None else live.clean(found.body.decode(errors="replace"))
    outline = _outline(live, found).model_dump(by_alias=False)
    return DeadLetterWhole(**outline, lane=found.lane, notification=_notification(found.notification), body=body)


async def replay_dead_letters(live: Live, wanted: Replay) -> Replayed:
    """Make them pending again, in order; what is no dead letter is named."""
    ids = await _of_sink(live, wanted.sink) if wanted.sink else await _known(live, wanted.ids)
    if not ids:
        return Replayed(replayed=(), not_dead=wanted.ids)
    now = live.clock.now()
    await live.store.note(_audit(live, wanted, len(ids), now))
    done = await live.store.replay(ids, now)
    live.replayed()
    log.info("deadletters.replayed", count=len(done), sink=wanted.sink)
    return Replayed(replayed=tuple(done), not_dead=tuple(each for each in wanted.ids if each not in set(done)))


def _audit(live: Live, wanted: Replay, count: int, now: Millis) -> Audit:
    """On record before it is done: what cannot be recorded is not done."""
    subject = wanted.sink or ", ".join(wanted.ids[:NAMED])
    actor = live.clean(wanted.author) or ANONYMOUS
    return Audit(at=now, actor=actor, action="deadletters.replayed", subject=live.clean(subject), detail=str(count))


async def _of_sink(live: Live, sink: str) -> list[str]:
    """The ids of all dead letters of a sink."""
    _refuse_unknown(live, {sink})
    ids: list[str] = []
    before = 0
    while found := await live.store.dead_letters(sink=sink, limit=PAGE, before=before):
        ids += [each.id for each in found]
        before = found[-1].seq
    return ids


async def _known(live: Live, ids: tuple[str, ...]) -> list[str]:
    """Those of the ids that are dead letters."""
    found = [letter for each in ids if (letter := await live.store.dead_letter(each)) is not None]
    dead = [each for each in found if each.state is DeliveryState.DEAD]
    _refuse_unknown(live, {each.sink for each in dead})
    return [each.id for each in dead]


def _refuse_unknown(live: Live, sinks: set[str]) -> None:
    """A message for a sink that is not configured would wait for ever."""
    if lost := sorted(sinks - live.sinks):
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "no sink is configured any more under the names listed: configure them, or replay others",
            errors=[("sink", each) for each in lost],
        )


def _outline(live: Live, found: Delivery) -> DeadLetter:
    return DeadLetter(
        id=found.id,
        number=found.seq,
        sink=found.sink,
        severity=found.severity,
        title=_title(found.notification),
        created_at=time_of(found.created_at) or "",
        attempts=found.attempts,
        unknown_outcomes=found.unknown_outcomes,
        last_error=live.clean(found.last_error),
    )


def _title(notification: bytes) -> str:
    try:
        return render.title(_read(notification))
    except msgspec.MsgspecError:
        return _UNREADABLE


def _notification(raw: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
