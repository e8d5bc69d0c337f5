"""The status of Deployments, polled from the Connect API."""

from watcher.connect import Clean, ProjectAccess, Session, deployments
from watcher.core.snapshot import Deployment
from watcher.ports import Source


def deployment_source(project: ProjectAccess, session: Session, clean: Clean) -> Source[Deployment]:
    """The Deployments of one project; `clean` sees every foreign text of theirs that is kept."""
    return deployments(project, session, clean)
