"""From the route as written to the tree that the core routes by."""

from watcher import pattern
from watcher.config.settings import RouteSettings, Settings
from watcher.core import matcher, route
from watcher.core.route import Node, Route


def to_route(settings: Settings) -> Route:
    """The route tree of a configuration that has been loaded."""
    return route.build(_node(settings.route or RouteSettings(receiver=settings.receivers[0].name)))


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
