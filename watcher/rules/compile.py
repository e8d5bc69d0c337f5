"""Compile a rule as written into one that can be asked: matchers, patterns and templates, each once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from watcher import pattern, render
from watcher.core import matcher
from watcher.core.duration import Millis
from watcher.core.event import EventType
from watcher.core.matcher import Matcher
from watcher.rules.spec import Annotate, RuleSpec

DEFAULT_RESOLVE: Mapping[str, tuple[str, ...]] = {
    "deployment": ('status="Deployed"',),
    "report": ('status=~"Deployed|Published"',),
    "connector": ('status="Published"',),
}
"""What ends a state rule that does not say so itself, by what it is `on`."""
_TIMES = ("from", "to")
"""Values that are points in time, kept as text like all others."""


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


def compile_rule(text: RuleText, *, template_failed: Callable[[str], None] = lambda _rule: None) -> RuleSpec:
    """The rule, ready to be asked. `template_failed` hears of each rendering that fell back to the built-in text.

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


def _annotate(text: RuleText, template_failed: Callable[[str], None]) -> Annotate:
    templates = {name: render.compile_template(source) for name, source in text.annotations.items()}

    def annotate(values: Mapping[str, object]) -> dict[str, str]:
        context = {
            **values,
            **{name: int(str(values[name])) for name in _TIMES if str(values.get(name, "")).isdecimal()},
        }
        found = {name: render.render(template, context) for name, template in templates.items()}
        if any(each.failed for each in found.values()):
            template_failed(text.name)
        return {name: each.text for name, each in found.items() if each.text}

    return annotate
