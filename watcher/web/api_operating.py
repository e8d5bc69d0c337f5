"""Silences, acknowledgements and the audit through the API."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Literal

from watcher import pattern
from watcher.core import duration, matcher
from watcher.core.duration import Millis
from watcher.core.matcher import Matcher
from watcher.core.silence import Silence, SilenceText
from watcher.web.api_live import time_of
from watcher.web.api_models import (
    Acknowledge,
    Acknowledged,
    AuditModel,
    AuditQuery,
    AuditTrail,
    Expiry,
    NewSilence,
    SilenceModel,
    SilenceQuery,
    Silences,
)
from watcher.web.api_problem import ProblemError
from watcher.web.api_world import ANONYMOUS, Live


def matchers(texts: Sequence[str], name: str) -> list[Matcher]:
    """Read matchers. Raises ProblemError."""
    found: list[Matcher] = []
    for at, text in enumerate(texts):
        try:
            found += matcher.parse(text, pattern.fullmatch)
        except ValueError as error:
            where = [(f"{name}.{at}", str(error))]
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "mend the matchers", errors=where) from None
    return found


async def list_silences(live: Live, query: SilenceQuery) -> Silences:
    """Those that are in force or will be, or all."""
    found = await live.operating.silences(ended=query.ended)
    return Silences(silences=tuple(_silence(live, each) for each in found))


async def create_silence(live: Live, wanted: NewSilence) -> SilenceModel:
    """Make one."""
    matchers(wanted.matchers, "matchers")
    now = live.clock.now()
    starts_at = _millis(wanted.starts_at) or now
    text = SilenceText(
        matchers=wanted.matchers,
        comment=wanted.comment,
        starts_at=starts_at,
        ends_at=starts_at + duration.parse(wanted.duration) if wanted.duration else _millis(wanted.ends_at),
        until_deployment=wanted.until_deployment,
    )
    try:
        made = await live.operating.silence(text, by=wanted.author or ANONYMOUS)
    except ValueError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    return _silence(live, made)


async def expire_silence(live: Live, asked: Expiry) -> SilenceModel:
    """End one now."""
    ended = await live.operating.expire(asked.id, by=asked.author or ANONYMOUS)
    if ended is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no silence with this id that is still to end")
    return _silence(live, ended)


async def acknowledge(live: Live, wanted: Acknowledge) -> Acknowledged:
    """Say that somebody takes care of a group."""
    count = await live.operating.acknowledge(wanted.group_key, by=wanted.author or ANONYMOUS)
    if not count:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "nothing fires in a group with this key: GET /api/v1/alerts shows the keys"
        )
    return Acknowledged(alerts=count)


async def list_audit(live: Live, query: AuditQuery) -> AuditTrail:
    """Who did what."""
    found = await live.operating.audit(query.limit)
    return AuditTrail(
        audit=tuple(
            AuditModel(
                at=time_of(each.at) or "",
                actor=live.clean(each.actor),
                action=each.action,
                subject=each.subject,
                detail=live.clean(each.detail),
            )
            for each in found
        )
    )


def _silence(live: Live, found: Silence) -> SilenceModel:
    return SilenceModel(
        id=found.id,
        matchers=tuple(map(str, found.matchers)),
        author=live.clean(found.creator),
        comment=live.clean(found.comment),
        starts_at=time_of(found.starts_at) or "",
        ends_at=time_of(found.expired_at or found.ends_at),
        until_deployment=found.until_deployment,
        state=_state(found, live.clock.now()),
    )


def _state(found: Silence, now: Millis) -> Literal["pending", "active", "ended"]:
    if found.is_over(now):
        return "ended"
    return "pending" if found.starts_at > now else "active"


def _millis(moment: datetime | None) -> Millis:
    return 0 if moment is None else int(moment.timestamp() * 1000)
