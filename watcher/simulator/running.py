"""Since when what runs of a Deployment has been running: what every deployment of it began.

Raw changes count: a Deployment that is Deployed with another build than before has been deployed, whoever says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from watcher.simulator.payload import build_of
from watcher.simulator.resource import Resource
from watcher.simulator.revisions import SUCCESS


@dataclass(slots=True)
class Running:
    """The moments at which Deployments were deployed after they had been created, oldest first."""

    _moments: dict[str, list[int]] = field(default_factory=dict)

    def note(self, old: Resource, new: Resource) -> None:
        """Take notice of a change."""
        if new.status != SUCCESS:
            return
        if old.status != SUCCESS or build_of(old.payload) != build_of(new.payload):
            self._moments.setdefault(new.id, []).append(new.modified)

    def since(self, found: Resource, begin: int) -> int | None:
        """The first moment from `begin` on at which a Deployment was created or deployed."""
        moments: Sequence[int] = (found.created, *self._moments.get(found.id, ()))
        return next((moment for moment in moments if moment >= begin), None)

    def forget(self, deployment_id: str) -> None:
        """Drop what is known of a Deployment."""
        self._moments.pop(deployment_id, None)
