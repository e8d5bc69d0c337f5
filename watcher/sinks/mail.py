"""A Notification as a mail: plain text and simple HTML, frozen; and what is added to it when it is handed in.

Nothing foreign has a meaning: in HTML it is escaped, in a header it is on one line and encoded as a whole unless it is
plain letters, so that no reader takes a part of it for an encoded word or for the next header.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr
from html import escape
from typing import Any

from watcher import render
from watcher.core.notification import AlertView, Notification, NotifyReason

MAX_SUBJECT = 200
MAX_LINE, MAX_DESCRIPTION, MAX_ERROR, MAX_FIELD = 500, 4_000, 8_000, 1_000
"""Characters of one alert, of its description, of the error beneath and of one field."""
MAX_FIELDS = 20
MEMO = re.compile(r"<[!-;=?-~]{1,300}>")
"""A Message-ID, which is what is remembered of a lane."""

_POLICY = policy.compat32.clone(linesep="\r\n", max_line_length=0, mangle_from_=False)
_PLAIN = re.compile(r"[A-Za-z0-9 ,.:;!'()/+_-]*")
_LINKED = re.compile(r"https?://[!#-;=?-~]{1,1000}")
_NOT_AN_ID = re.compile(r"[^A-Za-z0-9_.-]")
_REASON = "X-Connect-Watcher-Reason"
_COLOURS = {"critical": "#d32f2f", "warning": "#f2a600", "info": "#2b7bba"}
_RESOLVED, _OTHER = "#2e9e5b", "#8d8d8d"
_FIELDS = ("severity", "project", "region", "type", "connector", "deployment", "application", "source")
_SHOWN = frozenset({"summary", "description", "error", "runbook_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """An address, and the name that people see beside it."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.address.rpartition("@")[2]

    def __str__(self) -> str:
        return formataddr((self.name, self.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Where a frozen mail belongs: its own Message-ID, and that of the first mail of its thread."""

    own: str
    root: str


def rendered(notification: Notification, sender: Mailbox, to: Sequence[str]) -> bytes:
    """The mail, the same whenever it is made."""
    name = _NOT_AN_ID.sub("-", notification.id)[:200]
    mail = MIMEMultipart("alternative", boundary=f"=_{name[:60]}", policy=_POLICY)
    parts = _parts(notification)
    mail.attach(_text("\n\n".join(text for _, text in parts), "plain"))
    mail.attach(_text(_page(parts, _colour(notification)), "html"))
    headers = {
        "From": str(sender),
        "To": ",\r\n ".join(to),
        "Subject": header(render.title(notification), "Subject"),
        "Date": format_datetime(datetime.fromtimestamp(_seconds(notification.at), UTC)),
        "Message-ID": f"<{name}@{sender.domain}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        _REASON: notification.reason.value,
        "X-Connect-Watcher-Status": header(notification.status, "X-Connect-Watcher-Status"),
        "X-Connect-Watcher-Severity": notification.severity or "none",
    }
    for key, value in headers.items():
        mail[key] = value
    return mail.as_bytes(policy=_POLICY)


def header(text: str, name: str) -> str:
    """Foreign text as the value of a header."""
    value = render.clip(render.one_line(text), MAX_SUBJECT)
    if _PLAIN.fullmatch(value):
        return value
    return Header(value, "utf-8", header_name=name, maxlinelen=75).encode(linesep="\r\n")


def thread(body: bytes, memo: str) -> Thread:
    """Where a mail belongs, by what is remembered of its lane. What is new begins a thread of its own."""
    mail = message_from_bytes(body, policy=_POLICY)
    own = str(mail["Message-ID"])
    root = memo.partition(" ")[0]
    is_new = mail[_REASON] == NotifyReason.FIRST.value or not MEMO.fullmatch(root)
    return Thread(own=own, root=own if is_new else root)


def memo_of(root: str, delivery: str, having: Iterable[str]) -> str:
    """What is remembered of a lane: its thread, and who has the mail that is not delivered to everybody yet."""
    return " ".join((root, delivery, *sorted(having)))


def having(memo: str, delivery: str) -> frozenset[str]:
    """Who has a mail already, by what is remembered. What is remembered of one mail says nothing of another."""
    _, _, rest = memo.partition(" ")
    name, *found = rest.split(" ")
    return frozenset(found) if name == delivery else frozenset()


def complete(body: bytes, of: Thread, remarks: Sequence[str]) -> bytes:
    """The mail as it leaves: frozen, in its thread, and with what is to be said of this attempt."""
    reply = f"In-Reply-To: {of.root}\r\nReferences: {of.root}\r\n" if of.root != of.own else ""
    return reply.encode() + (_remarked(body, remarks) if remarks else body)


# ── the parts ────────────────────────────────────────────────────────────────

_Part = tuple[str, str]
"""What it is (`title`, `alerts`, `text`, `fields`, `error`, `links`, `about`), and its words."""


def _parts(notification: Notification) -> list[_Part]:
    alerts = render.ranked(notification.alerts)
    single = alerts[0] if len(alerts) == 1 else None
    found = [
        ("title", render.clip(render.title(notification), MAX_SUBJECT)),
        ("alerts", _alerts(notification, alerts)),
        ("text", _lines(single.annotations.get("description", ""), MAX_DESCRIPTION) if single else ""),
        ("fields", "\n".join(_fields(notification, single))),
        ("error", _lines(_error(alerts), MAX_ERROR)),
        ("links", "\n".join(_links(notification, alerts[:1]))),
        ("about", _about(notification)),
    ]
    return [(kind, text) for kind, text in found if text]


def _alerts(notification: Notification, alerts: Sequence[AlertView]) -> str:
    told = [f"{render.standing(each, notification.at)}: {render.line(each)}" for each in alerts[: render.LISTED]]
    counts = (render.left_out(alerts[render.LISTED :]), render.held_back(notification))
    return "\n".join([*(render.clip(each, MAX_LINE) for each in told), *filter(None, counts)])


def _fields(notification: Notification, single: AlertView | None) -> list[str]:
    shared = {**notification.group_labels, **render.shared_labels(notification)}
    pairs = [(name, shared[name]) for name in _FIELDS if shared.get(name)]
    if single:
        pairs.append(("since", render.to_the_second(single.starts_at)))
        pairs += [("attempt", str(single.attempts))] * (single.attempts > 1)
        pairs += [(name, value) for name, value in single.annotations.items() if name not in _SHOWN and value]
    return [f"{_field(name).replace('_', ' ')}: {_field(value)}" for name, value in pairs[:MAX_FIELDS]]


def _field(value: str) -> str:
    return render.clip(render.one_line(value), MAX_FIELD)


def _error(alerts: Sequence[AlertView]) -> str:
    """The error to show: the first of what is news."""
    texts = (each.annotations.get("error", "") for each in alerts if each.fresh or len(alerts) == 1)
    return next((each for each in texts if each.strip()), "")


def _lines(text: str, limit: int) -> str:
    return render.clip(render.printable(text).strip(), limit)


def _links(notification: Notification, first: Sequence[AlertView]) -> list[str]:
    urls = [notification.external_url, *(each.annotations.get("runbook_url", "") for each in first)]
    return [url for url in urls if _LINKED.fullmatch(url)]


def _about(notification: Notification) -> str:
    rules = _field(render.rule_names(notification))
    parts = (render.to_the_second(notification.at), rules, notification.reason.value, f"id {_field(notification.id)}")
    return " · ".join(part for part in parts if part)


# ── HTML ─────────────────────────────────────────────────────────────────────


def _page(parts: Sequence[_Part], colour: str) -> str:
    inner = "\n".join(_HTML[kind](text) for kind, text in parts)
    style = f"border-left:6px solid {colour};padding-left:12px;font-family:sans-serif"
    return f'<!doctype html>\n<html><body><div style="{style}">\n{inner}\n</div></body></html>\n'


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>".replace("\n", "<br>\n")


_HTML: dict[str, Callable[[str], str]] = {
    "title": lambda text: f"<h3>{escape(text)}</h3>",
    "alerts": _paragraph,
    "text": _paragraph,
    "fields": _paragraph,
    "error": lambda text: f'<pre style="background:#f4f4f4;padding:8px;white-space:pre-wrap">{escape(text)}</pre>',
    "links": lambda text: "\n".join(f'<p><a href="{escape(url)}">{escape(url)}</a></p>' for url in text.splitlines()),
    "about": lambda text: f'<p style="color:#666666"><small>{escape(text)}</small></p>',
}


def _colour(notification: Notification) -> str:
    """The word in the title says the same."""
    return _RESOLVED if notification.status == "resolved" else _COLOURS.get(notification.severity, _OTHER)


# ── bytes ────────────────────────────────────────────────────────────────────


def _text(text: str, kind: str) -> MIMEText:
    return MIMEText(text, kind, _charset(), policy=_POLICY)  # type: ignore[arg-type]  # the stub knows names only


def _charset() -> Charset:
    """UTF-8 that stays readable in transit and has seven bits."""
    made = Charset("utf-8")
    made.body_encoding = QP
    return made


def _remarked(body: bytes, remarks: Sequence[str]) -> bytes:
    """The same mail with more at the top of both its parts."""
    mail: Message[Any, Any] = message_from_bytes(body, policy=_POLICY)
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            old = part.get_payload(decode=True)
            text = old.decode() if isinstance(old, bytes) else ""
            del part["Content-Transfer-Encoding"]
            part.set_payload(_inserted(text, remarks, html=part.get_content_subtype() == "html"), _charset())
    return mail.as_bytes(policy=_POLICY)


def _inserted(text: str, remarks: Sequence[str], *, html: bool) -> str:
    if not html:
        return "\n".join([*remarks, "", text])
    before, start, after = text.partition("<body>")
    return "".join((before, start, *(f"<p>⚠ {escape(each)}</p>" for each in remarks), after))


def _seconds(at: int) -> int:
    """A point in time that a calendar has."""
    return min(max(at // 1000, 0), 253_402_300_799)
