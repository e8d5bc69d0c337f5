"""What has to fit together within a rule on logs, and within a project's log source. Reads the tree as written."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from watcher.config.problem import Path
from watcher.core import duration, matcher

Said: TypeAlias = Iterator[tuple[Path, str]]
Tree: TypeAlias = Mapping[str, Any]

SINGLE = frozenset({"pattern", "exclude", "slower_than"})
"""Keys that are about single records."""
OF_OTHERS = frozenset({"for", "resolve", "from", "to", "events", "added"})
"""Keys of rules that are on something else."""
KINDS = ("new", "of", "spike", "absent", "missed_run", "verdict")
"""Keys that each make a kind of rule."""
MEASURED = KINDS[1:]
WINDOWED = ("of", "spike")
"""Kinds that look at a while that `within` gives, as rules that count do."""
DETAILS_OF = {
    "learn": ("new",),
    "above": ("of",),
    "at_least": ("of", "spike"),
    "baseline": ("spike",),
}
"""Keys that belong to a kind."""
ONLY_LOGS = frozenset({*SINGLE, "count", *KINDS, *DETAILS_OF, "within", "by"})
PLACES = frozenset(
    {
        *("project", "region", "type", "connector", "connector_version"),
        *("deployment", "deployment_id", "build", "application", "application_kind", "heard"),
    }
)
"""Labels that a tally has."""
OF_APPLICATIONS = frozenset({"application", "application_kind", "heard"})
"""Those of them that a whole Deployment has not, which is what a verdict is about."""
COMPARED = frozenset({"verdict", "errors", "records", "errors_before", "records_before", "new_errors"})
"""Labels that a verdict has besides."""


def problems(path: Path, rule: Tree) -> Said:
    """What is wrong within a rule, as far as it is about logs."""
    if rule.get("on") != "log":
        for key in sorted(ONLY_LOGS & rule.keys()):
            yield (*path, key), 'is about logs: it needs on = "log"'
        return
    for key in OF_OTHERS & rule.keys():
        yield (*path, key), "has no meaning on logs: say count and within, or one of " + ", ".join(KINDS)
    for key in KINDS:
        if rule.get(key, False) is not False and _is_nothing(rule[key]):
            yield (*path, key), "must be more than 0: without it, the rule is about each record"
    kinds = [key for key in KINDS if rule.get(key)]
    yield from _combinations(path, rule, kinds)
    if kinds and kinds[0] in MEASURED:
        yield from _measured_problems(path, rule, kinds[0])


def _combinations(path: Path, rule: Tree, kinds: list[str]) -> Said:
    for key in kinds[1:]:
        yield (*path, key), f"cannot stand beside {kinds[0]}: make two rules"
    for kind in kinds[:1]:
        for key in ("count",) if kind in WINDOWED else ("count", "within"):
            if key in rule:
                yield (*path, key), f"has no meaning beside {kind}"
    for key, owners in DETAILS_OF.items():
        if key in rule and not any(owner in kinds for owner in owners):
            yield (*path, key), f"has a meaning only beside {' or '.join(owners)}"
    if rule.get("of") and not rule.get("above"):
        yield (*path, "above"), "is required beside of: which share is too much, like 0.05"


def _measured_problems(path: Path, rule: Tree, kind: str) -> Said:
    for key in SINGLE & rule.keys():
        yield (*path, key), f"has no meaning beside {kind}, which sees how much was written, and no records"
    known = PLACES - OF_APPLICATIONS | COMPARED if kind == "verdict" else PLACES
    unseen = ((at, name) for at, text in _listed(rule, "matchers") for name, _ in names_in(text) if name not in known)
    for at, name in unseen:
        yield (*path, "matchers", at), _UNSEEN.format(name, _whose(name), kind)
    for at, label in _listed(rule, "by"):
        if label not in known - COMPARED:
            yield (*path, "by", at), _UNSEEN.format(label, _whose(label), kind)


_UNSEEN = "{} is a label of single {}, which {} does not see"


def _whose(label: object) -> str:
    return "applications" if label in OF_APPLICATIONS else "records"


def _is_nothing(value: object) -> bool:
    """Whether it is no length of time, and no number, to measure by; what cannot be read is told elsewhere."""
    try:
        return value == 0 or duration.parse(str(value)) == 0
    except ValueError:
        return False


def _listed(rule: Tree, key: str) -> list[tuple[int, object]]:
    value = rule.get(key)
    return list(enumerate(value)) if isinstance(value, list) else []


def names_in(text: object) -> list[tuple[str, str]]:
    """The labels that a text of matchers names, with the values they are compared with where those are no patterns.

    None where it cannot be read, which has been said.
    """
    try:
        found = matcher.parse(str(text), lambda _: lambda _: True)
    except ValueError:
        return []
    return [(each.name, each.value if each.op in {"=", "!="} else "") for each in found]


def project_problems(path: Path, project: Tree) -> Said:
    """What is wrong within a project's log source."""
    logs = project.get("logs")
    if not isinstance(logs, dict):
        return
    keys = [key for key in ("key", "key_file", "next_key", "next_key_file") if key in logs]
    if logs.get("source") == "otlp" and not keys:
        yield (*path, "logs", "key"), "is required, here or in key_file: what the sender of logs has to present"
    for key in keys if logs.get("source") != "otlp" else ():
        yield (*path, "logs", key), 'has a meaning only with source = "otlp"'
