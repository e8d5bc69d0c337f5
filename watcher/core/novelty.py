"""New errors: which kinds of error an application has written before, and whether one more is news.

News is what was not seen in the build that runs nor in the good one before it: an error that comes back after builds
without it has come back because something broke it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from watcher.core.duration import Millis
from watcher.core.history import Run

CAPACITY = 500
"""Templates remembered for each application; those not seen for longest make room."""
FRESHEN: Millis = 3_600_000
"""How much later a known template has to be seen for that to be worth a write; its first time in a build always is."""


class Verdict(StrEnum):
    """What a template is to what is known."""

    LEARNED = "learned"
    KNOWN = "known"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The templates of one application, as one rule has met them: first and last time. `since` is when learning began.

    One without an application is about all: since when the rule is there.
    """

    rule: str
    project: str
    deployment_id: str
    application: str
    since: Millis
    templates: Mapping[str, tuple[Millis, Millis]] = field(default_factory=dict)
    signature: str = ""

    @property
    def key(self) -> str:
        """What tells one from all others."""
        return memory_key(self.rule, self.project, self.deployment_id, self.application)


def memory_key(rule: str, project: str, deployment_id: str, application: str) -> str:
    """Under what a memory is kept."""
    return f"{rule}\n{project}\n{deployment_id}\n{application}"


def met(
    memory: Memory, template: str, at: Millis, *, learn: Millis, run: Run | None, baseline: bool = False
) -> tuple[Memory, Verdict]:
    """Meet a template that was written at `at`. The same memory comes back where nothing is worth a write.

    For `learn` after the application was first heard, everything is held to be known: there is nothing to compare with.
    """
    before = memory.templates.get(template)
    horizon, began = (run.before_began, run.began) if run else (0, 0)
    if before is not None and before[1] >= horizon:
        first_of_build = before[1] < began <= at
        if before[0] <= at < before[1] + FRESHEN and not first_of_build:
            return memory, Verdict.KNOWN
        span = (min(before[0], at), max(before[1], at))
        return _with(memory, template, span), Verdict.KNOWN
    learning = baseline or at < memory.since + learn
    return _with(memory, template, (at, at)), Verdict.LEARNED if learning else Verdict.NEW


def new_since(memory: Memory, since: Millis) -> int:
    """How many templates were first seen since then; none where nothing is known of the time before."""
    return 0 if memory.since >= since else sum(first >= since for first, _ in memory.templates.values())


def _with(memory: Memory, template: str, span: tuple[Millis, Millis]) -> Memory:
    templates = {**memory.templates, template: span}
    if len(templates) > CAPACITY:
        oldest = min(templates, key=lambda each: (templates[each][1], each))
        del templates[oldest]
    return replace(memory, templates=templates)
