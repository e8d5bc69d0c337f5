"""Webhook: a CloudEvents 1.0 event in structured JSON, or what Alertmanager would post, signed as Standard Webhooks 1.0.

`webhook-id` is the delivery's id, the same for every attempt: a receiver that remembers ids hears everything once. The
body is frozen before the first attempt, so of what is signed only the timestamp differs between attempts.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator
from standardwebhooks import Webhook as Signer

from watcher import render
from watcher.core.delivery import Delivery
from watcher.core.notification import AlertView, Notification
from watcher.core.pacing import Pace
from watcher.ports import Clock
from watcher.sinks.base import Endpoint, HttpSinkConfig, Wiring, checked, frozen_body, reader, secret_like
from watcher.sinks.event import MAX_ALERTS, encoded, in_order, payload
from watcher.sinks.outcome import refusal

CLOUDEVENTS, JSON = "application/cloudevents+json", "application/json"
NEVER = "0001-01-01T00:00:00Z"
"""The zero time of Go, which Alertmanager writes where an alert has not ended."""
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
    """A webhook that takes CloudEvents, or what Alertmanager posts."""

    kind: ClassVar[str] = "webhook"
    secrets: ClassVar[Mapping[str, bool]] = {**HttpSinkConfig.secrets, "secret": False, "next_secret": False}

    format: Literal["cloudevents", "alertmanager"] = "cloudevents"
    """`alertmanager` posts what receivers of Alertmanager's own webhook take, version 4."""
    secret: Annotated[SecretStr, secret_like(signing_keys)] | None = None
    """Signs, as `whsec_…`."""
    secret_file: Path | None = None
    next_secret: Annotated[SecretStr, secret_like(signing_keys)] | None = None
    """Signs as well, while receivers change over to it."""
    next_secret_file: Path | None = None
    headers: dict[str, Annotated[SecretStr, secret_like(header_value)]] = Field(default_factory=dict)
    """Sent with every request. The values are secrets."""
    headers_file: dict[str, Path] = Field(default_factory=dict)
    """For each header a file that holds its value."""
    max_alerts: int = Field(default=MAX_ALERTS, ge=0)
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
        signing = [
            checked(f"{sink_id}: {name}", read, signing_keys)
            for name in ("secret", "next_secret")
            if (read := self.reader(name, wiring))
        ]
        given = {name: reader(value, None, wiring) for name, value in self.headers.items()}
        given |= {name: reader(None, file, wiring) for name, file in self.headers_file.items()}
        return Webhook(
            sink_id,
            self,
            endpoint=self.endpoint(sink_id, wiring),
            keys=lambda: tuple(key for read in signing for key in read()),
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
        self.format = config.format
        self.max_alerts = config.max_alerts
        self._endpoint = endpoint
        self._keys = keys
        self._headers = headers
        self._clock = clock

    def render(self, notification: Notification) -> bytes:
        """The body as JSON; what UTF-8 cannot hold becomes a question mark."""
        make = payload if self.format == "cloudevents" else grouped
        return encoded(make(notification, self.max_alerts))

    async def send(self, delivery: Delivery) -> None:
        """Send the frozen body, signed for this attempt."""
        body, at = frozen_body(delivery), self._clock.now() // 1000
        headers = {name: value() for name, value in self._headers.items()}
        headers |= {"content-type": content_type(body), "webhook-id": delivery.id, "webhook-timestamp": str(at)}
        if keys := self._keys():
            headers["webhook-signature"] = signature(keys, delivery.id, at, body)
        reply = await self._endpoint.post(headers, body)
        if error := refusal(reply):
            raise error


def content_type(body: bytes) -> str:
    """What a frozen body is: the format may have been changed since."""
    return CLOUDEVENTS if body.startswith(b'{"specversion":') else JSON


def signature(keys: Sequence[bytes], delivery_id: str, at_seconds: int, body: bytes) -> str:
    """The signatures of one attempt, one for each key."""
    at = datetime.fromtimestamp(at_seconds, tz=UTC)
    return " ".join(Signer(key).sign(delivery_id, at, body.decode()) for key in keys)


def grouped(notification: Notification, max_alerts: int = MAX_ALERTS) -> dict[str, object]:
    """What Alertmanager posts to webhooks, version 4. `max_alerts` bounds the alerts, 0 for all; the rest is counted."""
    alerts = render.ranked(notification.alerts)
    told = alerts[: max_alerts or None]
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(alerts) - len(told),
        "status": notification.status,
        "receiver": notification.receiver,
        "groupLabels": in_order(notification.group_labels),
        "commonLabels": in_order(render.shared_labels(notification)),
        "commonAnnotations": in_order(_shared_annotations(notification)),
        "externalURL": notification.external_url,
        "alerts": [_alert(alert, notification.external_url) for alert in told],
    }


def _alert(alert: AlertView, external_url: str) -> dict[str, object]:
    return {
        "status": alert.state,
        "labels": in_order(alert.labels),
        "annotations": in_order(alert.annotations),
        "startsAt": render.rfc3339(alert.starts_at),
        "endsAt": NEVER if alert.ends_at is None else render.rfc3339(alert.ends_at),
        "generatorURL": external_url,
        "fingerprint": alert.fingerprint,
    }


def _shared_annotations(notification: Notification) -> dict[str, str]:
    """The annotations that all alerts have, with the same value, and what was held back: there is no other place for it."""
    first, *others = [alert.annotations for alert in notification.alerts] or [{}]
    shared = {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
    counted = render.held_back(notification)
    return {**shared, "held_back": counted} if counted else shared
