from typing import Any

import pytest
from slack_sdk.models import blocks as official

from watcher.simulator import slack
from watcher.simulator.slack import refusal


def mrkdwn(length: int) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": "x" * length}


def plain(length: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": "x" * length}


def section(length: int) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(length)}


def button(length: int) -> dict[str, Any]:
    return {"type": "button", "text": plain(length)}


def fields(count: int, length: int) -> dict[str, Any]:
    return {"type": "section", "fields": [mrkdwn(length)] * count}


def context(count: int) -> dict[str, Any]:
    return {"type": "context", "elements": [mrkdwn(5)] * count}


def actions(count: int, length: int = 5) -> dict[str, Any]:
    return {"type": "actions", "elements": [button(length)] * count}


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "hello"},
        {"text": "x" * 40_000},
        {"blocks": [{"type": "divider"}] * 50},
        {"blocks": [section(3000)]},
        {"blocks": [fields(10, 900)]},
        {"blocks": [fields(1, 2000)]},
        {"blocks": [{"type": "header", "text": plain(150)}]},
        {"blocks": [context(10)]},
        {
            "blocks": [
                {"type": "context", "elements": [{"type": "image", "image_url": "https://e.x/i", "alt_text": "i"}]}
            ]
        },
        {"blocks": [actions(25, 75)]},
        {"attachments": [{"color": "#a30200", "blocks": [section(10)]}]},
        {"attachments": [{"fallback": "old style", "text": "x"}]},
    ],
)
def test_what_is_within_the_limits_is_taken(payload: dict[str, Any]) -> None:
    assert refusal(payload) is None


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("not an object", "invalid_payload"),
        ([], "invalid_payload"),
        ({"text": 5}, "invalid_payload"),
        ({}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"blocks": []}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": "x"}, "invalid_blocks"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "unheard-of"}]}, "invalid_blocks"),
        ({"blocks": ["x"]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider", "block_id": "x" * 256}]}, "invalid_blocks"),
        ({"blocks": [section(3001)]}, "invalid_blocks"),
        ({"blocks": [section(0)]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": "bare"}]}, "invalid_blocks"),
        ({"blocks": [fields(11, 5)]}, "invalid_blocks"),
        ({"blocks": [fields(1, 2001)]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": plain(151)}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": mrkdwn(5)}]}, "invalid_blocks"),
        ({"blocks": [context(11)]}, "invalid_blocks"),
        ({"blocks": [context(0)]}, "invalid_blocks"),
        ({"blocks": [actions(26)]}, "invalid_blocks"),
        ({"blocks": [actions(1, 76)]}, "invalid_blocks"),
        ({"blocks": [section(2900)] * 5}, "msg_blocks_too_long"),
        ({"text": "x", "attachments": {"color": "red"}}, "invalid_attachments"),
        ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
        ({"attachments": [{"blocks": [section(3001)]}]}, "invalid_blocks"),
    ],
)
def test_what_is_beyond_them_is_refused_in_slacks_words(payload: Any, why: str) -> None:
    assert refusal(payload) == why


def test_limits_are_those_of_the_official_models() -> None:
    assert official.SectionBlock.text_max_length == slack.MAX_SECTION
    assert official.SectionBlock.fields_max_length == slack.MAX_FIELDS
    assert official.HeaderBlock.text_max_length == slack.MAX_HEADER
    assert official.ContextBlock.elements_max_length == slack.MAX_CONTEXT_ELEMENTS
    assert official.ActionsBlock.elements_max_length == slack.MAX_ACTIONS
    assert official.ButtonElement.text_max_length == slack.MAX_BUTTON
    assert official.Block.block_id_max_length == slack.MAX_BLOCK_ID
