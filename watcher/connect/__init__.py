"""The Connect API's client: who we are (`access`), tokens (`auth`), one request (`exchange`), what is read (`wire`).

What comes out is a Listing, a Deployment, or a SourceError whose text is safe to show: it names the project, a status,
the API's error code and a correlation id, never a body, a header, a URL's path or a secret. Tokens live in memory.
Answers pass an allow-list that cannot hold configuration values, and `clean` sees every foreign text that is kept.
Only Deployments are read here; nothing is ever written to Connect.
"""

from watcher.connect.access import ProjectAccess
from watcher.connect.client import DeploymentsClient

__all__ = ["DeploymentsClient", "ProjectAccess"]
