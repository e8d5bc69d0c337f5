"""Route alerts into groups and flush the groups that are due into notifications."""

import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from watcher.core import route
from watcher.core.alert import Alert, AlertState
from watcher.core.duration import Millis
from watcher.core.group import Group, Told, decide, is_fresh, rank
from watcher.core.notification import AlertView, Notification, NotifyReason
from watcher.core.route import Route


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


class Dispatch:
    """The groups, held in memory and changed one alert at a time; `changed` names those to write back.

    The members of a group are one dict that belongs to this class and is changed in place: a storm of alerts into one
    group must not copy it for each of them.
    """

    def __init__(self, root: Route, receivers: Mapping[str, tuple[SinkRef, ...]], *, external_url: str = "") -> None:
        self.root = root
        self.receivers = receivers
        self.external_url = external_url
        self.groups: dict[str, Group] = {}
        self.changed: set[str] = set()
        self.flushes: list[Flush] = []
        self.suppressed: Counter[str] = Counter()
        self._routes = {each.id: each for each in route.walk(root)}
        self._due: list[tuple[Millis, int, str]] = []
        self._serial = itertools.count()
        self._homes: dict[str, set[str]] = {}
        self._members: dict[str, dict[str, Alert]] = {}

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
            self.add(alert, alert.ends_at or alert.starts_at)
            told = group.told.get(key)
            if told is not None and not is_fresh(alert, told):
                for home in self._homes.get(key, ()):
                    heir = self.groups[home]
                    last = heir.flushed_at or group.flushed_at
                    flush = max(heir.flush, group.flush)
                    self._put(replace(heir, told={**heir.told, key: told}, flush=flush, flushed_at=last))

    def add(self, alert: Alert, at: Millis) -> None:
        """Put a new or newly failed alert before every receiver that its labels lead to."""
        for node in route.match(self.root, alert.labels):
            key = route.group_key(node, alert.labels)
            group = self.groups.get(key) or Group(
                key=key,
                receiver=node.receiver,
                route=node.id,
                labels=route.group_labels(node, alert.labels),
                created_at=at,
                members=self._members.setdefault(key, {}),
            )
            self._join(key, alert)
            self._put(_scheduled(group, node, at, escalates=rank(alert.labels) > group.severity))

    def update(self, alert: Alert, at: Millis) -> None:
        """Tell every group that has this alert of its change."""
        for key in sorted(self._homes.get(alert.key, ())):
            self._join(key, alert)
            self._put(_scheduled(self.groups[key], self._routes[self.groups[key].route], at))

    def next_due(self) -> Millis | None:
        """When a group is next to be looked at."""
        self._skip_stale()
        return self._due[0][0] if self._due else None

    def forget(self, key: str) -> None:
        """Take an alert out of every group, without a word."""
        for home in list(self._homes.get(key, ())):
            self._leave(key, home)
            told = {name: each for name, each in self.groups[home].told.items() if name != key}
            self._put(replace(self.groups[home], told=told))

    def last_episode(self, key: str) -> int:
        """The last episode of an alert that some group still has something to say about; 0 if none has."""
        return max((self.groups[home].members[key].episode for home in self._homes.get(key, ())), default=0)

    def awaiting(self) -> int:
        """How many groups have something to say that they have not said yet."""
        return sum(
            any(is_fresh(alert, group.told.get(key)) for key, alert in group.members.items())
            for group in self.groups.values()
        )

    def flush_until(self, now: Millis, *, remind: bool = True) -> None:
        """Decide every group that is due by `now`; without `remind`, reminders wait until it is known that they are true."""
        while (due := self.next_due()) is not None and due <= now:
            _, _, key = heapq.heappop(self._due)
            self._decide(self.groups[key], now, remind=remind)

    def _decide(self, group: Group, now: Millis, *, remind: bool) -> None:
        node = self._routes[group.route]
        reason = decide(group, now, node.repeat_interval)
        if reason is NotifyReason.REPEAT and not remind:
            self._put(replace(group, due=now + 1))
            return
        if reason is not NotifyReason.NOTHING_NEW:
            group = self._tell(group, reason, now)
        self._settle(group, node, now)

    def _tell(self, group: Group, reason: NotifyReason, now: Millis) -> Group:
        flush = group.flush + 1
        sinks = self.receivers[group.receiver]
        for sink in sinks:
            message = _notification(group, flush, reason, now, sink=sink, external_url=self.external_url)
            if not sink.send_resolved and not _has_failure(group, reason):
                self.suppressed["resolved_not_wanted"] += 1
                continue
            observed = min(
                (a.observed_at for k, a in group.members.items() if is_fresh(a, group.told.get(k))), default=now
            )
            lane = f"{sink.id}|{group.key}"
            self.flushes.append(Flush(sink=sink.id, lane=lane, notification=message, observed_at=observed))
        if not sinks:
            self.suppressed["no_sink"] += 1
        worst = max(rank(alert.labels) for alert in group.members.values())
        return replace(group, flush=flush, flushed_at=now, told=_told(group), severity=worst)

    def _settle(self, group: Group, node: Route, now: Millis) -> None:
        """Forget what has been told for good, and say when to look again; an idle group goes once its pace allows."""
        for key in [k for k, a in group.members.items() if a.state is not AlertState.FIRING or a.fact]:
            self._leave(key, group.key)
        told = {key: each for key, each in group.told.items() if key in group.members}
        last = group.flushed_at if group.flushed_at is not None else now
        if group.members:
            self._put(replace(group, told=told, due=last + max(node.repeat_interval, 1)))
        elif now - last >= node.group_interval:
            self._drop(group.key)
        else:
            self._put(replace(group, told=told, due=last + node.group_interval))

    def _take(self, group: Group) -> None:
        """Take over a stored group as it is."""
        members = self._members[group.key] = {}
        self.groups[group.key] = replace(group, members=members)
        for alert in group.members.values():
            self._join(group.key, alert)
        self._plan(group)

    def _put(self, group: Group) -> None:
        before = self.groups.get(group.key)
        self.groups[group.key] = group
        self.changed.add(group.key)
        if before is None or before.due != group.due:
            self._plan(group)

    def _plan(self, group: Group) -> None:
        if group.due is not None:  # equal dues come up in the order of their news
            heapq.heappush(self._due, (group.due, next(self._serial), group.key))

    def _drop(self, key: str) -> None:
        for member in list(self._members.pop(key)):
            self._depart(member, key)
        del self.groups[key]
        self.changed.add(key)

    def _join(self, key: str, alert: Alert) -> None:
        self._members[key][alert.key] = alert
        self._homes.setdefault(alert.key, set()).add(key)

    def _leave(self, member: str, key: str) -> None:
        del self._members[key][member]
        self._depart(member, key)

    def _depart(self, member: str, key: str) -> None:
        homes = self._homes[member]
        homes.discard(key)
        if not homes:
            del self._homes[member]

    def _skip_stale(self) -> None:
        while self._due:
            due, _, key = self._due[0]
            group = self.groups.get(key)
            if group is not None and group.due == due:
                return
            heapq.heappop(self._due)


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


def _has_failure(group: Group, reason: NotifyReason) -> bool:
    """Whether a message would tell more than recoveries: a reminder does, and so does a failure that nobody has heard of."""
    untold = (key not in group.told or alert.episode > group.told[key].episode for key, alert in group.members.items())
    return reason is NotifyReason.REPEAT or any(untold)


def _told(group: Group) -> dict[str, Told]:
    return {
        key: Told(episode=alert.episode, resolved=alert.state is AlertState.RESOLVED)
        for key, alert in group.members.items()
    }


def _views(group: Group) -> Iterator[tuple[str, AlertView]]:
    """The alerts of a group as a message shows them: what is fresh first, firing before resolved, then by age."""

    def order(item: tuple[str, Alert]) -> tuple[bool, bool, Millis, str]:
        key, alert = item
        fresh = is_fresh(alert, group.told.get(key))
        return (not fresh, alert.state is AlertState.RESOLVED, alert.starts_at, key)

    for key, alert in sorted(group.members.items(), key=order):
        view = AlertView(
            fingerprint=alert.fingerprint,
            labels=alert.labels,
            annotations=alert.annotations,
            state=alert.state.value,
            starts_at=alert.starts_at,
            ends_at=alert.ends_at,
            fact=alert.fact,
            fresh=is_fresh(alert, group.told.get(key)),
            attempts=alert.episode,
        )
        yield key, view


def _notification(
    group: Group, flush: int, reason: NotifyReason, now: Millis, *, sink: SinkRef, external_url: str
) -> Notification:
    """The message of one flush for one sink; its id is made of what names it, so that a replayed judgement repeats it."""
    found = tuple(_views(group))
    views = tuple(view for _, view in found)
    firing = sum(view.state == AlertState.FIRING for view in views)
    news = "|".join(f"{key} {view.state} {view.attempts} {view.starts_at}" for key, view in found if view.fresh)
    name = f"{sink.id}|{group.key}|{group.created_at}|{flush}|{news}"
    return Notification(
        id="cw_" + hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32],
        receiver=group.receiver,
        group_key=group.key,
        group_labels=group.labels,
        reason=reason,
        status="firing" if firing else "resolved",
        at=now,
        alerts=views,
        firing=firing,
        resolved=len(views) - firing,
        fresh=sum(view.fresh for view in views),
        external_url=external_url,
    )
