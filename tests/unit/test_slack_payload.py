import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from slack_sdk.models.blocks import Block

from tests.fakes import START, FakeClock, fake_env
from tests.notifications import DELIVERY_ID, FAILED, alert, delivery, notification, notifications, resolved, texts
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification, NotifyReason
from watcher.errors import DeliveryError
from watcher.http import Answer, Request
from watcher.ports import Sink
from watcher.simulator.slack import refusal as slack_would_say
from watcher.sinks import SlackConfig, Wiring
from watcher.sinks.outcome import Reply
from watcher.sinks.slack_answer import verdict
from watcher.sinks.slack_message import BUDGET, escape, fenced, payload, size

HOOK = "https://hooks.slack.example/services/T0/B0/token"


def strings(value: Any) -> Iterator[str]:
    """Every text that Slack shows, keys and types left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"type", "color"}:
                yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [*message["blocks"], *message["attachments"][0]["blocks"]]


def shown(message: dict[str, Any]) -> str:
    return "\n".join(strings(blocks_of(message)))


# ── nothing foreign has a meaning ────────────────────────────────────────────


def unescaped(text: str) -> str:
    return re.sub(r"&(?:amp|lt|gt);", "", text)


@given(notifications())
@example(notification(alert(labels={"deployment": "<!channel>"}, annotations={"summary": "<@U1> & <#C1>"})))
def test_no_foreign_text_can_be_markup(told: Notification) -> None:
    for text in strings(payload(told)):
        assert not set(unescaped(text)) & {"&", "<", ">"}, text


@pytest.mark.parametrize("evil", ["<!channel>", "<@U123>", "<#C123>", "<https://evil.example|ok>"])
def test_what_was_markup_is_shown_as_it_was_written(evil: str) -> None:
    told = notification(alert(annotations={"summary": evil, "description": evil, "error": evil, "status": evil}))
    assert shown(payload(told)).count(evil.replace("<", "&lt;").replace(">", "&gt;")) == 4


def test_every_text_asks_slack_not_to_look_for_links_and_mentions() -> None:
    texts_ = [block.get("text") or {} for block in blocks_of(payload(FAILED))[1:]]
    assert all(text.get("verbatim", True) for text in texts_)
    assert payload(FAILED)["unfurl_links"] is payload(FAILED)["unfurl_media"] is False


@given(texts)
def test_a_code_block_cannot_be_closed_from_within(error: str) -> None:
    block = fenced(error, 500)
    assert len(block) <= 500
    assert block.count("`") == 6
    assert block.startswith("```\n")
    assert block.endswith("\n```")


# ── the limits hold ──────────────────────────────────────────────────────────


@settings(deadline=None)
@given(notifications())
@example(notification(*[alert(deployment='"' * 4_000, annotations=dict.fromkeys("abcdefghij", '"' * 4_000))] * 30))
@example(notification(alert(annotations=dict.fromkeys(("summary", "description", "error", "build"), '"\n' * 3000))))
def test_slack_takes_whatever_is_made(told: Notification) -> None:
    message = json.loads(json.dumps(payload(told, "<!here>")))
    blocks = blocks_of(message)
    assert slack_would_say(message) is None
    for block in blocks:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    assert 0 < len(message["text"]) <= 3_000
    assert len(blocks) <= 50
    assert size(blocks) <= BUDGET
    assert message["attachments"][0]["blocks"][-1]["type"] == "context"


@given(texts)
def test_escaping_keeps_within_the_limit_and_says_how_much_is_missing(text: str) -> None:
    for limit in (30, 150, 3_000):
        made = escape(text, limit)
        assert len(made) <= limit
        if found := re.search(r"… \+(\d+) chars$", made):
            kept = made[: found.start()].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            assert len(kept) + int(found[1]) == len(
                escape(text, 10**6).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            )


@pytest.mark.parametrize("length", [149, 150, 151, 3_000])
def test_a_header_is_cut_exactly_where_it_must_be(length: int) -> None:
    made = escape("x" * length, 150)
    assert len(made) <= 150
    assert ("chars" in made) == (length > 150)


def test_an_excerpt_is_cut_between_lines() -> None:
    block = fenced("\n".join(f"line {number}" for number in range(100)), 200)
    last = block.removesuffix("\n```").splitlines()[-1]
    assert re.fullmatch(r"line \d+… \+\d+ chars", last)


# ── what a person reads ──────────────────────────────────────────────────────


def test_counts_are_exact_where_not_all_is_shown() -> None:
    told = notification(
        *[alert(deployment=f"d{number}") for number in range(500)], *[resolved(f"r{n}") for n in range(7)]
    )
    message = payload(told)
    assert "500 firing, 7 resolved" in message["text"]
    assert message["blocks"][0]["text"]["text"].startswith("🔴 500 firing, 7 resolved · ")
    listed = sum(text.count("• ") for text in strings(blocks_of(message)))
    assert listed == 20
    assert "*+487 more (480 firing, 7 resolved)*" in shown(message)


def test_what_is_long_is_listed_shorter_but_counted_right() -> None:
    told = notification(*[alert(deployment=f"d{n}", annotations={"summary": '"' * 900}) for n in range(40)])
    message = payload(told)
    listed = sum(text.count("• ") for text in strings(blocks_of(message)))
    assert 0 < listed < 20
    assert f"*+{40 - listed} more ({40 - listed} firing)*" in shown(message)


@pytest.mark.parametrize(
    ("told", "emoji", "word", "colour"),
    [
        (notification(), "🔴", "FIRING", "#d32f2f"),
        (notification(alert(labels={"severity": "warning"})), "🟠", "FIRING", "#f2a600"),
        (notification(alert(labels={"severity": "info"}, fact=True)), "🔵", "NOTICE", "#2b7bba"),
        (notification(alert(labels={"severity": ""})), "⚪", "FIRING", "#8d8d8d"),
        (notification(resolved()), "✅", "RESOLVED", "#2e9e5b"),
    ],
)
def test_colour_is_never_alone(told: Notification, emoji: str, word: str, colour: str) -> None:
    message = payload(told)
    assert message["attachments"][0]["color"] == colour
    assert message["blocks"][0]["text"]["text"].startswith(f"{emoji} {word} · ")
    assert message["text"].startswith(f"{emoji} {word} · ")


def test_a_failure_shows_its_error_and_what_it_is_about() -> None:
    text = shown(payload(FAILED))
    assert "```\npostDeploy: exit status 1\n&lt;Error&gt; cannot reach \u02cbdb\u02cb &amp; gave up\n```" in text
    assert "*connector*\nstripe" in text
    assert "*build*\nb-17" in text
    assert f"id {DELIVERY_ID}" in text
    assert "<https://watcher.example.com/groups/1|open>" in text
    assert "<https://wiki.example.com/failed?a=1&amp;b=2|runbook>" in text


def test_the_error_shown_is_that_of_the_news_under_its_name() -> None:
    """Not that of another alert of the group, which was told before."""
    alert = FAILED.alerts[0]
    old = replace(alert, fresh=False, annotations={"summary": "b failed", "error": "old trouble"})
    news = replace(
        alert, labels={**alert.labels, "deployment": "a"}, annotations={"summary": "a", "error": "new trouble"}
    )
    text = shown(payload(replace(FAILED, alerts=(old, news))))
    assert "a: new trouble" in text
    assert "old trouble" not in text
    recovered = replace(news, annotations={"summary": "a recovered"})
    assert "trouble" not in shown(payload(replace(FAILED, alerts=(old, recovered))))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.example/<!channel>", "https://a.example/|x", "https://a b"]
)
def test_a_link_that_is_none_is_left_out(url: str) -> None:
    assert "|runbook>" not in shown(payload(notification(alert(annotations={"runbook_url": url}))))


@pytest.mark.parametrize(
    ("told", "called"),
    [
        (notification(), True),
        (notification(reason=NotifyReason.REPEAT), True),
        (notification(alert(labels={"severity": "warning"})), False),
        (notification(resolved(), reason=NotifyReason.ALL_RESOLVED), False),
        (notification(alert(fresh=False), resolved("b"), reason=NotifyReason.NEW_RESOLVED), False),
    ],
)
def test_people_are_called_only_for_what_is_critical_and_firing(told: Notification, called: bool) -> None:
    message = payload(told, "<!here> <@U024BE7LH>")
    assert ("<!here> <@U024BE7LH>" in shown(message)) is called
    assert message["text"].startswith("<!here>") is called


@pytest.mark.parametrize("mention", ["here", "<!here", "<https://evil.example|x>", "<!here>\n", "<!here> and you"])
def test_only_a_mention_can_be_a_mention(mention: str) -> None:
    with pytest.raises(ValueError, match="mention"):
        SlackConfig.model_validate({"url": HOOK, "mention": mention})


# ── what Slack answers ───────────────────────────────────────────────────────


def reply(status: int, body: bytes | None) -> Reply:
    return Reply(host="hooks.slack.example", status=status, body=body)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        (200, b"<html>please log in</html>", Outcome.REJECTED, "bad_answer"),
        (200, b"", Outcome.REJECTED, "bad_answer"),
        (200, b"not ok", Outcome.REJECTED, "bad_answer"),
        (200, None, Outcome.UNKNOWN, "network"),
        (200, b"no_service", Outcome.REFUSED, "no_service"),
        (400, b"invalid_payload", Outcome.MALFORMED, "invalid_payload"),
        (400, b"secret-looking words", Outcome.MALFORMED, "client_error"),
        (403, b"action_prohibited", Outcome.REFUSED, "action_prohibited"),
        (403, b"<html>", Outcome.REFUSED, "auth_error"),
        (404, b"channel_not_found", Outcome.REFUSED, "channel_not_found"),
        (404, b"no_service", Outcome.REFUSED, "no_service"),
        (410, b"channel_is_archived", Outcome.REFUSED, "channel_is_archived"),
        (429, b"rate_limited", Outcome.REJECTED, "rate_limited"),
        (500, b"rollup_error", Outcome.REJECTED, "server_error"),
        (503, b"no_service", Outcome.REJECTED, "server_error"),
        (301, b"", Outcome.REFUSED, "redirect"),
    ],
)
def test_slack_is_taken_at_its_word(status: int, body: bytes | None, outcome: Outcome, reason: str) -> None:
    error = verdict(reply(status, body))
    assert error is not None
    assert (error.outcome, error.reason) == (outcome, reason)
    assert "secret-looking" not in str(error)
    assert "<html>" not in str(error)


def test_only_ok_is_ok() -> None:
    assert verdict(reply(200, b"ok\n")) is None


@dataclass
class ScriptedHttp:
    """A way out that answers as told and keeps what it was sent."""

    answers: list[tuple[int, bytes]]
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, request: Request) -> Answer:
        assert request.guard
        self.bodies.append(json.loads(request.body or b""))
        status, body = self.answers.pop(0)
        return Answer(status=status, headers={}, body=body)


def slack_over(http: ScriptedHttp) -> Sink:
    wiring = Wiring(http=http, env=fake_env(FakeClock(START)), read=Path.read_text, stream=StringIO())
    return SlackConfig.model_validate({"url": HOOK}).build("team/slack/0", wiring)


async def test_what_slack_cannot_read_is_sent_once_more_as_its_text_alone() -> None:
    http = ScriptedHttp([(400, b"invalid_payload"), (200, b"ok")])
    sink = slack_over(http)
    await sink.send(delivery(sink.render(FAILED)))
    whole, text = http.bodies
    assert text == {"text": whole["text"], "unfurl_links": False, "unfurl_media": False}


async def test_what_slack_cannot_read_even_as_text_is_refused() -> None:
    http = ScriptedHttp([(400, b"invalid_payload"), (400, b"no_text")])
    sink = slack_over(http)
    with pytest.raises(DeliveryError) as caught:
        await sink.send(delivery(sink.render(FAILED)))
    assert (caught.value.outcome, caught.value.reason, len(http.bodies)) == (Outcome.MALFORMED, "no_text", 2)


async def test_what_is_refused_for_another_reason_is_not_sent_again() -> None:
    http = ScriptedHttp([(404, b"channel_not_found")])
    sink = slack_over(http)
    with pytest.raises(DeliveryError, match="channel_not_found"):
        await sink.send(delivery(sink.render(FAILED)))


async def test_what_may_have_been_posted_before_says_so_and_is_the_same_otherwise() -> None:
    http = ScriptedHttp([(200, b"ok"), (200, b"ok")])
    sink = slack_over(http)
    body = sink.render(FAILED)
    await sink.send(delivery(body))
    await sink.send(delivery(body, unknown_outcomes=1))
    first, second = http.bodies
    assert first == json.loads(body)
    remark = second["attachments"][-1]["blocks"][-1]["elements"].pop()
    assert remark["text"] == f"⚠ possible duplicate · id {DELIVERY_ID}"
    assert second == first
    assert slack_would_say(second) is None
