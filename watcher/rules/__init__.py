"""Rules: pure answers to events, one module for each kind. `build` turns a compiled description into a rule.

A rule may read an event and nothing else: no clock, no store, no I/O (checked by import-linter). Regular expressions
and templates arrive compiled. A new kind is one module and its branch in `build`.
"""

from watcher.rules.compile import RuleText, compile_rule
from watcher.rules.fact import FactRule
from watcher.rules.spec import RuleSpec
from watcher.rules.state import ReportRule, StateRule

Rule = StateRule | ReportRule | FactRule


def build(spec: RuleSpec) -> Rule:
    """The rule that a description asks for: a fact rule if it names events, otherwise a state rule."""
    if spec.events or spec.from_ is not None or spec.to is not None:
        return FactRule(spec)
    return ReportRule(spec) if spec.on == "report" else StateRule(spec)


__all__ = ["FactRule", "ReportRule", "Rule", "RuleSpec", "RuleText", "StateRule", "build", "compile_rule"]
