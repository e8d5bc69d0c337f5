"""From the route as written to the tree that the core routes by."""

from dataclasses import replace

from watcher import pattern
from watcher.config.settings import RouteSettings, Settings
from watcher.core import matcher, route
from watcher.core.duration import Millis
from watcher.core.route import Node, Route

FALLBACK_INTERVAL: Millis = 3_600_000
"""How often the fallback hears of dead letters: of the first at once, of those that follow together."""
_UNDELIVERED = 'alertname=~"DeadLetter|SinkRefusing"'


def to_route(settings: Settings) -> Route:
    """The route tree of a configuration that has been loaded.

    A fallback stands beside the tree, not in it: whoever hears of what could not be delivered hears of it as before.
    """
    written = settings.route or RouteSettings(receiver=settings.receivers[0].name)
    tree = route.build(_node(written))
    if written.fallback is None:
        return tree
    beside = Route(
        id=f"fallback -> {written.fallback}",
        receiver=written.fallback,
        matchers=matcher.parse(_UNDELIVERED, pattern.fullmatch),
        continue_=True,
        group_by=("alertname",),
        group_interval=FALLBACK_INTERVAL,
    )
    return replace(tree, id=f"{tree.id} and a fallback", routes=(beside, tree))


def _node(written: RouteSettings) -> Node:
    return Node(
        receiver=written.receiver,
        matchers=tuple(each for text in written.matchers for each in matcher.parse(text, pattern.fullmatch)),
        continue_=written.continue_,
        group_by=written.group_by,
        group_wait=written.group_wait,
        group_interval=written.group_interval,
        repeat_interval=written.repeat_interval,
        routes=tuple(_node(child) for child in written.routes),
    )
