"""Rules: pure answers to events, hits and tallies, one module for each kind. `make` turns a written rule into one.

A rule may read what it is given and nothing else: no clock, no store, no I/O (checked by import-linter). Regular
expressions and templates arrive compiled. A new kind is one module and its branch in `make`.
"""

from collections.abc import Callable, Iterable, Mapping

from watcher.core import rule
from watcher.rules.compile import LogText, RuleText, TemplateFailed, compile_log, compile_rule
from watcher.rules.fact import FactRule
from watcher.rules.log import CountRule, LogRule, LogSpec, NoveltyRule
from watcher.rules.matching import LogMatcher, pattern_table
from watcher.rules.measure import AbsentRule, MissedRunRule, RatioRule, SpikeRule
from watcher.rules.spec import RuleSpec
from watcher.rules.state import ReportRule, StateRule
from watcher.rules.verdict import VerdictRule

Rule = StateRule | ReportRule | FactRule

MEASURED: Mapping[str, Callable[[LogSpec, LogText], LogRule]] = {
    "new": lambda spec, _: NoveltyRule(spec),
    "of": lambda spec, log: RatioRule(spec, of=log.of, above=log.above, at_least=log.at_least),
    "spike": lambda spec, log: SpikeRule(spec, times=log.spike, at_least=log.at_least),
    "absent": lambda spec, _: AbsentRule(spec),
    "missed_run": lambda spec, _: MissedRunRule(spec),
    "verdict": lambda spec, _: VerdictRule(spec),
}
"""The kinds of rules on logs by the key that asks for each; a rule with none of these counts."""


def make(text: RuleText, *, template_failed: TemplateFailed = lambda _rule, _fault: None) -> rule.Rule:
    """The rule that a text describes. Raises ValueError where it cannot be used; the message says why."""
    if text.log is None:
        return build(compile_rule(text, template_failed=template_failed))
    log = text.log
    spec = compile_log(text, log, template_failed=template_failed)
    kind = next((make for key, make in MEASURED.items() if getattr(log, key)), None)
    return CountRule(spec) if kind is None else kind(spec, log)


def build(spec: RuleSpec) -> Rule:
    """The rule that a description asks for: a fact rule if it names events, otherwise a state rule."""
    if spec.events or spec.from_ is not None or spec.to is not None:
        return FactRule(spec)
    return ReportRule(spec) if spec.on == "report" else StateRule(spec)


def log_specs(made: Iterable[rule.Rule]) -> tuple[LogSpec, ...]:
    """What records the rules on logs select: those that look at records, and not only at how many there are."""
    return tuple(each.spec for each in made if isinstance(each, CountRule | NoveltyRule))


__all__ = [
    "MEASURED",
    "FactRule",
    "LogMatcher",
    "LogText",
    "ReportRule",
    "Rule",
    "RuleSpec",
    "RuleText",
    "StateRule",
    "TemplateFailed",
    "build",
    "compile_rule",
    "log_specs",
    "make",
    "pattern_table",
]
