"""What the description says of the lifecycles of the Connect API: legal moves, and reasons to refuse a request.

A model to hold a service against. Where the description is silent, a `Verdict` says that either answer will do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.facts.stage import PARTS

GONE: Final = "(gone)"

Course = Mapping[str, frozenset[str]]
"""By status, the statuses that follow by themselves."""

DEPLOYMENT_COURSE: Final[Course] = {
    "Queued": frozenset({"Deploying"}),
    "Deploying": frozenset({"Deployed", "Failed"}),
    "Undeploying": frozenset({GONE, "UndeployFailed"}),
}
PRIVATE_COURSE: Final[Course] = {"Processing": frozenset({"Published", "Failed"})}
PUBLIC_COURSE: Final[Course] = {
    "Processing": frozenset({"ReadyForCertification", "Failed"}),
    "ReadyForCertification": frozenset({"InCertification", "Failed"}),
    "InCertification": frozenset({"Published", "Failed"}),
}
PREVIEW_COURSE: Final[Course] = {"pending": frozenset({"true", "false", "none"})}

AT_REST: Final = frozenset({"Draft", "Deployed", "Failed", "UndeployFailed"})
"""Statuses in which a Deployment may be redeployed or deleted."""
CERTIFYING: Final = frozenset({"ReadyForCertification", "InCertification"})
ACTIVE: Final = frozenset({"Queued", "Deploying", "Deployed", "Undeploying", "UndeployFailed"})
"""Statuses in which a Deployment certainly still uses its Connector."""

ANY: Final = frozenset({"*"})
"""A refusal whose code is not documented."""


def reachable(course: Course, start: str) -> frozenset[str]:
    """Where a status may have come to by itself, itself included."""
    found, fresh = {start}, {start}
    while fresh:
        fresh = {after for status in fresh for after in course.get(status, frozenset())} - found
        found |= fresh
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The codes of which one must come back, none for a success; with `either`, both are right."""

    codes: frozenset[str] = frozenset()
    either: bool = False

    def allows(self, code: str) -> bool:
        """Whether an answer with that code, "" for a success, is right."""
        if not code:
            return self.either or not self.codes
        return self.either or code in self.codes or self.codes >= ANY


GRANTED: Final = Verdict()
OPEN: Final = Verdict(either=True)


def refused(*codes: str) -> Verdict:
    """A refusal with one of these codes."""
    return Verdict(frozenset(codes))


@dataclass(slots=True, kw_only=True)
class Draft:
    """A ConnectorStaged as it was last seen, and what has become of it; `connector` is what was published of it."""

    payload: dict[str, Any]
    certifying: bool = False
    gone: bool = False
    connector: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return str(self.payload["id"])

    @property
    def key(self) -> str:
        return str(self.payload["key"])

    @property
    def status(self) -> str:
        return str(self.payload["status"])

    @property
    def preview(self) -> str:
        return str(self.payload["isPreviewable"])

    @property
    def course(self) -> Course:
        return PUBLIC_COURSE if self.certifying else PRIVATE_COURSE


@dataclass(slots=True, kw_only=True)
class Deployed:
    """A Deployment as it was last seen."""

    project: str
    payload: dict[str, Any]
    draft: Draft
    gone: bool = False

    @property
    def id(self) -> str:
        return str(self.payload["id"])

    @property
    def key(self) -> str:
        return str(self.payload["key"])

    @property
    def status(self) -> str:
        return GONE if self.gone else str(self.payload["status"])


@dataclass(slots=True, kw_only=True)
class Model:
    """Everything that should exist, and everything that once did."""

    drafts: list[Draft] = field(default_factory=list)
    deployments: list[Deployed] = field(default_factory=list)

    def alive(self, project: str) -> dict[str, Deployed]:
        """The Deployments of a project, by id."""
        return {one.id: one for one in self.deployments if one.project == project and not one.gone}

    def staged(self) -> dict[str, Draft]:
        """The drafts that are there, by id."""
        return {one.id: one for one in self.drafts if not one.gone}

    def users(self, draft: Draft) -> list[Deployed]:
        """The Deployments that are there of a draft or of its Connector."""
        return [one for one in self.deployments if one.draft is draft and not one.gone]


# ── what a request must come to ──────────────────────────────────────────────


def on_create(model: Model, body: Mapping[str, Any]) -> Verdict:
    """A new draft."""
    return refused("DuplicateField") if body["key"] in {one.key for one in model.staged().values()} else GRANTED


def on_update(draft: Draft, version: int, action: Mapping[str, Any]) -> Verdict:
    """An update action on a draft."""
    if draft.gone:
        return refused("ResourceNotFound")
    if version != draft.payload["version"]:
        return refused("ConcurrentModification")
    if draft.status == "Processing":
        return Verdict(ANY)
    if action["action"] == "publish":
        return on_publish(draft, certification=action["certification"])
    if action["action"] == "updatePreviewable":
        return refused("ConnectorStagedPreviewRequestUnderProcess") if draft.preview == "pending" else OPEN
    if action["action"] in {"addPrivateProject", "removePrivateProject"} and not draft.payload["private"]:
        return refused("ConnectorStagedNotPrivate")
    if action["action"] == "addCertificationComment":
        return GRANTED if draft.status in CERTIFYING else OPEN
    at_rest = draft.status not in CERTIFYING and draft.preview != "pending"
    return GRANTED if at_rest and action["action"].startswith("set") else OPEN


def on_publish(draft: Draft, *, certification: bool) -> Verdict:
    """A request to publish; what a draft that is published unchanged does with a second one is not documented."""
    if draft.status in CERTIFYING:
        return refused("ConnectorStagedInCertification") if certification else OPEN
    if draft.status == "Published" or draft.preview == "pending":
        return OPEN
    return GRANTED


def on_delete(model: Model, draft: Draft) -> Verdict:
    """A draft may go once nothing runs of it; whether a failed Deployment counts as running is not documented."""
    if draft.gone:
        return refused("ResourceNotFound")
    users = model.users(draft)
    if any(one.status in ACTIVE for one in users):
        return Verdict(ANY)
    return OPEN if users or draft.status in {"Processing", *CERTIFYING} or draft.preview == "pending" else GRANTED


def on_deploy(model: Model, project: str, draft: Draft, body: Mapping[str, Any]) -> Verdict:
    """A new Deployment of a draft or of its Connector."""
    reference = body["connector"]
    staged = reference.get("staged", False)
    connector = draft.payload if staged else draft.connector
    if draft.gone or connector is None or reference.get("version", connector["version"]) != connector["version"]:
        return refused("ConnectorReferenceNotFound")
    codes = set(unfit(connector, body["configurations"]))
    kinds = {"preview"} if staged else {"sandbox", "production"}
    if body.get("type") not in {None, *kinds}:
        codes.add("DeploymentInvalidType")
    if staged and draft.preview != "true":
        codes.add("ConnectorStagedNotPreviewable")
    if connector.get("supportedRegions") and body["region"] not in connector["supportedRegions"]:
        codes.add("DeploymentUnsupportedRegion")
    if body["key"] in {one.key for one in model.alive(project).values()}:
        codes.add("DuplicateField")
    return Verdict(frozenset(codes))


def on_redeploy(one: Deployed, version: int, action: Mapping[str, Any]) -> Verdict:
    """A redeployment, of the Connector as it was deployed or, with `updateConnector`, as it is now."""
    if one.gone:
        return refused("ResourceNotFound")
    if version != one.payload["version"]:
        return refused("ConcurrentModification")
    if one.status not in AT_REST:
        return refused("DeploymentInvalidStatusTransition")
    codes = set()
    connector = one.payload["connector"]
    if action.get("updateConnector", False):
        if not deployable(one):
            codes.add("DeploymentConnectorUpdateFailure")
        connector = latest(one) or connector
    if "configurationValues" in action:
        codes |= {*unfit(connector, action["configurationValues"])}
        own = {application["applicationName"] for application in one.payload["applications"]}
        if any(given["applicationName"] not in own for given in action["configurationValues"]):
            codes.add("DeploymentApplicationDoNotBelong")
    return Verdict(frozenset(codes))


def latest(one: Deployed) -> dict[str, Any] | None:
    """The Connector of a Deployment as it is now, the ConnectorStaged for a preview."""
    return one.draft.payload if one.payload["type"] == "preview" else one.draft.connector


def deployable(one: Deployed) -> bool:
    """Whether what a Deployment is of could still be deployed where it is."""
    connector = latest(one)
    if one.draft.gone or connector is None:
        return False
    regions = connector.get("supportedRegions") or [one.payload["deployedRegion"]]
    previewable = one.payload["type"] != "preview" or one.draft.preview == "true"
    return previewable and one.payload["deployedRegion"] in regions


def on_undeploy(one: Deployed) -> Verdict:
    """A deletion."""
    if one.gone:
        return refused("ResourceNotFound")
    return GRANTED if one.status in AT_REST else refused("DeploymentInvalidStatusTransition")


def unfit(connector: Mapping[str, Any], given: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why configurations do not fit a Connector."""
    known = {one["applicationName"]: one for one in connector.get("configurations") or []}
    codes = [] if any(one["applicationName"] in known for one in given) else ["DeploymentApplicationRequired"]
    for one in given:
        if one["applicationName"] not in known:
            codes.append("DeploymentUnknownApplicationConfiguration")
        elif any(keys(one, part) - keys(known[one["applicationName"]], part) for part in PARTS):
            codes.append("DeploymentUnknownApplicationConfigurationKey")
    return codes


def keys(application: Mapping[str, Any], part: str) -> set[str]:
    """The names in one part of an application's configuration."""
    return {one["key"] for one in application.get(part) or []}
