"""A Slack message in Block Kit, made of a Notification. Pure; the same for every way of sending it.

Everything foreign is escaped: `&`, `<` and `>` are the only characters that can make a link, a mention or a channel of
it. Blocks stay within Slack's limits, with room to spare under its undocumented budget for all of a message (measured
by others at some 13,200 characters, slackapi/bolt-js#2509): what does not fit is shown shorter, never counted wrong.

A colour exists only on attachments, so the blocks are in one; the header stands above it, which also keeps Slack from
showing `text` as a message of its own: it remains what notifications, search and screen readers use.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

from watcher import render
from watcher.core.notification import AlertView, Notification, NotifyReason

MAX_TEXT = 3_000
MAX_HEADER = 150
MAX_FIELDS = 10
MAX_FIELD = 200
MAX_LINE = 300
MAX_NAME = 80
BUDGET = 12_000
"""Characters that all blocks of a message may have as JSON."""
SIZES = ((render.LISTED, 2_500), (12, 1_200), (5, 600), (1, 200))
"""How many alerts are spelled out and how long an excerpt is, from the wished for to what always fits."""

Block: TypeAlias = dict[str, Any]

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPES = str.maketrans(_ENTITIES)
_LINKED = re.compile(r"https?://[!-;=?-{}~]{1,500}")
_BACKTICK, _LOOKALIKE = "`", "\u02cb"
_EMOJI = {"critical": "🔴", "warning": "🟠", "info": "🔵"}
_COLOURS = {"critical": "#d32f2f", "warning": "#f2a600", "info": "#2b7bba"}
_RESOLVED, _PLAIN = ("✅", "#2e9e5b"), ("⚪", "#8d8d8d")
_FIELDS = ("severity", "connector", "type", "region", "project", "deployment", "application", "source")
_SHOWN = frozenset({"summary", "description", "error", "runbook_url"})
ASIDE = frozenset({NotifyReason.REFRESH, NotifyReason.ACKNOWLEDGED, NotifyReason.MOVED})
"""What holds no news."""
QUIET = frozenset({NotifyReason.NEW_RESOLVED, NotifyReason.ALL_RESOLVED, *ASIDE})
"""What is told without calling anybody."""
_SAID = {
    NotifyReason.ACKNOWLEDGED: "acknowledged",
    NotifyReason.MOVED: "goes on in another message, since routes have changed",
}


# ── characters ───────────────────────────────────────────────────────────────


def escape(text: str, limit: int, *, lines: bool = False) -> str:
    """Foreign text as Slack shows it literally, in at most `limit` characters; `lines` cuts between lines if it can."""
    text = render.printable(text)
    escaped = text.translate(_ESCAPES)
    if len(escaped) <= limit:
        return escaped
    widths = accumulate(len(_ENTITIES.get(character, character)) for character in text[:limit])
    keep = bisect_right(list(widths), limit - len(render.cut_mark(len(text))))
    if lines and (end := text.rfind("\n", keep // 2, keep)) > 0:
        keep = end
    return render.cut(text, keep).translate(_ESCAPES)


def fenced(text: str, limit: int) -> str:
    """Foreign text as a code block that it cannot close."""
    fence = _BACKTICK * 3
    room = limit - 2 * len(fence) - 2
    return f"{fence}\n{escape(text.replace(_BACKTICK, _LOOKALIKE), room, lines=True)}\n{fence}"


def encoded(message: Mapping[str, Any]) -> bytes:
    """A message as JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


# ── the message ──────────────────────────────────────────────────────────────

NO_PREVIEWS = {"unfurl_links": False, "unfurl_media": False}


def payload(notification: Notification, mention: str = "", *, spare: int = 0) -> dict[str, Any]:
    """The message, in the largest of `SIZES` that is within the budget less what is to be spared for blocks to come."""
    emoji, colour = signs(notification)
    call = mention if calls(notification) else ""
    title = f"{emoji} {headline(notification)}"
    header: Block = {
        "type": "header",
        "text": {"type": "plain_text", "text": escape(title, MAX_HEADER), "emoji": False},
    }
    above = [header, *([section(call)] if call else [])]
    text = escape(f"{title}\n{render.body(notification)}", MAX_TEXT - len(call) - 1)
    fitting = (blocks for blocks in _tries(notification) if size([*above, *blocks]) <= BUDGET - spare)
    return {
        "text": f"{call} {text}" if call else text,
        "blocks": above,
        "attachments": [{"color": colour, "blocks": next(fitting, None) or _least(notification)}],
        **NO_PREVIEWS,
    }


def plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as nothing but its text."""
    return {"text": message["text"], **NO_PREVIEWS}


def marked(message: Mapping[str, Any], delivery_id: str) -> dict[str, Any]:
    """The message with the remark that it may have been posted before; Slack knows no idempotency key."""
    remark = mrkdwn(f"⚠ possible duplicate · id {escape(delivery_id, MAX_LINE)}")
    *others, attachment = message["attachments"]
    *above, context = attachment["blocks"]
    remarked = {**context, "elements": [*context["elements"], remark]}
    return {**message, "attachments": [*others, {**attachment, "blocks": [*above, remarked]}]}


def inserted(message: Mapping[str, Any], blocks: Sequence[Block]) -> dict[str, Any]:
    """The message with more blocks above its last, which says where it comes from."""
    *others, attachment = message["attachments"]
    *above, context = attachment["blocks"]
    return {**message, "attachments": [*others, {**attachment, "blocks": [*above, *blocks, context]}]}


def size(blocks: Sequence[Block]) -> int:
    """Characters of blocks as JSON."""
    return len(json.dumps(blocks, ensure_ascii=False))


def _tries(notification: Notification) -> Iterator[list[Block]]:
    return (_blocks(notification, listed, excerpt) for listed, excerpt in SIZES)


def _blocks(notification: Notification, listed: int, excerpt: int) -> list[Block]:
    alerts = render.ranked(notification.alerts)
    single = alerts[0] if len(alerts) == 1 else None
    error = news_of(alerts)
    return [
        *(_single(single, notification.at) if single else _list(alerts, listed, notification.at)),
        *_counted(notification),
        *_fields(notification, single),
        *([section(fenced(error, excerpt))] if error else []),
        _context(notification, alerts[:1]),
    ]


def _least(notification: Notification) -> list[Block]:
    """What fits whatever else there is: the first alert, the count of the others, and where it comes from."""
    return [
        *_list(render.ranked(notification.alerts), 1, notification.at),
        *_counted(notification),
        _context(notification, ()),
    ]


def _counted(notification: Notification) -> list[Block]:
    counted = render.held_back(notification)
    return [section(f"*{counted}*")] if counted else []


def news_of(alerts: Sequence[AlertView]) -> str:
    """The error to show: the first of what is news, under the name of its subject where it could pass for another's."""
    alone = len(alerts) == 1
    for each in alerts:
        error = each.annotations.get("error", "").strip()
        if error and (each.fresh or alone):
            name = each.labels.get("deployment") or each.labels.get("connector") or each.labels.get("source") or ""
            return error if alone or not name else f"{name}: {error}"
    return ""


def headline(notification: Notification) -> str:
    """The title, and before it what has happened beside the news."""
    said = _SAID.get(notification.reason, "")
    return f"{said} · {render.title(notification)}" if said else render.title(notification)


def signs(notification: Notification) -> tuple[str, str]:
    """Emoji and colour; the word beside them says the same to those who see neither."""
    if notification.reason is NotifyReason.MOVED:
        return _PLAIN
    if notification.status == "resolved":
        return _RESOLVED
    severity = notification.severity
    return _EMOJI.get(severity, _PLAIN[0]), _COLOURS.get(severity, _PLAIN[1])


def calls(notification: Notification) -> bool:
    """Whether people are called by name: something critical fires, and that is the news."""
    return notification.status == "firing" and notification.severity == "critical" and notification.reason not in QUIET


def _single(alert: AlertView, at: int) -> list[Block]:
    texts = [f"*{_standing(alert, at)}:* {escape(render.line(alert), 2 * MAX_LINE)}"]
    if description := alert.annotations.get("description", "").strip():
        texts.append(escape(description, 4 * MAX_LINE, lines=True))
    return [section("\n".join(texts))]


def _standing(alert: AlertView, at: int) -> str:
    """How an alert stands, and who has taken it on."""
    by = escape(render.one_line(alert.acknowledged_by), MAX_NAME).replace("*", "")
    return render.standing(alert, at) + (f", acknowledged by {by}" if by else "")


def _list(alerts: Sequence[AlertView], listed: int, at: int) -> list[Block]:
    """The alerts, several to a section, and how many more there are."""
    lines = [f"• *{_standing(alert, at)}:* {escape(render.line(alert), MAX_LINE)}" for alert in alerts[:listed]]
    if more := render.left_out(alerts[listed:]):
        lines.append(f"*{more}*")
    per_section = MAX_TEXT // (MAX_LINE + MAX_NAME + 70)
    return [section("\n".join(lines[at : at + per_section])) for at in range(0, len(lines), per_section)]


def _fields(notification: Notification, single: AlertView | None) -> list[Block]:
    shared = {**notification.group_labels, **render.shared_labels(notification)}
    pairs = [(name, shared[name]) for name in _FIELDS if shared.get(name)]
    if single:
        pairs.append(("since", render.to_the_second(single.starts_at)))
        pairs += [("attempt", str(single.attempts))] * (single.attempts > 1)
        pairs += [(name, value) for name, value in single.annotations.items() if name not in _SHOWN and value]
    texts = [
        f"*{escape(name.replace('_', ' '), 50)}*\n{escape(render.one_line(value), MAX_FIELD)}"
        for name, value in pairs[:MAX_FIELDS]
    ]
    return [{"type": "section", "fields": [mrkdwn(text) for text in texts]}] if texts else []


def _context(notification: Notification, first: Sequence[AlertView]) -> Block:
    rule = render.rule_names(notification)
    parts = (render.to_the_second(notification.at), rule, notification.reason.value, f"id {notification.id}")
    links = [(notification.external_url, "open"), *((a.annotations.get("runbook_url", ""), "runbook") for a in first)]
    texts = [" · ".join(escape(render.one_line(part), MAX_FIELD) for part in parts)]
    texts += [f"<{url.translate(_ESCAPES)}|{word}>" for url, word in links if _LINKED.fullmatch(url)]
    return {"type": "context", "elements": [mrkdwn(text) for text in texts]}


def section(text: str) -> Block:
    """A section of formatted text."""
    return {"type": "section", "text": mrkdwn(text)}


def mrkdwn(text: str) -> Block:
    """Formatted text. `verbatim` keeps Slack from making links and mentions of what only looks like them."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
