import base64
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from tests.fakes import START, FakeClock, fake_env
from tests.notifications import DELIVERY_ID, FAILED, MIXED, alert, delivery, notification, notifications, resolved
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Answer, Fault, Request, TransportError
from watcher.sinks import WebhookConfig, Wiring
from watcher.sinks.event import MAX_ALERTS, payload
from watcher.sinks.webhook import Webhook, grouped

URL = "https://hooks.example/in/token"
KEY = "whsec_" + base64.b64encode(b"a signing key of 32 bytes, ready").decode()
OTHER = "whsec_" + base64.b64encode(b"another key of 32 bytes, as good").decode()
THIRD = "whsec_" + base64.b64encode(b"a third key of 32 bytes, as good").decode()


@dataclass
class RecordingHttp:
    """A way out on which everything arrives."""

    requests: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return Answer(status=204, headers={}, body=b"")


@dataclass
class BrokenHttp:
    """A way out on which every answer is lost, except for its status."""

    status: int | None

    async def send(self, request: Request) -> Answer:
        raise TransportError(f"{request.method}: the answer was cut off", Fault.NETWORK, sent=True, status=self.status)


def webhook(http: RecordingHttp | BrokenHttp | None = None, clock: FakeClock | None = None, **config: Any) -> Webhook:
    wiring = Wiring(http=http or RecordingHttp(), env=fake_env(clock), read=Path.read_text, stream=StringIO())
    return WebhookConfig.model_validate({"url": URL, **config}).build("team/webhook/0", wiring)


# ── the event ────────────────────────────────────────────────────────────────


@given(notifications())
def test_whatever_is_told_is_an_event_that_the_official_library_reads(told: Notification) -> None:
    message = HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=webhook().render(told))
    event = from_structured_event(message)
    content = event.get_data()
    assert isinstance(content, dict)
    assert event.get_id() == told.id
    assert event.get_type() == f"dev.connect-watcher.alerts.{told.status}.v1"
    assert event.get_source().startswith("/connect-watcher/")
    assert content["counts"] == {
        "firing": told.firing,
        "resolved": told.resolved,
        "fresh": told.fresh,
        "heldBack": told.held_back,
    }
    assert len(content["alerts"]) == len(told.alerts)


def test_an_event_says_what_it_is_about_and_when() -> None:
    event = payload(FAILED)
    assert event["source"] == "/connect-watcher/my-shop"
    assert event["subject"] == "stripe-prod"
    assert event["time"] == "2027-01-15T08:00:00Z"
    assert payload(MIXED)["subject"] == "my-shop"


def test_an_event_without_a_project_names_its_receiver() -> None:
    told = notification(alert(labels={"project": ""}), group_labels={}, receiver="on call/eu")
    assert payload(told)["source"] == "/connect-watcher/on%20call%2Feu"


def test_what_is_left_out_is_counted_and_the_rest_is_what_matters_most() -> None:
    told = notification(*[alert(deployment=f"d{n}", fresh=n == 3) for n in range(5)], resolved("r", fresh=False))
    content: Any = payload(told, max_alerts=2)["data"]
    assert [each["labels"]["deployment"] for each in content["alerts"]] == ["d3", "d0"]
    assert content["omitted"] == 4
    assert content["counts"] == {"firing": 5, "resolved": 1, "fresh": 1, "heldBack": 0}
    assert payload(told)["data"]["omitted"] == 0  # type: ignore[index]  # a JSON object


def test_a_body_stays_small_unless_all_is_wanted_and_its_counts_are_exact() -> None:
    told = notification(*[alert(deployment=f"d{n}") for n in range(MAX_ALERTS + 40)], resolved("r"))
    usual, everything = webhook(), webhook(max_alerts=0)
    theirs, all_theirs = webhook(format="alertmanager"), webhook(format="alertmanager", max_alerts=0)
    for ours, alertmanagers, spelled_out in ((usual, theirs, MAX_ALERTS), (everything, all_theirs, MAX_ALERTS + 41)):
        event = json.loads(ours.render(told))
        assert (len(event["data"]["alerts"]), event["data"]["omitted"]) == (spelled_out, MAX_ALERTS + 41 - spelled_out)
        counts = {"firing": MAX_ALERTS + 40, "resolved": 1, "fresh": MAX_ALERTS + 41, "heldBack": 0}
        assert event["data"]["counts"] == counts
        body = json.loads(alertmanagers.render(told))
        assert (len(body["alerts"]), body["truncatedAlerts"]) == (spelled_out, MAX_ALERTS + 41 - spelled_out)


def test_what_silences_held_back_is_counted_in_both_formats() -> None:
    told = notification(alert(), held_back=3)
    assert json.loads(webhook().render(told))["data"]["counts"]["heldBack"] == 3
    shared = json.loads(webhook(format="alertmanager").render(told))["commonAnnotations"]
    assert shared["held_back"] == "3 held back by a silence"
    assert "held_back" not in grouped(notification(alert()))["commonAnnotations"]  # type: ignore[operator]  # a JSON object


def test_foreign_text_arrives_as_it_was() -> None:
    evil = '<!channel> & "quotes" \u202e \x00 ünïcödé'
    told = notification(alert(annotations={"summary": evil}))
    assert json.loads(webhook().render(told))["data"]["alerts"][0]["annotations"]["summary"] == evil


# ── Alertmanager's format ────────────────────────────────────────────────────

KEYS = {
    *("version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels"),
    *("commonAnnotations", "externalURL", "alerts"),
}
ALERT_KEYS = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}


@given(notifications())
def test_whatever_is_told_has_the_form_of_alertmanagers_version_4(told: Notification) -> None:
    body = json.loads(webhook(format="alertmanager").render(told))
    assert set(body) == KEYS
    assert (body["version"], body["status"]) == ("4", told.status)
    assert len(body["alerts"]) == len(told.alerts)
    for each in body["alerts"]:
        assert set(each) == ALERT_KEYS
        assert each["status"] in {"firing", "resolved"}
        assert set(body["commonLabels"].items()) <= set(each["labels"].items())
        assert set(body["commonAnnotations"].items()) <= set(each["annotations"].items())
        assert datetime.fromisoformat(each["startsAt"]).tzinfo == datetime.fromisoformat(each["endsAt"]).tzinfo == UTC


def test_what_fires_has_not_ended_and_what_is_shared_is_said_once() -> None:
    body: Any = grouped(MIXED)
    ends = {each["labels"]["deployment"]: each["endsAt"] for each in body["alerts"]}
    assert ends["stripe-prod"] == "0001-01-01T00:00:00Z"
    assert ends["klarna-prod"] == "2027-01-15T08:00:00Z"
    assert body["commonLabels"]["project"] == "my-shop"
    assert "deployment" not in body["commonLabels"]
    assert grouped(FAILED)["commonAnnotations"] == dict(sorted(FAILED.alerts[0].annotations.items()))
    assert body["commonAnnotations"] == {}


async def test_alertmanagers_format_is_plain_json_and_signed_all_the_same() -> None:
    request = await sent(RecordingHttp(), secret=KEY, format="alertmanager")
    assert request.headers["content-type"] == "application/json"
    assert Verifier(KEY).verify(request.body or b"", dict(request.headers))["version"] == "4"


async def test_a_frozen_body_is_sent_as_what_it_is_although_the_format_was_changed() -> None:
    http = RecordingHttp()
    frozen = webhook().render(FAILED)
    await webhook(http, format="alertmanager").send(delivery(frozen))
    assert http.requests[-1].headers["content-type"] == "application/cloudevents+json"


# ── the signature ────────────────────────────────────────────────────────────


async def sent(http: RecordingHttp, **config: Any) -> Request:
    clock = FakeClock(time.time_ns() // 1_000_000)  # noqa: TID251  the official verifier reads the real clock
    sink = webhook(http, clock, **config)
    await sink.send(delivery(sink.render(FAILED)))
    return http.requests[-1]


async def test_the_official_library_accepts_the_signature() -> None:
    request = await sent(RecordingHttp(), secret=KEY)
    assert Verifier(KEY).verify(request.body or b"", dict(request.headers))["id"] == DELIVERY_ID
    with pytest.raises(WebhookVerificationError):
        Verifier(OTHER).verify(request.body or b"", dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(KEY).verify((request.body or b"") + b" ", dict(request.headers))


@pytest.mark.parametrize("keys", [{"secret": KEY, "next_secret": OTHER}, {"secret": f"{KEY} {OTHER}"}])
async def test_while_keys_change_both_are_accepted(keys: dict[str, str]) -> None:
    request = await sent(RecordingHttp(), **keys)
    assert [each.split(",")[0] for each in request.headers["webhook-signature"].split(" ")] == ["v1", "v1"]
    for key in (KEY, OTHER):
        assert Verifier(key).verify(request.body or b"", dict(request.headers))["id"] == DELIVERY_ID


async def test_the_next_key_may_come_from_a_file_that_changes(tmp_path: Path) -> None:
    file, http = tmp_path / "next", RecordingHttp()
    file.write_text(OTHER)
    sink = webhook(http, FakeClock(time.time_ns() // 1_000_000), secret=KEY, next_secret_file=file)  # noqa: TID251  as above
    for key in (OTHER, THIRD):
        file.write_text(key)
        await sink.send(delivery(sink.render(FAILED)))
        request = http.requests[-1]
        for each in (KEY, key):
            assert Verifier(each).verify(request.body or b"", dict(request.headers))["id"] == DELIVERY_ID
    with pytest.raises(WebhookVerificationError):
        Verifier(OTHER).verify(http.requests[-1].body or b"", dict(http.requests[-1].headers))


async def test_attempts_differ_in_nothing_but_their_time() -> None:
    http, clock = RecordingHttp(), FakeClock(START)
    sink = webhook(http, clock, secret=KEY)
    row = delivery(sink.render(FAILED))
    for _ in range(2):
        await sink.send(row)
        clock.at += 10_000
    first, second = http.requests
    assert first.body == second.body == row.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == row.id
    changed = {name for name in first.headers if first.headers[name] != second.headers[name]}
    assert changed == {"webhook-timestamp", "webhook-signature"}
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 10


async def test_without_a_secret_there_is_no_signature() -> None:
    request = await sent(RecordingHttp())
    assert "webhook-signature" not in request.headers
    assert request.headers["content-type"] == "application/cloudevents+json"


# ── the answer ───────────────────────────────────────────────────────────────


async def test_a_status_of_success_is_enough() -> None:
    await webhook(BrokenHttp(200)).send(delivery(b"{}"))


@pytest.mark.parametrize(
    ("status", "outcome"), [(None, Outcome.UNKNOWN), (404, Outcome.REFUSED), (502, Outcome.REJECTED)]
)
async def test_a_lost_answer_is_worth_its_status(status: int | None, outcome: Outcome) -> None:
    with pytest.raises(DeliveryError) as caught:
        await webhook(BrokenHttp(status)).send(delivery(b"{}"))
    assert caught.value.outcome is outcome


# ── what can be configured ───────────────────────────────────────────────────


@pytest.mark.parametrize(
    "bad", ["", " ", "whsec_", "hunter2hunter2hunter2hunter2hunter2hunter2", "whsec_c2hvcnQ=", "whsec_!!!!"]
)
def test_a_secret_that_cannot_sign_is_a_config_error_that_does_not_show_it(bad: str) -> None:
    with pytest.raises(ValidationError) as caught:
        webhook(secret=bad)
    assert caught.value.errors()[0]["loc"] == ("secret",)
    assert len(bad) < 8 or bad not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"headers": {"Webhook-Id": "x"}},
        {"headers": {"content-TYPE": "x"}},
        {"headers": {"bad name": "x"}},
        {"headers": {"X-Key": "x"}, "headers_file": {"x-key": "/x"}},
        {"max_alerts": -1},
        {"timeout": 15},
        {"timeout": "0s"},
        {"timeout": "soon"},
        {"timeout": "1h"},
        {"colour": "red"},
        {"url_file": "/x"},
        {"secret": KEY, "secret_file": "/x"},
        {"next_secret": KEY, "next_secret_file": "/x"},
        {"next_secret": "whsec_"},
        {"format": "xml"},
    ],
)
def test_what_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebhookConfig.model_validate({"url": URL, **config})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "", " padded ", "é"])
def test_a_header_cannot_smuggle_another(value: str) -> None:
    with pytest.raises(ValidationError, match=r"headers.X-Key\n.*cannot be the value of a header"):
        webhook(headers={"X-Key": value})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/in",
        "ftp://hooks.example/",
        "https://",
        "https://u:p@hooks.example/",
        "https://[::1",
        "https://hooks.example/a b",
    ],
)
def test_a_url_that_cannot_be_used_is_a_config_error_that_does_not_show_it(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        webhook(url=url)
    assert len(url) < 9 or url not in str(caught.value)


def test_what_is_wrong_in_a_file_is_found_when_the_sink_is_made(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for name, given_ in (
        ("secret", {"secret_file": file}),
        ("next_secret", {"next_secret_file": file}),
        ("headers: X-Key", {"headers_file": {"X-Key": file}}),
    ):
        file.write_text("hunter2\nhunter2")
        with pytest.raises(ConfigError) as caught:
            webhook(**given_)
        assert str(caught.value).startswith(f"team/webhook/0: {name}: ")
        assert "hunter2" not in str(caught.value)
