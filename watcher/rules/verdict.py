"""The health of a deploy: how the new build does after a while, compared with the one before it, said once."""

from collections.abc import Iterable, Iterator

from watcher.core.duration import Millis
from watcher.core.history import Run, due_verdicts
from watcher.core.logrecord import MINUTE, Tally
from watcher.core.matcher import matches
from watcher.core.novelty import new_since
from watcher.core.picture import Picture, Span, Spot
from watcher.core.rule import Condition
from watcher.rules.log import LogRule
from watcher.rules.measure import rate

LONGEST_BASELINE: Millis = 86_400_000
"""How much of the build before is looked at."""
WORSE = 2.0
"""How many times the share of errors must be what it was, to be worse …"""
FEW = 5
"""… and how many errors there must be at least."""


class VerdictRule(LogRule):
    """Judges each good build `after` it was deployed: `verdict` is `worse`, `same`, `better`, `silent` or `unknown`."""

    fact = True

    def spans(self, runs: Iterable[Run], at: Millis) -> Iterable[Span]:
        """For each build that is due: its first while, and what was before."""
        for run in due_verdicts(runs, self.name, self._after, at):
            yield from self._spans(run)

    def verdicts(self, picture: Picture) -> Iterator[tuple[Run, tuple[Condition, ...]]]:
        """The builds that are due, each with what its rule's matchers let be told."""
        for run in due_verdicts(picture.runs.values(), self.name, self._after, picture.at):
            found = {**run.labels(), **self._compared(run, picture)}
            told = matches(self.spec.matchers, found)
            yield run, (Condition(labels=self.spec.identity(found), values=found),) if told else ()

    @property
    def _after(self) -> Millis:
        return self.spec.lengths["after"]

    def _spans(self, run: Run) -> tuple[Span, Span]:
        """Whole minutes; those in which it was still being deployed belong to neither build."""
        began = run.began // MINUTE * MINUTE
        good = -(-run.good_since // MINUTE) * MINUTE
        return (good, good + self._after), (max(run.before_since // MINUTE * MINUTE, began - LONGEST_BASELINE), began)

    def _compared(self, run: Run, picture: Picture) -> dict[str, str]:
        spots: list[Spot] = [spot for spot in picture.activity if spot[0] == run.deployment_id]
        now, before = (picture.tally(span, spots) for span in self._spans(run))
        new = sum(
            new_since(each, run.good_since) for each in picture.memories if each.deployment_id == run.deployment_id
        )
        return {
            "verdict": verdict(now, before, new),
            "errors": str(now.errors),
            "records": str(now.records),
            "errors_before": str(before.errors),
            "records_before": str(before.records),
            "new_errors": str(new),
        }


def verdict(now: Tally, before: Tally, new: int) -> str:
    """How a build does. New kinds of errors make it worse whatever the rates say; without a build before it nothing is new."""
    if not now.records:
        return "silent"
    if not before.records:
        return "unknown"
    if new or (now.errors >= FEW and rate(now) > WORSE * rate(before)):
        return "worse"
    return "better" if before.errors and rate(now) * WORSE < rate(before) else "same"
