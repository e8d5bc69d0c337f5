"""Route alerts into groups and flush the groups that are due into notifications.

A silenced alert is a member of its groups like any other, but is not told: neither its start nor another attempt, nor is
anybody reminded of it. Its end reaches who had been told of its start, and only them. What was held back is counted, for
each group once, and the count goes out with the group's next message after the silence has ended; where there is none,
with a note to its receiver that the silence has ended. When a silence ends, what it held back and is still so is told at
the group's pace, without `group_wait`. A fact is over at once: of those that were held back only the count is told.
"""

import heapq
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from watcher.core import composing, route
from watcher.core.alert import Alert, AlertState
from watcher.core.composing import Telling
from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.group import (
    Group,
    Told,
    decide,
    is_fresh,
    is_news,
    is_unheard,
    rank,
    reminded_at,
    standing,
)
from watcher.core.grouping import Groups
from watcher.core.notification import Notification, NotifyReason
from watcher.core.route import Route
from watcher.core.silence import Fields, Silence
from watcher.core.silencing import Silences


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRef:
    """What dispatching needs to know of a sink."""

    id: str
    send_resolved: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """One message for one sink, and the lane that keeps it in order behind its elders."""

    sink: str
    lane: str
    notification: Notification
    observed_at: Millis


class Dispatch(Groups):
    """The groups, held in memory and changed one alert at a time; what is to be told of them is in `flushes`."""

    def __init__(
        self,
        root: Route,
        receivers: Mapping[str, tuple[SinkRef, ...]],
        *,
        external_url: str = "",
        silences: Silences | None = None,
    ) -> None:
        super().__init__()
        self.root = root
        self.receivers = receivers
        self.external_url = external_url
        self.silences = silences or Silences()
        self.flushes: list[Flush] = []
        self.suppressed: Counter[str] = Counter()
        self._routes = {each.id: each for each in route.walk(root)}
        self._owed: Counter[str] = Counter()

    def load(self, groups: Iterable[Group]) -> None:
        """Take over stored groups. What a group of a route that is no more knows moves to the routes of today."""
        orphans: list[Group] = []
        for group in groups:
            if self._is_home(group):
                self._take(group)
            else:
                orphans.append(group)
                self.changed.add(group.key)
        for group in orphans:
            self._rehome(group)

    def _is_home(self, group: Group) -> bool:
        """Whether today's routes would put every member of the group into just this group."""
        return (
            group.receiver in self.receivers
            and all(
                any(
                    node.id == group.route and route.group_key(node, alert.labels) == group.key
                    for node in route.match(self.root, alert.labels)
                )
                for alert in group.members.values()
            )
            and group.route in self._routes
        )

    def _rehome(self, group: Group) -> None:
        """Let today's receivers take over an orphaned group at its pace: what it had still to say, and its recoveries."""
        for key, alert in group.members.items():
            told = group.told.get(key)
            known = told is not None and (not is_fresh(alert, told) or bool(self.silences.over(alert.labels)))
            for node in route.match(self.root, alert.labels):
                at = alert.ends_at or alert.starts_at
                home = self._enter(node, alert, at, told=told if known else None, counted=group.held.get(key, 0))
                if known:
                    heir = self.groups[home]
                    last = heir.flushed_at or group.flushed_at
                    flush = max(heir.flush, group.flush)
                    self._put(replace(heir, flush=flush, flushed_at=last, rested_at=heir.rested_at or group.rested_at))
        self._hand_over(group)

    def add(self, alert: Alert, at: Millis) -> None:
        """Put a new or newly failed alert before every receiver that its labels lead to."""
        for node in route.match(self.root, alert.labels):
            self._enter(node, alert, at)

    def _enter(self, node: Route, alert: Alert, at: Millis, *, told: Told | None = None, counted: int = 0) -> str:
        """Put an alert into its group at one node; `counted` is the last episode that was counted as held back."""
        key = route.group_key(node, alert.labels)
        group = self.groups.get(key) or Group(
            key=key,
            receiver=node.receiver,
            route=node.id,
            labels=route.group_labels(node, alert.labels),
            created_at=at,
            members=self._members.setdefault(key, {}),
            held=self._held.setdefault(key, {}),
        )
        if told is not None:
            group = replace(group, told={**group.told, alert.key: told})
        self._join(key, alert)
        if counted:
            self._held[key][alert.key] = counted
        hushed = self.silences.over(alert.labels)
        if hushed:
            group = self._hold(group, alert, hushed)
        if is_news(alert, group.told.get(alert.key), silenced=bool(hushed)) or not hushed:
            group = _scheduled(group, node, at, escalates=rank(alert.labels) > group.severity)
        self._put(self._idle(group, node))
        return key

    def update(self, alert: Alert, at: Millis) -> None:
        """Tell every group that has this alert of its change."""
        hushed = self.silences.over(alert.labels)
        for key in sorted(self._homes.get(alert.key, ())):
            group = self.groups[key]
            node = self._routes[group.route]
            self._join(key, alert)
            if hushed:
                group = self._hold(group, alert, hushed)
            if not hushed or alert.key in group.told:
                group = _scheduled(group, node, at)
            self._put(self._idle(group, node))

    def next_due(self) -> Millis | None:
        """When a group is next to be looked at, or a silence begins or ends."""
        self._skip_stale()
        dues = [self._due[0][0] if self._due else None, self.silences.next_due]
        return min((each for each in dues if each is not None), default=None)

    def forget(self, key: str) -> None:
        """Take an alert out of every group, without a word."""
        for home in list(self._homes.get(key, ())):
            self._leave(key, home)
            group = self.groups[home]
            told = {name: each for name, each in group.told.items() if name != key}
            self._put(self._idle(replace(group, told=told), self._routes[group.route]))

    def last_episode(self, key: str) -> int:
        """The last episode of an alert that some group still has something to say about; 0 if none has."""
        return max((self.groups[home].members[key].episode for home in self._homes.get(key, ())), default=0)

    def awaiting(self) -> int:
        """How many groups have something to say that they have not said yet."""
        return sum(
            any(
                is_news(alert, group.told.get(key), silenced=bool(self.silences.over(alert.labels)))
                for key, alert in group.members.items()
            )
            for group in self.groups.values()
        )

    def flush_until(self, now: Millis, *, remind: bool = True) -> None:
        """Decide every group that is due by `now`; without `remind`, reminders wait until it is known that they are true."""
        while (due := self.next_due()) is not None and due <= now:
            if due == self.silences.next_due:
                self._turn(due, now)
            else:
                _, _, key = heapq.heappop(self._due)
                self._decide(self.groups[key], now, remind=remind)
        for receiver, count in self._owed.items():
            self._note(None, receiver, count, now)
        self._owed.clear()

    def _decide(self, group: Group, now: Millis, *, remind: bool) -> None:
        node, silenced = self._routes[group.route], self._silenced(group)
        reason = decide(group, now, node.repeat_interval, silenced)
        if reason is NotifyReason.REPEAT and not remind:
            self._put(replace(group, due=now + 1))
            return
        if reason is not NotifyReason.NOTHING_NEW:
            group = self._tell(group, reason, now, silenced)
        self._settle(group, node, now)

    def _tell(self, group: Group, reason: NotifyReason, now: Millis, silenced: Container[str]) -> Group:
        """Make the messages. What was held back is counted in one that tells a failure, which every sink wants."""
        failing = composing.has_failure(group, reason, silenced)
        later = self._unfinished(group) if failing else group.held_back
        telling = Telling(
            reason=reason,
            at=now,
            flush=group.flush + 1,
            silenced=silenced,
            held_back=sum(group.held_back.values()) - sum(later.values()),
            external_url=self.external_url,
        )
        fresh = {k: a for k, a in group.members.items() if is_news(a, group.told.get(k), silenced=k in silenced)}
        observed = min((alert.observed_at for alert in fresh.values()), default=now)
        sinks = self.receivers[group.receiver]
        for sink in sinks:
            if not (sink.send_resolved or failing):
                self.suppressed["resolved_not_wanted"] += 1
                continue
            message = composing.message(group, telling, sink.id)
            lane = f"{sink.id}|{group.key}"
            self.flushes.append(Flush(sink=sink.id, lane=lane, notification=message, observed_at=observed))
        if not sinks:
            self.suppressed["no_sink"] += 1
        for key in fresh:
            self._held.get(group.key, {}).pop(key, None)
        told = composing.told(group, silenced)
        worst = max(rank(group.members[key].labels) for key in told)
        return replace(group, flush=telling.flush, flushed_at=now, told=told, severity=worst, held_back=later)

    def _unfinished(self, group: Group) -> dict[str, int]:
        """What was held back by silences that have not ended."""
        return {name: count for name, count in group.held_back.items() if name in self.silences.active}

    def _settle(self, group: Group, node: Route, now: Millis) -> None:
        """Forget what has been told for good, and say when to look again; an idle group goes once its pace allows."""
        for key in [k for k, a in group.members.items() if a.state is not AlertState.FIRING or a.fact]:
            self._leave(key, group.key)
        told = {key: each for key, each in group.told.items() if key in group.members}
        last = group.created_at if group.flushed_at is None else group.flushed_at
        if group.members:
            self._put(_resting(replace(group, told=told), node, now))
        elif now - last >= node.group_interval:
            self._drop(group.key)
            self._hand_over(group)
        else:
            self._put(replace(group, told=told, due=last + node.group_interval))

    # ── silences ──

    def silence(self, fields: Fields, at: Millis) -> None:
        """Take in a silence that somebody made."""
        self.silences.add(fields)
        while (due := self.silences.next_due) is not None and due <= at:
            self._turn(due, at)

    def unsilence(self, silence_id: str, at: Millis) -> None:
        """End a silence at once."""
        self._release(silence_id, at, at)

    def deployed(self, event: Event) -> None:
        """End the silences that last until the deployment that the event shows."""
        for each in self.silences.deployed(event) if self.silences.active else ():
            name = event.record.name if event.record else ""
            self._release(each, event.at, event.at, why=f"the next deployment of {name} began")

    def acknowledge(self, group_key: str, by: str) -> None:
        """Note that somebody has taken on what a group was told of: nobody is reminded of it until it changes."""
        group = self.groups.get(group_key)
        for key in standing(group) if group else ():
            for home in sorted(self._homes[key]):
                heir = self.groups[home]
                if key in standing(heir):
                    told = replace(heir.told[key], acknowledged_by=by)
                    self._put(replace(heir, told={**heir.told, key: told}))

    def is_silenced(self, alert: Alert) -> bool:
        """Whether the alert is held back now."""
        return bool(self.silences.over(alert.labels))

    def _silenced(self, group: Group) -> frozenset[str]:
        if not self.silences.active:
            return frozenset()
        return frozenset(key for key, alert in group.members.items() if self.silences.over(alert.labels))

    def _turn(self, due: Millis, now: Millis) -> None:
        """Let silences begin and end that do by `due`. Where one takes over from another nothing is told between them."""
        for begun in self.silences.starting(due):
            self._hush(begun)
        for silence_id in self.silences.ending(due):
            self._release(silence_id, due, now)

    def _hush(self, begun: Silence) -> None:
        for group in list(self.groups.values()):
            found = [each for each in group.members.values() if begun.matches(each.labels)]
            changed = group
            for alert in found:
                changed = self._hold(changed, alert, begun.id)
            if found:
                self._put(self._idle(changed, self._routes[group.route]))

    def _hold(self, group: Group, alert: Alert, silence_id: str) -> Group:
        """Count what is held back of an alert, once; what is over and was never told leaves the group."""
        told, counted = group.told.get(alert.key), self._held[group.key]
        if is_unheard(alert, told) and counted.get(alert.key, 0) < alert.episode:
            counted[alert.key] = alert.episode
            self.suppressed["silenced"] += 1
            held_back = {**group.held_back, silence_id: group.held_back.get(silence_id, 0) + 1}
            group = replace(group, held_back=held_back)
        if told is None and (alert.fact or alert.state is AlertState.RESOLVED):
            self._leave(alert.key, group.key)
        return group

    def _release(self, silence_id: str, at: Millis, now: Millis, *, why: str = "") -> None:
        """End a silence: tell what it held back and is still so, and count to everybody what is not."""
        found, owed = self.silences.end(silence_id, at, why)
        if found is None:
            return
        for group in list(self.groups.values()):
            freed = self._freed(group, found)
            if freed:
                node = replace(self._routes[group.route], group_wait=0)
                worse = max(rank(each.labels) for each in freed) > group.severity
                self._put(_scheduled(group, node, at, escalates=worse))
            elif silence_id in group.held_back and not self._has_unheard(group):
                later = self._unfinished(group)
                owed[group.receiver] += sum(group.held_back.values()) - sum(later.values())
                self._put(replace(group, held_back=later))
        for receiver in sorted(owed):
            self._note(found, receiver, owed[receiver], now)

    def _freed(self, group: Group, ended: Silence) -> list[Alert]:
        """What a silence held back of a group and no other one does."""
        held = (group.members[key] for key in self._held[group.key])
        return [each for each in held if ended.matches(each.labels) and not self.silences.over(each.labels)]

    def _has_unheard(self, group: Group) -> bool:
        """Whether the group has still to tell a failure, so that its next message can say what was held back."""
        silenced = self._silenced(group)
        return any(k not in silenced and is_unheard(a, group.told.get(k)) for k, a in group.members.items())

    def _note(self, ended: Silence | None, receiver: str, count: int, now: Millis) -> None:
        """Say that a silence has ended and how much it held back of which no other message tells."""
        heard_by = receiver if receiver in self.receivers else self.root.receiver
        note = composing.note(ended, count, now, receiver=heard_by, route=self.root.id)
        self._tell(note, NotifyReason.FIRST, now, frozenset())

    def _hand_over(self, group: Group) -> None:
        """Keep account of what was held back from a group that is no more."""
        for name, count in group.held_back.items():
            if name in self.silences.active:
                self.silences.hold(name, group.receiver, count)
            else:
                self._owed[group.receiver] += count


def _scheduled(group: Group, node: Route, at: Millis, *, escalates: bool = False) -> Group:
    """The group with news: told after `group_wait` the first time, then no oftener than `group_interval`.

    News that is worse than all of the last message does not wait for the interval: a summary that was told a minute ago
    must not hold up the first critical alert.
    """
    if group.flushed_at is None or escalates:
        due = at + node.group_wait if group.due is None else min(group.due, at + node.group_wait)
    else:
        due = max(at, group.flushed_at + node.group_interval)
    return replace(group, due=due)


def _resting(group: Group, node: Route, now: Millis) -> Group:
    """The group until its next reminder. One that was left out now was held back, or nobody wants it."""
    last = reminded_at(group)
    if last is None:
        return replace(group, due=None)
    wait = max(node.repeat_interval, 1)
    if last + wait <= now:
        last += (now - last) // wait * wait
        group = replace(group, rested_at=last)
    return replace(group, due=last + wait)
