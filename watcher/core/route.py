"""The route tree: which receivers an alert goes to, which alerts are told together, and at what pace."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from watcher.core import matcher
from watcher.core.duration import Millis
from watcher.core.matcher import Matcher

ALL_LABELS = "..."
"""In `group_by`: group by every label, which is no grouping at all."""
GROUP_BY = ("project", "deployment")
"""Unlike Alertmanager, which groups everything: what happens to one Deployment is one story."""
GROUP_WAIT: Millis = 10_000
GROUP_INTERVAL: Millis = 300_000
REPEAT_INTERVAL: Millis = 14_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A route as written. What is `None` comes from its parent; an empty `group_by` is a choice: one group for all."""

    receiver: str | None = None
    matchers: tuple[Matcher, ...] = ()
    continue_: bool = False
    group_by: tuple[str, ...] | None = None
    group_wait: Millis | None = None
    group_interval: Millis | None = None
    repeat_interval: Millis | None = None
    routes: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route with everything it has of its own and inherits.

    `id` is made of the matchers on the way to it and of its receiver, not of its position: a route put before it
    leaves it as it was. The root's defaults are Alertmanager's, except where the constants above say why not.
    """

    id: str
    receiver: str
    matchers: tuple[Matcher, ...] = ()
    continue_: bool = False
    group_by: tuple[str, ...] = GROUP_BY
    group_wait: Millis = GROUP_WAIT
    group_interval: Millis = GROUP_INTERVAL
    repeat_interval: Millis = REPEAT_INTERVAL
    routes: tuple["Route", ...] = ()


def build(root: Node) -> Route:
    """The tree that a written one means. Its root must name a receiver."""
    return _inherit(root, Route(id="", receiver=root.receiver or ""), matcher.text(root.matchers))


def match(route: Route, labels: Mapping[str, str]) -> tuple[Route, ...]:
    """The nodes that an alert with these labels goes to, in their order; none where the route itself does not match.

    Among siblings the first that matches ends the search unless it says `continue`; where no child matches, the node
    itself is meant.
    """
    if not matcher.matches(route.matchers, labels):
        return ()
    found: list[Route] = []
    for child in route.routes:
        below = match(child, labels)
        found += below
        if below and not child.continue_:
            break
    return tuple(found) or (route,)


def walk(route: Route) -> Iterator[Route]:
    """Every node, parents before children."""
    yield route
    for child in route.routes:
        yield from walk(child)


def group_labels(route: Route, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that name the alert's group, sorted. An empty label counts as absent."""
    names = labels if ALL_LABELS in route.group_by else route.group_by
    return {name: labels[name] for name in sorted(names) if labels.get(name)}


def group_key(route: Route, labels: Mapping[str, str]) -> str:
    """The name of the alert's group: equal exactly for the same route, receiver and group labels."""
    pairs = (Matcher(name=name, op="=", value=value, test=bool) for name, value in group_labels(route, labels).items())
    return f"{route.id}: {matcher.text(pairs)}"


def _inherit(node: Node, parent: Route, path: str) -> Route:
    receiver = node.receiver or parent.receiver
    own = Route(
        id=f"{path} -> {receiver}",
        receiver=receiver,
        matchers=node.matchers,
        continue_=node.continue_,
        group_by=parent.group_by if node.group_by is None else node.group_by,
        group_wait=parent.group_wait if node.group_wait is None else node.group_wait,
        group_interval=parent.group_interval if node.group_interval is None else node.group_interval,
        repeat_interval=parent.repeat_interval if node.repeat_interval is None else node.repeat_interval,
    )
    return replace(own, routes=tuple(_children(node, own, path)))


def _children(node: Node, own: Route, path: str) -> Iterator[Route]:
    """The children; twins with the same matchers are told apart by a number."""
    seen: Counter[str] = Counter()
    for child in node.routes:
        text = matcher.text(child.matchers)
        seen[text] += 1
        number = f"#{seen[text]}" if seen[text] > 1 else ""
        yield _inherit(child, own, f"{path}/{text}{number}")
