"""What PagerDuty gets of a notification, and how it is posted."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given

from tests.fakes import fake_env
from tests.loopback import web_server
from tests.notifications import FAILED, MIXED, alert, delivery, notification, notifications, resolved
from watcher.core.delivery import Outcome
from watcher.core.notification import AlertView, Notification, NotifyReason
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Http
from watcher.sinks import Wiring
from watcher.sinks.pagerduty import PagerDuty, PagerDutyConfig, dedup_key, payload

KEY, NEXT_KEY = "a" * 32, "b" * 32
DEPLOYED = alert("Deployed", fact=True, labels={"severity": "info"}, annotations={"summary": "stripe-prod deployed"})


def acknowledged(deployment: str = "stripe-prod", **fields: Any) -> AlertView:
    return alert(deployment=deployment, acknowledged_by="ada", **fields)


# ── the life of an incident ──────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("alerts", "action"),
    [
        ([alert()], "trigger"),
        ([alert(fresh=False)], "trigger"),
        ([alert(), resolved("paypal-prod")], "trigger"),
        ([resolved()], "resolve"),
        ([resolved(), resolved("paypal-prod")], "resolve"),
        ([resolved(), DEPLOYED], "resolve"),
        ([acknowledged()], "acknowledge"),
        ([acknowledged(), resolved("paypal-prod")], "acknowledge"),
        ([acknowledged(), alert(deployment="paypal-prod")], "trigger"),
        ([alert("DeploymentVanished", fact=True)], "trigger"),
        ([alert("Odd", fact=True, labels={"severity": ""})], "trigger"),
    ],
)
def test_an_incident_stands_as_the_worst_of_its_alerts(alerts: Sequence[AlertView], action: str) -> None:
    assert payload(notification(*alerts))["event"]["event_action"] == action


@pytest.mark.parametrize(
    ("shown", "counts", "parts"),
    [
        (resolved(), {"firing": 1, "resolved": 1}, {"event": "trigger"}),
        (resolved(), {"firing": 0, "resolved": 2}, {"event": "resolve"}),
        (acknowledged(), {"firing": 2, "resolved": 0}, {"event": "trigger"}),
        (DEPLOYED, {"firing": 2, "resolved": 0}, {"event": "trigger", "change": None}),
        (DEPLOYED, {"firing": 1, "resolved": 1}, {"event": "resolve", "change": None}),
    ],
)
def test_a_message_in_short_ends_nothing_that_it_does_not_show(
    shown: AlertView, counts: dict[str, Any], parts: dict[str, str | None]
) -> None:
    told = payload(replace(notification(shown), **counts))
    assert {part: event.get("event_action") for part, event in told.items()} == parts


def test_all_that_is_told_of_a_group_lands_on_one_incident() -> None:
    first, again, over = (
        payload(notification(each, id=f"cw_{at}", at=at, reason=NotifyReason.REPEAT))["event"]["dedup_key"]
        for at, each in enumerate((alert(), acknowledged(), resolved()))
    )
    assert first == again == over
    assert len(first) <= 255


def test_another_group_is_another_incident() -> None:
    assert dedup_key(FAILED) != dedup_key(replace(FAILED, group_key=FAILED.group_key + " "))


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        (["critical", "warning"], "critical"),
        (["warning", "info"], "warning"),
        (["info"], "info"),
        ([""], "error"),
        (["page", "warning"], "error"),
        (["error", "critical"], "critical"),
    ],
)
def test_severities_are_those_of_pagerduty(severities: list[str], expected: str) -> None:
    alerts = [alert(deployment=f"d{at}", labels={"severity": each}) for at, each in enumerate(severities)]
    assert payload(notification(*alerts))["event"]["payload"]["severity"] == expected


def test_what_has_ended_makes_nothing_worse() -> None:
    told = payload(notification(resolved("a"), alert(deployment="b", labels={"severity": "warning"})))
    assert told["event"]["payload"]["severity"] == "warning"


# ── changes ──────────────────────────────────────────────────────────────────


def test_a_good_deployment_is_a_change_and_no_incident() -> None:
    assert payload(notification(DEPLOYED)) == {
        "change": {
            "payload": {
                "summary": "stripe-prod deployed",
                "source": "my-shop / stripe-prod",
                "timestamp": "2027-01-15T08:00:00Z",
                "custom_details": {
                    "alerts": ["notice: stripe-prod deployed"],
                    "labels": dict(DEPLOYED.labels),
                    "id": notification().id,
                },
            }
        }
    }


def test_a_recovery_with_a_good_deployment_is_both() -> None:
    told = payload(notification(resolved(), DEPLOYED))
    assert told["event"]["event_action"] == "resolve"
    assert told["change"]["payload"]["summary"] == "stripe-prod deployed"


def test_what_silences_kept_back_is_counted() -> None:
    told = payload(replace(FAILED, held_back=3))["event"]["payload"]["custom_details"]
    assert told["held back by silences"] == 3


@pytest.mark.parametrize("told", [resolved(), alert(acknowledged_by="ada")])
def test_what_silences_kept_back_is_a_change_where_the_event_has_no_room_for_it(told: AlertView) -> None:
    parts = payload(notification(told, held_back=3))
    assert parts["change"]["payload"]["custom_details"]["held back by silences"] == 3
    assert set(payload(notification(told))) == {"event"}


# ── beside the news ──────────────────────────────────────────────────────────


def test_what_somebody_took_on_is_acknowledged_at_once_where_it_is_all_that_fires() -> None:
    known = alert(fresh=False, acknowledged_by="ada")
    told = payload(notification(known, reason=NotifyReason.ACKNOWLEDGED))
    assert told["event"]["event_action"] == "acknowledge"
    assert payload(notification(known, alert("b", fresh=False), reason=NotifyReason.ACKNOWLEDGED)) == {}


def test_an_incident_that_moved_ends_and_begins_under_its_new_name() -> None:
    known = alert(fresh=False, acknowledged_by="ada")
    ended, begun = (payload(notification(known, reason=each)) for each in (NotifyReason.MOVED, NotifyReason.REFRESH))
    assert (ended["event"]["event_action"], begun["event"]["event_action"]) == ("resolve", "trigger")


def test_the_two_share_no_alert() -> None:
    told = payload(MIXED)
    assert len(told["event"]["payload"]["custom_details"]["alerts"]) == 3
    assert told["change"]["payload"]["custom_details"]["alerts"] == ["notice: now watching 300"]


# ── limits ───────────────────────────────────────────────────────────────────


@given(told=notifications())
def test_events_keep_to_the_limits_of_pagerduty(told: Notification) -> None:
    made = payload(told)
    assert made or told.reason is NotifyReason.ACKNOWLEDGED
    for event in made.values():
        assert len(json.dumps(event, ensure_ascii=False).encode()) < 512 * 1024
        if "payload" in event:
            assert 1 <= len(event["payload"]["summary"]) <= 1_024
            assert event["payload"]["source"]
        assert all(each["href"].startswith(("http://", "https://")) for each in event.get("links", ()))


def test_the_largest_message_is_far_within_them() -> None:
    long = {f"name{at}": "𝔘" * 9_000 for at in range(60)}
    huge = [alert(deployment=f"d{at}", annotations={"summary": "x" * 9_000, **long}) for at in range(500)]
    told = payload(notification(*huge))["event"]
    assert len(json.dumps(told, ensure_ascii=False).encode()) < 512 * 1024
    assert told["payload"]["custom_details"]["alerts"][-1] == "+480 more (480 firing)"
    single = payload(notification(alert(annotations={"summary": "x" * 9_000, **long}, labels=long)))["event"]
    assert len(single["payload"]["summary"]) <= 1_024
    assert len(json.dumps(single, ensure_ascii=False).encode()) < 512 * 1024


def test_only_what_is_a_url_is_a_link() -> None:
    wild = alert(annotations={"runbook_url": "javascript:alert(1)"})
    told = payload(notification(wild, external_url="not a url"))["event"]
    assert "links" not in told
    assert "client_url" not in told


# ── posting ──────────────────────────────────────────────────────────────────


@dataclass
class Service:
    """A PagerDuty that answers with `answers`, then with 202."""

    answers: list[int] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        self.events.append((request.path, await request.json()))
        return web.json_response({"status": "success"}, status=self.answers.pop(0) if self.answers else 202)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.events]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    async with web_server(made.take) as made.url:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(allow=(ip_network("127.0.0.0/8"),)) as opened:
        yield opened


def sink(service: Service, http: Http, **extra: Any) -> PagerDuty:
    config = PagerDutyConfig.model_validate({"api_url": f"{service.url}/", "routing_key": KEY, **extra})
    wiring = Wiring(http=http, env=fake_env(), read=lambda path: path.read_text().strip(), stream=StringIO())
    return config.build("team/pagerduty/0", wiring)


async def attempt(to: PagerDuty, told: Notification) -> DeliveryError | None:
    try:
        await to.send(delivery(to.render(told)))
    except DeliveryError as error:
        return error
    return None


async def test_both_are_posted_with_the_key_the_incident_first(service: Service, http: Http) -> None:
    assert await attempt(sink(service, http), MIXED) is None
    assert service.paths == ["/v2/enqueue", "/v2/change/enqueue"]
    assert {event["routing_key"] for _, event in service.events} == {KEY}


async def test_a_change_that_is_not_taken_fails_the_attempt(service: Service, http: Http) -> None:
    service.answers = [202, 429]
    error = await attempt(sink(service, http), MIXED)
    assert error is not None
    assert error.outcome is Outcome.REJECTED


async def test_what_cannot_be_read_is_malformed(service: Service, http: Http) -> None:
    service.answers = [400]
    error = await attempt(sink(service, http), MIXED)
    assert error is not None
    assert (error.outcome, service.paths) == (Outcome.MALFORMED, ["/v2/enqueue"])


async def test_the_key_is_not_in_what_is_frozen_and_a_new_one_is_used_at_once(
    service: Service, http: Http, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    to = sink(service, http, routing_key=None, routing_key_file=file)
    body = to.render(FAILED)
    file.write_text(NEXT_KEY)
    await to.send(delivery(body))
    assert KEY.encode() not in body
    assert [event["routing_key"] for _, event in service.events] == [NEXT_KEY]
    file.write_text("half a key")
    error = await attempt(to, FAILED)
    assert error is not None
    assert error.outcome is Outcome.UNSENT
    assert "half" not in str(error)


async def test_a_key_that_is_none_is_found_before_anything_runs(service: Service, http: Http, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("too short")
    with pytest.raises(ConfigError, match=r"^team/pagerduty/0: routing_key: is not an integration key") as caught:
        sink(service, http, routing_key=None, routing_key_file=file)
    assert "too short" not in str(caught.value)


def test_it_keeps_to_the_pace_of_an_integration_key() -> None:
    wiring = Wiring(http=Http(), env=fake_env(), read=Path.read_text, stream=StringIO())
    (pace,) = PagerDutyConfig.model_validate({"routing_key": KEY}).build("a/pagerduty/0", wiring).paces
    assert 60_000 // pace.every <= 120
    assert pace.burst <= 20


def test_of_several_alerts_the_worst_is_named() -> None:
    lesser = alert(deployment="a", labels={"severity": "warning"}, annotations={"summary": "slow"})
    worst = alert(deployment="b", labels={"severity": "critical"}, annotations={"summary": "b is down"})
    told = payload(notification(lesser, worst))["event"]["payload"]["summary"]
    assert told.startswith("2 firing")
    assert told.endswith(": b is down")
