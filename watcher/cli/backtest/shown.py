"""What a backtest came to: a table for people, data for programs, and what it could not know."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from watcher import render
from watcher.config import RuleSettings
from watcher.core.decisive import decisive
from watcher.core.logrecord import Line
from watcher.core.rule import Rule, VerdictRule
from watcher.pipeline.backtest import Outcome, Row
from watcher.rules.log import LogRule
from watcher.rules.measure import MissedRunRule

MAX_SHOWN = 100
"""Characters of a message in the table."""
HEADINGS = ("RULE", "WHERE", "FIRED", "FIRST", "LAST", "HOW IT ENDED", "MESSAGE")
_PLACE = frozenset({"project", "deployment", "application"})
UNTOLD = frozenset({"type", "connector", "connector_version", "build", "application_kind"})
"""Labels of a Deployment that its records do not say."""


def as_text(outcome: Outcome, made: Iterable[Rule]) -> str:
    """The table, and what it comes to."""
    by = {each.name: each.spec.by for each in made if isinstance(each, LogRule)}
    rows = [_cells(each, by[each.alert.rule]) for each in ordered(outcome)]
    table = "\n".join(_aligned([HEADINGS, *rows])) + "\n\n" if rows else ""
    return table + "\n".join(_summary(outcome))


def as_json(outcome: Outcome, notes: Sequence[str]) -> str:
    """The same as data."""
    found = {
        "records": outcome.records,
        "refused": outcome.refused,
        "since": render.rfc3339(outcome.since) if outcome.since else None,
        "until": render.rfc3339(outcome.until) if outcome.until else None,
        "hits": {"total": outcome.hits.total(), "by_rule": _sorted(outcome.hits)},
        "alerts": {"fired": outcome.fired, "ended": outcome.ended, "unlisted": outcome.unlisted},
        "messages": {"total": outcome.messages.total(), "by_sink": _sorted(outcome.messages)},
        "suppressed": _sorted(outcome.suppressed),
        "rows": [_data(each) for each in ordered(outcome)],
        "notes": list(notes),
    }
    return json.dumps(found, indent=2)


def ordered(outcome: Outcome) -> list[Row]:
    """The rows as they are shown: by when they first fired."""
    return sorted(outcome.rows.values(), key=lambda each: (each.first, each.alert.rule, each.alert.fingerprint))


def notes(made: Iterable[Rule], written: Iterable[RuleSettings], *, from_files: bool) -> Iterator[str]:
    """What this cannot know, and which rules therefore say nothing."""
    others = [each.name for each in written if each.on != "log"]
    if others:
        yield f"logs do not tell what becomes of Deployments: {len(others)} rules on anything but logs were not asked"
    rules = [each for each in made if isinstance(each, LogRule)]
    if not rules:
        yield "the configuration has no rules on logs"
    verdicts = [each.name for each in rules if isinstance(each, VerdictRule)]
    if verdicts:
        yield f"logs do not tell when builds were deployed, which these rules ask: {', '.join(verdicts)}"
    blind = [each.name for each in rules if from_files and _asks_untold(each)]
    if blind:
        yield f"records do not tell all of their Deployment that these rules ask, so they may say less: {', '.join(blind)}"


def _asks_untold(rule: LogRule) -> bool:
    asked = {each.name for each in rule.spec.matchers} | set(rule.spec.by)
    return bool(UNTOLD & asked) or isinstance(rule, MissedRunRule)


def _data(row: Row) -> dict[str, Any]:
    return {
        "rule": row.alert.rule,
        "labels": dict(row.alert.labels),
        "fired": row.fired,
        "first": render.rfc3339(row.first),
        "last": render.rfc3339(row.last),
        "state": row.state,
        "ended_at": None if row.ended_at is None else render.rfc3339(row.ended_at),
        "message": row.message,
    }


def _cells(row: Row, by: Sequence[str]) -> tuple[str, ...]:
    if row.state == "ended":
        end = f"ended {render.to_the_second(row.ended_at or 0)}"
    else:
        end = {"told": "told once", "firing": "still firing"}[row.state]
    first, last = render.to_the_second(row.first), render.to_the_second(row.last)
    return row.alert.rule, _where(row.alert.labels, by), str(row.fired), first, last, end, _telling(row.message)


def _where(labels: Mapping[str, str], by: Sequence[str]) -> str:
    """The place, and what else a rule tells one alert from another by."""
    more = [f"{name}={render.one_line(labels[name])}" for name in by if name not in _PLACE and labels.get(name)]
    return " ".join([render.where(labels), *more])


def _telling(message: str) -> str:
    """The line of a message that says what went wrong, as one line that is short enough."""
    lines = [Line(0, "", "", each) for each in message.split("\n")]
    found = decisive(lines) if len(lines) > 1 else 0
    return render.clip(render.one_line(lines[found or 0].message), MAX_SHOWN)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _summary(outcome: Outcome) -> Iterator[str]:
    if not outcome.fired:
        yield "Nothing would have been said."
    span = (
        f" from {render.to_the_second(outcome.since)} to {render.to_the_second(outcome.until)}" if outcome.since else ""
    )
    firing = sum(each.state == "firing" for each in outcome.rows.values())
    alerts = f"{outcome.fired} alerts ({outcome.ended} ended, {firing} still firing)"
    sinks = ", ".join(f"{sink} {count}" for sink, count in _sorted(outcome.messages).items())
    messages = f"{outcome.messages.total()} messages" + (f" ({sinks})" if sinks else "")
    yield f"{outcome.records} records{span}: {outcome.hits.total()} hits, {alerts}, {messages}."
    if outcome.unlisted:
        yield f"{outcome.unlisted} alerts are not in the table, which ends at {len(outcome.rows)} rows."
    for reason, count in _sorted(outcome.suppressed).items():
        yield f"{count} messages held back: {reason}."


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
