"""Who we are to Connect and where it is, for one project."""

from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectAccess:
    """The coordinates of a project and the API client that may read it. Secrets stay out of every `repr`.

    `api_url` and `auth_url` replace the hosts of `region`; without `scope` the token gets all that its client has.
    """

    key: str
    region: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    api_url: str | None = field(default=None, repr=False)
    auth_url: str | None = field(default=None, repr=False)
    scope: str | None = None

    @property
    def deployments_url(self) -> str:
        """Where the project's Deployments are listed."""
        return f"{self.host}/{quote(self.key, safe='')}/deployments"

    @property
    def connectors_url(self) -> str:
        """Where Connectors are, published ones and drafts; their paths have no project key."""
        return f"{self.host}/connectors"

    @property
    def host(self) -> str:
        """The Connect API."""
        return self._host("connect", self.api_url)

    @property
    def may_read_connectors(self) -> bool:
        """Whether what its token is asked for does not leave Connectors out."""
        return self.scope is None or "_connectors:" in self.scope or "manage_project:" in self.scope

    @property
    def identity(self) -> tuple[str, str]:
        """What drafts are seen by: the host and the API client."""
        return self.host, self.client_id

    @property
    def token_url(self) -> str:
        """Where tokens are granted."""
        return f"{self._host('auth', self.auth_url)}/oauth/token"

    def _host(self, service: str, replacement: str | None) -> str:
        return (replacement or f"https://{service}.{self.region}.commercetools.com").rstrip("/")
