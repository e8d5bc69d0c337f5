"""What one poll of a project saw: its Deployments, reduced to the fields that rules and messages need.

Configuration values are not among them: the wire models never decode those (design truth 6).
"""

from collections.abc import Mapping
from dataclasses import dataclass

IN_FLIGHT = frozenset({"Queued", "Deploying", "Undeploying"})
FAILED = frozenset({"Failed", "UndeployFailed"})
KNOWN_STATUSES = frozenset({"Draft", "Deployed", *IN_FLIGHT, *FAILED})
"""DeploymentStatus of the official specification, with the undocumented but specified `Draft`."""
KNOWN_TYPES = frozenset({"preview", "sandbox", "production"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEntry:
    """One line of a build report. `type` explains; it does not decide (an `Error` may be a skipped check)."""

    type: str
    title: str
    message: str = ""
    application: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application of a Deployment and where Connect placed it."""

    id: str
    name: str
    url: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A Deployment as last seen. It has no timestamps of its own: the API sends none."""

    id: str
    project: str
    status: str
    key: str = ""
    type: str = ""
    version: int = 0
    region: str = ""
    connector_id: str = ""
    connector_key: str = ""
    connector_name: str = ""
    connector_version: int = 0
    build: str = ""
    entries: tuple[ReportEntry, ...] = ()
    applications: tuple[Application, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: its key, else its id."""
        return self.key or self.id

    @property
    def connector(self) -> str:
        """What people call its Connector: key, else name, else id."""
        return self.connector_key or self.connector_name or self.connector_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The answer of one whole list call over all its pages.

    `total` is what the API says there is; where it exceeds `len(deployments)` because of the API's offset
    limit, `truncated` is true. `unchanged` means every page was byte for byte the one before.
    `notice` is what the API announced in its headers, such as its own removal. `quarantined` counts records that could not be read (missing id or status) and were left out.
    """

    deployments: Mapping[str, Deployment]
    total: int
    truncated: bool = False
    unchanged: bool = False
    quarantined: int = 0
    notice: str = ""
