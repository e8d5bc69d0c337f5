"""Alerts: one condition of one rule on one subject, from its start to its end."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from watcher.core.duration import Millis
from watcher.core.sight import PRIMARY

IDENTITY = ("project", "region", "type", "connector", "connector_id", "draft", "deployment", "application", "source")
"""Labels of a subject that are part of an alert's identity; everything else can only be matched on."""


class AlertState(StrEnum):
    """`pending` waits for its rule's `for`; `resolved` waits to be told."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. `key` is unique for ever: the fingerprint, and for a fact the event it tells.

    `source` is the one whose sight decides how long its condition has lasted.
    `since` is when the condition began, `due` when a pending one fires, `attempt` the build it was last told for.
    `expires` is when a firing one ends by itself, because its window is empty by then; 0 for those that something must end.
    `values` is what its templates may show; `annotations` is what they made of it when it last changed.
    `episode` grows with every start and every new attempt: a group tells an alert again exactly when it grew.
    `silent` marks a condition that already held when its project was first seen: known, not told. `away` means that
    the condition has stopped holding without having ended (a failed Deployment that is being redeployed).
    """

    key: str
    fingerprint: str
    rule: str
    project: str
    source: str = PRIMARY
    subject: str
    labels: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    state: AlertState = AlertState.PENDING
    since: Millis = 0
    due: Millis = 0
    expires: Millis = 0
    starts_at: Millis = 0
    ends_at: Millis | None = None
    attempt: str = ""
    status: str = ""
    episode: int = 1
    silent: bool = False
    away: bool = False
    fact: bool = False
    observed_at: Millis = 0


def fingerprint(labels: Mapping[str, str]) -> str:
    """Sixteen hex digits that are equal exactly for equal label sets, whatever their order; empty labels count as absent."""
    return _named(tuple(sorted((name, value) for name, value in labels.items() if value)))


@lru_cache(256)
def _named(pairs: tuple[tuple[str, str], ...]) -> str:
    """One failure is several events, one after the other, and all of them ask for the same name."""
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16]


def identity(rule: str, labels: Mapping[str, str], own: Mapping[str, str], by: Iterable[str] = ()) -> dict[str, str]:
    """The label set that an alert of `rule` on a subject with `labels` has: identity labels, then the rule's own."""
    chosen = {name: labels[name] for name in (*IDENTITY, *by) if labels.get(name)}
    return {"alertname": rule, **chosen, **{name: value for name, value in own.items() if value}}


def rewound(alert: Alert, now: Millis) -> Alert:
    """The alert without a beginning to come, which was written before the clock was set back."""
    if alert.since <= now or not (alert.due or alert.expires):
        return alert
    late = alert.since - now
    due, expires = (max(each - late, now) if each else 0 for each in (alert.due, alert.expires))
    return replace(alert, since=now, due=due, expires=expires)


def is_new_attempt(alert: Alert, attempt: str, status: str) -> bool:
    """Has a firing alert whose condition holds now failed anew, rather than merely stayed as it was?

    Another build says so; so does a condition that came back after it was away, since a redeploy may reuse a build.
    A build that appears late, or together with another status, is the same run going on (`Queued` → `Deploying`).
    """
    return alert.away or (bool(attempt and alert.attempt) and attempt != alert.attempt and status == alert.status)
