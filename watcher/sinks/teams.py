"""Microsoft Teams: an Adaptive Card, posted to the webhook of a workflow.

All foreign text is in text runs, which know no Markdown: nothing in it can become a link, a mention or a format. Text
blocks and facts, which do, hold only our own words. The one thing that a run makes something of is a date in double
braces, and those are pulled apart.

A card has room for 28 KB, and trouble was reported from 21 KB on: what does not fit is shown shorter, never counted
wrong. A workflow answers 202 when it has taken the message, and says nothing of what became of it in the channel; it
knows no idempotency key and gives no message back that could be edited.
Sources: https://learn.microsoft.com/connectors/teams/ (size), …/webhooks-and-connectors/how-to/add-incoming-webhook
(four requests a second), https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features (Markdown).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from watcher import render
from watcher.core.delivery import Delivery
from watcher.core.duration import Millis
from watcher.core.notification import AlertView, Notification
from watcher.core.pacing import Pace
from watcher.sinks.base import Endpoint, HttpSinkConfig, Wiring, frozen_body
from watcher.sinks.outcome import refusal

BUDGET = 20_000
"""Bytes that a message may have."""
SIZES = ((render.LISTED, 2_500), (12, 1_200), (5, 600), (1, 200))
"""How many alerts are spelled out and how long an excerpt is, from the wished for to what always fits."""
MAX_TITLE = 200
MAX_LINE = 300
MAX_FIELDS = 10
MAX_FIELD = 200
MAX_EXCERPT_LINES = 30
TURN = 250
"""Milliseconds between messages: Teams slows down who sends more than four a second."""
BURST = 4

Element: TypeAlias = dict[str, Any]

_TWICE = re.compile(r"([{}])(?=\1)")
_LINKED = re.compile(r"https?://[!-~]{1,500}")
_SIGNS = {"critical": ("🔴", "attention"), "warning": ("🟠", "warning"), "info": ("🔵", "accent")}
_RESOLVED, _PLAIN = ("✅", "good"), ("⚪", "emphasis")
_FIELDS = ("severity", "connector", "type", "region", "project", "deployment", "application", "source")
_SHOWN = frozenset({"summary", "description", "error", "runbook_url"})


class TeamsConfig(HttpSinkConfig):
    """The webhook of a workflow that posts cards to a channel or a chat of Microsoft Teams."""

    kind: ClassVar[str] = "teams"

    def build(self, sink_id: str, wiring: Wiring) -> "Teams":
        """Make the sink."""
        return Teams(sink_id, self, self.endpoint(sink_id, wiring))


class Teams:
    """Posts to one workflow."""

    def __init__(self, sink_id: str, config: TeamsConfig, endpoint: Endpoint) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.paces: tuple[Pace, ...] = (Pace(name=f"teams {sink_id}", every=TURN, burst=BURST),)
        self._endpoint = endpoint

    def render(self, notification: Notification) -> bytes:
        """The message as JSON."""
        return encoded(payload(notification))

    async def send(self, delivery: Delivery) -> None:
        """Post the frozen body; where it may have been posted before, with a remark."""
        body = frozen_body(delivery)
        sent = marked(body, delivery.id) if delivery.unknown_outcomes else body
        if error := refusal(await self._endpoint.post({"content-type": "application/json"}, sent)):
            raise error


def encoded(message: Mapping[str, Any]) -> bytes:
    """A message as JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def marked(body: bytes, delivery_id: str) -> bytes:
    """The message with a remark that it may have been posted before."""
    message = json.loads(body)
    message["attachments"][0]["content"]["body"].append(
        _text(_run(f"⚠ possible duplicate · id {delivery_id}", isSubtle=True, size="Small"))
    )
    return encoded(message)


# ── the message ──────────────────────────────────────────────────────────────


def payload(notification: Notification) -> dict[str, Any]:
    """The message, in the largest of `SIZES` that is within the budget."""
    tries = (_message(notification, listed, excerpt) for listed, excerpt in SIZES)
    return next((made for made in tries if len(encoded(made)) <= BUDGET), _message(notification, 1, 0))


def _message(notification: Notification, listed: int, excerpt: int) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": list(_body(notification, listed, excerpt)),
    }
    if actions := _actions(notification):
        card["actions"] = actions
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _body(notification: Notification, listed: int, excerpt: int) -> Iterator[Element]:
    alerts = render.ranked(notification.alerts)
    single = alerts[0] if len(alerts) == 1 else None
    emoji, style = _signs(notification)
    title = _run(_line(f"{emoji} {render.title(notification)}", MAX_TITLE), weight="Bolder", size="Medium")
    yield {"type": "Container", "style": style, "bleed": True, "items": [_text(title)]}
    yield {"type": "Container", "items": [*_alerts(notification, alerts, listed), *_description(single, excerpt)]}
    yield from _fields(notification, single)
    yield from _error(alerts, excerpt)
    yield _text(_run(_context(notification), isSubtle=True, size="Small"))


def _signs(notification: Notification) -> tuple[str, str]:
    """Emoji and colour; the word beside them says the same to those who see neither."""
    return _RESOLVED if notification.status == "resolved" else _SIGNS.get(notification.severity, _PLAIN)


def _alerts(notification: Notification, alerts: Sequence[AlertView], listed: int) -> list[Element]:
    """A line for each alert, how many more there are, and how many silences have kept back."""
    lines = [
        _text(_run(f"{_standing(alert, notification.at)}: ", weight="Bolder"), _run(_line(render.line(alert))))
        for alert in alerts[:listed]
    ]
    held_back = f"{notification.held_back} held back by silences" if notification.held_back else ""
    rest = (render.left_out(alerts[listed:]), held_back)
    return lines + [_text(_run(words, weight="Bolder")) for words in rest if words]


def _standing(alert: AlertView, at: Millis) -> str:
    by = _line(alert.acknowledged_by, MAX_FIELD)
    return render.standing(alert, at) + (f", acknowledged by {by}" if by else "")


def _description(single: AlertView | None, limit: int) -> list[Element]:
    text = single.annotations.get("description", "") if single else ""
    return [_text(_run(line)) for line in _lines(text, limit)]


def _fields(notification: Notification, single: AlertView | None) -> list[Element]:
    shared = {**notification.group_labels, **render.shared_labels(notification)}
    pairs = [(name, shared[name]) for name in _FIELDS if shared.get(name)]
    if single:
        pairs.append(("since", render.to_the_second(single.starts_at)))
        pairs += [("attempt", str(single.attempts))] * (single.attempts > 1)
        pairs += [(name, value) for name, value in single.annotations.items() if name not in _SHOWN and value]
    items = [
        _text(_run(f"{_line(name.replace('_', ' '), 50)}: ", weight="Bolder"), _run(_line(value, MAX_FIELD)))
        for name, value in pairs[:MAX_FIELDS]
    ]
    return [{"type": "Container", "spacing": "Medium", "items": items}] if items else []


def _error(alerts: Sequence[AlertView], limit: int) -> list[Element]:
    """The first error that is news, line by line; of several alerts under the name of the one that it is of."""
    for alert in alerts:
        lines = _lines(alert.annotations.get("error", ""), limit)
        if lines and (alert.fresh or len(alerts) == 1):
            name = "" if len(alerts) == 1 else _line(render.where(alert.labels), MAX_FIELD)
            told = [_text(_run(name, weight="Bolder"))] if name else []
            told += [_text(_run(line, fontType="Monospace")) for line in lines]
            return [{"type": "Container", "style": "emphasis", "items": told}]
    return []


def _context(notification: Notification) -> str:
    rule = render.rule_names(notification)
    parts = (render.to_the_second(notification.at), rule, notification.reason.value, f"id {notification.id}")
    return _line(" · ".join(part for part in parts if part), 2 * MAX_LINE)


def _actions(notification: Notification) -> list[Element]:
    runbooks = {alert.annotations.get("runbook_url", ""): "Runbook" for alert in render.ranked(notification.alerts)[:1]}
    wanted = {notification.external_url: "Open", **runbooks}
    return [
        {"type": "Action.OpenUrl", "title": title, "url": url}
        for url, title in wanted.items()
        if _LINKED.fullmatch(url)
    ]


def _lines(text: str, limit: int) -> list[str]:
    """Foreign text line by line, the mark of a cut included."""
    shown = render.clip(render.printable(text).strip(), limit) if limit else ""
    first, rest = shown.split("\n")[:MAX_EXCERPT_LINES], shown.split("\n")[MAX_EXCERPT_LINES:]
    return [_apart(line) for line in (*first, *([f"… +{len(rest)} lines"] if rest else [])) if line.strip()]


def _line(text: str, limit: int = MAX_LINE) -> str:
    return _apart(render.clip(render.one_line(text), limit))


def _apart(text: str) -> str:
    """The text without double braces, in which a card looks for dates."""
    return _TWICE.sub(r"\1 ", text)


def _text(*runs: Element) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **looks: object) -> Element:
    return {"type": "TextRun", "text": text, **looks}
