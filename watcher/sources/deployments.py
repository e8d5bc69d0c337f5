"""The status of Deployments, polled from the Connect API."""

from watcher.connect import DeploymentsClient, ProjectAccess
from watcher.connect.wire import Clean
from watcher.http import Http
from watcher.ports import DeploymentSource, Env


def deployment_source(project: ProjectAccess, *, http: Http, env: Env, clean: Clean) -> DeploymentSource:
    """The Deployments of one project; `clean` sees every foreign text of theirs that is kept."""
    return DeploymentsClient(project, http=http, env=env, clean=clean)
