"""What Teams gets of a notification, and how it is posted."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given

from tests.fakes import fake_env
from tests.loopback import web_server
from tests.notifications import EVIL, FAILED, MIXED, alert, delivery, notification, notifications, resolved
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification
from watcher.errors import DeliveryError
from watcher.http import Http
from watcher.sinks import Wiring
from watcher.sinks.teams import BUDGET, Teams, TeamsConfig, encoded, payload


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a message."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def words(message: Any) -> str:
    """All that a person reads."""
    return "\n".join(node["text"] for node in nodes(message) if "text" in node)


def card(message: dict[str, Any]) -> dict[str, Any]:
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    made: dict[str, Any] = attachment["content"]
    return made


# ── the card ─────────────────────────────────────────────────────────────────


@given(told=notifications())
def test_a_card_fits_and_has_foreign_text_only_where_no_markdown_is_read(told: Notification) -> None:
    message = payload(told)
    assert len(encoded(message)) <= BUDGET
    kinds = {node["type"] for node in nodes(card(message)) if "type" in node}
    assert kinds <= {"AdaptiveCard", "Container", "RichTextBlock", "TextRun", "Action.OpenUrl"}
    assert {node["title"] for node in nodes(message) if "title" in node} <= {"Open", "Runbook"}
    assert not re.search(r"\{\{|\}\}", words(message))
    assert not any("entities" in node for node in nodes(message))


def test_a_date_in_braces_stays_what_it_was() -> None:
    wild = alert(annotations={"summary": "{{{DATE(2017-02-14T06:00:00Z,SHORT)}}}"})
    assert "{ { {DATE(2017-02-14T06:00:00Z,SHORT)} } }" in words(payload(notification(wild)))


def test_markdown_is_shown_as_it_was_written() -> None:
    wild = "[click](https://evil.example) **bold** _it_ <at>everyone</at>"
    assert wild in words(payload(notification(alert(annotations={"summary": wild}))))


@pytest.mark.parametrize("text", EVIL)
def test_the_worst_text_everywhere_still_fits(text: str) -> None:
    everything = dict.fromkeys(("summary", "description", "error", "runbook_url", *map(str, range(30))), text * 300)
    many = [alert(deployment=f"{at} {text}", annotations=everything, attempts=2) for at in range(50)]
    message = payload(notification(*many, external_url="https://watcher.example.com/" + "x" * 450))
    assert len(encoded(message)) <= BUDGET
    assert card(message)["body"]


@pytest.mark.parametrize(
    ("told", "sign", "style", "word"),
    [
        (FAILED, "🔴", "attention", "FIRING"),
        (notification(alert(labels={"severity": "warning"})), "🟠", "warning", "FIRING"),
        (notification(alert(labels={"severity": "info"})), "🔵", "accent", "FIRING"),
        (notification(alert(labels={"severity": "odd"})), "⚪", "emphasis", "FIRING"),
        (notification(resolved()), "✅", "good", "RESOLVED"),
        (MIXED, "🔴", "attention", "2 firing (1 again), 1 notice, 1 resolved"),
    ],
)
def test_a_colour_is_never_alone(told: Notification, sign: str, style: str, word: str) -> None:
    first = card(payload(told))["body"][0]
    assert first["style"] == style
    assert words(first).startswith(f"{sign} {word} · ")


def test_what_is_left_out_is_counted() -> None:
    many = [alert(deployment=f"d{at}", annotations={"summary": "x" * 290}) for at in range(500)]
    text = words(payload(notification(*many)))
    shown = text.count("firing: ")
    assert f"+{500 - shown} more ({500 - shown} firing)" in text


def test_what_silences_kept_back_is_counted_and_who_took_it_on_is_named() -> None:
    text = words(payload(replace(notification(alert(acknowledged_by="ada <b>")), held_back=3)))
    assert "3 held back by silences" in text
    assert "firing, acknowledged by ada <b>: " in text


def test_the_error_is_shown_line_by_line_under_the_name_of_its_alert() -> None:
    one = alert(deployment="a", annotations={"error": "first\n\nsecond\n" + "line\n" * 200})
    found = [node for node in nodes(payload(notification(one, alert(deployment="b")))) if node.get("fontType")]
    assert [node["text"] for node in found[:2]] == ["first", "second"]
    assert re.fullmatch(r"… \+\d+ lines", found[-1]["text"])
    assert "my-shop / a" in words(payload(notification(one, alert(deployment="b"))))


def test_links_are_buttons_and_only_what_is_a_url_is_one() -> None:
    assert [each["url"] for each in card(payload(FAILED))["actions"]] == [
        "https://watcher.example.com/groups/1",
        "https://wiki.example.com/failed?a=1&b=2",
    ]
    wild = notification(alert(annotations={"runbook_url": "javascript:alert(1)"}), external_url="data:text/html,x")
    assert "actions" not in card(payload(wild))


# ── posting ──────────────────────────────────────────────────────────────────


async def posted(answers: list[int], **row: Any) -> tuple[list[dict[str, Any]], DeliveryError | None]:
    """What a workflow that answers so gets of FAILED, and what comes of the attempt."""
    found: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        found.append(await request.json())
        return web.Response(status=answers.pop(0))

    async with web_server(take) as url, Http(allow=(ip_network("127.0.0.0/8"),)) as http:
        to = sink(http, url)
        try:
            await to.send(delivery(to.render(FAILED), **row))
        except DeliveryError as error:
            return found, error
    return found, None


def sink(http: Http, url: str = "https://workflows.example.com/x") -> Teams:
    wiring = Wiring(http=http, env=fake_env(), read=Path.read_text, stream=StringIO())
    return TeamsConfig.model_validate({"url": url}).build("team/teams/0", wiring)


async def test_taken_is_delivered() -> None:
    assert await posted([202]) == ([payload(FAILED)], None)


async def test_what_may_have_been_posted_before_says_so() -> None:
    ((told,), error) = await posted([202], unknown_outcomes=1)
    assert error is None
    assert "possible duplicate · id cw_" in words(card(told)["body"][-1])
    assert card(told)["body"][:-1] == card(payload(FAILED))["body"]


@pytest.mark.parametrize("status", [400, 413])
async def test_what_cannot_be_read_is_malformed(status: int) -> None:
    found, error = await posted([status])
    assert error is not None
    assert (error.outcome, len(found)) == (Outcome.MALFORMED, 1)


def test_it_keeps_to_four_a_second() -> None:
    (pace,) = sink(Http()).paces
    assert (pace.every, pace.burst) == (250, 4)


def test_a_message_without_alerts_says_something() -> None:
    empty = replace(FAILED, alerts=(), firing=0, fresh=0, status="resolved")
    assert json.loads(encoded(payload(empty)))
