"""Alertmanager: API v2, as Prometheus pushes to it. Routing, silences and receivers are then Alertmanager's own.

Labels are the identity of an alert there as here, so they are the alert's own and nothing that changes while it fires:
status, build and message are annotations. What fires is pushed with an end `resolve_after` away, which every message of
its group puts off, and a refresh after each third of that time whatever reminders, silences and acknowledgements do: a
watcher that is gone is forgotten in time, and one that lives never lets a firing alert lapse. What has ended is pushed
with its real end. A fact has no end: it gets one when it is pushed, `FACT_LASTS` later, so that it is still told after an
outage of any length, and a second one of the same labels is news again.

The members of a cluster share what they have sent and not what they were told, so every one of them gets every push. One
that took it is enough: the others hear of it with the next.

Alertmanager tells nobody of what had ended before it heard of it first; everything else about who is told is its own.
"""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from watcher import render
from watcher.core import duration
from watcher.core.delivery import Delivery, Outcome
from watcher.core.duration import Millis
from watcher.core.notification import AlertView, Notification
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError
from watcher.ports import Clock
from watcher.sinks.base import (
    TIMEOUT,
    Endpoint,
    Secret,
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

PATH = "/api/v2/alerts"
RESOLVE_AFTER: Millis = 3 * 3_600_000
SHORTEST: Millis = 180_000
"""A refresh is a row in the outbox: shorter would mean more than one a minute for each group."""
REFRESHES = 3
"""How often a firing alert is pushed in the time after which it would lapse: two may fail or be late."""
FACT_LASTS: Millis = 600_000
"""How long a fact fires there: twice the interval at which a group of Alertmanager's default tells its news."""
MAX_VALUE = 500
MAX_ANNOTATION = 4_096

_TOKEN = re.compile(r"[!-~]+")
_NOT_OF_A_NAME = re.compile(r"[^a-zA-Z0-9_]")
_LINKED = re.compile(r"https?://[!#-;=?-\[\]_a-z~]{1,1000}")
_WORTH_TRYING = (Outcome.UNKNOWN, Outcome.REJECTED, Outcome.UNSENT, Outcome.MALFORMED, Outcome.REFUSED)
"""Of several failures the one to go by, the most hopeful first: what one member refuses for good another may take yet."""

Alert: TypeAlias = dict[str, Any]


def _length(value: object) -> Millis:
    try:
        length = duration.parse(value) if isinstance(value, str) else 0
    except ValueError:
        length = 0
    if length < SHORTEST:
        raise ValueError(f'write a duration like "3h", of at least {duration.text(SHORTEST)}')
    return length


def _username(text: str) -> str:
    if not text or ":" in text or not text.isprintable():
        raise ValueError("must be a user name: printable, and without a colon")
    return text


def _bearer(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise ValueError("cannot be a bearer token: it must be visible ASCII without blanks")
    return f"Bearer {token}"


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class AlertmanagerConfig(SinkConfig):
    """An Alertmanager, or all members of a cluster of them."""

    kind: ClassVar[str] = "alertmanager"
    secrets: ClassVar[Mapping[str, bool]] = {"password": False, "bearer_token": False}

    urls: tuple[Annotated[str, AfterValidator(base_url)], ...] = Field(min_length=1, max_length=20)
    """Every member of the cluster itself, not a balancer before them. The API's path is put behind."""
    resolve_after: Annotated[Millis, BeforeValidator(_length), WithJsonSchema({"type": "string"})] = Field(
        default=RESOLVE_AFTER, json_schema_extra={"default": "3h"}
    )
    """When a firing alert counts as resolved there if nothing comes any more. It is pushed again three times as often."""
    username: Annotated[str, AfterValidator(_username)] | None = None
    """For basic authentication, with `password`."""
    password: SecretStr | None = None
    """For basic authentication, with `username`."""
    password_file: Path | None = None
    bearer_token: Annotated[SecretStr, secret_like(_bearer)] | None = None
    """Instead of `username` and `password`."""
    bearer_token_file: Path | None = None
    timeout: Timeout = TIMEOUT
    """How long one attempt may take, the answer included."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        has_password = self.password is not None or self.password_file is not None
        if has_password != (self.username is not None):
            raise ValueError("give username and password together")
        if has_password and (self.bearer_token is not None or self.bearer_token_file is not None):
            raise ValueError("give either username and password, or bearer_token")
        return self

    def build(self, sink_id: str, wiring: Wiring) -> "Alertmanager":
        """Make the sink."""
        return Alertmanager(
            sink_id,
            self,
            endpoints=[self._endpoint(url, wiring) for url in self.urls],
            authorization=self._authorization(sink_id, wiring),
            clock=wiring.env.clock,
        )

    def _endpoint(self, url: str, wiring: Wiring) -> Endpoint:
        to = address(url + PATH)
        return Endpoint(http=wiring.http, clock=wiring.env.clock, read=lambda: to, deadline=self.timeout)

    def _authorization(self, sink_id: str, wiring: Wiring) -> Secret:
        if password := self.reader("password", wiring):
            user = self.username or ""
            return checked(f"{sink_id}: password", password, lambda text: _basic(user, text))
        if token := self.reader("bearer_token", wiring):
            return checked(f"{sink_id}: bearer_token", token, _bearer)
        return str


class Alertmanager:
    """Pushes alerts to every member of one cluster."""

    one_by_one = True

    paces: tuple[Pace, ...] = ()

    def __init__(
        self,
        sink_id: str,
        config: AlertmanagerConfig,
        *,
        endpoints: Sequence[Endpoint],
        authorization: Callable[[], str],
        clock: Clock,
    ) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.resolve_after = config.resolve_after
        self.refresh = config.resolve_after // REFRESHES
        self._endpoints = endpoints
        self._authorization = authorization
        self._clock = clock

    def render(self, notification: Notification) -> bytes:
        """The alerts as JSON; facts without an end yet."""
        return encoded(payload(notification, self.resolve_after))

    async def send(self, delivery: Delivery) -> None:
        """Push to every member; those that cannot read it get it once more, with nothing but labels and times."""
        body, secret = ended(frozen_body(delivery), self._clock.now() + FACT_LASTS), self._authorization()
        headers = {"content-type": "application/json", **({"authorization": secret} if secret else {})}
        errors = await asyncio.gather(*(self._push(each, headers, body) for each in self._endpoints))
        failed = [error for error in errors if error is not None]
        if len(failed) == len(self._endpoints):
            raise min(failed, key=lambda error: _WORTH_TRYING.index(error.outcome))

    async def _push(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> DeliveryError | None:
        try:
            error = refusal(await endpoint.post(headers, body))
            if error is not None and error.outcome is Outcome.MALFORMED:
                error = refusal(await endpoint.post(headers, bare(body)))
        except DeliveryError as no_answer:
            return no_answer
        return error


def encoded(alerts: Sequence[Alert]) -> bytes:
    """Alerts as JSON."""
    return json.dumps(alerts, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def ended(body: bytes, end: Millis) -> bytes:
    """The body with an end for every alert that has none, which are the facts."""
    alerts = json.loads(body)
    endless = [alert for alert in alerts if "endsAt" not in alert]
    for alert in endless:
        alert["endsAt"] = max(alert["startsAt"], render.rfc3339(end), key=datetime.fromisoformat)
    return encoded(alerts) if endless else body


def bare(body: bytes) -> bytes:
    """The body with nothing in it that Alertmanager could do without."""
    kept = ("labels", "startsAt", "endsAt")
    return encoded([{name: alert[name] for name in kept} for alert in json.loads(body)])


# ── the alerts ───────────────────────────────────────────────────────────────


def payload(notification: Notification, resolve_after: Millis) -> list[Alert]:
    """The alerts of a group as Alertmanager takes them, each once."""
    made = [_alert(alert, notification, resolve_after) for alert in notification.alerts]
    return made or [{"labels": {"alertname": "Alert"}, "annotations": {}, **_times(notification.at, notification.at)}]


def _alert(alert: AlertView, notification: Notification, resolve_after: Millis) -> Alert:
    url = notification.external_url
    return {
        "labels": label_set(alert.labels),
        "annotations": _annotations(alert, notification.held_back),
        **_times(alert.starts_at, _end(alert, notification, resolve_after)),
        **({"generatorURL": url} if _LINKED.fullmatch(url) else {}),
    }


def _end(alert: AlertView, notification: Notification, resolve_after: Millis) -> Millis | None:
    if render.is_over(alert):
        return notification.at if alert.ends_at is None else alert.ends_at
    return None if alert.fact else notification.at + resolve_after


def _times(starts_at: Millis, ends_at: Millis | None) -> dict[str, str]:
    """Both ends; Alertmanager refuses an end before the start."""
    start = {"startsAt": render.rfc3339(starts_at)}
    return start if ends_at is None else {**start, "endsAt": render.rfc3339(max(starts_at, ends_at))}


def label_set(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels under names that Alertmanager takes, the same ones always; it refuses an alert without any."""
    return {"alertname": "Alert", **_renamed({name: _value(value) for name, value in labels.items()})}


def _annotations(alert: AlertView, held_back: int) -> dict[str, str]:
    told = {**alert.annotations, "summary": render.line(alert), "acknowledged_by": alert.acknowledged_by}
    if held_back:
        told["held_back"] = f"{held_back} by silences"
    return _renamed(
        {name: render.clip(render.printable(value).strip(), MAX_ANNOTATION) for name, value in told.items()}
    )


def _renamed(fields: Mapping[str, str]) -> dict[str, str]:
    """Fields that are not empty, by sane names, in their order. A name that was sane keeps it; another gives way to it."""
    found: dict[str, str] = {}
    for name in sorted((name for name, value in fields.items() if value), key=lambda name: (_sane(name) != name, name)):
        sane = _sane(name)
        while sane in found:
            sane += "_"
        found[sane] = fields[name]
    return dict(sorted(found.items()))


def _sane(name: str) -> str:
    made = _NOT_OF_A_NAME.sub("_", name)
    return f"_{made}" if not made or made[0].isdigit() else made


def _value(text: str) -> str:
    """A label's value; one that has to be cut stays different from others that begin like it."""
    shown = render.printable(text)
    if len(shown) <= MAX_VALUE:
        return shown
    return f"{shown[:MAX_VALUE]}… {hashlib.sha256(shown.encode()).hexdigest()[:8]}"
