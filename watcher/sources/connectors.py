"""The published Connectors that a project's Deployments use, and which Deployments run an older version of them.

Connect never updates a Deployment by itself when its Connector is published anew. A preview runs a draft, whose version
grows with everything that happens to it, so it is behind nothing.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from watcher.connect import Clean, ProjectAccess, PublishedConnectors, Session
from watcher.core.snapshot import Connector, Deployment, Listing
from watcher.ports import Source

InUse = Callable[[], Awaitable[Iterable[Deployment]]]
"""The project's Deployments as they are known now."""


class ConnectorSource:
    """Implements `ports.Source`: a list composed of what is in use."""

    def __init__(self, published: PublishedConnectors, deployments: InUse) -> None:
        self._published = published
        self._deployments = deployments

    async def list(self) -> Listing[Connector]:
        """Look up what is in use now. Raises SourceError."""
        users = _users(await self._deployments())
        found = await self._published.find(sorted(users))
        records = {key: replace(each, behind=behind(each, users[key])) for key, each in found.items()}
        return Listing(records=records, total=len(records), composed=True)

    async def get(self, record_id: str) -> Connector | None:
        """Look one up, whether or not it is in use. Raises SourceError."""
        users = _users(await self._deployments())
        found = (await self._published.find([record_id])).get(record_id)
        return found and replace(found, behind=behind(found, users.get(record_id, ())))


def behind(connector: Connector, users: Iterable[Deployment]) -> tuple[str, ...]:
    """The names of those that run an older version than the published one."""
    return tuple(sorted(each.name for each in users if 0 < each.connector_version < connector.version))


def _users(deployments: Iterable[Deployment]) -> Mapping[str, list[Deployment]]:
    users: dict[str, list[Deployment]] = defaultdict(list)
    for each in deployments:
        if each.connector_id and each.type != "preview" and each.status != "Undeploying":
            users[each.connector_id].append(each)
    return users


def connector_source(project: ProjectAccess, session: Session, clean: Clean, deployments: InUse) -> Source[Connector]:
    """The Connectors that the project's Deployments use."""
    return ConnectorSource(PublishedConnectors(project.connectors_url, session, clean), deployments)
