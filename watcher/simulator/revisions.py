"""The revisions of Deployments: what was deployed successfully, and when.

Public is that there is one for every successful deployment, listed newest first; that its `revision` stands in paths;
that it holds the Connector version and the configuration of each application; and the names of its types. The names of
its fields are not public; those here follow the fields of Deployment. Its number is the `version` of the Deployment that
was deployed, since "only versions that were deployed successfully are returned".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from watcher.simulator.clock import iso
from watcher.simulator.payload import Payload, applications_of
from watcher.simulator.resource import Resource

SUCCESS = "Deployed"
MADE_OF = ("connector", "applications")
"""What a Deployment is given again when it is rolled back."""

OF_CONNECTOR = ("id", "key", "version", "name", "repository")
OF_APPLICATION = ("applicationName", "standardConfiguration", "securedConfiguration", "schedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A revision: as it is shown, and the fields of the Deployment that it was made of."""

    number: Any
    shown: Payload
    made_of: Payload


@dataclass(slots=True)
class Revisions:
    """The revisions by Deployment, oldest first. One that began as Deployed has its first without anybody's doing."""

    _noted: dict[str, list[Revision]] = field(default_factory=dict)

    def note(self, old: Resource, new: Resource) -> None:
        """Take notice of a change of status."""
        if SUCCESS not in {old.status, new.status} or old.status == new.status:
            return
        noted = self._noted.setdefault(new.id, [revision(old)] if old.status == SUCCESS else [])
        if new.status == SUCCESS:
            noted.append(revision(new))

    def of(self, found: Resource) -> Sequence[Payload]:
        """A Deployment's revisions as they are shown, newest first."""
        return [one.shown for one in self.kept(found)]

    def kept(self, found: Resource) -> Sequence[Revision]:
        """A Deployment's revisions, newest first."""
        first = [revision(found)] if found.status == SUCCESS else []
        return self._noted.get(found.id, first)[::-1]

    def before(self, found: Resource, number: int | None) -> Revision | None:
        """What a Deployment can be rolled back to: the revision of that number, else its last but the one it is at."""
        kept = self.kept(found)
        if number is not None:
            return next((one for one in kept if one.number == number), None)
        return next(iter(kept[1:] if found.status == SUCCESS else kept), None)

    def forget(self, deployment_id: str) -> None:
        """Drop a Deployment's revisions."""
        self._noted.pop(deployment_id, None)


def revision(found: Resource) -> Revision:
    """A Deployment as it stands, as a revision."""
    payload = found.payload
    connector = payload.get("connector")
    shown = {
        "revision": payload.get("version"),
        "connector": chosen(connector if isinstance(connector, dict) else {}, OF_CONNECTOR),
        "applications": [chosen(one, OF_APPLICATION) for one in applications_of(payload)],
        "createdAt": iso(found.modified),
    }
    return Revision(number=payload.get("version"), shown=shown, made_of=chosen(payload, MADE_OF))


def chosen(payload: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Those fields that are there."""
    return {name: payload[name] for name in names if name in payload}
