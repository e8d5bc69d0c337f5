"""PagerDuty: Events API v2. A group is one incident, an information about what has happened is a change event.

`dedup_key` is made of the group's key, so that everything told of a group lands on one incident whatever its alerts do
one by one, across restarts too: it is triggered while anything fires, acknowledged when a person has acknowledged all
that does (at once when somebody does), and resolved with the last. Repeats are harmless: PagerDuty adds a trigger to the incident that is open, and
passes over what it does not know. A fact that is no more than information (a good deployment) is no incident, which
nothing would ever resolve: all of a message's are one change event, which calls nobody. A graver fact is an incident
that a person closes, or the end of what else its group tells.

A message may be both, so what is frozen holds an event, a change or both, and one attempt posts each. The routing key is
a secret and joins them when they are sent: it is in no database, and a new one is used by the very next attempt.

Limits: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ (summary, dedup_key, 512 KB an event).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, SecretStr

from watcher import render
from watcher.core.delivery import Delivery
from watcher.core.notification import AlertView, Notification, NotifyReason
from watcher.core.pacing import Pace
from watcher.sinks.base import (
    TIMEOUT,
    Endpoint,
    SinkConfig,
    Timeout,
    Wiring,
    address,
    base_url,
    checked,
    frozen_body,
    secret_like,
)
from watcher.sinks.outcome import refusal

MAX_SUMMARY = 1_024
MAX_SOURCE = 255
MAX_VALUE = 2_000
MAX_LINE = 300
MAX_FIELDS = 30
TURN = 500
"""Milliseconds between events: PagerDuty takes 120 a minute for each integration key."""
BURST = 20

_PATHS = {"event": "/v2/enqueue", "change": "/v2/change/enqueue"}
_KEY = re.compile(r"[0-9A-Za-z]{32}")
_LINKED = re.compile(r"https?://[!-~]{1,1000}")
_SEVERITIES = ("critical", "error", "warning", "info")

Event: TypeAlias = dict[str, Any]


def integration_key(text: str) -> str:
    """Read an integration key. Raises ValueError, which does not show it."""
    if not _KEY.fullmatch(text):
        raise ValueError("is not an integration key of Events API v2: it has 32 letters and digits")
    return text


class PagerDutyConfig(SinkConfig):
    """A service of PagerDuty, through its Events API v2 integration."""

    kind: ClassVar[str] = "pagerduty"
    secrets: ClassVar[Mapping[str, bool]] = {"routing_key": True}

    routing_key: Annotated[SecretStr, secret_like(integration_key)] | None = None
    """The integration key of the service."""
    routing_key_file: Path | None = None
    api_url: Annotated[str, AfterValidator(base_url)] = "https://events.pagerduty.com"
    """`https://events.eu.pagerduty.com` for accounts in the EU service region."""
    timeout: Timeout = TIMEOUT
    """How long one attempt may take, the answer included."""

    def build(self, sink_id: str, wiring: Wiring) -> "PagerDuty":
        """Make the sink."""
        key = checked(f"{sink_id}: routing_key", self.reader("routing_key", wiring), integration_key)
        return PagerDuty(
            sink_id, self, key=key, endpoints={part: self._endpoint(path, wiring) for part, path in _PATHS.items()}
        )

    def _endpoint(self, path: str, wiring: Wiring) -> Endpoint:
        to = address(self.api_url + path)
        return Endpoint(http=wiring.http, clock=wiring.env.clock, read=lambda: to, deadline=self.timeout)


class PagerDuty:
    """Posts events to one service."""

    one_by_one = True
    acknowledgements = True
    keeps_open = True

    def __init__(
        self,
        sink_id: str,
        config: PagerDutyConfig,
        *,
        key: Callable[[], str],
        endpoints: Mapping[str, Endpoint],
    ) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.paces: tuple[Pace, ...] = (Pace(name=f"pagerduty {sink_id}", every=TURN, burst=BURST),)
        self._key = key
        self._endpoints = endpoints

    def render(self, notification: Notification) -> bytes:
        """What is to be posted, without the routing key."""
        return encoded(payload(notification))

    async def send(self, delivery: Delivery) -> None:
        """Post the event, then the change."""
        parts, key = json.loads(frozen_body(delivery)), self._key()
        for part, endpoint in self._endpoints.items():
            if part in parts:
                body = encoded({"routing_key": key, **parts[part]})
                if error := refusal(await endpoint.post({"content-type": "application/json"}, body)):
                    raise error


def encoded(event: Mapping[str, Any]) -> bytes:
    """An event as JSON."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


# ── the events ───────────────────────────────────────────────────────────────


def payload(notification: Notification) -> dict[str, Event]:
    """The event about the group's incident, the change event, or both; neither only where a part is acknowledged.

    A message that is told in short holds fewer alerts than it counts: of those it says nothing but that they are there.
    What silences held back has no place in an event that triggers nothing; there a change tells it.
    """
    what = action(notification)
    if notification.reason is NotifyReason.ACKNOWLEDGED and what != "acknowledge":
        return {}
    changes = [alert for alert in notification.alerts if is_change(alert)]
    troubles = [alert for alert in notification.alerts if not is_change(alert)]
    is_whole = len(notification.alerts) == notification.firing + notification.resolved
    counted = [] if what == "trigger" or not notification.held_back else troubles
    parts = {"change": _change(notification, changes or counted)} if changes or counted else {}
    return parts if changes and is_whole and not troubles else {"event": _event(notification, troubles), **parts}


def is_change(alert: AlertView) -> bool:
    """Whether an alert only says that something has changed: a fact that is no more than information."""
    return alert.fact and alert.labels.get("severity") == "info"


def dedup_key(notification: Notification) -> str:
    """The name of a group's incident: equal for equal groups, and no longer than PagerDuty takes."""
    return "connect-watcher/" + hashlib.sha256(notification.group_key.encode(errors="surrogatepass")).hexdigest()


def action(notification: Notification) -> str:
    """What the incident of a group has come to. One that has moved ends here, and is triggered under its new name."""
    if notification.reason is NotifyReason.MOVED:
        return "resolve"
    firing = [alert for alert in notification.alerts if not render.is_over(alert)]
    unshown = notification.firing > len(firing)
    troubles = [alert for alert in firing if not is_change(alert)]
    if not (troubles or unshown):
        return "resolve"
    taken_on = not unshown and all(alert.acknowledged_by for alert in troubles)
    return "acknowledge" if taken_on and notification.reason is not NotifyReason.REFRESH else "trigger"


def severity(alerts: Sequence[AlertView]) -> str:
    """The worst severity in PagerDuty's words; what has none of them, or none at all, is an error."""
    firing = [alert for alert in alerts if not render.is_over(alert)] or alerts
    found = {alert.labels.get("severity", "") for alert in firing}
    known = {name if name in _SEVERITIES else "error" for name in found} or {"error"}
    return next(name for name in _SEVERITIES if name in known)


def _event(notification: Notification, alerts: Sequence[AlertView]) -> Event:
    what = action(notification)
    key = {"event_action": what, "dedup_key": dedup_key(notification)}
    if what != "trigger":
        return key
    of_these = _of(notification, alerts)
    labels = render.shared_labels(of_these)
    told = {
        **_told(of_these, firing=of_these.firing, resolved=of_these.resolved),
        "severity": severity(alerts),
        "component": _text(labels.get("connector", "")),
        "group": _text(labels.get("project", "")),
        "class": _text(render.rule_names(of_these)),
    }
    return {
        **key,
        "payload": {name: value for name, value in told.items() if value},
        "client": "connect-watcher",
        **({"client_url": notification.external_url} if _LINKED.fullmatch(notification.external_url) else {}),
        **_links(of_these),
    }


def _change(notification: Notification, alerts: Sequence[AlertView]) -> Event:
    of_these = _of(notification, alerts)
    return {"payload": _told(of_these), **_links(of_these)}


def _of(notification: Notification, alerts: Sequence[AlertView]) -> Notification:
    """The notification as if it were about these alerts only."""
    firing = sum(not render.is_over(alert) for alert in alerts)
    return replace(
        notification,
        status="firing" if firing else "resolved",
        alerts=tuple(alerts),
        firing=firing,
        resolved=len(alerts) - firing,
        fresh=sum(alert.fresh for alert in alerts),
    )


def _told(notification: Notification, **counts: int) -> dict[str, Any]:
    """What both kinds of events say."""
    source = render.where({**notification.group_labels, **render.shared_labels(notification)})
    return {
        "summary": render.clip(_summary(notification), MAX_SUMMARY),
        "source": render.clip(source, MAX_SOURCE) or "connect-watcher",
        "timestamp": render.rfc3339(notification.at),
        "custom_details": {**_details(notification), **counts},
    }


def _summary(notification: Notification) -> str:
    """One alert in its own words; of several their title and the worst of them, as a phone shows no more than this."""
    worst = [render.line(alert) for alert in render.ranked(notification.alerts)[:1]]
    return ": ".join([*([render.title(notification)] if len(notification.alerts) != 1 else []), *worst])


def _details(notification: Notification) -> dict[str, Any]:
    """What a person wants to see beside the summary; what is left out is counted."""
    alerts = render.ranked(notification.alerts)
    listed = [
        f"{render.standing(alert, notification.at)}: {_text(render.line(alert), MAX_LINE)}"
        for alert in alerts[: render.LISTED]
    ]
    first = alerts[0].annotations if len(alerts) == 1 else {}
    said = {name: value for name, value in first.items() if name not in {"summary", "runbook_url"}}
    return {
        "alerts": [*listed, *([more] if (more := render.left_out(alerts[render.LISTED :])) else [])],
        "labels": _bounded(render.shared_labels(notification), MAX_LINE),
        **({"annotations": _bounded(said, MAX_VALUE)} if said else {}),
        **({"held back by silences": notification.held_back} if notification.held_back else {}),
        "id": notification.id,
    }


def _links(notification: Notification) -> dict[str, Any]:
    runbooks = {alert.annotations.get("runbook_url", ""): "runbook" for alert in render.ranked(notification.alerts)[:1]}
    wanted = {notification.external_url: "open", **runbooks}
    found = [{"href": url, "text": text} for url, text in wanted.items() if _LINKED.fullmatch(url)]
    return {"links": found} if found else {}


def _bounded(fields: Mapping[str, str], limit: int) -> dict[str, str]:
    return {name: _text(value, limit) for name, value in list(fields.items())[:MAX_FIELDS] if value}


def _text(text: str, limit: int = MAX_VALUE) -> str:
    return render.clip(render.printable(text).strip(), limit)
