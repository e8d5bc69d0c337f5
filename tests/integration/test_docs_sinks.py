"""`docs/sinks.md` is held to the sinks: every kind there is, what each sends, what answers mean, and its limits."""

import json
import re
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock, fake_env
from tests.notifications import FAILED
from tests.unit.configs import ENVIRON
from watcher import render
from watcher.config import loads
from watcher.core.delivery import Outcome
from watcher.http import Http
from watcher.sinks import (
    SINKS,
    SinkConfig,
    Wiring,
    alertmanager,
    apprise,
    console,
    email,
    event,
    pagerduty,
    slack_answer,
    slack_bot,
    slack_buttons,
    slack_message,
    teams,
    webhook,
)
from watcher.sinks.base import HttpSinkConfig
from watcher.sinks.outcome import Reply, refusal

PAGE = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text()
HEAD = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "${CTP_CLIENT_ID}"
client_secret = "${CTP_CLIENT_SECRET}"

[[receivers]]
name = "team"
slack = [{ url = "${SLACK_WEBHOOK_URL}" }]
"""
ENVIRONMENT = {**ENVIRON, "SLACK_APP_TOKEN": "xapp-1-2-x"}
SECTIONS = {each.partition("\n")[0]: each for each in PAGE.split("\n## ")[1:]}
KINDS = {
    "Slack, incoming webhook": "slack",
    "Slack, bot": "slack",
    "Webhook": "webhook",
    "PagerDuty": "pagerduty",
    "Alertmanager": "alertmanager",
    "Microsoft Teams": "teams",
    "Email": "email",
    "Apprise": "apprise",
    "File": "file",
    "Console": "console",
}
ROWS = [line for line in PAGE.splitlines() if line.startswith("| [`")]
OUTCOMES = {
    "sent again": Outcome.REJECTED,
    "sent in short": Outcome.MALFORMED,
    "held": Outcome.REFUSED,
}


def fenced(heading: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[heading], re.MULTILINE | re.DOTALL)


def configured(heading: str) -> list[SinkConfig]:
    """The sinks of the kind that the section is about, of each of its configurations."""
    found = []
    for text in fenced(heading, "toml"):
        loaded = loads(HEAD + text, ENVIRONMENT)
        assert loaded.warnings == ()
        others = [each for each in loaded.settings.receivers if each.name != "team"]
        found += [sink for receiver in others for sink_id, sink in receiver.sinks() if KINDS[heading] in sink_id]
    return found


def rendered(sink: SinkConfig) -> str:
    wiring = Wiring(
        http=Http(),
        env=fake_env(FakeClock()),
        read=lambda path: path.read_text(),
        stream=StringIO(),
        allow=(ip_network("127.0.0.0/8"),),
    )
    return sink.build("deploys/x/0", wiring).render(FAILED).decode()


def holds(whole: Any, part: Any) -> bool:
    """Whether a document has in it what the page shows of it."""
    if isinstance(part, dict):
        return all(name in whole and holds(whole[name], value) for name, value in part.items())
    if isinstance(part, list):
        return len(part) <= len(whole) and all(map(holds, whole, part))
    return bool(whole == part)


def test_every_kind_has_its_row_and_its_section() -> None:
    kinds = {each.kind for each in SINKS}
    assert {line.split("`")[1] for line in ROWS} == kinds == set(KINDS.values())
    assert [heading for heading in SECTIONS if heading != "What an answer means"] == list(KINDS)
    linked = re.findall(r"\]\(#([a-z-]+)\)", "\n".join(ROWS))
    assert linked == [re.sub(r"[^a-z -]", "", each.lower()).replace(" ", "-") for each in KINDS]


@pytest.mark.parametrize("heading", KINDS)
def test_the_configuration_makes_a_sink_that_sends_what_is_shown(heading: str) -> None:
    sinks = configured(heading)
    assert sinks
    shown = [json.loads(each) for each in fenced(heading, "json")]
    for sink in sinks[:1]:
        body = rendered(sink)
        assert all(holds(json.loads(body), each) for each in shown)
        for text in fenced(heading, "text"):
            told = body if heading == "Console" else f"{render.title(FAILED)}\n\n{render.body(FAILED)}"
            assert told.strip() == text.strip()
    assert shown or heading in {"Slack, bot", "Email", "File", "Console"}


def test_an_answer_means_what_the_table_says() -> None:
    table = SECTIONS["What an answer means"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:3] != "|--"]
    seen = set()
    for row in (row for row in rows if len(row) == 3):
        for status in map(int, re.findall(r"\b[1-5]\d\d\b", row[0])):
            error = refusal(Reply(host="x", status=status, body=b""))
            assert error
            seen.add(status)
            assert (error.outcome, f"`{error.reason}`") == (OUTCOMES[re.split("[,;]", row[1])[0]], row[2])
    assert refusal(Reply(host="x", status=202, body=b"")) is None
    assert len(seen) == 18


LIMITS = {
    "Slack, incoming webhook": (f"{render.LISTED} alerts are spelled out", *("`no_service`", "`channel_is_archived`")),
    "Slack, bot": (
        "one message a second",
        *(f"`{code}`" for code in ("channel_not_found", "not_in_channel", "invalid_auth", "token_revoked")),
        *(f"*{slack_buttons._WORDS[each]}*" for each in list(slack_buttons.Press)[:3]),
    ),
    "Webhook": (f"at least {webhook.MIN_KEY} random bytes", f"`max_alerts` ({event.MAX_ALERTS})"),
    "PagerDuty": (f"at {60_000 // pagerduty.TURN} a minute, {pagerduty.BURST} of them at once",),
    "Alertmanager": (
        f"({alertmanager.RESOLVE_AFTER // 3_600_000}h, at least {alertmanager.SHORTEST // 60_000}m)",
        f"lasts {alertmanager.FACT_LASTS // 60_000} minutes",
    ),
    "Microsoft Teams": (f"below {teams.BUDGET:,} bytes",),
    "Email": tuple(f"`{tls}` ({'port ' * (tls == 'starttls')}{port}" for tls, port in email.PORTS.items()),
    "Apprise": (f"{apprise.SPELLED_OUT} alerts are spelled out",),
    "Console": (f"{console.SPELLED_OUT} alerts spelled out",),
}


@pytest.mark.parametrize("heading", LIMITS)
def test_the_limits_are_those_of_the_code(heading: str) -> None:
    text = " ".join(SECTIONS[heading].split())
    assert [each for each in LIMITS[heading] if each not in text] == []


def test_the_words_of_slack_mean_what_is_said() -> None:
    refused = slack_answer._CODES[slack_answer.Meaning.REFUSED]
    assert {"channel_not_found", "not_in_channel", "invalid_auth", "token_revoked", "missing_scope"} <= refused
    assert "ratelimited" in slack_answer._CODES[slack_answer.Meaning.LATER]
    assert {"no_service", "channel_is_archived"} <= slack_answer._WORDS - slack_answer._UNREADABLE
    assert slack_message.SIZES[0][0] == render.LISTED


def test_the_paces_of_a_bot_are_those_of_the_code() -> None:
    (sink,) = configured("Slack, bot")[:1]
    bot = sink.build("deploys/slack/0", Wiring(http=Http(), env=fake_env(), read=str, stream=StringIO()))
    assert isinstance(bot, slack_bot.SlackBot)
    assert [(pace.every, pace.burst) for pace in bot.paces] == [(1_000, 1), (200, 5), (1_500, 10)]
    assert "300 a minute in a workspace, ten edits at once and then 40 a minute" in " ".join(PAGE.split())


def test_every_sink_that_connects_has_a_timeout() -> None:
    without = {each.kind for each in SINKS if "timeout" not in each.model_fields}
    assert without == {"file", "console"}
    assert all("timeout" in each.model_fields for each in SINKS if issubclass(each, HttpSinkConfig))
