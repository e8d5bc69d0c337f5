"""Compile a rule as written into one that can be asked: matchers, patterns and templates, each once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from watcher import pattern, render
from watcher.core import matcher
from watcher.core.duration import Millis
from watcher.core.event import EventType
from watcher.core.matcher import Matcher
from watcher.render import Rendered, Template
from watcher.rules.log import LogSpec
from watcher.rules.spec import Annotate, RuleSpec

DEFAULT_RESOLVE: Mapping[str, tuple[str, ...]] = {
    "deployment": ('status="Deployed"',),
    "report": ('status=~"Deployed|Published"',),
    "connector": ('status="Published"',),
}
"""What ends a state rule that does not say so itself, by what it is `on`."""
_TIMES = ("from", "to", "last_good", "at", "last", "silent_since", "within", "expected")
"""Values that are points or lengths of time, kept as text like all others."""


TemplateFailed: TypeAlias = Callable[[str, str], None]
"""Hears the name of a rule, and which of its templates failed at what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """What only a rule on logs has. Of `new`, `of`, `spike`, `absent`, `missed_run` and `verdict` at most one is given."""

    pattern: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    by: tuple[str, ...] = ("deployment", "application")
    count: int = 1
    within: Millis = 600_000
    slower_than: Millis = 0
    new: bool = False
    learn: Millis = 3_600_000
    of: str = ""
    above: float = 0.0
    spike: float = 0.0
    baseline: Millis = 3_600_000
    at_least: int = 20
    absent: Millis = 0
    missed_run: Millis = 0
    verdict: Millis = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """A rule as a person wrote it, checked for shape only."""

    name: str
    on: str
    matchers: tuple[str, ...] = ()
    resolve: tuple[str, ...] | None = None
    wait: Millis = 0
    events: tuple[str, ...] = ()
    from_: str | None = None
    to: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log: LogText | None = None


def compile_log(text: RuleText, log: LogText, *, template_failed: TemplateFailed) -> LogSpec:
    """A rule on logs, ready to be asked. Raises ValueError as `compile_rule` does."""
    for each in log.pattern:
        pattern.search(each)
    lengths = {
        "within": log.within if log.of else 0,
        "baseline": log.baseline if log.spike else 0,
        "absent": log.absent,
        "grace": log.missed_run,
        "after": log.verdict,
    }
    return LogSpec(
        name=text.name,
        annotate=_annotate(text, template_failed),
        labels=dict(text.labels),
        by=log.by,
        matchers=_matchers(text.matchers),
        pattern=log.pattern,
        exclude=tuple(map(pattern.search, log.exclude)),
        slower_than=log.slower_than,
        count=log.count,
        within=log.within,
        novel=log.new,
        learn=log.learn,
        lengths={name: length for name, length in lengths.items() if length},
    )


def compile_rule(text: RuleText, *, template_failed: TemplateFailed = lambda _rule, _fault: None) -> RuleSpec:
    """The rule, ready to be asked. `template_failed` hears of each rendering that fell back to the built-in text, and why.

    Raises:
        ValueError: a matcher, pattern or template cannot be used; the message says which.
    """
    resolve = text.resolve if text.resolve is not None else DEFAULT_RESOLVE.get(text.on, ())
    return RuleSpec(
        name=text.name,
        on=text.on,
        annotate=_annotate(text, template_failed),
        matchers=_matchers(text.matchers),
        resolve=_matchers(resolve),
        wait=text.wait,
        events=frozenset(map(EventType, text.events)),
        from_=None if text.from_ is None else pattern.fullmatch(text.from_),
        to=None if text.to is None else pattern.fullmatch(text.to),
        labels=dict(text.labels),
    )


def _matchers(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    return tuple(each for text in texts for each in matcher.parse(text, pattern.fullmatch))


def _annotate(text: RuleText, template_failed: TemplateFailed) -> Annotate:
    templates = {name: _Remembering(render.compile_template(source)) for name, source in text.annotations.items()}

    def annotate(values: Mapping[str, object]) -> dict[str, str]:
        context = {
            **nested(values),
            **{name: int(str(values[name])) for name in _TIMES if str(values.get(name, "")).isdecimal()},
        }
        found = {name: template.render(context) for name, template in templates.items()}
        for name, each in found.items():
            if each.fault:
                template_failed(text.name, f"{name}: {each.fault}")
        return {name: each.text for name, each in found.items() if each.text}

    return annotate


class _Remembering:
    """A template that is not rendered again while what it asks for is the same: of many failures much is said in the same words."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._names = sorted(template.names | {"now"})
        self._last: tuple[list[object], Rendered | None] = ([], None)

    def render(self, context: Mapping[str, object]) -> Rendered:
        """Fill it in. A text that is built in is made anew, for it shows more than what was asked for."""
        asked = [context.get(name, _ABSENT) for name in self._names]
        known, found = self._last
        if found is None or known != asked:
            found = render.render(self._template, context)
            self._last = asked, None if found.fault else found
        return found


_ABSENT = object()


def nested(values: Mapping[str, object]) -> dict[str, object]:
    """The values as templates see them: `details.err.code` is within `err`, within `details`. A field that has fields is these."""
    found = {name: value for name, value in values.items() if "." not in name}
    for name in sorted(name for name in values if "." in name):
        *path, last = name.split(".")
        at = found
        for each in path:
            inner = at.get(each)
            at[each] = at = inner if isinstance(inner, dict) else {}
        at.setdefault(last, values[name])
    return found
