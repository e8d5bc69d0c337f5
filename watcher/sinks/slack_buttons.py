"""The buttons of a card: what they are called, what they carry, and how that is read when one is pressed.

A value names the group and, for a silence, the matchers that it would have: everything that a press needs, so that a
button works for as long as its message is there. Values come back signed by Slack; what cannot be read is none of ours.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from watcher import render
from watcher.core.matcher import Matcher
from watcher.core.notification import Notification
from watcher.sinks.slack_message import Block

BLOCK = "connect_watcher"
"""The id of the block of buttons, the same in every message: it says that they are ours."""
MAX_VALUE = 700
"""Characters that a value may have here; Slack takes 2,000, but all of them together share the budget of a message."""
_URL = re.compile(r"https?://[!-;=?-{}~]{1,500}")


class Press(StrEnum):
    """What a button does, which is its `action_id`."""

    ACKNOWLEDGE = "connect_watcher.acknowledge"
    SILENCE_HOUR = "connect_watcher.silence_1h"
    SILENCE_DEPLOYMENT = "connect_watcher.silence_until_deployment"
    OPEN_LOGS = "connect_watcher.open_logs"


_WORDS: Mapping[Press, str] = {
    Press.ACKNOWLEDGE: "Acknowledge",
    Press.SILENCE_HOUR: "Silence 1 h",
    Press.SILENCE_DEPLOYMENT: "Silence until next deployment",
    Press.OPEN_LOGS: "Open logs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a button is about: a group by its key, and the matchers of a silence."""

    group: str
    matchers: tuple[str, ...] = ()


def buttons(notification: Notification) -> list[Block]:
    """The buttons of a notification: none where nothing stands that could be acknowledged or silenced."""
    standing = [alert for alert in notification.alerts if not (render.is_over(alert) or alert.fact)]
    labels = dict(notification.group_labels) or render.shared_labels(notification)
    matchers = tuple(str(Matcher(name=name, op="=", value=value, test=bool)) for name, value in sorted(labels.items()))
    value = _value(Meant(group=notification.group_key, matchers=matchers))
    found = []
    if standing and value:
        found = [_button(Press.ACKNOWLEDGE, value), *([_button(Press.SILENCE_HOUR, value)] if matchers else [])]
        found += [_button(Press.SILENCE_DEPLOYMENT, value)] * bool(labels.get("deployment"))
    first = next(iter(render.ranked(notification.alerts)), None)
    logs = first.annotations.get("logs_url", "") if first else ""
    if _URL.fullmatch(logs):
        found.append({**_button(Press.OPEN_LOGS, ""), "url": logs})
    return [{"type": "actions", "block_id": BLOCK, "elements": found}] if found else []


def meant(value: str) -> Meant | None:
    """What a pressed button is about; `None` where the value is none of ours."""
    try:
        return msgspec.json.decode(value, type=Meant)
    except (ValueError, RecursionError):
        return None


def _value(what: Meant) -> str:
    """The value of a button; empty where it would be too long, and then there is no button."""
    text = json.dumps({"group": what.group, "matchers": what.matchers}, ensure_ascii=False, separators=(",", ":"))
    text = text.encode(errors="replace").decode()
    return text if len(text) <= MAX_VALUE else ""


def _button(press: Press, value: str) -> Block:
    text = {"type": "plain_text", "text": _WORDS[press], "emoji": False}
    return {"type": "button", "action_id": press.value, "text": text, **({"value": value} if value else {})}
