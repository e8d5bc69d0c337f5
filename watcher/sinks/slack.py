"""Slack: an incoming webhook, in Block Kit.

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
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator

from watcher import render
from watcher.core.delivery import Delivery, Outcome
from watcher.core.notification import AlertView, Notification, NotifyReason
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError
from watcher.sinks.base import Endpoint, HttpSinkConfig, Wiring, frozen_body
from watcher.sinks.outcome import Reason, Reply, is_taken, refusal

MAX_TEXT = 3_000
MAX_HEADER = 150
MAX_FIELDS = 10
MAX_FIELD = 200
MAX_LINE = 300
BUDGET = 12_000
"""Characters that all blocks of a message may have as JSON."""
SIZES = ((render.LISTED, 2_500), (12, 1_200), (5, 600), (1, 200))
"""How many alerts are spelled out and how long an excerpt is, from the wished for to what always fits."""

Block: TypeAlias = dict[str, Any]

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPES = str.maketrans(_ENTITIES)
_MENTION = re.compile(r"<!(?:here|channel|everyone)>|<@[A-Z0-9]+>|<!subteam\^[A-Z0-9]+>")
_LINKED = re.compile(r"https?://[!-;=?-{}~]{1,500}")
_BACKTICK, _LOOKALIKE = "`", "\u02cb"
_EMOJI = {"critical": "🔴", "warning": "🟠", "info": "🔵"}
_COLOURS = {"critical": "#d32f2f", "warning": "#f2a600", "info": "#2b7bba"}
_RESOLVED, _PLAIN = ("✅", "#2e9e5b"), ("⚪", "#8d8d8d")
_FIELDS = ("severity", "connector", "type", "region", "project", "deployment", "application", "source")
_SHOWN = frozenset({"summary", "description", "error", "runbook_url"})
_QUIET = frozenset({NotifyReason.NEW_RESOLVED, NotifyReason.ALL_RESOLVED})

_UNREADABLE = frozenset(
    {
        *("invalid_payload", "no_text", "missing_text_or_fallback_or_attachments", "invalid_blocks"),
        *("invalid_attachments", "too_many_attachments", "msg_too_long", "msg_blocks_too_long"),
    }
)
"""What Slack says of a message that it cannot read; plain text is then worth a try."""
_WORDS = _UNREADABLE | {
    *("action_prohibited", "channel_is_archived", "channel_not_found", "invalid_token", "no_active_hooks"),
    *("no_service", "no_service_id", "no_team", "posting_to_general_channel_denied", "team_disabled", "user_not_found"),
}
"""The words with which Slack refuses for good. Only these become a reason: an answer is foreign text."""


def _mentions(text: str) -> str:
    if not all(_MENTION.fullmatch(each) for each in text.split(" ") if text):
        raise ValueError("must be mentions as Slack writes them, with one space between: <!here> <@U…> <!subteam^S…>")
    return text


class SlackConfig(HttpSinkConfig):
    """An incoming webhook of Slack."""

    kind: ClassVar[str] = "slack"

    mention: Annotated[str, AfterValidator(_mentions)] = ""
    """Whom to call when something critical fires: `<!here>`, `<@U…>`, `<!subteam^S…>`, one or several."""

    def build(self, sink_id: str, wiring: Wiring) -> "Slack":
        """Make the sink."""
        return Slack(sink_id, self, self.endpoint(sink_id, wiring))


class Slack:
    """Posts to one incoming webhook."""

    paces: tuple[Pace, ...] = ()

    def __init__(self, sink_id: str, config: SlackConfig, endpoint: Endpoint) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.mention = config.mention
        self._endpoint = endpoint

    def render(self, notification: Notification) -> bytes:
        """The message as JSON."""
        return encoded(payload(notification, self.mention))

    async def send(self, delivery: Delivery) -> None:
        """Post the frozen body; where Slack cannot read it, once more as nothing but its text."""
        body = frozen_body(delivery)
        error = verdict(await self._post(marked(body, delivery) if delivery.unknown_outcomes else body))
        if error is not None and is_unreadable(error):
            error = verdict(await self._post(plain(body)))
        if error is not None:
            raise error

    async def _post(self, body: bytes) -> Reply:
        return await self._endpoint.post({"content-type": "application/json; charset=utf-8"}, body)


# ── what Slack answers ───────────────────────────────────────────────────────


def verdict(reply: Reply) -> DeliveryError | None:
    """What a reply means: a message is posted exactly when Slack says `ok`."""
    if is_taken(reply.status) and reply.body is None:
        return DeliveryError(f"{reply.host} broke off its answer", Outcome.UNKNOWN, reason=Reason.NETWORK)
    said = (reply.body or b"").strip().decode(errors="replace")
    if is_taken(reply.status) and said == "ok":
        return None
    if said in _WORDS and reply.status < 500:  # noqa: PLR2004  a server's own error is not for good
        text = f"{reply.host} refused with status {reply.status}: {said}"
        return DeliveryError(text, Outcome.MALFORMED if said in _UNREADABLE else Outcome.REFUSED, reason=said)
    text = f"{reply.host} answered with status {reply.status}, but with something else than Slack's ok"
    return refusal(reply) or DeliveryError(text, Outcome.REJECTED, reason=Reason.BAD_ANSWER)


def is_unreadable(error: DeliveryError) -> bool:
    """Whether Slack refused the form of a message rather than the message."""
    return error.outcome is Outcome.MALFORMED


def plain(body: bytes) -> bytes:
    """The message as nothing but its text."""
    return encoded({"text": json.loads(body)["text"], **_NO_PREVIEWS})


def marked(body: bytes, delivery: Delivery) -> bytes:
    """The message with the remark that it may have been posted before; Slack knows no idempotency key."""
    message = json.loads(body)
    remark = _mrkdwn(f"⚠ possible duplicate · id {escape(delivery.id, MAX_LINE)}")
    message["attachments"][-1]["blocks"][-1]["elements"].append(remark)
    return encoded(message)


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

_NO_PREVIEWS = {"unfurl_links": False, "unfurl_media": False}


def payload(notification: Notification, mention: str = "") -> dict[str, Any]:
    """The message, in the largest of `SIZES` that is within the budget."""
    emoji, colour = _signs(notification)
    call = mention if _calls(notification) else ""
    title = f"{emoji} {render.title(notification)}"
    header: Block = {
        "type": "header",
        "text": {"type": "plain_text", "text": escape(title, MAX_HEADER), "emoji": False},
    }
    above = [header, *([_section(call)] if call else [])]
    text = escape(f"{title}\n{render.body(notification)}", MAX_TEXT - len(call) - 1)
    below = next((blocks for blocks in _tries(notification) if size([*above, *blocks]) <= BUDGET), [])
    return {
        "text": f"{call} {text}" if call else text,
        "blocks": above,
        "attachments": [{"color": colour, "blocks": below}],
        **_NO_PREVIEWS,
    }


def size(blocks: Sequence[Block]) -> int:
    """Characters of blocks as JSON."""
    return len(json.dumps(blocks, ensure_ascii=False))


def _tries(notification: Notification) -> Iterator[list[Block]]:
    return (_blocks(notification, listed, excerpt) for listed, excerpt in SIZES)


def _blocks(notification: Notification, listed: int, excerpt: int) -> list[Block]:
    alerts = render.ranked(notification.alerts)
    single = alerts[0] if len(alerts) == 1 else None
    error = _news_of(alerts)
    return [
        *(_single(single, notification.at) if single else _list(alerts, listed, notification.at)),
        *_fields(notification, single),
        *([_section(fenced(error, excerpt))] if error else []),
        _context(notification, alerts[:1]),
    ]


def _news_of(alerts: Sequence[AlertView]) -> str:
    """The error to show: the first of what is news, under the name of its subject where it could pass for another's."""
    alone = len(alerts) == 1
    for each in alerts:
        error = each.annotations.get("error", "").strip()
        if error and (each.fresh or alone):
            name = each.labels.get("deployment") or each.labels.get("connector") or each.labels.get("source") or ""
            return error if alone or not name else f"{name}: {error}"
    return ""


def _signs(notification: Notification) -> tuple[str, str]:
    """Emoji and colour; the word beside them says the same to those who see neither."""
    if notification.status == "resolved":
        return _RESOLVED
    severity = notification.severity
    return _EMOJI.get(severity, _PLAIN[0]), _COLOURS.get(severity, _PLAIN[1])


def _calls(notification: Notification) -> bool:
    return notification.status == "firing" and notification.severity == "critical" and notification.reason not in _QUIET


def _single(alert: AlertView, at: int) -> list[Block]:
    texts = [f"*{render.standing(alert, at)}:* {escape(render.line(alert), 2 * MAX_LINE)}"]
    if description := alert.annotations.get("description", "").strip():
        texts.append(escape(description, 4 * MAX_LINE, lines=True))
    return [_section("\n".join(texts))]


def _list(alerts: Sequence[AlertView], listed: int, at: int) -> list[Block]:
    """The alerts, several to a section, and how many more there are."""
    lines = [f"• *{render.standing(alert, at)}:* {escape(render.line(alert), MAX_LINE)}" for alert in alerts[:listed]]
    if more := render.left_out(alerts[listed:]):
        lines.append(f"*{more}*")
    per_section = MAX_TEXT // (MAX_LINE + 50)
    return [_section("\n".join(lines[at : at + per_section])) for at in range(0, len(lines), per_section)]


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
    return [{"type": "section", "fields": [_mrkdwn(text) for text in texts]}] if texts else []


def _context(notification: Notification, first: Sequence[AlertView]) -> Block:
    rule = render.rule_names(notification)
    parts = (render.to_the_second(notification.at), rule, notification.reason.value, f"id {notification.id}")
    links = [(notification.external_url, "open"), *((a.annotations.get("runbook_url", ""), "runbook") for a in first)]
    texts = [" · ".join(escape(render.one_line(part), MAX_FIELD) for part in parts)]
    texts += [f"<{url.translate(_ESCAPES)}|{word}>" for url, word in links if _LINKED.fullmatch(url)]
    return {"type": "context", "elements": [_mrkdwn(text) for text in texts]}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Block:
    """`verbatim` keeps Slack from making links and mentions of what only looks like them."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
