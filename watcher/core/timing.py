"""When a group is next to be looked at: for its news, or for a reminder."""

from dataclasses import replace

from watcher.core.altered import altered
from watcher.core.duration import Millis
from watcher.core.group import Group, reminded_at
from watcher.core.route import Route


def scheduled(group: Group, node: Route, at: Millis, *, escalates: bool = False) -> Group:
    """The group with news: told after `group_wait` the first time, then no oftener than `group_interval`.

    News that is worse than all of the last message does not wait for the interval: a summary that was told a minute ago
    must not hold up the first critical alert.
    """
    if group.flushed_at is None or escalates:
        due = at + node.group_wait if group.due is None else min(group.due, at + node.group_wait)
    else:
        due = max(at, group.flushed_at + node.group_interval)
    return group if group.due == due else altered(group, due=due)


def resting(group: Group, node: Route, now: Millis) -> Group:
    """The group until its next reminder. One that was left out now was held back, or nobody wants it."""
    last = reminded_at(group)
    if last is None:
        return replace(group, due=None)
    wait = max(node.repeat_interval, 1)
    if last + wait <= now:
        last += (now - last) // wait * wait
        group = replace(group, rested_at=last)
    return replace(group, due=last + wait)
