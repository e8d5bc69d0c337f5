"""The ledger: every alert there is, advanced by one event at a time.

Judging is a fold over the stored events, so that a daemon that was killed says after its restart exactly what it would
have said without it: dues are worked off in the order of time, and whatever has lasted is held to have lasted only as
far as its source has been seen. While a source is blind its alerts therefore neither start nor end.
"""

import heapq
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from watcher.core.alert import Alert, AlertState, fingerprint, is_new_attempt
from watcher.core.altered import altered
from watcher.core.beginning import WEIGHT, attempt, start, strongest
from watcher.core.dispatch import Dispatch
from watcher.core.duration import Millis
from watcher.core.event import Event, EventReason, EventType, about, observation_of
from watcher.core.history import Run
from watcher.core.logmemory import LogMemory
from watcher.core.logrecord import Hit
from watcher.core.novelty import Verdict
from watcher.core.picture import Picture, Span
from watcher.core.rule import Condition, CountRule, Evaluation, MeasureRule, NoveltyRule, Rule, VerdictRule
from watcher.core.sight import SourceState, source_event
from watcher.core.snapshot import Record
from watcher.core.subjects import Subjects
from watcher.core.window import LATE

Watched = tuple[str, str]
"""A source by project and name: what is seen, or not, as one."""


class Ledger:
    """Alerts by fingerprint, and the dispatch that tells them.

    `changed` names the alerts to write back, `tally` counts those that began (`fired`) and ended (`resolved`) to be told.
    """

    def __init__(self, rules: Sequence[Rule], dispatch: Dispatch) -> None:
        self.rules = tuple(rules)
        self.dispatch = dispatch
        self.alerts = dispatch.shelf
        self.changed: set[str] = set()
        self.reasons: dict[int, tuple[EventReason, str]] = {}
        self.tally: Counter[str] = Counter()
        self.logs = LogMemory()
        self.measuring = tuple(rule for rule in rules if isinstance(rule, MeasureRule))
        self._by_name = {rule.name: rule for rule in rules}
        self._counting = {rule.name: rule for rule in rules if isinstance(rule, CountRule)}
        self._novel = {rule.name: rule for rule in rules if isinstance(rule, NoveltyRule)}
        self._verdicts = tuple(rule for rule in rules if isinstance(rule, VerdictRule))
        self._concerns: dict[tuple[EventType, type, bool], Sequence[Rule]] = {}
        self._counts: Counter[str] = Counter()
        self._subjects = Subjects()
        self._pending: dict[Watched, list[tuple[Millis, str]]] = {}
        self._observation: tuple[str, str, Millis] | None = None

    def load(self, alerts: Iterable[Alert], watched: Container[Watched] | None = None) -> None:
        """Take over stored alerts; those whose rule, or whose source, is no more end here without a word.

        Alerts about sinks have no project, and are always kept.
        """
        for alert in alerts:
            is_watched = watched is None or not alert.project or (alert.project, alert.source) in watched
            # one whose rule has become another kind of rule would wait for an end that nobody can bring
            is_same_kind = bool(alert.expires) == (alert.rule in self._counting)
            if alert.rule in self._by_name and is_watched and is_same_kind:
                self._put(alert, stored=True)
            else:
                self.dispatch.forget(alert.key)
                self.alerts.pop(alert.key, None)
                self.changed.add(alert.key)

    def adopt(self, records: Iterable[Record], source: SourceState, at: Millis) -> None:
        """After a change of rules: what already holds is known but not news, exactly as at the first sight of a source."""
        template = altered(source_event(source, EventType.CREATED, at), baseline=True)
        for each in records:
            event = about(template, each)
            for rule in self._concerned(event):
                if not rule.fact:
                    self._follow(rule, event)

    def is_behind(self, event: Event) -> bool:
        """Tell a part of what is due before the observation that the event begins; returns whether there is still more.

        Whoever writes what was told between the parts never holds the messages of a whole storm.
        """
        if self._observation == observation_of(event):
            return False
        self._sighted((event.project, event.source), event.sight)
        return self.dispatch.flush_until(event.at, remind=False, bounded=True)

    def apply(self, event: Event) -> None:
        """Advance by one event. Facts of one observation are told together, so groups are flushed between observations."""
        self._sighted((event.project, event.source), event.sight)
        if self._observation != observation_of(event):
            self._observation = observation_of(event)
            self.dispatch.flush_until(event.at, remind=False)
        if event.hit is not None:
            self.reasons[event.seq] = (self._hit(event), event.hit.rule)
            return
        self._operate(event)
        event = self.logs.follow(event)
        found: list[tuple[EventReason, str]] = []
        for rule in self._concerned(event):
            reason = self._tell(rule, event, rule.facts(event)) if rule.fact else self._follow(rule, event)
            if reason is not None:
                found.append((reason, rule.name))
        self.reasons[event.seq] = strongest(found, event)

    def measure(self, picture: Picture, event: Event) -> None:
        """Ask the rules that measure, once for each minute of a project. `event` says where and when."""
        for rule in self.measuring:
            self._settle(rule, event, rule.measure(picture))
        for verdict in self._verdicts:
            for run, conditions in verdict.verdicts(picture):
                self._tell(verdict, event, conditions, number=f"{run.deployment_id}.{run.good_since}")
                self.logs.judged(verdict, run)

    def advance(self, sources: Iterable[SourceState], now: Millis, *, bounded: bool = False) -> bool:
        """With every event applied: let time pass up to `now`, as far as each source has been seen.

        Where it is `bounded` it may stop before that, and returns whether it did.
        """
        for source in sources:
            self._sighted((source.project, source.source), source.seen_to)
        return self.dispatch.flush_until(now, bounded=bounded)

    @property
    def measures(self) -> bool:
        """Whether there are rules that measure."""
        return bool(self.measuring or self._verdicts)

    @property
    def reach(self) -> Millis:
        """How far back hits matter to windows that are made anew; 0 where there are none."""
        return max((2 * each.within + LATE for each in self._counting.values()), default=0)

    def introduce(self, at: Millis) -> None:
        """Note which rules tell news, and since when they are there (0: from the first)."""
        self.logs.introduce({name: rule.signature for name, rule in self._novel.items()}, at)

    def unmet(self, events: Iterable[Event]) -> set[str]:
        """The projects of hits that are the first of their application."""
        return {
            each.project
            for each in events
            if each.hit and each.hit.rule in self._novel and self.logs.is_unmet(self._novel[each.hit.rule], each)
        }

    def recount(self, event: Event) -> None:
        """Count in a hit that was judged before the last restart."""
        rule = self._counting.get(event.hit.rule if event.hit else "")
        if rule is not None:
            self.logs.recount(rule, event)

    def spans(self, runs: Iterable[Run], at: Millis) -> Iterator[Span]:
        """Of which lengths of time the rules that measure need tallies."""
        known = list(runs)
        asked: tuple[MeasureRule | VerdictRule, ...] = (*self.measuring, *self._verdicts)
        for rule in asked:
            yield from rule.spans(known, at)

    def counts(self) -> Counter[str]:
        """Alerts by state."""
        return self._counts

    def _operate(self, event: Event) -> None:
        """Let what a person did take effect, or a deployment end the silences that last until it."""
        match event.type:
            case EventType.SILENCED:
                self.dispatch.silence(event.fields, event.at)
            case EventType.UNSILENCED:
                self.dispatch.unsilence(event.fields["silence"], event.at)
            case EventType.ACKNOWLEDGED:
                self.dispatch.acknowledge(event.fields["group"], event.fields["by"])
            case _:
                self.dispatch.deployed(event)

    def _concerned(self, event: Event) -> Sequence[Rule]:
        """The rules that look at events of this kind; there are few kinds, and most of them are for few rules."""
        kind = event.type, type(event.record), event.baseline
        found = self._concerns.get(kind)
        if found is None:
            found = self._concerns[kind] = tuple([rule for rule in self.rules if rule.concerns(event)])
        return found

    def _sighted(self, watched: Watched, sight: Millis) -> None:
        """Fire what has been pending long enough by the time its source was last seen."""
        heap = self._pending.get(watched, [])
        while heap and heap[0][0] <= sight:
            due, key = heapq.heappop(heap)
            alert = self.alerts.get(key)
            if alert is None or due not in {alert.due, alert.expires}:
                continue
            self.dispatch.flush_until(due - 1, remind=False)  # not `due`: what lasts equally long is told together
            if alert.expires == due:
                self._end(alert, max(due, alert.starts_at), {})
                continue
            lasted = altered(alert, observed_at=max(due, alert.observed_at))
            if alert.state is AlertState.PENDING:
                self._fire(lasted, due)
            else:
                self._fire(altered(lasted, episode=alert.episode + 1), alert.starts_at, at=due)

    def _tell(
        self, rule: Rule, event: Event, conditions: Iterable[Condition], *, number: str = ""
    ) -> EventReason | None:
        """Tell facts. Their keys must be the same when they are told again after a crash: `number` or the event's own."""
        told = None
        for part, condition in enumerate(conditions):
            alert = start(rule, condition, event)
            name = number or str(event.seq)
            alert = altered(
                alert,
                key=f"{alert.fingerprint}#{name}.{part}" if part else f"{alert.fingerprint}#{name}",
                fact=True,
                state=AlertState.FIRING,
                starts_at=event.at,
            )
            self.dispatch.add(self._annotated(alert), event.at)
            self.tally["fired"] += 1
            told = self._unless_silenced(alert, EventReason.TOLD_ONCE)
        return told

    def _hit(self, event: Event) -> EventReason:
        """Judge what a log rule matched: count it, or see whether it is new."""
        hit = event.hit
        if hit is None:
            return EventReason.NO_RULE
        if novel := self._novel.get(hit.rule):
            return self._meet(novel, event, hit)
        rule = self._counting.get(hit.rule)
        if rule is None:
            return EventReason.NO_RULE
        if event.baseline:
            return EventReason.BASELINE
        key = self.logs.group(rule, event)
        counted, until = self.logs.count(rule, key, hit)
        if until is None:
            return EventReason.COUNTED
        reason = self._hold(key, rule.condition(event, counted), event, rule)
        alert = self.alerts[key]
        self._put(altered(alert, expires=max(alert.expires, until)))
        return reason

    def _meet(self, rule: NoveltyRule, event: Event, hit: Hit) -> EventReason:
        verdict = self.logs.meet(rule, event, hit)
        if verdict is not Verdict.NEW:
            return EventReason.BASELINE if verdict is Verdict.LEARNED else EventReason.KNOWN
        news = rule.novelty(event, self.logs.run(event.project, hit.deployment_id))
        return self._tell(rule, event, (news,)) or EventReason.TOLD_ONCE

    def _follow(self, rule: Rule, event: Event) -> EventReason | None:
        return self._settle(rule, event, rule.evaluate(event))

    def _settle(self, rule: Rule, event: Event, answer: Evaluation) -> EventReason | None:
        """Let an answer about a subject begin, go on and end the alerts of the rule on it."""
        standing = set(self._subjects.of(rule, event))
        if not (standing or answer.holds):
            return None  # most rules have nothing to say of most events
        holds = {fingerprint(each.labels): each for each in answer.holds}
        lapsed = standing - holds.keys() - set(map(fingerprint, answer.open))
        reasons = [self._hold(key, condition, event, rule) for key, condition in holds.items()]
        reasons += [self._lapse(self.alerts[key], answer, event) for key in lapsed]
        return max(reasons, key=WEIGHT.__getitem__, default=None)

    def _begin(self, rule: Rule, condition: Condition, event: Event) -> EventReason:
        alert = start(rule, condition, event)
        if last := self.dispatch.last_episode(alert.key):
            alert = altered(alert, episode=last + 1)
        if rule.wait > 0:
            # what was under way at first sight is news if it lasts; what stood already is as silent as without a `for`
            known = event.baseline and not (event.record and event.record.passing)
            self._put(altered(alert, due=event.at + rule.wait, silent=known))
            return EventReason.PENDING
        self._fire(altered(alert, silent=True) if event.baseline else alert, event.at)
        return EventReason.BASELINE if event.baseline else self._unless_silenced(alert, EventReason.STARTED)

    def _hold(self, key: str, condition: Condition, event: Event, rule: Rule) -> EventReason:
        alert = self.alerts.get(key)
        if alert is None:
            return self._begin(rule, condition, event)
        if event.baseline:  # adopted; the events that made it so may still be to come
            return EventReason.STILL_FIRING
        build, status = attempt(event)
        again = is_new_attempt(alert, build, status) or alert.subject != event.subject
        again = again or (alert.silent and event.at < alert.since)
        current = altered(
            alert,
            subject=event.subject,
            values=condition.values,
            attempt=build or alert.attempt,
            status=status,
            away=False,
        )
        if alert.state is AlertState.PENDING:
            self._put(altered(current, since=event.at, due=event.at + rule.wait) if again else current)
            return EventReason.PENDING
        if not again:
            self._put(current)
            return EventReason.STILL_FIRING
        if rule.wait > 0:  # the new attempt has to last as well
            self._put(altered(current, silent=False, due=event.at + rule.wait))
            return EventReason.PENDING
        news = altered(current, episode=1 if alert.silent else alert.episode + 1, silent=False, observed_at=event.at)
        self._fire(news, event.at if alert.silent else alert.starts_at, at=event.at)
        return self._unless_silenced(news, EventReason.NEW_ATTEMPT)

    def _unless_silenced(self, alert: Alert, reason: EventReason) -> EventReason:
        return EventReason.SILENCED if self.dispatch.is_silenced(alert) else reason

    def _lapse(self, alert: Alert, answer: Evaluation, event: Event) -> EventReason:
        if not answer.ended:
            if alert.state is AlertState.PENDING:
                self._remove(alert)
                return EventReason.CONDITION_ENDED
            self._put(altered(alert, away=True, due=0))
            return EventReason.STILL_FIRING
        return self._end(
            alert, event.at, {**answer.values, **event.fields, "removed": "true" if answer.removed else ""}
        )

    def _end(self, alert: Alert, at: Millis, values: Mapping[str, str]) -> EventReason:
        self._remove(alert)
        if self.logs.is_orphan(alert):
            values = {**values, "removed": "true"}
        if alert.state is AlertState.PENDING or alert.silent:
            return EventReason.CONDITION_ENDED
        ended = altered(alert, state=AlertState.RESOLVED, ends_at=at, observed_at=at)
        ended = self._annotated(altered(ended, values={**alert.values, **values}))
        self.dispatch.update(ended, at)
        self.tally["resolved"] += 1
        return EventReason.RESOLVED

    def _fire(self, alert: Alert, starts_at: Millis, *, at: Millis | None = None) -> None:
        firing = self._annotated(altered(alert, state=AlertState.FIRING, starts_at=starts_at, due=0))
        self._put(firing)
        if not firing.silent:
            self.tally["fired"] += 1
            self.dispatch.add(firing, starts_at if at is None else at)

    def _annotated(self, alert: Alert) -> Alert:
        rule = self._by_name[alert.rule]
        values: dict[str, object] = {**alert.labels, **alert.values}
        values |= {
            "removed": alert.values.get("removed", ""),
            "resolved": alert.state is AlertState.RESOLVED,
            "again": alert.episode > 1,
            "since": alert.since,
            "starts_at": alert.starts_at,
            "ends_at": alert.ends_at,
            "wait": rule.wait,
            "now": alert.observed_at,
        }
        return altered(alert, annotations=rule.annotate(values))

    def _put(self, alert: Alert, *, stored: bool = False) -> None:
        before = None if stored else self.alerts.get(alert.key)
        if before is not None and before.subject != alert.subject:
            self._subjects.drop(before)
        self.alerts[alert.key] = alert
        if before is not None:
            self._counts[before.state.value] -= 1
        self._counts[alert.state.value] += 1
        run = self.logs.run(alert.project, alert.subject)
        self._subjects.put(alert, run.deployment_id if run else alert.subject)
        for due in filter(None, (alert.due, alert.expires)):
            if stored or before is None or due not in {before.due, before.expires}:
                heapq.heappush(self._pending.setdefault((alert.project, alert.source), []), (due, alert.key))
        if not stored:
            self.changed.add(alert.key)

    def _remove(self, alert: Alert) -> None:
        self._counts[self.alerts.pop(alert.key).state.value] -= 1
        self._subjects.drop(alert)
        self.changed.add(alert.key)
