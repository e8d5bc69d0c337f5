"""What a bot is told, what it writes, and what its buttons carry."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from pydantic import ValidationError
from slack_sdk.models.blocks import Block

from tests.notifications import alert, notification, notifications
from tests.slack_world import (
    FACT,
    FAILED_FIRST,
    RECOVERED,
    TOKEN,
    Lane,
)
from watcher.core.matcher import parse
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.simulator.slack import refusal as slack_would_say
from watcher.sinks import SlackConfig
from watcher.sinks.slack_buttons import BLOCK, MAX_VALUE, Press, buttons, meant
from watcher.sinks.slack_card import Manner, frozen, read_sheet, reply, root, sheet
from watcher.sinks.slack_message import BUDGET, marked, size

# ── the message ──────────────────────────────────────────────────────────────

FULL = Manner(channel="#deploys", mention="<!here> <@U024BE7LH>", actions=True)
long_lines = tuple('2027-01-15T08:00:00Z 🔴 "' + '"' * 118 for _ in range(5))
long_beginning = '"' * 700


@settings(deadline=None)
@given(notifications())
@example(notification(*[alert(deployment='"' * 4_000, annotations=dict.fromkeys("abcdefghij", '"' * 4_000))] * 30))
@example(notification(alert(annotations=dict.fromkeys(("summary", "description", "error", "logs_url"), '"\n' * 3000))))
@example(notification(group_labels={"deployment": "d" * 400}, group_key='"' * 100))
def test_slack_takes_whatever_is_made(told: Notification) -> None:
    made = read_sheet(frozen(sheet(told, FULL)))
    for message in (root(made, long_lines, call=True), reply(made, long_beginning)):
        message = json.loads(json.dumps(marked(message, "cw_" + "0" * 32)))  # noqa: PLW2901  as it comes out of the wire
        assert slack_would_say(message) is None
        blocks = [*message["blocks"], *message["attachments"][0]["blocks"]]
        for block in blocks:
            parsed = Block.parse(block)
            assert parsed is not None
            parsed.validate_json()
        assert size(blocks) <= BUDGET
        assert 0 < len(message["text"]) <= 4_000
        assert message["attachments"][0]["blocks"][-1]["type"] == "context"


# ── buttons ──────────────────────────────────────────────────────────────────


def buttons_of(told: Notification) -> dict[str, Any]:
    """The buttons by what they do."""
    (block,) = buttons(told) or [{"elements": [], "block_id": BLOCK}]
    assert block["block_id"] == BLOCK
    return {each["action_id"]: each for each in block["elements"]}


def test_buttons_are_there_only_where_somebody_listens() -> None:
    assert "actions" not in json.dumps(sheet(FAILED_FIRST, Manner(channel="x")).message)
    assert sheet(FAILED_FIRST, Manner(channel="x")).buttons == []
    made = sheet(FAILED_FIRST, FULL)
    assert "actions" in json.dumps(root(made, (), call=False))
    assert "actions" not in json.dumps(reply(made, ""))


def no_pattern(pattern: str) -> Callable[[str], bool]:
    raise AssertionError(pattern)


def test_a_button_carries_what_a_press_needs() -> None:
    told = notification(
        alert(annotations={"logs_url": "https://logs.example/d?a=1&b=2"}),
        group_labels={"project": "my-shop", "deployment": 'a"b'},
    )
    found = buttons_of(told)
    assert set(found) == set(Press)
    assert found[Press.OPEN_LOGS]["url"] == "https://logs.example/d?a=1&b=2"
    about = meant(found[Press.SILENCE_DEPLOYMENT]["value"])
    assert about is not None
    assert about.group == told.group_key
    assert [parse(each, no_pattern)[0].value for each in about.matchers] == [
        'a"b',
        "my-shop",
    ]


def test_a_silence_needs_something_to_match_and_a_deployment_to_wait_for() -> None:
    assert Press.SILENCE_DEPLOYMENT not in buttons_of(notification(group_labels={"project": "my-shop"}))
    nothing_shared = notification(alert(labels={"deployment": "a"}), alert("B", "b"), group_labels={})
    assert Press.SILENCE_HOUR in buttons_of(nothing_shared)
    foreign = [replace(each, labels={str(at): "x"}) for at, each in enumerate(nothing_shared.alerts)]
    assert set(buttons_of(notification(*foreign, group_labels={}))) == {Press.ACKNOWLEDGE}


@pytest.mark.parametrize("told", [RECOVERED, FACT, notification(group_key="k" * MAX_VALUE)])
def test_there_is_no_button_for_what_is_over_or_too_long_to_name(told: Notification) -> None:
    assert buttons_of(told) == {}


@pytest.mark.parametrize("value", ["", "x", "[]", '{"group": 5}', '{"matchers": []}', '{"a":' + "[" * 9_000])
def test_a_value_that_is_none_of_ours_means_nothing(value: str) -> None:
    assert meant(value) is None


# ── configuration ────────────────────────────────────────────────────────────

BOT = {"token": TOKEN, "channel": "#deploys"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "give either url or url_file, which are a webhook's, or token or token_file, a bot's"),
        ({**BOT, "url": "https://hooks.slack.example/x"}, "give either url"),
        ({**BOT, "token_file": "/run/secrets/token"}, "give either url"),
        ({"token": TOKEN}, "give the channel that the bot posts to"),
        ({"token_file": "/run/secrets/token"}, "give the channel"),
        ({"url": "https://hooks.slack.example/x", "channel": "#a"}, "channel: a webhook has no such thing"),
        ({"url": "https://hooks.slack.example/x", "threads": True}, "threads: a webhook has no such thing"),
        ({**BOT, "token": "xapp-1-pr1vate"}, "is an app-level token"),
        ({**BOT, "token": "pr1vate"}, "is not a bot token, which begins with xoxb-"),
        ({**BOT, "token": "xoxb-1\n-pr1vate"}, "is not a bot token"),
        ({**BOT, "channel": "#a b"}, "should match pattern"),
        ({**BOT, "api_url": "ftp://slack.example"}, "is not a URL"),
    ],
)
def test_a_form_is_given_whole_and_alone(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SlackConfig.model_validate(given)
    assert problem in str(caught.value)
    assert "pr1vate" not in str(caught.value)


def paces_of(**given: Any) -> dict[str, Pace]:
    return {pace.name: pace for pace in Lane({**BOT, **given}).sink.paces}


def test_paces_are_shared_by_those_who_share_the_limit() -> None:
    names = [
        set(paces_of(**given)) for given in ({}, {"channel": "#b"}, {"token": TOKEN + "9"}, {"token": "xoxb-3-4-z"})
    ]
    same, other_channel, rotated, other_team = names
    assert len(same) == 3
    assert len(same & other_channel) == 2
    assert rotated == same
    assert not same & other_team
    assert not [name for name in same if "pr1vate" in name or "deploys" in name]


def test_paces_keep_within_slacks_limits() -> None:
    worst = sorted((pace.burst, pace.burst + 60_000 // pace.every) for pace in paces_of().values())
    assert worst == [(1, 61), (5, 305), (10, 50)]
    assert len(paces_of(update_message=False)) == 2
