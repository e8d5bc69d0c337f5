"""The things that can happen in a scenario: one model for each form that a step's verb can take."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from watcher.simulator.duration import read_moment, read_offset
from watcher.simulator.facts import DEFAULT_REGION, KEY, DeploymentType
from watcher.simulator.faults import Fault
from watcher.simulator.lifecycle import RESULTS
from watcher.simulator.loglines import SHAPES

DEPLOYMENT_FIELDS = frozenset(
    {
        "apiClient",
        "applications",
        "connector",
        "deployedRegion",
        "details",
        "globalConfiguration",
        "preview",
        "rollbackRevision",
        "status",
        "type",
        "version",
    }
)
"""What a Deployment has besides the project and key that name it."""

CONNECTOR_FIELDS = frozenset(
    {
        "apiClient",
        "certified",
        "configurations",
        "creator",
        "description",
        "documentationUrl",
        "globalConfiguration",
        "integrationTypes",
        "name",
        "private",
        "privateProjects",
        "repository",
        "supportedRegions",
        "version",
    }
)
"""What a Connector has besides the key that names it."""

DRAFT_FIELDS = (CONNECTOR_FIELDS - {"certified"}) | {
    "alreadyListed",
    "certificationInfo",
    "hasChanges",
    "isPreviewable",
    "previewableReport",
    "publishingReport",
    "status",
}
"""What a ConnectorStaged has besides the key that names it."""

Where = Literal["project", "deployedRegion", "status", "type", "connector"]


def read_fault(value: Any) -> Any:
    """A fault, in the words of the control API."""
    try:
        return msgspec.convert(value, Fault)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


Moment = Annotated[int, BeforeValidator(read_moment)]
Offset = Annotated[int, BeforeValidator(read_offset)]
Key = Annotated[str, Field(pattern=rf"^{KEY.pattern}$")]
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class Part(BaseModel):
    """Anything in a scenario file: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Fields(Part):
    """Something with fields in the API's names beside its own, and the names of those that are there and null."""

    model_config = ConfigDict(extra="allow")
    nulls: tuple[str, ...] = ()
    known: ClassVar[frozenset[str]] = DEPLOYMENT_FIELDS
    noun: ClassVar[str] = "a Deployment"

    @model_validator(mode="after")
    def known_fields(self) -> "Fields":
        """A misspelt field would change nothing that anyone looks at."""
        own = self.model_extra or {}
        strangers = sorted({*own, *self.nulls} - self.known)
        if strangers:
            raise ValueError(f"no such field of {self.noun}: {', '.join(strangers)}")
        if twice := sorted(own.keys() & self.nulls):
            raise ValueError(f"null and something else: {', '.join(twice)}")
        return self

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, as raw moves of the world take them."""
        return {**(self.model_extra or {}), **({"nulls": self.nulls} if self.nulls else {})}


class Target(Part):
    """One Deployment, by project and key. Without a project it is the scenario's."""

    project: str | None = None
    key: Key


class Change(Target, Fields):
    """One Deployment and the fields it gets."""


class Fleet(Fields):
    """Many Deployments at once, round robin over the projects. Their keys are the prefix and a number."""

    count: Count
    projects: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    key_prefix: Annotated[str, Field(alias="keyPrefix", pattern=r"^[A-Za-z0-9_-]{1,249}$")] = "fleet"


class Selection(Part):
    """Deployments chosen by what they are, at most `limit` of them; their turns are spread evenly over `over`."""

    where: Annotated[Mapping[Where, str], Field(min_length=1)]
    limit: Count | None = None
    over: Moment = 0


class ChangeWhere(Selection, Fields):
    """The Deployments chosen and the fields they get."""

    @model_validator(mode="after")
    def some_fields(self) -> "ChangeWhere":
        """Without fields nothing would happen."""
        if not self.fields:
            raise ValueError("say which fields they get")
        return self


class RequestedOf(Part):
    """One Deployment by its key, or those that `where` chooses: what the owner of a Deployment asks the API for."""

    project: str | None = None
    key: Key | None = None
    where: Annotated[Mapping[Where, str], Field(min_length=1)] | None = None
    limit: Count | None = None
    over: Moment = 0

    @model_validator(mode="after")
    def one_way(self) -> "RequestedOf":
        """Either way of naming, not both."""
        if (self.key is None) == (self.where is None):
            raise ValueError("name a key or say where, one of them")
        if self.where is None and (self.limit is not None or self.over):
            raise ValueError("limit and over are for where")
        return self


class Deploy(Target):
    """A Deployment that is asked for: of a Connector by its key or, for a preview, of a ConnectorStaged.

    Every application is configured, with its defaults where they are not required.
    """

    connector: Key
    type: DeploymentType = "production"
    region: Annotated[str, Field(min_length=1)] = DEFAULT_REGION


class Redeploy(RequestedOf):
    """A redeploy action; both switches are the API's."""

    update_connector: Annotated[bool, Field(alias="updateConnector")] = False
    skip_scripts: Annotated[bool, Field(alias="skipScripts")] = False


class Rollback(Target):
    """A Deployment that goes back to one of its revisions, by default to the last good one before what it is now."""

    revision: Count | None = None


class Named(Part):
    """A ConnectorStaged or a Connector, by key."""

    key: Key


class DraftChange(Named, Fields):
    """A ConnectorStaged and the fields it gets; `visible_to` names the API clients that know of it, none: everybody."""

    known = DRAFT_FIELDS
    noun = "a ConnectorStaged"
    visible_to: tuple[str, ...] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, as raw moves of the world take them."""
        shown = {} if self.visible_to is None else {"visible_to": self.visible_to}
        return {**super().fields, **shown}


class ConnectorChange(Named, Fields):
    """A Connector and the fields it gets."""

    known = CONNECTOR_FIELDS
    noun = "a Connector"


class Publish(Named):
    """A publish action."""

    certification: bool


class Edit(Named):
    """Update actions of any kind, in the API's words."""

    actions: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]


class Comment(Named):
    """A comment of the certification."""

    comment: Annotated[str, Field(min_length=1)]


class Plan(Part):
    """What the next `count` requests of a kind come to, for one key (a Deployment's, else a Connector's) or for `*`.

    `entries` are those of the report, `cause` is the message of the one it has otherwise. `comments` are made when
    certification begins.
    """

    kind: Literal["deploy", "undeploy", "preview", "publish"]
    key: Key | Literal["*"]
    result: str
    entries: tuple[dict[str, Any], ...] = ()
    cause: str = ""
    comments: tuple[str, ...] = ()
    count: Count | Literal["all"] = 1

    @model_validator(mode="after")
    def known_result(self) -> "Plan":
        """Each kind has results of its own."""
        if self.result not in RESULTS[self.kind]:
            raise ValueError(f"a {self.kind} comes to one of {', '.join(RESULTS[self.kind])}")
        return self


class Writing(Part):
    """What one application of a Deployment, its first unless named, writes to its log: `count` of a shape within `over`.

    Records arrive `late` after their timestamps, every `duplicates`-th of them twice.
    """

    application: str | None = None
    shape: str = "info"
    count: Count = 1
    over: Moment = 0
    late: Moment = 0
    duplicates: Annotated[int, Field(ge=0, strict=True)] = 0

    @model_validator(mode="after")
    def known_shape(self) -> "Writing":
        """A misspelt shape is nobody's."""
        if self.shape not in SHAPES:
            raise ValueError(f"no such shape: {self.shape}; there are {', '.join(SHAPES)}")
        return self


class Burst(Target, Writing):
    """A Deployment and what is written for it."""


class Step(Part):
    """One thing that happens."""

    at: Moment
    create: Change | None = None
    fleet: Fleet | None = None
    set: Change | None = None
    set_where: ChangeWhere | None = None
    delete: Target | None = None
    deploy: Deploy | None = None
    redeploy: Redeploy | None = None
    undeploy: RequestedOf | None = None
    rollback: Rollback | None = None
    draft: DraftChange | None = None
    set_draft: DraftChange | None = None
    delete_draft: Named | None = None
    edit: Edit | None = None
    preview: Named | None = None
    publish: Publish | None = None
    comment: Comment | None = None
    connector: ConnectorChange | None = None
    set_connector: ConnectorChange | None = None
    plan: Plan | None = None
    logs: Burst | None = None
    expire_cursors: Literal[True] | None = None
    fault: Annotated[Fault, BeforeValidator(read_fault)] | None = None
    clear_faults: Literal[True] | None = None
    clock_jump: Offset | None = None
    revoke_tokens: Literal[True] | None = None

    @model_validator(mode="after")
    def one_thing(self) -> "Step":
        """A step does exactly one thing."""
        if len(self.model_fields_set - {"at"}) != 1:
            raise ValueError(f"a step needs exactly one of {', '.join(VERBS)}")
        return self

    @property
    def verb(self) -> str:
        """What happens."""
        return next(verb for verb in VERBS if verb in self.model_fields_set)


VERBS = tuple(name for name in Step.model_fields if name != "at")


class Expectation(Part):
    """A message that a watcher is expected to send about the scenario: `count` alerts of that name.

    It is about one `deployment`, one `connector`, or, with neither, about the project or many of its resources. `logs`
    marks what only a watcher can tell that reads logs, too.
    """

    at: Moment
    alert: Annotated[str, Field(min_length=1)]
    state: Literal["firing", "resolved"] = "firing"
    deployment: Key | None = None
    connector: Key | None = None
    count: Count = 1
    logs: bool = False

    @model_validator(mode="after")
    def one_subject(self) -> "Expectation":
        """An alert has one subject."""
        if self.deployment is not None and self.connector is not None:
            raise ValueError("an alert is about a deployment or about a connector")
        return self
