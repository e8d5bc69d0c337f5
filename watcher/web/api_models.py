"""What the API takes and answers. The same models check the input, write the answers and describe both in OpenAPI.

Names are in camel case, as in Alertmanager's API and in our webhook; points in time are RFC 3339.
"""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from watcher.core import duration
from watcher.redact import strip

MOST = 1_000
"""Items of one answer."""


def _length(text: str) -> str:
    if duration.parse(text) <= 0:
        raise ValueError('write a duration like "30m", "2h" or "1d12h"')
    return text


def _visible(text: str) -> str:
    if not strip(text).strip():
        raise ValueError("must say something that can be seen")
    return text


# What is bounded in length must be valid Unicode as well: pydantic refuses lone surrogates then.
Text: TypeAlias = Annotated[str, Field(max_length=1_000)]
Filter: TypeAlias = Annotated[str, Field(max_length=8_192)]
Identifier: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Length: TypeAlias = Annotated[str, Field(max_length=60), AfterValidator(_length)]
Time: TypeAlias = str


class Model(BaseModel):
    """One object of the API."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


# ── what is asked ────────────────────────────────────────────────────────────


class Nothing(Model):
    """No parameters."""


class Page(Model):
    """Which part of a list."""

    limit: int = Field(default=100, ge=1, le=MOST)
    """How many items at most."""
    offset: int = Field(default=0, ge=0, le=10_000_000)
    """How many to pass over."""


class AlertQuery(Page):
    """Which alerts."""

    filter: tuple[Filter, ...] = Field(default=(), max_length=100)
    """Matchers in Alertmanager's grammar on labels; all of them must match. May be repeated."""
    state: Literal["firing", "pending", "resolved"] | None = None
    """`pending` waits for its rule's `for`, `resolved` to be told."""
    silenced: bool | None = None
    """Only those that are, or are not, silenced."""
    acknowledged: bool | None = None
    """Only those that are, or are not, acknowledged."""


class DeploymentQuery(Page):
    """Which Deployments."""

    project: Text = ""
    status: Text = ""
    type: Text = ""


class DeadLetterQuery(Model):
    """Which dead letters, newest first."""

    sink: Text = ""
    """Only those of this sink, like `team/slack/0`."""
    limit: int = Field(default=100, ge=1, le=MOST)
    before: int = Field(default=0, ge=0, le=2**62)
    """Only those older than the one with this number; 0 for the newest."""


class OfId(Model):
    """One thing by its id."""

    id: Identifier


class Replay(Model):
    """Which dead letters to send again: some by id, or all of a sink."""

    ids: tuple[Identifier, ...] = Field(default=(), max_length=MOST)
    sink: Text = ""
    author: Text = ""
    """Who wants that, for the audit."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.ids) == bool(self.sink):
            raise ValueError("give either ids or sink")
        return self


class SilenceQuery(Model):
    """Which silences."""

    ended: bool = False
    """Those that have ended as well."""


class Expiry(OfId):
    """Which silence to end, and who wants that."""

    author: Text = ""


class NewSilence(Model):
    """A silence to make. Say when it ends: `duration`, `endsAt` or `untilDeployment`."""

    matchers: tuple[Filter, ...] = Field(min_length=1, max_length=100)
    """In Alertmanager's grammar; all of them must match."""
    comment: Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_visible)]
    """Why."""
    author: Text = ""
    starts_at: AwareDatetime | None = None
    """By default now."""
    ends_at: AwareDatetime | None = None
    duration: Length | None = None
    """Instead of `endsAt`, like `2h`."""
    until_deployment: bool = False
    """Ends when what it is about is deployed anew."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.ends_at is not None and self.duration is not None:
            raise ValueError("give either endsAt or duration")
        if self.ends_at is None and self.duration is None and not self.until_deployment:
            raise ValueError("say when it ends: duration, endsAt or untilDeployment")
        return self


class Acknowledge(Model):
    """Somebody takes care of a group of alerts: it is not repeated until it changes."""

    group_key: str = Field(min_length=1, max_length=20_000)
    """As an alert shows it."""
    author: Text = ""


class AuditQuery(Model):
    """How much of the audit, newest first."""

    limit: int = Field(default=100, ge=1, le=MOST)


# ── what is answered ─────────────────────────────────────────────────────────


class Membership(Model):
    """One receiver that an alert is told to, and what it has heard."""

    receiver: str
    group_key: str
    told: bool
    """Whether what is so now has been told, or is on its way."""
    acknowledged_by: str
    """Who takes care of it; empty where nobody does."""


class AlertModel(Model):
    """An alert."""

    fingerprint: str
    state: Literal["firing", "pending", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    since: Time
    """When its condition began."""
    starts_at: Time | None
    """When it began to fire."""
    ends_at: Time | None
    fact: bool
    """Told once, never resolved."""
    known: bool
    """Its condition held when it was first looked for: known, and not told."""
    silenced_by: tuple[str, ...]
    """Ids of silences."""
    acknowledged: bool
    groups: tuple[Membership, ...]


class Alerts(Model):
    """A page of alerts, newest first."""

    total: int
    """How many there are in all."""
    alerts: tuple[AlertModel, ...]


class SourceModel(Model):
    """How well a source is seen."""

    project: str
    source: str
    last_read: Time | None
    """When it was last read in full."""
    blind: bool
    failures: int
    """Failed reads since then."""
    error: str


class DeploymentModel(Model):
    """A Deployment as last seen."""

    id: str
    key: str
    project: str
    region: str
    type: str
    status: str
    since: Time | None
    """Since when it is deployed, else when the attempt under way or failed was first seen."""
    connector: str
    connector_version: int
    build: str
    applications: tuple[str, ...]


class Deployments(Model):
    """A page of Deployments by project and key, and how well their sources are seen."""

    total: int
    deployments: tuple[DeploymentModel, ...]
    sources: tuple[SourceModel, ...]


class DeadLetter(Model):
    """A message that was given up."""

    id: str
    number: int
    """Grows with every message; what `before` is about."""
    sink: str
    severity: str
    title: str
    created_at: Time
    attempts: int
    unknown_outcomes: int
    """Attempts of which nobody knows whether they arrived."""
    last_error: str


class DeadLetterWhole(DeadLetter):
    """A message that was given up, with all of it."""

    lane: str
    """What keeps it in order."""
    notification: dict[str, object] | None
    """What was to be told; nothing where it cannot be read."""
    body: str | None
    """What was sent; nothing where it was never tried."""


class DeadLetters(Model):
    """A page of dead letters, newest first."""

    dead_letters: tuple[DeadLetter, ...]
    next: int
    """The `before` of the next page; 0 where there is none."""


class Replayed(Model):
    """What became of a replay."""

    replayed: tuple[str, ...]
    """Those that are sent again, in this order."""
    not_dead: tuple[str, ...]
    """Those asked for that are no dead letters."""


class SilenceModel(Model):
    """A silence."""

    id: str
    matchers: tuple[str, ...]
    author: str
    comment: str
    starts_at: Time
    ends_at: Time | None
    until_deployment: bool
    state: Literal["pending", "active", "ended"]


class Silences(Model):
    """All silences that were asked for."""

    silences: tuple[SilenceModel, ...]


class Acknowledged(Model):
    """What became of it."""

    alerts: int
    """How many firing alerts are now acknowledged."""


class AuditModel(Model):
    """Somebody has done something."""

    at: Time
    actor: str
    action: str
    subject: str
    detail: str


class AuditTrail(Model):
    """What was done by whom, newest first."""

    audit: tuple[AuditModel, ...]


class ErrorModel(Model):
    """One thing that is wrong with a request."""

    at: str
    problem: str


class ProblemModel(Model):
    """Why a request was not done (RFC 9457), and what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[ErrorModel, ...] = ()
