"""Whether a scenario can be played: each step's resource is there when its turn comes, each expectation's ever is. Pure.

What a request comes to is not foretold: after an `undeploy` a Deployment may be there or not, after a `publish` there may
be a Connector, and both is taken for possible.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from watcher.simulator.catalogue import BY_KEY
from watcher.simulator.steps import (
    Change,
    Deploy,
    Expectation,
    Fleet,
    Named,
    RequestedOf,
    Step,
    Target,
)

Name: TypeAlias = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Cast:
    """What is there so far; of the Deployments in `leaving`, some may be gone already."""

    project: str
    deployments: set[Name] = field(default_factory=set)
    leaving: set[Name] = field(default_factory=set)
    fleets: list[tuple[frozenset[str], re.Pattern[str]]] = field(default_factory=list)
    drafts: set[str] = field(default_factory=set)
    connectors: set[str] = field(default_factory=lambda: set(BY_KEY))

    def name(self, target: Target | RequestedOf) -> Name:
        """The project and key of a Deployment."""
        return target.project or self.project, target.key or ""

    def has(self, name: Name) -> bool:
        """Whether the Deployment is or may be there."""
        return name in self.deployments or name in self.leaving or self.in_fleet(*name)

    def in_fleet(self, project: str, key: str) -> bool:
        """Whether a fleet may have such a member."""
        return any(project in projects and pattern.fullmatch(key) for projects, pattern in self.fleets)


def lost_steps(steps: Sequence[Step], project: str) -> Iterator[str]:
    """Why some of the steps, which are in order, could not be played."""
    cast = Cast(project=project)
    for step in steps:
        for problem in NEEDS.get(step.verb, nothing)(cast, getattr(step, step.verb)):
            yield f"at {step.at} ms: {problem}"
        if step.plan is not None and not plannable(steps, step.plan.key):
            yield f"at {step.at} ms: nothing is ever called {step.plan.key}"


def lost_expectations(steps: Sequence[Step], expected: Iterable[Expectation]) -> Iterator[str]:
    """Messages expected about resources that never are."""
    for one in expected:
        if one.deployment is not None and not has_deployment(steps, one.deployment):
            yield f"expect: {one.deployment} is never created"
        if one.connector is not None and not has_connector(steps, one.connector):
            yield f"expect: the connector {one.connector} is never created"


def plannable(steps: Sequence[Step], key: str) -> bool:
    """Whether something has that key at some time."""
    return key == "*" or key in BY_KEY or has_deployment(steps, key) or has_connector(steps, key)


def has_deployment(steps: Sequence[Step], key: str) -> bool:
    """Whether a Deployment has that key at some time."""
    one = any(part.key == key for step in steps for part in (step.create, step.deploy) if part is not None)
    return one or any(pattern_of(step.fleet).fullmatch(key) for step in steps if step.fleet is not None)


def has_connector(steps: Sequence[Step], key: str) -> bool:
    """Whether a ConnectorStaged or a Connector has that key at some time."""
    return any(part.key == key for step in steps for part in (step.draft, step.connector) if part is not None)


def nothing(_cast: Cast, _part: Any) -> Iterator[str]:
    """Nothing can be wrong."""
    return iter(())


def create(cast: Cast, part: Change) -> Iterator[str]:
    """A Deployment comes to be."""
    yield from appearing(cast, part, part.fields.get("connector"))


def deploy(cast: Cast, part: Deploy) -> Iterator[str]:
    """A Deployment is asked for."""
    yield from appearing(cast, part, part.connector)


def appearing(cast: Cast, part: Target, connector: Any) -> Iterator[str]:
    """A Deployment is there from now on."""
    name = cast.name(part)
    if name in cast.deployments:
        yield f"{'/'.join(name)} is there already"
    yield from unknown_connector(cast, connector)
    cast.deployments.add(name)
    cast.leaving.discard(name)


def fleet(cast: Cast, part: Fleet) -> Iterator[str]:
    """Many Deployments come to be."""
    yield from unknown_connector(cast, part.fields.get("connector"))
    cast.fleets.append((frozenset(part.projects or (cast.project,)), pattern_of(part)))


def pattern_of(part: Fleet) -> re.Pattern[str]:
    """What keys of a fleet look like."""
    return re.compile(rf"{re.escape(part.key_prefix)}-\d{{6,}}")


def unknown_connector(cast: Cast, name: Any) -> Iterator[str]:
    """A Connector by name is one of those there are."""
    known = cast.connectors | cast.drafts
    if isinstance(name, str) and name not in known:
        yield f"no such connector: {name}; there are {', '.join(sorted(known))}"


def there(cast: Cast, part: Target | RequestedOf) -> Iterator[str]:
    """A Deployment has to be there."""
    name = cast.name(part)
    if part.key is not None and not cast.has(name):
        yield f"{'/'.join(name)} is not there"


def delete(cast: Cast, part: Target) -> Iterator[str]:
    """A Deployment goes."""
    yield from there(cast, part)
    cast.deployments.discard(cast.name(part))
    cast.leaving.discard(cast.name(part))


def undeploy(cast: Cast, part: RequestedOf) -> Iterator[str]:
    """A Deployment is asked to go."""
    yield from there(cast, part)
    going = cast.deployments if part.where else cast.deployments & {cast.name(part)}
    cast.leaving = cast.leaving | going
    cast.deployments = cast.deployments - going


def draft(cast: Cast, part: Named) -> Iterator[str]:
    """A ConnectorStaged comes to be."""
    if part.key in cast.drafts:
        yield f"the draft {part.key} is there already"
    cast.drafts.add(part.key)


def draft_there(cast: Cast, part: Named) -> Iterator[str]:
    """A ConnectorStaged has to be there."""
    if part.key not in cast.drafts:
        yield f"the draft {part.key} is not there"


def delete_draft(cast: Cast, part: Named) -> Iterator[str]:
    """A ConnectorStaged goes, and its Connector with it."""
    yield from draft_there(cast, part)
    cast.drafts.discard(part.key)


def publish(cast: Cast, part: Named) -> Iterator[str]:
    """A ConnectorStaged may get its Connector."""
    yield from draft_there(cast, part)
    cast.connectors.add(part.key)


def connector(cast: Cast, part: Named) -> Iterator[str]:
    """A Connector comes to be."""
    if part.key in cast.connectors - cast.drafts:
        yield f"the connector {part.key} is there already"
    cast.connectors.add(part.key)


def connector_there(cast: Cast, part: Named) -> Iterator[str]:
    """A Connector has to be there."""
    if part.key not in cast.connectors:
        yield f"the connector {part.key} is not there"


NEEDS: Mapping[str, Callable[[Cast, Any], Iterator[str]]] = {
    "create": create,
    "fleet": fleet,
    "set": there,
    "delete": delete,
    "deploy": deploy,
    "redeploy": there,
    "undeploy": undeploy,
    "rollback": there,
    "draft": draft,
    "set_draft": draft_there,
    "delete_draft": delete_draft,
    "edit": draft_there,
    "preview": draft_there,
    "publish": publish,
    "comment": draft_there,
    "connector": connector,
    "set_connector": connector_there,
    "logs": there,
}
"""What each verb needs, and what it leaves. The others need nothing."""
