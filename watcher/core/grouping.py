"""The groups there are, as they are kept: their members, where each alert is a member, and when to look at them."""

import heapq
import itertools
from dataclasses import replace

from watcher.core import route
from watcher.core.alert import Alert
from watcher.core.duration import Millis
from watcher.core.group import Group, wake
from watcher.core.route import Route
from watcher.core.shelf import Members, Shelf


class Groups:
    """Groups by key; `changed` names those to write back.

    The members of a group, and what is held back of them, are one mapping each that belongs to this class and is changed
    in place: a storm of alerts into one group must not copy it for each of them. What fires is on the `shelf`.
    """

    def __init__(self, root: Route) -> None:
        self.root = root
        self.shelf = Shelf()
        self.groups: dict[str, Group] = {}
        self.changed: set[str] = set()
        self._due: list[tuple[Millis, int, str]] = []
        self._serial = itertools.count()
        self._homes: dict[str, tuple[str, ...]] = {}
        self._alone: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, Members] = {}
        self._held: dict[str, dict[str, int]] = {}
        self._routes = {each.id: each for each in route.walk(root)}

    def _take(self, group: Group) -> None:
        """Take over a stored group as it is."""
        members = Members(self.shelf)
        held = dict(group.held)
        self._members[group.key], self._held[group.key] = members, held
        self.groups[group.key] = replace(group, members=members, held=held)
        for alert in group.members.values():
            self._join(group.key, alert)
        self._plan(group)

    def _idle(self, group: Group) -> Group:
        """The group as it is; one that is empty and has nothing to say is looked at once more, to go."""
        if group.members or group.due is not None:
            return group
        interval = self._routes[group.route].group_interval
        return replace(group, due=(group.flushed_at or group.created_at) + interval)

    def _put(self, group: Group) -> None:
        before = self.groups.get(group.key)
        self.groups[group.key] = group
        self.changed.add(group.key)
        if before is None or wake(before) != wake(group):
            self._plan(group)

    def _plan(self, group: Group) -> None:
        due = wake(group)
        if due is not None:  # equal dues come up in the order of their news
            heapq.heappush(self._due, (due, next(self._serial), group.key))

    def _drop(self, key: str) -> None:
        for member in list(self._members.pop(key)):
            self._depart(member, key)
        del self.groups[key]
        del self._held[key]
        self._alone.pop(key, None)
        self.changed.add(key)

    def _join(self, key: str, alert: Alert) -> None:
        self._members[key].put(alert)
        homes = self._homes.get(alert.key, ())
        if key not in homes:  # most have one home, and share the tuple that names it
            self._homes[alert.key] = (*homes, key) if homes else self._alone.setdefault(key, (key,))

    def _leave(self, member: str, key: str) -> None:
        self._members[key].drop(member)
        self._held[key].pop(member, None)
        self._depart(member, key)

    def _depart(self, member: str, key: str) -> None:
        homes = tuple(each for each in self._homes[member] if each != key)
        if homes:
            self._homes[member] = homes
        else:
            del self._homes[member]

    def _skip_stale(self) -> None:
        while self._due:
            due, _, key = self._due[0]
            group = self.groups.get(key)
            if group is not None and wake(group) == due:
                return
            heapq.heappop(self._due)
