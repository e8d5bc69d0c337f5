"""A Notification for a program: one CloudEvents 1.0 event in structured JSON, the same for every sink that sends one.

`id` is the delivery's id, the same for every attempt: a receiver that remembers ids hears everything once.
"""

import json
from collections.abc import Mapping
from urllib.parse import quote

from watcher import render
from watcher.core.notification import AlertView, Notification

MAX_ALERTS = 100
"""Alerts that a body spells out unless told otherwise: some 100 KiB. The counts beside them are exact."""


def payload(notification: Notification, max_alerts: int = MAX_ALERTS) -> dict[str, object]:
    """The event. `max_alerts` bounds the alerts spelled out (0: all); the counts stay exact."""
    shared = {**notification.group_labels, **render.shared_labels(notification)}
    subject = render.one_line(shared.get("deployment") or shared.get("project") or notification.group_key)
    return {
        "specversion": "1.0",
        "id": notification.id,
        "source": "/connect-watcher/"
        + quote(shared.get("project") or notification.receiver, safe="", errors="replace"),
        "type": f"dev.connect-watcher.alerts.{notification.status}.v1",
        "time": render.rfc3339(notification.at),
        **({"subject": subject} if subject else {}),
        "datacontenttype": "application/json",
        "data": _content(notification, max_alerts),
    }


def encoded(value: Mapping[str, object]) -> bytes:
    """JSON on one line; what UTF-8 cannot hold becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def in_order(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels by their names."""
    return dict(sorted(labels.items()))


def _content(notification: Notification, max_alerts: int) -> dict[str, object]:
    alerts = render.ranked(notification.alerts)
    told = alerts[: max_alerts or None]
    return {
        "receiver": notification.receiver,
        "status": notification.status,
        "reason": notification.reason.value,
        "title": render.title(notification),
        "groupKey": notification.group_key,
        "groupLabels": in_order(notification.group_labels),
        "commonLabels": in_order(render.shared_labels(notification)),
        "counts": {
            "firing": notification.firing,
            "resolved": notification.resolved,
            "fresh": notification.fresh,
            "heldBack": notification.held_back,
        },
        "alerts": [_alert(alert) for alert in told],
        "omitted": len(alerts) - len(told),
        "externalUrl": notification.external_url,
    }


def _alert(alert: AlertView) -> dict[str, object]:
    return {
        "fingerprint": alert.fingerprint,
        "status": alert.state,
        "labels": in_order(alert.labels),
        "annotations": in_order(alert.annotations),
        "startsAt": render.rfc3339(alert.starts_at),
        "endsAt": None if alert.ends_at is None else render.rfc3339(alert.ends_at),
        "fact": alert.fact,
        "fresh": alert.fresh,
        "attempts": alert.attempts,
    }
