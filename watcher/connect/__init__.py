"""The Connect API's client: what is read of it, as whom, and how.

Who we are is in `access`, tokens in `auth`, one request in `exchange`, requests as one API client in `session`, whole
lists in `client`, Connectors by their ids in `published`, what is read of an answer in `wire` and its forms.

What comes out is a Listing, a record, or a SourceError whose text is safe to show: it names the project, a status, the
API's error code and a correlation id, never a body, a header, a URL's path or a secret. Tokens live in memory. Answers
pass an allow-list that cannot hold configuration values, and `clean` sees every foreign text that is kept. Nothing is
ever written to Connect.
"""

from watcher.connect.access import ProjectAccess
from watcher.connect.client import ListClient, Place
from watcher.connect.connector_wire import DRAFT
from watcher.connect.deployment_wire import DEPLOYMENT
from watcher.connect.published import PublishedConnectors
from watcher.connect.session import Session
from watcher.connect.wire import Clean
from watcher.core.snapshot import ConnectorStaged, Deployment


def deployments(access: ProjectAccess, session: Session, clean: Clean) -> ListClient[Deployment]:
    """The Deployments of a project."""
    place = Place(url=access.deployments_url, form=DEPLOYMENT, scope="view_connectors_deployments")
    return ListClient(place, session, clean)


def drafts(access: ProjectAccess, session: Session, clean: Clean) -> ListClient[ConnectorStaged]:
    """The drafts of Connectors that an API client sees."""
    place = Place(url=f"{access.connectors_url}/drafts", form=DRAFT, scope="view_connectors")
    return ListClient(place, session, clean)


__all__ = ["Clean", "ListClient", "ProjectAccess", "PublishedConnectors", "Session", "deployments", "drafts"]
