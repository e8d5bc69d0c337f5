"""Backtest: what the rules on logs would have said of records that were written already. Nothing is stored, nothing sent.

Time is that of the records. They are matched slice by slice, a minute each or less, their hits applied to a ledger with
the real rules and routes, and every whole minute is measured, so that what a live watcher does from one poll to the next
is done here from one slice to the next. As after a first start nothing is known: Deployments are good since they are
first heard, and new errors need what a rule gives itself to learn. Of days in which nobody writes anything not every
minute is looked at.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from watcher.core.alert import Alert
from watcher.core.dispatch import Dispatch, SinkRef
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.fingerprint import is_continuation
from watcher.core.ledger import Ledger
from watcher.core.logrecord import MINUTE, Hit, LogRecord, Place, Tally
from watcher.core.picture import Activity, Picture, Span, Spot
from watcher.core.route import Route
from watcher.core.rule import CountRule, Rule
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment
from watcher.ports import LogMatching

SOURCE = "logs"
MAX_ROWS = 10_000
"""Alerts that are listed; any more are counted."""
MAX_BATCH = 20_000
"""Records that are matched at once: a minute may have any number."""
LATE: Millis = 1_000
"""How far into the next slice a stack trace is still read to its end."""
SLICES: Sequence[Millis] = (MINUTE, 30_000, 10_000, 5_000, 2_000)
FRACTION = 5
"""Slices to the shortest window of a rule that counts: hits of one slice may become one hit with their number."""
HOUR, DAY = 60 * MINUTE, 1_440 * MINUTE
QUIET: Millis = 2 * DAY
"""After so long without any record no window holds anything; silence is then measured by the hour …"""
STILL: Millis = 32 * DAY
"""… and after so long only once more, at its end."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One alert, however often it began. `ended_at` is `None` while it fires, and always where it is a fact, told once."""

    alert: Alert
    first: Millis
    last: Millis
    fired: int = 0
    ended_at: Millis | None = None

    @property
    def state(self) -> str:
        """How it ended."""
        if self.alert.fact:
            return "told"
        return "firing" if self.ended_at is None else "ended"

    @property
    def message(self) -> str:
        """What a record said when it first began, else what a person would have read. Redacted."""
        return self.alert.values.get("message") or self.alert.annotations.get("summary", "")


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What would have been said. `hits` are records by rule, `messages` notifications by sink, `since` and `until` the span.

    There are at most `room` rows; `unlisted` counts beginnings of alerts that have none. `suppressed` messages were held
    back by what a receiver wants. `refused` counts what was given and is no record.
    """

    room: int = MAX_ROWS
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    unlisted: int = 0
    refused: int = 0
    records: int = 0
    since: Millis = 0
    until: Millis = 0
    hits: Counter[str] = field(default_factory=Counter)
    fired: int = 0
    ended: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)

    def began(self, alert: Alert, at: Millis) -> None:
        """Note that an alert begins."""
        self.fired += 1
        name = (alert.rule, alert.fingerprint)
        row = self.rows.get(name)
        if row is None:
            if len(self.rows) >= self.room:
                self.unlisted += 1
                return
            row = self.rows[name] = Row(alert=alert, first=at, last=at)
        row.fired, row.last, row.ended_at = row.fired + 1, at, None

    def over(self, alert: Alert) -> None:
        """Note that an alert has ended."""
        self.ended += 1
        row = self.rows.get((alert.rule, alert.fingerprint))
        if row is not None:
            row.ended_at = alert.ends_at


class _Witnessed(Dispatch):
    """A dispatch whose alerts are noted as they come."""

    def __init__(self, root: Route, receivers: Mapping[str, tuple[SinkRef, ...]], outcome: Outcome) -> None:
        super().__init__(root, receivers)
        self._outcome = outcome

    def add(self, alert: Alert, at: Millis) -> None:
        """Route a new alert."""
        super().add(alert, at)
        self._outcome.began(alert, at)

    def update(self, alert: Alert, at: Millis) -> None:
        """Route the end of an alert."""
        super().update(alert, at)
        self._outcome.over(alert)


@dataclass(slots=True)
class Sums:
    """How much was written within spans that end a fixed while before now: each is moved on, and not added up anew."""

    minutes: dict[int, dict[Spot, Tally]] = field(default_factory=dict)
    _moving: dict[Span, tuple[int, dict[Spot, Tally]]] = field(default_factory=dict)

    def add(self, minute: int, spot: Spot, tally: Tally) -> None:
        """Count in. A minute that has been summed up already gets no more."""
        self.minutes.setdefault(minute, {}).setdefault(spot, Tally()).add(tally)

    def within(self, spans: Iterable[Span], at: Millis) -> dict[Span, dict[Spot, Tally]]:
        """The sums of spans that were asked for at a whole minute; what is older than all of them is forgotten."""
        now = at // MINUTE
        found = {span: self._moved(span[0] // MINUTE - now, span[1] // MINUTE - now, now) for span in spans}
        oldest = now + min((begin for begin, _ in self._moving), default=0)
        for minute in [each for each in self.minutes if each < oldest]:
            del self.minutes[minute]
        return found

    def _moved(self, begin: int, end: int, now: int) -> dict[Spot, Tally]:
        before, sums = self._moving.get((begin, end), (0, {}))
        if now - before > end - begin:
            before, sums = now - (end - begin), {}
            leaving = range(0)
        else:
            leaving = range(before + begin, now + begin)
        for minute in range(before + end, now + end):
            _count(sums, self.minutes.get(minute, {}), 1)
        for minute in leaving:
            _count(sums, self.minutes.get(minute, {}), -1)
        self._moving[begin, end] = now, sums
        return sums


def _count(sums: dict[Spot, Tally], minute: Mapping[Spot, Tally], sign: int) -> None:
    for spot, each in minute.items():
        found = sums.setdefault(spot, Tally())
        found.add(
            Tally(sign * each.records, sign * each.errors, sign * each.http, sign * each.http_4xx, sign * each.http_5xx)
        )
        if not found.records:
            del sums[spot]


@dataclass(slots=True, kw_only=True)
class _Scene:
    """One project: when its logs begin, its Deployments as far as they are known, and what its applications wrote."""

    project: str
    region: str
    since: Millis
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    sums: Sums = field(default_factory=Sums)
    activity: dict[Spot, Activity] = field(default_factory=dict)

    def state(self, seen: Millis) -> SourceState:
        """Its logs as a source that has been read up to `seen`."""
        return SourceState(
            project=self.project, source=SOURCE, region=self.region, since=self.since, last_ok=seen, baselined=True
        )


class Replay:
    """Takes records in order of time (`feed`, as often as wanted), and says what came of them (`finish`, once)."""

    def __init__(
        self,
        rules: Sequence[Rule],
        root: Route,
        receivers: Mapping[str, tuple[SinkRef, ...]],
        matching: LogMatching,
        regions: Mapping[str, str],
    ) -> None:
        self.outcome = Outcome()
        self._ledger = Ledger(rules, _Witnessed(root, receivers, self.outcome))
        self._matching = matching
        self._regions = regions
        self._slice = slice_of(rules)
        self._scenes: dict[str, _Scene] = {}
        self._batch: list[LogRecord] = []
        self._edge: Millis = 0
        self._minute: Millis = 0
        self._heard: Millis = 0
        self._judged = 0

    def watch(self, project: str, deployments: Mapping[str, Deployment], since: Millis) -> None:
        """Know a project's Deployments from the beginning, as if they had been seen then as they are described."""
        region = self._regions[project]
        self._scenes[project] = _Scene(project=project, region=region, since=since, deployments=deployments)
        self._ledger.logs.adopt(deployments.values(), since, region=region)
        self._begin(since)

    def feed(self, records: Iterable[LogRecord]) -> None:
        """Take records of projects that `regions` has, none older than those before."""
        for record in records:
            at = record[5]
            if at >= self._edge:
                if self._batch and at < self._edge + LATE and is_continuation(record[6]):
                    self._batch.append(record)
                    continue
                self._turn(at)
            self._batch.append(record)
            if len(self._batch) >= MAX_BATCH:
                self._match()

    def finish(self, until: Millis = 0) -> Outcome:
        """Say what came of it. Without an `until` the windows that are open run out, as if nothing more were written."""
        self._match()
        if self._edge:
            self._elapse(until or self._edge)
            if not until:
                self._run_out()
            while self._dispatch.awaiting() and (due := self._dispatch.next_due()) is not None:
                self._ledger.advance((), due)
                self._collect()
        self.outcome.until = until or self._heard
        self.outcome.suppressed = self._dispatch.suppressed
        return self.outcome

    @property
    def _dispatch(self) -> Dispatch:
        return self._ledger.dispatch

    # ── records ──────────────────────────────────────────────────────────────

    def _begin(self, at: Millis) -> None:
        if not self._edge:
            self._edge = at // self._slice * self._slice + self._slice
            self._minute = at // MINUTE * MINUTE
            self._heard = at
            self.outcome.since = at

    def _turn(self, at: Millis) -> None:
        """Close the slice, and open the one that the next record belongs to."""
        self._match()
        self._begin(at)
        begin = at // self._slice * self._slice
        self._elapse(begin)
        self._edge = begin + self._slice

    def _match(self) -> None:
        """Match what the slice has so far, and judge the hits."""
        batch, self._batch = self._batch, []
        placed: dict[str, list[LogRecord]] = {}
        for record in batch:
            placed.setdefault(record[12], []).append(record)
        hits = [(project, hit) for project, records in placed.items() for hit in self._hits(project, records)]
        hits.sort(key=lambda each: each[1].last)
        for project, hit in hits:
            self._judge(project, hit)
        self._collect()
        if batch:
            self._heard = max(self._heard, batch[-1][5])
            self.outcome.records += len(batch)

    def _hits(self, project: str, records: Sequence[LogRecord]) -> Sequence[Hit]:
        """What a project's records match."""
        region = self._regions[project]
        scene = self._scenes.get(project)
        if scene is None:
            scene = self._scenes[project] = _Scene(project=project, region=region, since=records[0][5])
        matched = self._matching.match(project, region, records, scene.deployments)
        self._note(scene, matched.tallies)
        return matched.hits

    def _note(self, scene: _Scene, tallies: Mapping[Place, Tally]) -> None:
        """Count what was written; who is heard for the first time begins here."""
        new: dict[Spot, Activity] = {}
        for place, tally in tallies.items():
            spot, at = (place.deployment_id, place.application), place.minute * MINUTE
            scene.sums.add(place.minute, spot, tally)
            known = scene.activity.get(spot) or new.setdefault(spot, Activity(at, at))
            scene.activity[spot] = Activity(min(known.first, at), max(known.last, at))
            if self._ledger.logs.run(scene.project, place.deployment_id) is None:
                found = Deployment(id=place.deployment_id, project=scene.project, status="Deployed")
                self._ledger.logs.adopt([found], at, region=scene.region)
        self._ledger.logs.hear(scene.project, new)

    def _judge(self, project: str, hit: Hit) -> None:
        """Judge a hit at the time of its newest record; a window that ends just then still holds it."""
        due = self._dispatch.next_due()
        if due is not None and due < hit.last:
            self._pass(hit.last - 1)
        self._judged += 1
        self.outcome.hits[hit.rule] += hit.count
        self._ledger.apply(
            Event(
                type=EventType.HIT,
                project=project,
                region=self._regions[project],
                source=SOURCE,
                at=hit.last,
                sight=hit.last - 1,
                hit=hit,
                seq=self._judged,
            )
        )

    # ── time ─────────────────────────────────────────────────────────────────

    def _elapse(self, to: Millis) -> None:
        """Let time pass, and measure each whole minute on the way."""
        while (edge := self._next(to)) <= to:
            self._pass(edge - 1)
            self._measure(edge)
            self._minute = edge
        self._pass(to - 1)

    def _next(self, to: Millis) -> Millis:
        """The next minute to look at."""
        quiet = self._minute - self._heard
        idle = not (self._ledger.measures or self._ledger.alerts or self._dispatch.groups)
        if quiet < QUIET and not idle:
            return self._minute + MINUTE
        last = max(to // MINUTE * MINUTE, self._minute + MINUTE)
        return last if idle or quiet >= STILL else min(self._minute + HOUR, last)

    def _pass(self, now: Millis) -> None:
        """Let time pass from one due group to the next, so that each is told when it is due."""
        while True:
            due = self._dispatch.next_due()
            moment = now if due is None else min(due, now)
            self._ledger.advance([each.state(moment) for each in self._scenes.values()], moment)
            self._collect()
            if moment >= now:
                return

    def _measure(self, at: Millis) -> None:
        if not self._ledger.measures:
            return
        for scene in self._scenes.values():
            runs = self._ledger.logs.of_project(scene.project)
            spans = dict.fromkeys(self._ledger.spans(runs.values(), at))
            picture = Picture(
                project=scene.project,
                at=at,
                since=scene.since,
                runs=runs,
                activity=scene.activity,
                tallies=scene.sums.within(spans, at),
            )
            event = Event(
                type=EventType.TALLY, project=scene.project, region=scene.region, source=SOURCE, at=at, sight=at
            )
            self._ledger.measure(picture, event)

    def _run_out(self) -> None:
        """Let the windows run out that are still open. Silence is not measured on: what comes after is not known."""
        ledger = self._ledger
        ledger.measuring = tuple(each for each in ledger.measuring if list(each.spans((), self._minute)))
        names = {each.name for each in ledger.measuring}
        end = self._minute + DAY + HOUR
        while self._minute < end and any(each.expires or each.rule in names for each in ledger.alerts.values()):
            self._elapse(self._minute + MINUTE)

    def _collect(self) -> None:
        """Count the messages that were decided. Nothing is written back: nothing is kept."""
        ledger, dispatch = self._ledger, self._dispatch
        self.outcome.messages.update(flush.sink for flush in dispatch.flushes)
        dispatch.flushes.clear()
        ledger.reasons.clear()
        for changed in (ledger.changed, dispatch.changed, ledger.logs.changed_runs, ledger.logs.changed_memories):
            changed.clear()


def slice_of(rules: Iterable[Rule]) -> Millis:
    """How much is matched at once at most: what is short against every window that counts more than one record."""
    windows = [each.within for each in rules if isinstance(each, CountRule) and each.count > 1]
    shortest = min(windows, default=FRACTION * MINUTE)
    return next((each for each in SLICES if each * FRACTION <= shortest), 1_000)
