"""Route alerts into groups and flush the groups that are due into notifications.

A silenced alert is a member of its groups like any other, but is not told: neither its start nor another attempt, nor is
anybody reminded of it. Its end reaches who had been told of its start, and only them. What was held back is counted, for
each group once, and the count goes out with the group's next message after the silence has ended; where there is none,
with a note to its receiver that the silence has ended. When a silence ends, what it held back and is still so is told at
the group's pace, without `group_wait`. A fact is over at once: of those that were held back only the count is told.

Where routes have changed, a group lives on in those that today's routes put its alerts into (its heirs). Who was told
something is not told it again by them. A sink that keeps something open for each group hears that the old one has moved
and how its heirs stand; of a sink that is no longer configured nothing can be closed.
"""

import heapq
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.core import aside, composing, route
from watcher.core.alert import Alert, AlertState
from watcher.core.aside import SinkRef
from watcher.core.composing import Telling
from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.group import Group, Told, decide, is_fresh, is_news, rank, standing
from watcher.core.holding import Holding
from watcher.core.notification import Notification, NotifyReason
from watcher.core.route import Route
from watcher.core.shelf import Members, brief
from watcher.core.silence import Fields, Silence
from watcher.core.silencing import Silences
from watcher.core.timing import resting, scheduled

MUCH = 2_000
"""Alerts in messages that are kept before they are to be written: in a storm many large groups come due at once."""
__all__ = ("Dispatch", "Flush", "SinkRef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """One message for one sink, and the lane that keeps it in order behind its elders."""

    sink: str
    lane: str
    notification: Notification
    observed_at: Millis


class Dispatch(Holding):
    """The groups, held in memory and changed one alert at a time; what is to be told of them is in `flushes`."""

    def __init__(
        self,
        root: Route,
        receivers: Mapping[str, tuple[SinkRef, ...]],
        *,
        external_url: str = "",
        silences: Silences | None = None,
    ) -> None:
        super().__init__(root, silences or Silences())
        self.receivers = receivers
        self.external_url = external_url
        self.flushes: list[Flush] = []
        self._moved: list[Group] = []

    def load(self, groups: Iterable[Group]) -> None:
        """Take over stored groups. What a group of a route that is no more knows moves to the routes of today."""
        orphans: list[Group] = []
        for group in groups:
            if self._is_home(group):
                self._take(replace(group, aside_due=aside.due(group, self.receivers[group.receiver])))
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
        told = {key: group.told[key] for key in group.members if key in group.told}
        members = group.members
        known = {k: t for k, t in told.items() if not is_fresh(members[k], t) or self.is_silenced(members[k])}
        self._bequeath(group, known)  # first: it sets the pace at which the rest is told
        self._bequeath(group, {key: each for key, each in told.items() if key not in known})
        for key in [each for each in members if each not in told]:
            self._move(group, key, None)
        if aside.stands(group):
            self._moved.append(group)
        self._hand_over(group)

    def _bequeath(self, group: Group, told: Mapping[str, Told]) -> None:
        """Let an orphaned group's heirs know what its receiver was told of these alerts."""
        heirs: dict[str, dict[str, Told]] = {}
        for key, each in told.items():
            for home in self._move(group, key, each):
                heirs.setdefault(home, {})[key] = each
        for home, found in heirs.items():
            self._inherit(self.groups[home], group, found)

    def _move(self, group: Group, key: str, told: Told | None) -> list[str]:
        alert, counted = group.members[key], group.held.get(key, 0)
        at = alert.ends_at or alert.starts_at
        return [
            self._enter(node, alert, at, told=told, counted=counted) for node in route.match(self.root, alert.labels)
        ]

    def _inherit(self, heir: Group, group: Group, told: Mapping[str, Told]) -> None:
        """Let a group go on where an orphaned one was, under numbers that neither has used."""
        heir = replace(
            heir,
            told={**heir.told, **told},
            flush=max(heir.flush, group.flush),
            flushed_at=heir.flushed_at or group.flushed_at,
            rested_at=heir.rested_at or group.rested_at,
            asides=max(heir.asides, group.asides + 1),
            heard={**group.heard, **heir.heard},
            moved=heir.moved or any(not each.resolved for each in told.values()),
        )
        self._put(replace(heir, aside_due=aside.due(heir, self.receivers[heir.receiver])))

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
            members=self._members.setdefault(key, Members(self.shelf)),
            held=self._held.setdefault(key, {}),
        )
        self._join(key, alert)
        if counted:
            self._held[key][alert.key] = counted
        hushed = self.silences.over(alert)
        told = told or group.told.get(alert.key)
        if hushed:
            group = self._hold(group, alert, hushed, told)
        if not hushed or is_news(alert, told, silenced=True):
            group = scheduled(group, node, at, escalates=rank(alert.labels) > group.severity)
        self._put(self._idle(group))
        return key

    def update(self, alert: Alert, at: Millis) -> None:
        """Tell every group that has this alert of its change."""
        hushed = self.silences.over(alert)
        for key in sorted(self._homes.get(alert.key, ())):
            group = self.groups[key]
            node = self._routes[group.route]
            self._join(key, alert)
            if hushed:
                group = self._hold(group, alert, hushed, group.told.get(alert.key))
            if not hushed or alert.key in group.told:
                group = scheduled(group, node, at)
            self._put(self._idle(group))

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
            self._put(self._idle(replace(group, told=told)))

    def last_episode(self, key: str) -> int:
        """The last episode of an alert that some group still has something to say about; 0 if none has."""
        return max((self.groups[home].members[key].episode for home in self._homes.get(key, ())), default=0)

    def awaiting(self) -> int:
        """How many groups have something to say that they have not said yet."""
        return sum(
            any(
                is_news(alert, group.told.get(key), silenced=self.is_silenced(alert))
                for key, alert in group.members.items()
            )
            for group in self.groups.values()
        )

    def flush_until(self, now: Millis, *, remind: bool = True, bounded: bool = False) -> bool:
        """Decide every group that is due by `now`; without `remind`, reminders wait until it is known that they are true.

        Where it is `bounded` it stops once there is much to be written, and returns whether it has to go on afterwards.
        """
        for group in self._moved:
            self._close(group, now)
        self._moved.clear()
        more = False
        while (due := self.next_due()) is not None and due <= now:
            if more := bounded and sum(len(each.notification.alerts) for each in self.flushes) >= MUCH:
                break
            if due == self.silences.next_due:
                self._turn(due, now)
            else:
                _, _, key = heapq.heappop(self._due)
                self._look_at(key, due, now, remind=remind)
        for receiver, count in self._owed.items():
            self._note(None, receiver, count, now)
        self._owed.clear()  # also between the parts: what is written then no longer has the group that counted
        return more

    def _look_at(self, key: str, due: Millis, now: Millis, *, remind: bool) -> None:
        if self.groups[key].due == due:
            self._decide(self.groups[key], now, remind=remind)
        group = self.groups.get(key)
        if group is not None and group.aside_due is not None and group.aside_due <= due:
            self._tell_aside(group, now, remind=remind)

    def _decide(self, group: Group, now: Millis, *, remind: bool) -> None:
        node, silenced = self._routes[group.route], self._silenced(group)
        seen = replace(group, members=brief(group.members))
        reason = decide(seen, now, node.repeat_interval, silenced)
        if reason is NotifyReason.REPEAT and not remind:
            self._put(replace(group, due=now + 1))
            return
        if reason is not NotifyReason.NOTHING_NEW:
            group = self._tell(group, seen, reason, now, silenced)
        self._settle(group, seen, node, now)

    def _tell(self, group: Group, seen: Group, reason: NotifyReason, now: Millis, silenced: Container[str]) -> Group:
        """Make the messages. What was held back is counted in one that tells a failure, which every sink wants.

        `seen` is the group with members in brief: what is decided of each of them is decided on that.
        """
        failing = composing.has_failure(seen, reason, silenced)
        later = self._unfinished(group) if failing else group.held_back
        telling = Telling(
            reason=reason,
            at=now,
            flush=group.flush + 1,
            silenced=silenced,
            held_back=sum(group.held_back.values()) - sum(later.values()),
            external_url=self.external_url,
        )
        fresh = {k: a for k, a in seen.members.items() if is_news(a, group.told.get(k), silenced=k in silenced)}
        observed = min((alert.observed_at for alert in fresh.values()), default=now)
        sinks, heard = self.receivers[group.receiver], dict(group.heard)
        for sink in sinks:
            if not (sink.send_resolved or failing):
                self.suppressed["resolved_not_wanted"] += 1
                continue
            self._send(group, sink, composing.message(group, seen, telling, sink.id), observed)
            if sink.refresh:
                heard[sink.id] = now
        if not sinks:
            self.suppressed["no_sink"] += 1
        for key in fresh:
            self._held.get(group.key, {}).pop(key, None)
        told = composing.told(seen, silenced)
        worst = max(rank(seen.members[key].labels) for key in told)
        return replace(
            group, flush=telling.flush, flushed_at=now, told=told, severity=worst, held_back=later, heard=heard
        )

    def _send(self, group: Group, sink: SinkRef, message: Notification, observed: Millis) -> None:
        lane = f"{sink.id}|{group.key}"
        self.flushes.append(Flush(sink=sink.id, lane=lane, notification=message, observed_at=observed))

    def _tell_aside(self, group: Group, now: Millis, *, remind: bool) -> None:
        """Tell sinks what they asked for beside the news. Refreshes wait, as reminders do, until it is known what stands."""
        sinks, heard = self.receivers[group.receiver], dict(group.heard)
        silenced = self._silenced(group)
        for sink, reason in aside.wanted(group, sinks, now, refresh=remind):
            if message := composing.beside(group, reason, now, silenced, sink.id, self.external_url):
                self._send(group, sink, message, now)
            if sink.refresh:
                heard[sink.id] = now
        group = replace(group, asides=group.asides + 1, heard=heard, taken_on=False, moved=False)
        due = aside.due(group, sinks)
        self._put(replace(group, aside_due=due if due is None or due > now else now + 1))

    def _close(self, group: Group, now: Millis) -> None:
        """Say of a group that is no more that it goes on elsewhere, to sinks that keep something open for it."""
        for sink in self.receivers.get(group.receiver, ()):
            if sink.keeps_open:
                message = composing.beside(group, NotifyReason.MOVED, now, frozenset(), sink.id, self.external_url)
                if message:
                    self._send(group, sink, message, now)

    def _settle(self, group: Group, seen: Group, node: Route, now: Millis) -> None:
        """Forget what has been told for good, and say when to look again; an idle group goes once its pace allows."""
        for key in [k for k, a in seen.members.items() if a.state is not AlertState.FIRING or a.fact]:
            self._leave(key, group.key)
        told = {key: each for key, each in group.told.items() if key in group.members}
        last = group.created_at if group.flushed_at is None else group.flushed_at
        if group.members:
            group = resting(replace(group, told=told), node, now)
            self._put(replace(group, aside_due=aside.due(group, self.receivers[group.receiver])))
        elif now - last >= node.group_interval:
            self._drop(group.key)
            self._hand_over(group)
        else:
            self._put(replace(group, told=told, due=last + node.group_interval, aside_due=None))

    # ── silences ──

    def silence(self, fields: Fields, at: Millis) -> None:
        """Take in a silence that somebody made."""
        self.silences.add(fields)
        while (due := self.silences.next_due) is not None and due <= at:
            self._turn(due, at)

    def unsilence(self, silence_id: str, at: Millis) -> None:
        """End a silence at once."""
        self._release([silence_id], at, at)

    def deployed(self, event: Event) -> None:
        """End the silences that last until the deployment that the event shows."""
        if self.silences.active and (found := self.silences.deployed(event)):
            name = event.record.name if event.record else ""
            self._release(found, event.at, event.at, why=f"the next deployment of {name} began")

    def acknowledge(self, group_key: str, by: str) -> None:
        """Note that somebody has taken on what a group was told of: nobody is reminded of it until it changes."""
        group = self.groups.get(group_key)
        keys = standing(group) if group else []
        for home in sorted({home for key in keys for home in self._homes[key]}):
            self._take_on(self.groups[home], keys, by)

    def _take_on(self, group: Group, keys: Iterable[str], by: str) -> None:
        own = set(standing(group)).intersection(keys)
        told = {key: replace(group.told[key], acknowledged_by=by) for key in own}
        if any(told[key] != group.told[key] for key in own):
            group = replace(group, told={**group.told, **told}, taken_on=True)
            self._put(replace(group, aside_due=aside.due(group, self.receivers[group.receiver])))

    def _turn(self, due: Millis, now: Millis) -> None:
        """Let silences begin and end that do by `due`. Where one takes over from another nothing is told between them."""
        for begun in self.silences.starting(due):
            self._hush(begun)
        self._release(self.silences.ending(due), due, now)

    def _release(self, names: Iterable[str], at: Millis, now: Millis, *, why: str = "") -> None:
        """End silences together: tell what they held back and is still so, and count to everybody what is not."""
        ended: list[Silence] = []
        owed: dict[str, Counter[str]] = {}
        for name in names:
            found, counts = self.silences.end(name, at, why)
            if found is not None:
                ended.append(found)
                owed[name] = counts
        for group in list(self.groups.values()) if ended else ():
            self._let_go(group, ended, owed, at)
        for each in ended:
            for receiver in sorted(owed[each.id]):
                self._note(each, receiver, owed[each.id][receiver], now)

    def _let_go(self, group: Group, ended: Sequence[Silence], owed: Mapping[str, Counter[str]], at: Millis) -> None:
        """Schedule what is free now, or else give the count to the notes about the silences that have ended."""
        freed = self._freed(group, ended)
        if freed:
            node = replace(self._routes[group.route], group_wait=0)
            worse = max(rank(each.labels) for each in freed) > group.severity
            self._put(scheduled(group, node, at, escalates=worse))
        elif not owed.keys().isdisjoint(group.held_back) and not self._has_unheard(group):
            later = self._unfinished(group)
            for name in group.held_back.keys() - later.keys():
                owed[name if name in owed else ended[0].id][group.receiver] += group.held_back[name]
            self._put(replace(group, held_back=later))

    def _note(self, ended: Silence | None, receiver: str, count: int, now: Millis) -> None:
        """Say that a silence has ended and how much it held back of which no other message tells."""
        heard_by = receiver if receiver in self.receivers else self.root.receiver
        note = composing.note(ended, count, now, receiver=heard_by, route=self.root.id)
        self._tell(note, note, NotifyReason.FIRST, now, frozenset())
