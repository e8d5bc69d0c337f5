"""Silences: who asked for quiet about what, until when; and the acts of people that are kept on record.

A silence is written once and never edited, only ended. Its written form (`Fields`) is what the event about it carries
and what the store keeps, so that judging the event again means the same silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from watcher.core import duration, matcher
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.matcher import Compile, Matcher
from watcher.core.snapshot import IN_FLIGHT

DAY: Millis = 86_400_000
LONGEST: Millis = 366 * DAY
"""How long a silence may last, and how far ahead it may begin: longer is a slip of the pen."""
AT_LATEST: Millis = 30 * DAY
"""When a silence until the next deployment ends although there was none, so that none is forgotten."""
MAX_COMMENT = 1_000
MAX_CREATOR = 200
MAX_MATCHERS = 50
SOURCE = "silences"
"""The source of events about what people did."""

_STARTING = frozenset({"Queued", "Deploying"})

Fields: TypeAlias = Mapping[str, str]
"""A silence as text."""


class Stage(StrEnum):
    """How far judging has come with a silence: not looked at it, waits for its beginning, holds alerts back, over."""

    NEW = "new"
    WAITING = "waiting"
    ACTIVE = "active"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceText:
    """A silence as somebody wants it. `starts_at` 0 is now; it needs `ends_at`, `until_deployment`, or both.

    Each of `matchers` is Alertmanager's `name="value"`, or a list of them.
    """

    matchers: Sequence[str]
    comment: str = ""
    starts_at: Millis = 0
    ends_at: Millis = 0
    until_deployment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One silence: alerts that fulfil all matchers are not told from `starts_at` until before `ends_at`.

    With `until_deployment` it ends at the next deployment of what it is about, at `ends_at` at the latest.
    `expired_at` is when somebody, or that deployment, ended it; 0 where it is left to its end.
    """

    id: str
    matchers: tuple[Matcher, ...]
    creator: str
    comment: str
    starts_at: Millis
    ends_at: Millis = 0
    until_deployment: bool = False
    expired_at: Millis = 0

    def is_over(self, now: Millis) -> bool:
        """Whether it has ended."""
        return bool(self.expired_at) or 0 < self.ends_at <= now

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Is it about an alert with these labels?"""
        for each in self.matchers:  # noqa: SIM110  asked of every alert there is: a generator would double its cost
            if not each.test(labels.get(each.name, "")):
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What somebody did, and when. `action` is `silence.added`, `silence.expired`, `silence.ended`, `alert.acknowledged` or `act.refused`."""

    at: Millis
    actor: str
    action: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What judging knows of a silence: its stage, and how much of what it held back no message has counted, by receiver.

    `ended_at` is when it was over; `why` says so where it was neither its own end nor a person.
    """

    stage: Stage
    held: Mapping[str, int] = field(default_factory=dict)
    ended_at: Millis = 0
    why: str = ""


# ── its written form ─────────────────────────────────────────────────────────


def written(silence: Silence) -> dict[str, str]:
    """The silence as text, without how it ended."""
    return {
        "silence": silence.id,
        "matchers": matcher.text(silence.matchers),
        "creator": silence.creator,
        "comment": silence.comment,
        "starts_at": str(silence.starts_at),
        "ends_at": str(silence.ends_at),
        "until_deployment": "true" if silence.until_deployment else "",
    }


def read(fields: Fields, compile_pattern: Compile, *, expired_at: Millis = 0) -> Silence:
    """Read what was written. Raises ValueError where a pattern in it can no longer be compiled."""
    return Silence(
        id=fields["silence"],
        matchers=matcher.parse(fields["matchers"], compile_pattern),
        creator=fields["creator"],
        comment=fields["comment"],
        starts_at=int(fields["starts_at"]),
        ends_at=int(fields["ends_at"]),
        until_deployment=bool(fields["until_deployment"]),
        expired_at=expired_at,
    )


def drafted(wanted: SilenceText, *, silence_id: str, by: str, now: Millis, compile_pattern: Compile) -> Silence:
    """The silence that somebody wants, from `now` on at the earliest. Raises ValueError, which says what is wrong with it."""
    matchers = _matchers(wanted.matchers, compile_pattern)
    if not by.strip():
        raise ValueError("a silence needs a creator")
    for name, text, most in (("creator", by, MAX_CREATOR), ("comment", wanted.comment, MAX_COMMENT)):
        if len(text) > most:
            raise ValueError(f"the {name} may have {most} characters, this one has {len(text)}")
    starts_at = max(wanted.starts_at, now)
    _check_times(wanted, starts_at, now)
    if wanted.until_deployment and not any(each.name in _OF_DEPLOYMENT for each in matchers):
        names = ", ".join(_OF_DEPLOYMENT)
        raise ValueError(f"until the next deployment of what? Name it with a matcher on one of {names}")
    return Silence(
        id=silence_id,
        matchers=matchers,
        creator=by,
        comment=wanted.comment,
        starts_at=starts_at,
        ends_at=wanted.ends_at or starts_at + AT_LATEST,
        until_deployment=wanted.until_deployment,
    )


def _matchers(texts: Sequence[str], compile_pattern: Compile) -> tuple[Matcher, ...]:
    found = tuple(each for text in texts for each in matcher.parse(text, compile_pattern))
    if len(found) > MAX_MATCHERS:
        raise ValueError(f"a silence may have {MAX_MATCHERS} matchers, this one has {len(found)}")
    if matcher.matches(found, {}):
        raise ValueError("these matchers fit every alert: at least one must not fit an empty label")
    text = matcher.text(found)
    if len(text) > matcher.MAX_LENGTH:
        raise ValueError(f"matchers may have {matcher.MAX_LENGTH} characters, these have {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("these matchers are not text: there are lone surrogates in them") from None
    return found


def _check_times(wanted: SilenceText, starts_at: Millis, now: Millis) -> None:
    if not (wanted.ends_at or wanted.until_deployment):
        raise ValueError("a silence needs an end: a time, or until the next deployment")
    if wanted.ends_at and wanted.ends_at <= starts_at:
        raise ValueError("a silence must end after it begins, and after now")
    if max(starts_at - now, (wanted.ends_at or starts_at) - starts_at) > LONGEST:
        raise ValueError(f"a silence may begin within {duration.text(LONGEST)}, and last as long")


# ── until the next deployment ────────────────────────────────────────────────

_OF_DEPLOYMENT = ("project", "region", "type", "connector", "deployment")
"""The labels of alerts that a Deployment has by itself: by these it is decided whether a silence is about it."""


def ends_with(silence: Silence, event: Event) -> bool:
    """Is the event the deployment until which the silence was to last?

    It is when a new attempt begins of a Deployment that fulfils those of the matchers that can be asked of a
    Deployment; whatever else it asks for (`alertname`, `severity`) is about alerts. Where it is about several
    Deployments the first one that is deployed ends it for all: rather told too early than not at all.
    """
    if not silence.until_deployment or not begins_attempt(event):
        return False
    labels = _labels(event)
    return all(each.matches(labels) for each in silence.matchers if each.name in labels)


def begins_attempt(event: Event) -> bool:
    """Does the event show that a Deployment is being deployed anew?

    It does where the Deployment has come to be, where it is queued or deploying and was not, and where it has another
    build. A build that becomes visible after `Queued` is the one that was queued, and the status going on from
    `Queued` to `Deploying`, or from there to its end, is the same attempt. A first sight shows nothing new.
    """
    found = event.deployment
    if found is None or event.baseline or event.type in {EventType.GONE, EventType.HIT, EventType.TALLY}:
        return False
    if event.type is EventType.CREATED:
        return True
    before, other = event.previous_status, bool(event.previous_build) and found.build not in {"", event.previous_build}
    if before not in IN_FLIGHT:
        return other or (bool(before) and found.status in _STARTING)
    if found.status == "Queued":
        return other or before != "Queued"
    return (other and before != "Queued") or (before == "Undeploying" and found.status in _STARTING)


def _labels(event: Event) -> dict[str, str]:
    found = event.deployment
    if found is None:
        return {}
    values = (event.project, event.region, found.type, found.connector, found.name)
    return dict(zip(_OF_DEPLOYMENT, values, strict=True))


# ── what is told of it ───────────────────────────────────────────────────────


def described(ended: Silence | None) -> tuple[dict[str, str], str]:
    """Labels and summary of the note that a silence has ended, for what it held back and nobody will be told of singly."""
    labels = {"alertname": "SilenceEnded", "severity": "info"}
    if ended is None:
        return labels, "a silence has ended"
    named = {each.name: each.value for each in ended.matchers if each.op == "=" and each.name in _OF_DEPLOYMENT}
    comment = f" ({ended.comment})" if ended.comment else ""
    summary = f"the silence of {ended.creator} on {matcher.text(ended.matchers)} has ended{comment}"
    return {**labels, **{name: value for name, value in named.items() if value}}, summary
