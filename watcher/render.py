"""Templates and texts: from rule annotations and Notifications to words, the same for every sink.

A user's template passes two walls. At config load an allow-list of syntax: text, names, `if`, comparisons, `+ - / ~`
and a few filters. What it leaves out (loops, assignments, calls, `*`, `%`) is what turns one line into gigabytes, so
that a template costs no more than its length and that of its values. At run time Jinja2's immutable sandbox, narrowed
to look-ups in mappings, with undefined names as errors and the output capped.

The texts here are plain and whole: whatever in them is foreign is escaped, and cut, by each sink in its own way.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, meta, nodes, pass_context
from jinja2 import Template as CompiledTemplate
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.core import duration
from watcher.core.duration import Millis
from watcher.core.notification import AlertView, Notification, NotifyReason

MAX_SOURCE = 8_192
"""Characters that a template may have."""
MAX_OUTPUT = 4_096
"""Characters that it may make."""
MAX_FAULT = 200
"""Characters of what is said of a template that failed."""
NAMED = 3
"""Rules that a message of several names."""
LISTED = 20
"""Alerts that a message to people spells out; the others are counted."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Millis = 253_402_300_799_000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_JOINER = "\u200d"
_SEVERITIES = {"critical": 0, "warning": 1, "info": 2}


# ── characters ───────────────────────────────────────────────────────────────


def printable(text: str) -> str:
    """The text without terminal sequences, control and bidirectional characters and lone surrogates; lines stay."""
    return _UNPRINTABLE.sub("", _ANSI.sub("", text).replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The text on one line, its runs of white space made one space."""
    return " ".join(printable(text).split())


def cut(text: str, keep: int) -> str:
    """The first `keep` characters and how many are missing; what belongs to one visible character stays together."""
    while 0 < keep < len(text) and _continues(text, keep):
        keep -= 1
    return text if keep >= len(text) else f"{text[:keep]}{cut_mark(len(text) - keep)}"


def cut_mark(missing: int) -> str:
    """What stands where `missing` characters were cut off."""
    return f"… +{missing} chars"


def clip(text: str, limit: int) -> str:
    """The text in at most `limit` characters, the mark of a cut included."""
    if len(text) <= limit:
        return text
    room = limit - len(cut_mark(len(text)))
    return cut(text, room) if room > 0 else text[: max(limit - 1, 0)] + "…"[:limit]


def _continues(text: str, at: int) -> bool:
    """Whether the character at `at` is drawn into the one before it: an accent, a variation, a part of one emoji."""
    here, before = text[at], text[at - 1]
    return bool(unicodedata.combining(here)) or _JOINER in {here, before} or "\ufe00" <= here <= "\ufe0f"


# ── time ─────────────────────────────────────────────────────────────────────


def rfc3339(at: Millis) -> str:
    """A point in time as `2026-11-24T03:54:00Z`, with milliseconds where there are any; held within the calendar."""
    moment = _EPOCH + timedelta(milliseconds=min(max(at, 0), _LATEST))
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def to_the_second(at: Millis) -> str:
    """A point in time for a person: RFC 3339 without milliseconds."""
    return rfc3339(at - at % 1000)


# ── templates ────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A compiled template. `names` are the values that it asks for, so that a config can be told of unknown ones."""

    source: str
    names: frozenset[str]
    compiled: CompiledTemplate = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What became of a template. Where it has a `fault`, `text` is the built-in one; the caller counts it and says why."""

    text: str
    fault: str = ""


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which a dot and brackets look up mappings only: no attribute of a Python object is ever reached."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and argument in obj:
            return obj[argument]
        return self.undefined(obj=obj, name=argument)


@pass_context
def _ago(context: Context, at: Millis) -> str:
    """How long before the context's `now` a point in time was."""
    return duration.rough(context["now"] - at)


def _default(value: Any, instead: str = "") -> Any:
    """A value, or another where it is undefined or empty."""
    return instead if isinstance(value, Undefined) or value in {None, ""} else value


def _or_nothing(value: Any) -> Any:
    return "" if value is None else value


_FILTERS: dict[str, Callable[..., Any]] = {
    "ago": _ago,
    "default": _default,
    "duration": duration.rough,
    "length": len,
    "lower": lambda value: str(value).lower(),
    "time": to_the_second,
    "title": lambda value: str(value).title(),
    "trim": lambda value: str(value).strip(),
    "truncate": lambda value, limit: clip(str(value), limit),
    "upper": lambda value: str(value).upper(),
}
_TESTS = ("defined", "undefined", "none")


def _sandbox() -> _Sandbox:
    # No autoescape: the texts are plain, and each sink escapes for its own format, which is rarely HTML.
    made = _Sandbox(undefined=StrictUndefined, autoescape=False, finalize=_or_nothing)
    made.filters = dict(_FILTERS)
    made.tests = {name: made.tests[name] for name in _TESTS}
    made.globals = {}
    return made


_SANDBOX = _sandbox()
_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.Filter),
    *(
        nodes.Getattr,
        nodes.Getitem,
        nodes.Slice,
        nodes.Concat,
        nodes.Add,
        nodes.Sub,
        nodes.Div,
        nodes.FloorDiv,
        nodes.Neg,
    ),
)
_KNOWN: dict[type[nodes.Node], Iterable[str]] = {nodes.Filter: tuple(_FILTERS), nodes.Test: _TESTS}
_COMPILE_FAILURES = (RecursionError, SyntaxError, ValueError, OverflowError, MemoryError)
_RENDER_FAILURES = (
    *(TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError),
)


def compile_template(text: str) -> Template:
    """Compile a template once, when the configuration is read.

    Raises:
        ValueError: its syntax is wrong or not allowed; the message begins with the line.
    """
    if len(text) > MAX_SOURCE:
        raise ValueError(f"line 1: a template may have {MAX_SOURCE} characters, this one has {len(text)}")
    try:
        tree = _SANDBOX.parse(text)
        _refuse_disallowed(tree)
        names = frozenset(meta.find_undeclared_variables(tree))
        compiled = _SANDBOX.from_string(tree)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from None
    except _COMPILE_FAILURES:
        raise ValueError("line 1: nested too deeply, or a number too large") from None
    return Template(source=text, names=names, compiled=compiled)


def render(template: Template, context: Mapping[str, object]) -> Rendered:
    """Fill in a template. Never fails: what goes wrong yields the built-in text, marked as failed."""
    try:
        text = template.compiled.render(context)
    except _RENDER_FAILURES as error:
        labels = {name: str(value) for name, value in context.items()}
        return Rendered(
            text=clip(built_in(labels), MAX_OUTPUT), fault=clip(str(error) or type(error).__name__, MAX_FAULT)
        )
    return Rendered(text=clip(text.strip(), MAX_OUTPUT))


def _refuse_disallowed(tree: nodes.Node) -> None:
    for node in (tree, *_walk(tree)):
        if not isinstance(node, _ALLOWED):
            raise TemplateSyntaxError(f"not allowed in a template: {type(node).__name__.lower()}", node.lineno)
        known = _KNOWN.get(type(node), ())
        if isinstance(node, nodes.Filter | nodes.Test) and node.name not in known:
            raise TemplateSyntaxError(
                f"unknown {type(node).__name__.lower()}: {node.name}; there are {', '.join(known)}", node.lineno
            )


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    for child in tree.iter_child_nodes():
        yield child
        yield from _walk(child)


# ── texts ────────────────────────────────────────────────────────────────────


def built_in(labels: Mapping[str, str]) -> str:
    """What is said of an alert whose rule says nothing, or nothing that works."""
    name, place = one_line(labels.get("alertname", "")) or "Alert", where(labels)
    return f"{name}: {place}" if place else name


def where(labels: Mapping[str, str]) -> str:
    """The place that labels name, from the outside in: `my-shop / stripe-prod`."""
    subject = labels.get("deployment") or labels.get("connector") or ""
    parts = (labels.get("project", ""), subject, labels.get("application", ""), labels.get("source", ""))
    return " / ".join(filter(None, map(one_line, parts)))


def shared_labels(notification: Notification) -> dict[str, str]:
    """The labels that all alerts of a notification have, with the same value."""
    if not notification.alerts:
        return dict(notification.group_labels)
    first, *others = (alert.labels for alert in notification.alerts)
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}


def ranked(alerts: Iterable[AlertView]) -> list[AlertView]:
    """What a person should see first: news before the known, firing before ended, then by severity and age."""

    def order(alert: AlertView) -> tuple[bool, bool, int, Millis, str]:
        severity = _SEVERITIES.get(alert.labels.get("severity", ""), len(_SEVERITIES))
        return (not alert.fresh, is_over(alert), severity, alert.starts_at, alert.fingerprint)

    return sorted(alerts, key=order)


def is_over(alert: AlertView) -> bool:
    """Whether the alert has ended."""
    return alert.state == "resolved"


def is_again(alert: AlertView) -> bool:
    """Whether the alert is told because it has failed anew."""
    return alert.fresh and alert.attempts > 1 and not is_over(alert)


def rule_names(notification: Notification) -> str:
    """The rules that the alerts of a notification are of: the first few, and how many more."""
    names = list(dict.fromkeys(alert.labels.get("alertname", "") for alert in ranked(notification.alerts)))
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def title(notification: Notification) -> str:
    """One line: what, where, how many. `FIRING · DeploymentFailed · my-shop / stripe-prod`."""
    shared = shared_labels(notification)
    what = _word(notification) if len(notification.alerts) == 1 else _counts(notification)
    place = where({**notification.group_labels, **shared})
    name = shared.get("alertname", "") or ("" if place else rule_names(notification))
    return " · ".join(part for part in (what, one_line(name), place) if part)


def line(alert: AlertView) -> str:
    """One alert on one line: the summary of its rule, else the built-in text."""
    return one_line(alert.annotations.get("summary", "")) or built_in(alert.labels)


def standing(alert: AlertView, at: Millis) -> str:
    """How the alert stands at `at`: `firing`, `firing again`, `firing for 2h`, `resolved after 12m`, `notice`."""
    if is_over(alert):
        return f"resolved after {duration.rough((alert.ends_at or at) - alert.starts_at)}"
    if alert.fact:
        return "notice"
    if alert.fresh:
        return "firing again" if is_again(alert) else "firing"
    return f"firing for {duration.rough(at - alert.starts_at)}"


def body(notification: Notification, limit: int = LISTED) -> str:
    """A line for each alert, and what was left out or held back, counted."""
    alerts = ranked(notification.alerts)
    lines = [f"{standing(alert, notification.at)}: {line(alert)}" for alert in alerts[:limit]]
    return "\n".join([*lines, *filter(None, (left_out(alerts[limit:]), held_back(notification)))])


def held_back(notification: Notification) -> str:
    """`3 held back by a silence`, or nothing where nothing was; it must be in every message that people read."""
    return f"{notification.held_back} held back by a silence" if notification.held_back else ""


def left_out(alerts: Sequence[AlertView]) -> str:
    """`+3 more (2 firing, 1 resolved)`, or nothing where nothing is left out."""
    over = sum(is_over(alert) for alert in alerts)
    counts = ", ".join(
        f"{count} {word}" for count, word in ((len(alerts) - over, "firing"), (over, "resolved")) if count
    )
    return f"+{len(alerts)} more ({counts})" if alerts else ""


def _word(notification: Notification) -> str:
    alert = notification.alerts[0]
    if is_over(alert):
        return "RESOLVED"
    if alert.fact:
        return "NOTICE"
    if notification.reason is NotifyReason.REPEAT:
        return "still FIRING"
    return "FIRING again" if is_again(alert) or notification.reason is NotifyReason.NEW_ATTEMPT else "FIRING"


def _counts(notification: Notification) -> str:
    """`3 firing (1 again), 2 notices, 1 resolved`; a notice is a fact, which fires once and never ends."""
    facts = sum(alert.fact and not is_over(alert) for alert in notification.alerts)
    again = sum(map(is_again, notification.alerts))
    firing = f"{notification.firing - facts} firing" + (f" ({again} again)" if again else "")
    parts = (
        firing if notification.firing > facts else "",
        f"{facts} notice{'s' * (facts > 1)}" if facts else "",
        f"{notification.resolved} resolved" if notification.resolved else "",
    )
    told = ", ".join(part for part in parts if part) or notification.status
    return f"still {told}" if notification.reason is NotifyReason.REPEAT else told
