"""What rules and routes can match on and show, so that a name that nothing has is pointed out.

A matcher on it would never match and a template with it fall back, both without a word until somebody needs to hear.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from watcher.config.log_rules import COMPARED, PLACES, names_in
from watcher.config.problem import Path, suggestion
from watcher.core.level import LEVELS
from watcher.core.route import ALL_LABELS
from watcher.core.snapshot import DRAFT_STATUSES, KNOWN_STATUSES
from watcher.render import compile_template

Said: TypeAlias = Iterator[tuple[Path, str]]
Tree: TypeAlias = Mapping[str, Any]

_ALL = frozenset({"project", "region", "event", "kind", "version", "status", "previous_status", "error"})
_EVENTS = frozenset({"changed", "announced", "mass", "previous_previewable", "edited", "comment", "commented_at"})
_DEPLOYMENT = frozenset(
    {
        *("deployment", "deployment_id", "connector", "connector_version", "type", "build", "previous_build"),
        *("log_error", "log_application", "log_lines", "last_good"),
    }
)
_CONNECTOR = frozenset(
    {
        *("connector", "connector_id", "draft", "previewable", "listed", "has_changes", "tag", "preview_error"),
        *("behind", "deployments", "previous_build"),
    }
)
_ENTRY = frozenset({"entry_type", "title", "message", "application"})
LABELS: Mapping[str, frozenset[str]] = {
    "deployment": _ALL | _EVENTS | _DEPLOYMENT,
    "connector": _ALL | _EVENTS | _CONNECTOR,
    "report": _ALL | _EVENTS | _DEPLOYMENT | _CONNECTOR | _ENTRY,
    "log": PLACES | COMPARED | {"level", "severity", "log_type", "message", "method", "path", "status", "latency"},
}
"""By what a rule is `on`. Facts about sources have too many fields of their own for a list of them."""
_SHOWN = frozenset(
    {"alertname", "application", "severity", "removed", "resolved", "again", "since", "starts_at", "ends_at"}
)
_MEASURED = frozenset(
    {
        *(
            "count",
            "within",
            "percent",
            "part",
            "whole",
            "errors",
            "usual",
            "silent_since",
            "last",
            "expected",
            "schedule",
        ),
        *(
            "at",
            "last_good",
            "error_id",
            "verdict",
            "records",
            "errors_before",
            "records_before",
            "new_errors",
            "build",
            "template",
        ),
    }
)
TEMPLATES: Mapping[str, frozenset[str]] = {
    on: names | _SHOWN | {"wait", "now", "events"} | (_MEASURED if on == "log" else frozenset())
    for on, names in LABELS.items()
}
"""What templates can show besides the rule's own labels, by what it is `on`."""
_STATUSES = {"deployment": KNOWN_STATUSES, "report": KNOWN_STATUSES, "connector": DRAFT_STATUSES}
_DETAILS = "details."
_OF_ALERTS = frozenset({"alertname", "severity", "error_id", "source"}).union(*LABELS.values())
"""What alerts can have by themselves; a rule adds labels of its own, and those of its `by`."""


def warnings(path: Path, rule: Tree) -> Said:
    """The labels of a rule that nothing has, in matchers and templates, and values that look like another, misspelt."""
    known = LABELS.get(str(rule.get("on")))
    if known is None:
        return
    for place, name, value in _named(rule):
        if name not in known and not name.startswith(_DETAILS):
            yield (*path, *place), f'nothing here has a label "{name[:50]}"' + suggestion(name, known)
        elif name == "level" and value and value not in LEVELS:
            yield (*path, *place), f"no record has the level {value[:50]!r}: there are {', '.join(LEVELS)}"
        elif name == "status" and (meant := _meant(str(rule.get("on")), value)):
            yield (*path, *place), f"the API documents no status {value[:50]!r}{meant}"
    yield from _template_warnings(path, rule)


def _meant(on: str, status: str) -> str:
    """What a status may have been meant to be. Connect's are open, so one that resembles none is taken as it is."""
    known = _STATUSES.get(on, frozenset())
    return suggestion(status, known) if status not in known and get_close_matches(status, known, 1) else ""


def _template_warnings(path: Path, rule: Tree) -> Said:
    annotations = rule.get("annotations")
    by = [
        name.partition(".")[0] for name in _strings(rule.get("by"))
    ]  # a field of `details` is shown where it is in `by`
    known = TEMPLATES[str(rule.get("on"))].union(_strings(rule.get("labels")), by)
    for key, text in annotations.items() if isinstance(annotations, dict) else ():
        try:
            asked = compile_template(str(text)).names
        except ValueError:  # said elsewhere
            continue
        for name in sorted(asked - known):
            yield (*path, "annotations", key), f'no value is called "{name[:50]}"{suggestion(name, known)}'


def route_warnings(path: Path, route: Tree, rules: Sequence[Tree], pack_rules: Iterable[str] = ()) -> Said:
    """Labels and rules that a route names and no alert has: nothing would ever take that way, or all would be one group."""
    called = {str(rule.get("name")) for rule in rules} | set(pack_rules)
    own = {name for rule in rules for name in _strings(rule.get("labels")) + _strings(rule.get("by"))}
    known = _OF_ALERTS | own
    for key in ("matchers", "group_by"):
        for at, text in enumerate(_strings(route.get(key))):
            for name in [text] if key == "group_by" else [name for name, _ in names_in(text)]:
                if name not in known and name != ALL_LABELS and not name.startswith(_DETAILS):
                    yield (*path, key, at), f'no alert has a label "{name[:50]}"' + suggestion(name, known)
            for name, value in names_in(text) if key == "matchers" else ():
                if name == "alertname" and value and value not in called and get_close_matches(value, called, 1):
                    yield (*path, key, at), f'no rule is called "{value[:50]}"' + suggestion(value, called)


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | dict) else []


def _named(rule: Tree) -> Iterator[tuple[Path, str, str]]:
    """Where a rule names a label, which, and the value it is compared with."""
    for key in ("matchers", "resolve", "by"):
        listed = rule.get(key)
        for at, text in enumerate(listed if isinstance(listed, list) else ()):
            for name, value in [(str(text), "")] if key == "by" else names_in(text):
                yield (key, at), name, value
