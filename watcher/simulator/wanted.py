"""What request bodies have to look like: the official draft and update types. Fields nobody documented are ignored."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from watcher.simulator.errors import invalid_json
from watcher.simulator.facts import KEY, PROJECT_IDENTIFIER, DeploymentType, IntegrationType

Wanted = TypeVar("Wanted")

Text = Annotated[str, Meta(min_length=1)]
Key = Annotated[str, Meta(pattern=rf"\A(?:{KEY.pattern})\Z")]
ApplicationName = Key
ProjectIdentifier = Annotated[str, Meta(pattern=rf"\A(?:{PROJECT_IDENTIFIER.pattern})\Z")]


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Anything in a request body."""


# ── Deployments ──────────────────────────────────────────────────────────────


class Value(Body, frozen=True, kw_only=True):
    """A configuration value. Without `value` the key is named only, as the type of a redeployment's has it."""

    key: Text
    value: str | None = None


class Values(Body, frozen=True, kw_only=True):
    """Configuration values, in plain text and secret."""

    standard_configuration: list[Value] | None = None
    secured_configuration: list[Value] | None = None


class ApplicationValues(Values, frozen=True, kw_only=True):
    """Those of one application."""

    application_name: Text
    schedule: str | None = None


class ConnectorReference(Body, frozen=True, kw_only=True):
    """The Connector, or with `staged` the ConnectorStaged, by id or key."""

    id: Text | None = None
    key: Text | None = None
    staged: bool | None = None
    version: int | None = None

    def __post_init__(self) -> None:
        """One of the two has to be there."""
        if self.id is None and self.key is None:
            raise ValueError("either id or key is required")


class DeploymentDraft(Body, frozen=True, kw_only=True):
    """A Deployment to be created."""

    key: Key | None = None
    type: DeploymentType | None = None
    connector: ConnectorReference
    configurations: list[ApplicationValues]
    global_configuration: Values | None = None
    region: Text


class Redeploy(Body, frozen=True, kw_only=True):
    """The one update action of a Deployment."""

    action: Literal["redeploy"]
    skip_scripts: bool | None = None
    configuration_values: list[ApplicationValues] | None = None
    global_configuration: Values | None = None
    update_connector: bool | None = None


class DeploymentUpdate(Body, frozen=True, kw_only=True):
    """An update of a Deployment. Whether one without actions would be taken is unknown; here it is not."""

    version: int
    actions: Annotated[list[Redeploy], Meta(min_length=1)]


# ── ConnectorStaged ──────────────────────────────────────────────────────────


class Creator(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Who made a Connector."""

    email: Text
    name: str | None = None
    title: str | None = None
    company: str | None = None
    logo_url: str | None = None
    no_of_contributors: Annotated[int, Meta(ge=1)] | None = None
    support_url: str | None = None


class Repository(Body, frozen=True, kw_only=True):
    """Where the source of a Connector is."""

    url: Text
    tag: Text


class ConnectorStagedDraft(Body, frozen=True, kw_only=True):
    """A ConnectorStaged to be created."""

    key: Key | None = None
    name: Text
    description: str | None = None
    integration_types: list[IntegrationType] | None = None
    creator: Creator
    repository: Repository
    supported_regions: list[Text] | None = None
    private_projects: list[ProjectIdentifier] | None = None
    documentation_url: str | None = None


def read(body: Mapping[str, Any], kind: type[Wanted]) -> Wanted:
    """A request body as its type. Raises ApiError 400 InvalidJsonInput that says what is wrong and where."""
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise invalid_json(str(error)) from None
