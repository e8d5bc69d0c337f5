"""What Alertmanager gets of a notification, and how several of them are pushed to."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.fakes import START, FakeClock, fake_env
from tests.loopback import free_port, web_server
from tests.notifications import FAILED, alert, delivery, notification, notifications, resolved
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Http
from watcher.sinks import Wiring
from watcher.sinks.alertmanager import FACT_LASTS, Alertmanager, AlertmanagerConfig, ended, label_set, payload

HOUR = 3_600_000
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


# ── the alerts ───────────────────────────────────────────────────────────────


def test_what_fires_ends_a_while_after_its_message() -> None:
    (made,) = payload(notification(alert()), 5 * HOUR)
    assert millis(made["startsAt"]) == alert().starts_at
    assert millis(made["endsAt"]) == START + 5 * HOUR


def test_what_has_ended_ends_when_it_did() -> None:
    (made,) = payload(notification(resolved(ends_at=START - 1_500)), 5 * HOUR)
    assert millis(made["endsAt"]) == START - 1_500


def test_nothing_ends_before_it_began() -> None:
    (made,) = payload(notification(resolved(starts_at=START, ends_at=START - HOUR)), HOUR)
    assert made["endsAt"] == made["startsAt"]


def test_the_same_alert_has_the_same_labels_whatever_else_changes() -> None:
    before, after = (
        payload(notification(each), HOUR)[0]["labels"]
        for each in (alert(annotations={"build": "b1"}), resolved(annotations={"build": "b2"}, attempts=3))
    )
    assert before == after == dict(alert().labels)


def test_names_are_made_sane_and_stay_apart() -> None:
    made = label_set({"details.order": "a", "details_order": "b", "details-order": "c", "1st": "d", "x": "", "ü": "e"})
    assert made == {
        "alertname": "Alert",
        "details_order": "b",
        "details_order_": "c",
        "details_order__": "a",
        "_1st": "d",
        "_": "e",
    }


def test_values_that_are_cut_stay_apart() -> None:
    one, other = (label_set({"path": "x" * 600 + end})["path"] for end in "ab")
    assert one != other
    assert len(one) < 520


@given(labels=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=8))
def test_every_label_set_is_one_that_alertmanager_takes(labels: dict[str, str]) -> None:
    made = label_set(labels)
    assert made["alertname"]
    assert all(NAME.fullmatch(name) and value for name, value in made.items())
    assert label_set(dict(reversed(labels.items()))) == made


@given(told=notifications())
def test_every_alert_is_pushed_and_none_is_invented(told: Notification) -> None:
    made = payload(told, HOUR)
    assert len(made) == max(len(told.alerts), 1)
    for each in made:
        assert millis(str(each.get("endsAt", each["startsAt"]))) >= millis(each["startsAt"])
        assert all(NAME.fullmatch(name) and value for name, value in each["annotations"].items())


def test_who_has_taken_it_on_and_what_was_kept_back_are_annotations() -> None:
    (made,) = payload(notification(alert(acknowledged_by="ada"), held_back=3), HOUR)
    assert made["annotations"].items() >= {"acknowledged_by": "ada", "held_back": "3 by silences"}.items()
    (plain,) = payload(notification(alert()), HOUR)
    assert {"acknowledged_by", "held_back"}.isdisjoint(plain["annotations"])


# ── pushing ──────────────────────────────────────────────────────────────────


@dataclass
class Member:
    """One Alertmanager that answers with `answers`, then with 200."""

    answers: list[int] = field(default_factory=list)
    pushed: list[list[dict[str, Any]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        self.pushed.append(await request.json())
        self.headers.append(request.headers)
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@pytest.fixture
async def members() -> AsyncIterator[tuple[Member, Member]]:
    one, other = Member(), Member()
    async with AsyncExitStack() as stack:
        for each in (one, other):
            each.url = await stack.enter_async_context(web_server(each.take)) + "/alertmanager/"
        yield one, other


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(allow=(ip_network("127.0.0.0/8"),)) as opened:
        yield opened


def sink(http: Http, *urls: str, clock: FakeClock | None = None, **extra: Any) -> Alertmanager:
    config = AlertmanagerConfig.model_validate({"urls": urls, **extra})
    env = fake_env(clock)
    wiring = Wiring(http=http, env=env, read=lambda path: path.read_text().strip(), stream=StringIO())
    return config.build("team/alertmanager/0", wiring)


async def attempt(to: Alertmanager, told: Notification = FAILED) -> DeliveryError | None:
    try:
        await to.send(delivery(to.render(told)))
    except DeliveryError as error:
        return error
    return None


async def test_all_members_are_pushed_to(http: Http, members: tuple[Member, Member]) -> None:
    to = sink(http, *(each.url for each in members))
    assert await attempt(to) is None
    assert [each.pushed for each in members] == [[json.loads(to.render(FAILED))]] * 2


@pytest.mark.parametrize("failure", [400, 401, 404, 429, 503])
async def test_one_that_took_it_is_enough(http: Http, members: tuple[Member, Member], failure: int) -> None:
    members[1].answers = [failure, failure]
    assert await attempt(sink(http, *(each.url for each in members))) is None


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        ((401, 503), Outcome.REJECTED),
        ((503, 401), Outcome.REJECTED),
        ((401, 400), Outcome.MALFORMED),
        ((401, 404), Outcome.REFUSED),
    ],
)
async def test_of_several_failures_the_most_hopeful_counts(
    http: Http, members: tuple[Member, Member], failures: tuple[int, int], outcome: Outcome
) -> None:
    for member, failure in zip(members, failures, strict=True):
        member.answers = [failure, failure]
    error = await attempt(sink(http, *(each.url for each in members)))
    assert error is not None
    assert error.outcome is outcome


async def test_one_that_is_not_there_keeps_nothing_from_the_others(http: Http, members: tuple[Member, Member]) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert await attempt(sink(http, nobody, members[0].url)) is None
    members[0].answers = [401]
    error = await attempt(sink(http, nobody, members[0].url))
    assert error is not None
    assert error.outcome is Outcome.UNSENT


async def test_a_fact_lasts_a_while_from_when_it_is_pushed(http: Http, members: tuple[Member, Member]) -> None:
    clock = FakeClock(START + 48 * HOUR)
    told = notification(alert(fact=True), resolved("paypal-prod"))
    assert await attempt(sink(http, members[0].url, clock=clock), told) is None
    ((fact, over),) = members[0].pushed
    assert millis(fact["endsAt"]) == clock.at + FACT_LASTS
    assert millis(over["endsAt"]) == START


def test_a_fact_of_a_clock_that_was_set_back_ends_when_it_began() -> None:
    body = json.dumps([{"labels": {}, "startsAt": "2027-01-15T08:00:00.250Z"}]).encode()
    assert json.loads(ended(body, START))[0]["endsAt"] == "2027-01-15T08:00:00.250Z"
    assert json.loads(ended(body, START + 251))[0]["endsAt"] == "2027-01-15T08:00:00.251Z"


async def test_what_cannot_be_read_is_pushed_once_more_without_annotations(
    http: Http, members: tuple[Member, Member]
) -> None:
    members[0].answers = [400]
    assert await attempt(sink(http, members[0].url)) is None
    (full,), (bare,) = members[0].pushed
    assert bare == {name: full[name] for name in ("labels", "startsAt", "endsAt")}


@pytest.mark.parametrize(
    ("given_", "header"),
    [
        ({}, None),
        ({"username": "me", "password": "pä:ss"}, "Basic bWU6cMOkOnNz"),
        ({"bearer_token": "t0ken"}, "Bearer t0ken"),
    ],
)
async def test_how_it_is_let_in(
    http: Http, members: tuple[Member, Member], given_: dict[str, Any], header: str | None
) -> None:
    assert await attempt(sink(http, members[0].url, **given_)) is None
    assert [each.get("authorization") for each in members[0].headers] == [header]


async def test_a_new_password_is_used_by_the_next_attempt(
    http: Http, members: tuple[Member, Member], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    to = sink(http, members[0].url, bearer_token_file=file)
    file.write_text("new")
    assert await attempt(to) is None
    assert members[0].headers[0]["authorization"] == "Bearer new"
    file.write_text("new and\nsplit")
    error = await attempt(to)
    assert error is not None
    assert (error.outcome, len(members[0].pushed)) == (Outcome.UNSENT, 1)
    with pytest.raises(ConfigError, match=r"^team/alertmanager/0: bearer_token: cannot be a bearer token"):
        sink(http, members[0].url, bearer_token_file=file)


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"username": "me"}, "give username and password together"),
        ({"password": "x"}, "give username and password together"),
        ({"username": "a:b", "password": "x"}, "must be a user name"),
        (
            {"username": "me", "password": "x", "bearer_token": "t"},
            "give either username and password, or bearer_token",
        ),
        ({"bearer_token": "a b"}, "cannot be a bearer token"),
        ({"urls": []}, "at least 1 item"),
        ({"urls": ["https://user:pass@am.example.com"]}, "has a user name or password in it"),
        ({"resolve_after": "0s"}, "write a duration"),
    ],
)
def test_what_cannot_be_meant_is_refused(given_: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AlertmanagerConfig.model_validate({"urls": ["https://am.example.com"], **given_})
