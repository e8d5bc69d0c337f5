"""Webhook: a CloudEvents 1.0 event in structured JSON, signed as Standard Webhooks 1.0 wants it.

`id` and `webhook-id` are the delivery's id, the same for every attempt: a receiver that remembers ids hears everything
once. The body is frozen before the first attempt, so of what is signed only the timestamp differs between attempts.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator
from standardwebhooks import Webhook as Signer

from watcher import render
from watcher.core.delivery import Delivery
from watcher.core.notification import AlertView, Notification
from watcher.core.pacing import Pace
from watcher.ports import Clock
from watcher.sinks.base import Endpoint, HttpSinkConfig, Wiring, checked, frozen_body, reader, secret_like
from watcher.sinks.outcome import refusal

CONTENT_TYPE = "application/cloudevents+json"
MIN_KEY = 24
"""Bytes that Standard Webhooks asks of a signing key at least."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_OURS = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding"})


def signing_keys(text: str) -> tuple[bytes, ...]:
    """Read one or several `whsec_…`. Raises ValueError, which does not show them."""
    keys = tuple(_signing_key(each) for each in text.split())
    if not keys:
        raise ValueError("is empty")
    return keys


def _signing_key(text: str) -> bytes:
    encoded = text.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True) if encoded != text else b""
    except binascii.Error:
        key = b""
    if len(key) < MIN_KEY:
        raise ValueError(f'is not "whsec_" and {MIN_KEY} bytes or more in base64')
    return key


def header_value(text: str) -> str:
    """Read the value of a header. Raises ValueError, which does not show it."""
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError("cannot be the value of a header: it must be visible ASCII on one line")
    return text


class WebhookConfig(HttpSinkConfig):
    """A webhook that takes CloudEvents."""

    kind: ClassVar[str] = "webhook"
    secrets: ClassVar[Mapping[str, bool]] = {**HttpSinkConfig.secrets, "secret": False}

    secret: Annotated[SecretStr, secret_like(signing_keys)] | None = None
    """Signs, as `whsec_…`. Several with spaces between sign side by side, while receivers change over."""
    secret_file: Path | None = None
    headers: dict[str, Annotated[SecretStr, secret_like(header_value)]] = Field(default_factory=dict)
    """Sent with every request. The values are secrets."""
    headers_file: dict[str, Path] = Field(default_factory=dict)
    max_alerts: int = Field(default=0, ge=0)
    """How many alerts are spelled out, 0 for all. What is left out is counted."""

    @model_validator(mode="after")
    def _usable_headers(self) -> Self:
        names = [name.lower() for name in (*self.headers, *self.headers_file)]
        for name in names:
            if not _HEADER_NAME.fullmatch(name) or name in _OURS or name.startswith("webhook-"):
                raise ValueError(f"headers: {name[:40]!r} cannot be set")
        if len(names) > len(set(names)):
            raise ValueError("headers: give each once, either in headers or in headers_file")
        return self

    def build(self, sink_id: str, wiring: Wiring) -> "Webhook":
        """Make the sink."""
        key = self.reader("secret", wiring)
        given = {name: reader(value, None, wiring) for name, value in self.headers.items()}
        given |= {name: reader(None, file, wiring) for name, file in self.headers_file.items()}
        return Webhook(
            sink_id,
            self,
            endpoint=self.endpoint(sink_id, wiring),
            keys=checked(f"{sink_id}: secret", key, signing_keys) if key else tuple,
            headers={name: checked(f"{sink_id}: headers: {name}", read, header_value) for name, read in given.items()},
            clock=wiring.env.clock,
        )


class Webhook:
    """Sends events to one URL."""

    paces: tuple[Pace, ...] = ()

    def __init__(
        self,
        sink_id: str,
        config: WebhookConfig,
        *,
        endpoint: Endpoint,
        keys: Callable[[], Sequence[bytes]],
        headers: Mapping[str, Callable[[], str]],
        clock: Clock,
    ) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.max_alerts = config.max_alerts
        self._endpoint = endpoint
        self._keys = keys
        self._headers = headers
        self._clock = clock

    def render(self, notification: Notification) -> bytes:
        """The event as JSON; what UTF-8 cannot hold becomes a question mark."""
        event = payload(notification, self.max_alerts)
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

    async def send(self, delivery: Delivery) -> None:
        """Send the frozen body, signed for this attempt."""
        body, at = frozen_body(delivery), self._clock.now() // 1000
        headers = {name: value() for name, value in self._headers.items()}
        headers |= {"content-type": CONTENT_TYPE, "webhook-id": delivery.id, "webhook-timestamp": str(at)}
        if keys := self._keys():
            headers["webhook-signature"] = signature(keys, delivery.id, at, body)
        reply = await self._endpoint.post(headers, body)
        if error := refusal(reply):
            raise error


def signature(keys: Sequence[bytes], delivery_id: str, at_seconds: int, body: bytes) -> str:
    """The signatures of one attempt, one for each key."""
    at = datetime.fromtimestamp(at_seconds, tz=UTC)
    return " ".join(Signer(key).sign(delivery_id, at, body.decode()) for key in keys)


def payload(notification: Notification, max_alerts: int = 0) -> dict[str, object]:
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


def _content(notification: Notification, max_alerts: int) -> dict[str, object]:
    alerts = render.ranked(notification.alerts)
    told = alerts[: max_alerts or None]
    return {
        "receiver": notification.receiver,
        "status": notification.status,
        "reason": notification.reason.value,
        "title": render.title(notification),
        "groupKey": notification.group_key,
        "groupLabels": _sorted(notification.group_labels),
        "commonLabels": _sorted(render.shared_labels(notification)),
        "counts": {"firing": notification.firing, "resolved": notification.resolved, "fresh": notification.fresh},
        "alerts": [_alert(alert) for alert in told],
        "omitted": len(alerts) - len(told),
        "externalUrl": notification.external_url,
    }


def _alert(alert: AlertView) -> dict[str, object]:
    return {
        "fingerprint": alert.fingerprint,
        "status": alert.state,
        "labels": _sorted(alert.labels),
        "annotations": _sorted(alert.annotations),
        "startsAt": render.rfc3339(alert.starts_at),
        "endsAt": None if alert.ends_at is None else render.rfc3339(alert.ends_at),
        "fact": alert.fact,
        "fresh": alert.fresh,
        "attempts": alert.attempts,
    }


def _sorted(labels: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(labels.items()))
