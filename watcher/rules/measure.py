"""Rules that measure, once a minute: a ratio, a spike, silence, a job that did not run.

They see one tally for each application and minute, not records, so their matchers are about Deployments and
applications only.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from watcher.core.duration import Millis
from watcher.core.history import Run
from watcher.core.logrecord import MINUTE, Tally
from watcher.core.matcher import matches
from watcher.core.picture import Activity, Picture, Span, Spot
from watcher.core.rule import Condition, Evaluation
from watcher.rules.log import LogRule, LogSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Count = Callable[[Tally], int]
OF: Mapping[str, tuple[_Count, _Count]] = {
    "5xx": (lambda tally: tally.http_5xx, lambda tally: tally.http),
    "4xx": (lambda tally: tally.http_4xx, lambda tally: tally.http),
    "errors": (lambda tally: tally.errors, lambda tally: tally.records),
}
"""What a ratio can be of: the part, and the whole it is a part of."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The applications that are measured as one."""

    labels: dict[str, str]
    found: dict[str, str]
    spots: list[Spot]


class _MeasureRule(LogRule, ABC):
    """A rule that looks at spans of time before now."""

    def spans(self, _runs: Iterable[Run], at: Millis) -> Iterable[Span]:
        """The spans, all of which end now."""
        return [(at - length, at) for length in self.spec.lengths.values()]

    def measure(self, picture: Picture) -> Evaluation:
        """Every group for which it holds. Whatever else held has ended, unless that cannot be said."""
        groups = list(self._groups(picture))
        holds = tuple(
            Condition(labels=group.labels, values={**group.found, **values})
            for group in groups
            if (values := self._answer(group, picture)) is not None
        )
        return Evaluation(
            holds=holds, open=tuple(each.labels for each in groups if self._is_open(each, picture)), ended=True
        )

    @abstractmethod
    def _answer(self, group: _Group, picture: Picture) -> dict[str, str] | None:
        """What a message can show of a group for which it holds; `None` for one for which it does not."""

    def _is_open(self, _group: _Group, _picture: Picture) -> bool:
        """Whether an alert of the group goes on, though it would not begin now."""
        return False

    def _groups(self, picture: Picture) -> Iterable[_Group]:
        groups: dict[tuple[tuple[str, str], ...], _Group] = {}
        for spot, found in _spots(picture):
            if not matches(self.spec.matchers, found):
                continue
            labels = self.spec.identity(found)
            group = groups.setdefault(tuple(sorted(labels.items())), _Group(labels, found, []))
            group.spots.append(spot)
        return groups.values()


class RatioRule(_MeasureRule):
    """Fires while a part of what was written within `within` is more than `above` of the whole."""

    def __init__(self, spec: LogSpec, *, of: str, above: float, at_least: int) -> None:
        super().__init__(spec)
        self._part, self._whole = OF[of]
        self._above = above
        self._at_least = at_least

    def _answer(self, group: _Group, picture: Picture) -> dict[str, str] | None:
        tally = picture.tally((picture.at - self.spec.within, picture.at), group.spots)
        part, whole = self._part(tally), self._whole(tally)
        if whole < self._at_least or part <= self._above * whole:
            return None
        return {"part": str(part), "whole": str(whole), "percent": _percent(part / whole)}


class SpikeRule(_MeasureRule):
    """Fires while errors come `times` as fast as on average in the `baseline` before."""

    def __init__(self, spec: LogSpec, *, times: float, at_least: int) -> None:
        super().__init__(spec)
        self._times = times
        self._at_least = at_least

    def spans(self, _runs: Iterable[Run], at: Millis) -> Iterable[Span]:
        """The window, and the baseline that ends where it begins."""
        begin = at - self.spec.within
        return [(begin, at), (begin - self.spec.lengths["baseline"], begin)]

    def _answer(self, group: _Group, picture: Picture) -> dict[str, str] | None:
        now, before = (picture.tally(span, group.spots).errors for span in self.spans((), picture.at))
        usual = before * self.spec.within / self.spec.lengths["baseline"]
        heard = min((picture.activity[spot].first for spot in group.spots if spot in picture.activity), default=None)
        if heard is None or heard > picture.at - self.spec.within - self.spec.lengths["baseline"]:
            return None  # there is no baseline yet
        if now < self._at_least or now <= self._times * usual:
            return None
        return {"errors": str(now), "usual": f"{usual:.1f}"}


class AbsentRule(_MeasureRule):
    """Fires when something that is deployed has written nothing for `absent`, until it does: a redeploy alone is no end."""

    def spans(self, _runs: Iterable[Run], _at: Millis) -> Iterable[Span]:
        """None: when an application was last heard is known without them."""
        return ()

    def _answer(self, group: _Group, picture: Picture) -> dict[str, str] | None:
        runs = [picture.runs[deployment_id] for deployment_id, _ in group.spots]
        good = [each.good_since for each in runs if each.is_good]
        last = _last(group, picture)
        since = max(last, picture.since, *good)
        if not good or picture.at - since < self.spec.lengths["absent"]:
            return None
        return {"last": str(last) if last else "", "silent_since": str(since)}

    def _is_open(self, group: _Group, picture: Picture) -> bool:
        return picture.at - _last(group, picture) >= self.spec.lengths["absent"]


class MissedRunRule(_MeasureRule):
    """Fires when a job that should have run by its schedule wrote nothing until `grace` after that, until it writes again.

    In which time zone Connect reads schedules is not documented; UTC is taken.
    """

    def spans(self, _runs: Iterable[Run], _at: Millis) -> Iterable[Span]:
        """None, as for silence."""
        return ()

    def _answer(self, group: _Group, picture: Picture) -> dict[str, str] | None:
        for spot, schedule, expected in self._missed(group, picture):
            run, last = picture.runs[spot[0]], _heard(picture, spot)
            if run.is_good and expected >= max(run.good_since, picture.since):
                return {"expected": str(expected), "schedule": schedule, "last": str(last) if last else ""}
        return None

    def _is_open(self, group: _Group, picture: Picture) -> bool:
        return any(self._missed(group, picture))

    def _missed(self, group: _Group, picture: Picture) -> Iterator[tuple[Spot, str, Millis]]:
        """The jobs that were not heard when they were last due, or since, whatever kept them from it."""
        for spot in group.spots:
            schedule = _schedule(picture.runs[spot[0]], spot[1])
            expected = last_due(schedule, picture.at - self.spec.lengths["grace"]) if schedule else None
            if expected is not None and _heard(picture, spot) < expected - MINUTE:
                yield spot, schedule, expected


def last_due(schedule: str, at: Millis) -> Millis | None:
    """When a cron schedule was last due, up to `at`; `None` where it is no such schedule, or was not for years."""
    # the iterator leaves out the minute that it starts from
    start = _EPOCH + timedelta(milliseconds=at // MINUTE * MINUTE + MINUTE)
    try:
        return int(next(CronSim(schedule, start, reverse=True)).timestamp()) * 1000
    except (CronSimError, StopIteration, OverflowError):
        return None


def _spots(picture: Picture) -> Iterator[tuple[Spot, dict[str, str]]]:
    """Every application there is: those of the Deployments, and those that were heard, whatever they are called."""
    known = {(run.deployment_id, each.name) for run in picture.runs.values() for each in run.applications}
    newest: dict[str, Millis] = {}
    for (deployment_id, _), found in picture.activity.items():
        newest[deployment_id] = max(found.last, newest.get(deployment_id, 0))
    for spot in sorted(known | picture.activity.keys()):
        deployment_id, application = spot
        run = picture.runs.get(deployment_id)
        if run is not None:
            yield spot, {**run.labels(application), "heard": _is_heard(run, newest.get(deployment_id, 0))}


def _is_heard(run: Run, last: Millis) -> str:
    """Whether a Deployment has written anything since its build came; of a build that was there before us it is unknown."""
    if last + MINUTE > run.began:
        return "true"
    return "false" if run.good_since > run.seen_since else ""


def _schedule(run: Run, application: str) -> str:
    return next((each.schedule for each in run.applications if each.name == application), "")


def _last(group: _Group, picture: Picture) -> Millis:
    return max(_heard(picture, spot) for spot in group.spots)


def _heard(picture: Picture, spot: Spot) -> Millis:
    return picture.activity.get(spot, Activity(0, 0)).last


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.1f}"  # noqa: PLR2004  a tenth


def rate(tally: Tally) -> float:
    """The share of errors among the records; 0 where there are none."""
    return tally.errors / tally.records if tally.records else 0.0
