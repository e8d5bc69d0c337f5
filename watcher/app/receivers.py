"""The sinks of a configuration: made, and tried by hand."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from watcher.app.surroundings import DatedHttp, Skew
from watcher.config import ReceiverSettings, Settings, read_secret
from watcher.core.delivery import Delivery
from watcher.core.duration import Millis
from watcher.core.notification import AlertView, Notification, NotifyReason
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Http
from watcher.ports import Env, Sink
from watcher.sinks import Wiring

TEST_NAME = "ConnectWatcherTest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a test message: where it went, and why it did not (empty: it was taken)."""

    sink: str
    error: str = ""


def door(settings: Settings, skew: Skew) -> Http:
    """The way out, as the configuration has it. Raises ConfigError."""
    http = settings.http
    return DatedHttp(skew, ca_file=http.ca_file, proxy_url=http.proxy_url, allow=settings.egress.allow)


def wiring_of(settings: Settings, http: Http, env: Env) -> Wiring:
    """The world as sinks use it."""
    return Wiring(
        http=http,
        env=env,
        read=read_secret,
        stream=sys.stdout,
        allow=settings.egress.allow,
        ca_file=settings.http.ca_file,
    )


def sinks_of(
    receivers: Sequence[ReceiverSettings], settings: Settings, http: Http, env: Env
) -> dict[str, tuple[Sink, ...]]:
    """The sinks of receivers. Raises ConfigError with everything that is wrong with any of them."""
    wiring = wiring_of(settings, http, env)
    found: dict[str, tuple[Sink, ...]] = {}
    problems: list[str] = []
    for receiver in receivers:
        made: list[Sink] = []
        for sink_id, each in receiver.sinks():
            try:
                made.append(each.build(sink_id, wiring))
            except ConfigError as error:
                problems += error.problems
        found[receiver.name] = tuple(made)
    if problems:
        raise ConfigError(problems)
    return found


async def try_receiver(
    settings: Settings, receiver: ReceiverSettings, env: Env, *, severity: str, resolve: bool
) -> list[Tried]:
    """Send a test message through each sink of a receiver, and with `resolve` that it has ended. Raises ConfigError."""
    async with door(settings, Skew(env.clock)) as http:
        (sinks,) = sinks_of([receiver], settings, http, env).values()
        return [await _try(each, receiver.name, env, severity=severity, resolve=resolve) for each in sinks]


async def _try(sink: Sink, receiver: str, env: Env, *, severity: str, resolve: bool) -> Tried:
    firing = test_message(receiver, env.clock.now(), env.rng.getrandbits(128), severity=severity)
    memo = ""
    try:
        memo = await sink.send(_delivery(sink, firing, memo)) or memo
        if resolve:
            await env.clock.sleep(max((each.every for each in sink.paces), default=0))
            await sink.send(_delivery(sink, _ended(firing, env.clock.now()), memo))
    except DeliveryError as error:
        return Tried(sink=sink.id, error=str(error))
    return Tried(sink=sink.id)


def test_message(receiver: str, now: Millis, number: int, *, severity: str) -> Notification:
    """A message that nobody can take for an alert."""
    labels = {"alertname": TEST_NAME, "severity": severity}
    alert = AlertView(
        fingerprint=f"{number & 0xFFFF_FFFF_FFFF_FFFF:016x}",
        labels=labels,
        annotations={
            "summary": f"this is a test of the receiver {receiver}: nothing is wrong",
            "description": "Sent by hand with connect-watcher send-test.",
        },
        state="firing",
        starts_at=now,
    )
    return Notification(
        id=f"cw_test_{number:032x}",
        receiver=receiver,
        group_key=f"{{}}:{TEST_NAME}",
        group_labels={"alertname": TEST_NAME},
        reason=NotifyReason.FIRST,
        status="firing",
        at=now,
        alerts=(alert,),
        firing=1,
        resolved=0,
        fresh=1,
    )


def _ended(message: Notification, now: Millis) -> Notification:
    """The message that the same test is over."""
    alerts = tuple(replace(each, state="resolved", ends_at=now) for each in message.alerts)
    return replace(
        message,
        id=f"{message.id}r",
        reason=NotifyReason.ALL_RESOLVED,
        status="resolved",
        at=now,
        alerts=alerts,
        firing=0,
        resolved=1,
    )


def _delivery(sink: Sink, message: Notification, memo: str) -> Delivery:
    return Delivery(
        id=message.id,
        sink=sink.id,
        lane=f"{sink.id}|{message.group_key}",
        seq=0,
        notification=msgspec.json.encode(message),
        created_at=message.at,
        observed_at=message.at,
        severity=message.severity,
        attempts=1,
        body=sink.render(message),
        memo=memo,
    )
