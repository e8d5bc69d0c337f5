"""What one poll saw: Deployments, drafts of Connectors or published Connectors, reduced to what rules and messages need.

Configuration values are not among them: the wire models never decode those (design truth 6).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

IN_FLIGHT = frozenset({"Queued", "Deploying", "Undeploying"})
FAILED = frozenset({"Failed", "UndeployFailed"})
KNOWN_STATUSES = frozenset({"Draft", "Deployed", *IN_FLIGHT, *FAILED})
"""DeploymentStatus of the official specification, with the undocumented but specified `Draft`."""
KNOWN_REGIONS = frozenset(
    {"europe-west1.gcp", "us-central1.gcp", "australia-southeast1.gcp", "us-east-2.aws", "eu-central-1.aws"}
)
"""Regions that are documented today; others are taken as they are."""
KNOWN_TYPES = frozenset({"preview", "sandbox", "production"})
CERTIFYING = frozenset({"ReadyForCertification", "InCertification"})
DRAFT_STATUSES = frozenset({"Draft", "Processing", "Published", "Failed", *CERTIFYING})
"""ConnectorStatus of the official specification. Older descriptions had others (`FEEDBACK_REQUIRED`)."""
PREVIEWABLE = frozenset({"true", "false", "pending", "none"})
"""IsPreviewable of the official specification: texts, not truth values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEntry:
    """One line of a report. `type` explains; it does not decide (an `Error` may be a skipped check)."""

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
    schedule: str = ""

    @property
    def kind(self) -> str:
        """What it is, by what Connect gave it: a job has a schedule, an event application a topic to listen on."""
        if self.schedule:
            return "job"
        return "event" if self.topic else "service"


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

    @property
    def in_flight(self) -> bool:
        """Whether Connect is at work on it."""
        return self.status in IN_FLIGHT

    @property
    def passing(self) -> bool:
        """Whether it is in a state that is meant to end: a preview that runs is no less so than a build."""
        return self.in_flight or (self.type == "preview" and self.status == "Deployed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One remark made during certification. Who made it is not kept."""

    at: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorStaged:
    """A draft of a Connector as last seen. `listed` says that it is published and ready for use.

    `repository` only tells one repository from another: it is a hash of the URL, which may hold a token.
    """

    id: str
    project: str
    status: str
    key: str = ""
    version: int = 0
    display: str = ""
    previewable: str = ""
    listed: bool = False
    changed: bool = False
    tag: str = ""
    repository: str = ""
    publishing: tuple[ReportEntry, ...] = ()
    preview: tuple[ReportEntry, ...] = ()
    comments: tuple[Comment, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: key, else name, else id."""
        return self.key or self.display or self.id

    @property
    def build(self) -> str:
        """The attempt to publish it. The API does not number them; the time of their report tells one from the next."""
        return max((each.created_at for each in self.publishing), default="")

    @property
    def entries(self) -> tuple[ReportEntry, ...]:
        """Both reports as one."""
        return (*self.publishing, *self.preview)

    @property
    def in_flight(self) -> bool:
        """Whether Connect is at work on it."""
        return self.status == "Processing" or self.previewable == "pending"

    @property
    def passing(self) -> bool:
        """Whether it is in a state that is meant to end; certification takes days, and is."""
        return self.in_flight or self.status in CERTIFYING


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """A published Connector that Deployments of a project use. `behind` names those that run an older version."""

    id: str
    project: str
    key: str = ""
    version: int = 0
    display: str = ""
    tag: str = ""
    behind: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: key, else name, else id."""
        return self.key or self.display or self.id

    @property
    def status(self) -> str:
        """The API lists only those that are published."""
        return "Published"

    @property
    def build(self) -> str:
        """It is not built by anybody who uses it."""
        return ""

    @property
    def entries(self) -> tuple[ReportEntry, ...]:
        """It has no reports."""
        return ()

    @property
    def in_flight(self) -> bool:
        """Nothing happens to it."""
        return False

    @property
    def passing(self) -> bool:
        """Whether somebody is expected to redeploy."""
        return bool(self.behind)


Record = Deployment | ConnectorStaged | Connector
"""Whatever a source lists."""
R_co = TypeVar("R_co", bound=Record, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[R_co]):
    """The answer of one whole list call over all its pages.

    `total` is what the API says there is; where it exceeds `len(records)` because of the API's offset limit,
    `truncated` is true. `unchanged` means every page was byte for byte the one before. `notice` is what the API
    announced in its headers, such as its own removal. `quarantined` counts records that could not be read (missing id
    or status) and were left out. `composed` marks a list that we asked for by name: what is not in it is of no interest
    any more, while a list that the API composes may lie.
    """

    records: Mapping[str, R_co]
    total: int
    truncated: bool = False
    unchanged: bool = False
    quarantined: int = 0
    notice: str = ""
    composed: bool = False
