"""What became of a Deployment's builds: which one is good, since when, and which one was before it.

A Deployment has no times of its own, so these are the times at which the events about it were observed.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from watcher.core.altered import altered
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.snapshot import IN_FLIGHT, Application, Deployment

DEPLOYED = "Deployed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One Deployment and its last two good builds. Times of 0 are unknown.

    `seen_since` is when it was first seen, `status_since` when it was in its status, `began` when its last attempt was. `good_since` is when build `good` was
    first seen deployed, `before_since` the same of the build before that; `good_began` and `before_began` are when their
    attempts were first seen: what an application writes while it starts belongs to its build. `judged` names the verdicts
    that have been given on the good build, by rule.
    """

    project: str
    deployment_id: str
    region: str = ""
    deployment: str = ""
    type: str = ""
    connector: str = ""
    connector_version: int = 0
    status: str = ""
    build: str = ""
    applications: tuple[Application, ...] = ()
    seen_since: Millis = 0
    status_since: Millis = 0
    began: Millis = 0
    good: str = ""
    good_since: Millis = 0
    good_began: Millis = 0
    before: str = ""
    before_since: Millis = 0
    before_began: Millis = 0
    judged: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """What tells one from all others."""
        return f"{self.project}/{self.deployment_id}"

    @property
    def is_good(self) -> bool:
        """Whether its last good build is what runs now."""
        return self.status == DEPLOYED and bool(self.good_since)

    def labels(self, application: str = "") -> dict[str, str]:
        """The labels of one of its applications, or its own."""
        kinds = {each.name: each.kind for each in self.applications}
        return {
            "project": self.project,
            "region": self.region,
            "type": self.type,
            "connector": self.connector,
            "connector_version": str(self.connector_version),
            "deployment": self.deployment or self.deployment_id,
            "deployment_id": self.deployment_id,
            "application": application,
            "application_kind": kinds.get(application, ""),
            "build": self.build,
        }


def begun(deployment: Deployment, at: Millis, *, region: str) -> Run:
    """The history of a Deployment that is seen for the first time. A build that is deployed already is good since then."""
    at = _once(at)
    shown: dict[str, Any] = dict(zip(_SHOWN, _seen(deployment, region), strict=True))
    times: dict[str, Any] = {"seen_since": at, "status_since": at, "began": at}
    if deployment.status == DEPLOYED:
        times |= {"good": deployment.build, "good_since": at, "good_began": at}
    return Run(project=deployment.project, deployment_id=deployment.id, **shown, **times)


def advanced(run: Run | None, event: Event) -> Run | None:
    """The history after an event about the Deployment; `None` once it is gone. At a first sight of all, it begins anew."""
    found = event.deployment
    if found is None or event.type is EventType.GONE:
        return None
    if run is None or event.baseline:
        return begun(found, event.at, region=event.region)
    changed = _changed(run, found, event.region)
    if not changed:
        return run
    at, status, build = _once(event.at), found.status, found.build
    if status != run.status:
        changed["status_since"] = at
    if run.status not in IN_FLIGHT and (status, build) != (run.status, run.build):
        changed["began"] = at
    if status == DEPLOYED and (run.status != DEPLOYED or build != run.build):
        changed |= {"before": run.good, "before_since": run.good_since, "before_began": run.good_began}
        changed |= {"good": build, "good_since": at, "good_began": changed.get("began", run.began)}
        changed["judged"] = frozenset()
    return altered(run, **changed)


def due_verdicts(runs: Iterable[Run], rule: str, after: Millis, at: Millis) -> list[Run]:
    """Good builds that have run for `after` and that a rule has not judged. One that was there at first sight has nothing before it."""
    return [
        each
        for each in runs
        if each.is_good and each.before_since and rule not in each.judged and each.good_since + after <= at
    ]


_SHOWN = ("region", "deployment", "type", "connector", "connector_version", "status", "build", "applications")
_shown = attrgetter(*_SHOWN)


def _changed(run: Run, deployment: Deployment, region: str) -> dict[str, Any]:
    """What is not as it was. All else stays the same object, and is in memory once."""
    now, before = _seen(deployment, region), _shown(run)
    if now == before:
        return {}
    return {name: new for name, new, old in zip(_SHOWN, now, before, strict=True) if new != old}


def _seen(deployment: Deployment, region: str) -> tuple[Any, ...]:
    """What the Deployment is like. Words that many have are in memory once."""
    return (
        sys.intern(region),
        deployment.name,
        sys.intern(deployment.type),
        sys.intern(deployment.connector),
        deployment.connector_version,
        sys.intern(deployment.status),
        deployment.build,
        deployment.applications,
    )


@lru_cache(64)
def _once(at: Millis) -> Millis:
    """The moment of an observation, which all that it shows have: in memory once."""
    return at
