"""Legal requests about Deployments: what is checked, what is refused, what begins.

DeploymentProductionDeactivated is asked for by putting the project into `production_disabled`,
DeploymentConnectorUpdateFailure by deleting a Connector, or by taking the preview from a ConnectorStaged, before a
Deployment of it is updated to its latest state. A Connector with `privateProjects` is found by their requests only,
whatever their region, since the simulator does not know where a Project is hosted; without any, everybody is its creator.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watcher.simulator import lifecycle
from watcher.simulator.catalogue import SCHEDULES, AppType
from watcher.simulator.configuring import application_problems, global_problems, laid_over
from watcher.simulator.connectors import Reference, worded
from watcher.simulator.errors import ApiError, duplicate_field, refused, together
from watcher.simulator.lifecycle import Course, Refusal
from watcher.simulator.payload import SCHEDULE, Payload, applications_of, apps_of, build_of, configurations_of, items
from watcher.simulator.resource import Resource, resource
from watcher.simulator.staged import copy_of
from watcher.simulator.stock import Stock
from watcher.simulator.wanted import (
    ApplicationValues,
    ConnectorReference,
    DeploymentDraft,
    DeploymentUpdate,
    Redeploy,
    Values,
    read,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a Deployment is to be made of; `copy` is what it will show of it."""

    resource: Resource
    payload: Payload
    copy: Payload
    staged: bool


def request_deploy(stock: Stock, project: str, draft: Mapping[str, Any], *, clients: bool = True) -> Resource:
    """Create a Deployment; `clients` says whether the request may have an API Client made. Raises ApiError."""
    wanted = read(draft, DeploymentDraft)
    found = referenced(stock, project, wanted.connector)
    if isinstance(found.payload.get("apiClient"), dict) and not clients:
        raise refused("AuthorizationError")
    kind = wanted.type or ("preview" if found.staged else "sandbox")
    for refusal in unfit(stock, project, found, kind, wanted.region):
        raise refusal
    given, values = wanted.configurations, wanted.global_configuration
    refuse_any([*application_problems(found.copy, given), *global_problems(found.copy, values)])
    if wanted.key is not None and stock.deployed.find(project, wanted.key):
        raise duplicate_field("key", wanted.key)
    payload = {
        "id": stock.chance.uuid(),
        **({} if wanted.key is None else {"key": wanted.key}),
        "version": 1,
        "type": kind,
        "connector": found.copy,
        **global_values(found.copy, values, None),
        **api_client(stock, found.payload),
        "deployedRegion": wanted.region,
        "applications": applications(stock, found.copy, given, []),
        "preview": kind == "preview",
    }
    return begin(stock, project, None, payload, skip_scripts=False)


def request_redeploy(stock: Stock, project: str, ref: Reference, update: Mapping[str, Any]) -> Resource:
    """Deploy a Deployment again. Raises ApiError."""
    old = stock.deployment(project, ref)
    wanted = read(update, DeploymentUpdate)
    payload = old.payload
    refuse_stale(payload, ref, wanted.version)
    refuse_any([lifecycle.may_redeploy(old.status)])
    if len(wanted.actions) > 1:  # the second would find what the first has begun
        refuse_any([lifecycle.may_redeploy("Queued")])
    return again(stock, old, payload, ref, wanted.actions[0])


def request_undeploy(stock: Stock, project: str, ref: Reference, version: int | None = None) -> Resource:
    """Delete a Deployment; a version is checked where one is given, though none is documented. Raises ApiError."""
    old = stock.deployment(project, ref)
    payload = old.payload
    if version is not None:
        refuse_stale(payload, ref, version)
    refuse_any([lifecycle.may_undeploy(old.status)])
    outcome = stock.plans.take("undeploy", names_of(old))
    course = lifecycle.undeploy(build_of(payload), stock.durations, outcome, application=first_application(payload))
    return start(stock, old, {}, course)


def request_rollback(stock: Stock, project: str, ref: Reference, number: int | None = None) -> Resource:
    """Deploy a Deployment again as a revision of it was, by default its last good one. Raises ApiError.

    Public is that this makes a new version of the Deployment and deploys it, the name of the field that tells, and the
    code of the refusal. How the API is asked for it is not public, so it has no endpoint: scenarios and the control API
    ask. Which status allows it is not public either; it is a deployment again, so those are the same.
    """
    old = stock.deployment(project, ref)
    refuse_any([lifecycle.may_redeploy(old.status)])
    wanted = stock.revisions.before(old, number)
    if wanted is None:
        cause = "there is no earlier revision" if number is None else f"there is no revision {number}"
        raise refused("DeploymentRollbackNotAllowed", reference=worded(ref), cause=cause)
    payload = {**old.payload, **wanted.made_of, "rollbackRevision": wanted.number}
    return begin(stock, project, old, payload, skip_scripts=False)


# ── creating ─────────────────────────────────────────────────────────────────


def referenced(stock: Stock, project: str, ref: ConnectorReference) -> Found:
    """The Connector or ConnectorStaged that is meant. Raises ApiError 400 ConnectorReferenceNotFound."""
    shelf = stock.staged if ref.staged else stock.published
    found = shelf.by_id.get(ref.id) if ref.id is not None else shelf.find("", ref.key or "")
    if found is None or not accessible(stock, found, {project}):
        raise unknown_connector(ref)
    payload = found.payload
    if ref.version is not None and payload.get("version") != ref.version:
        raise unknown_connector(ref)
    return made_of(stock, found, payload, staged=bool(ref.staged))


def made_of(stock: Stock, found: Resource, payload: Payload, *, staged: bool) -> Found:
    """A Connector or ConnectorStaged, with what a Deployment shows of it."""
    connector = stock.published.by_id.get(found.id)
    certified = bool(connector.payload.get("certified")) if connector is not None else False
    return Found(resource=found, payload=payload, copy=copy_of(payload, certified=certified), staged=staged)


def accessible(stock: Stock, connector: Resource, projects: Iterable[str]) -> bool:
    """Whether one of the projects may have a Connector or ConnectorStaged."""
    payload = connector.payload
    only = stock.private_projects(connector.id) if payload.get("private") or "isPreviewable" in payload else ()
    allowed = {str(one).rpartition(":")[2] for one in only}
    return not allowed or not allowed.isdisjoint(projects)


def unfit(stock: Stock, project: str, found: Found, kind: str, region: str) -> Iterator[ApiError]:
    """Why that cannot be deployed like this."""
    named = f"id={found.resource.id}" if found.resource.key is None else f"key={found.resource.key}"
    words = {
        "type": kind,
        "allowed": "|".join(lifecycle.DEPLOYABLE[found.staged]),
        "version": found.payload.get("version"),
    }
    for code in lifecycle.may_deploy(kind, staged=found.staged, previewable=found.payload.get("isPreviewable")):
        yield refused(code, reference=named, **words)
    if kind == "production" and project in stock.production_disabled:
        yield refused("DeploymentProductionDeactivated")
    if elsewhere(found.payload, region):
        yield refused("DeploymentUnsupportedRegion", region=region)


def elsewhere(connector: Payload, region: str | None) -> bool:
    """Whether a Connector can only be deployed in other regions."""
    supported = items(connector.get("supportedRegions"))
    return bool(supported) and region not in supported


def unknown_connector(ref: ConnectorReference) -> ApiError:
    """There is no such Connector, or not of that version; one without a version is looked for at its latest."""
    version = "latest" if ref.version is None else ref.version
    return refused("ConnectorReferenceNotFound", identifier=ref.id or ref.key, version=version)


# ── redeploying ──────────────────────────────────────────────────────────────


def again(stock: Stock, old: Resource, payload: Payload, ref: Reference, action: Redeploy) -> Resource:
    """Carry out a redeploy action on a Deployment that may be redeployed."""
    shown = payload.get("connector")
    connector = latest(stock, old, ref) if action.update_connector else shown if isinstance(shown, dict) else {}
    values, given = action.global_configuration, action.configuration_values
    strangers = [] if given is None else foreign(payload, connector, given, updated=bool(action.update_connector))
    problems = [
        *([] if given is None else application_problems(connector, given)),
        *(Refusal(code="DeploymentApplicationDoNotBelong", words={"application": name}) for name in strangers),
        *([] if values is None else global_problems(connector, values, payload.get("globalConfiguration"))),
    ]
    refuse_any(problems, reference=worded(ref))
    known, wanted = applications_of(payload), given or []
    if action.update_connector:
        declared = {name for name, _ in apps_of(connector)}
        known = [one for one in known if one["applicationName"] in declared]
        wanted = [*wanted, *newcomers(payload, connector, wanted)]
    changed = {
        **payload,
        "connector": connector or shown,
        **global_values(connector, values, payload.get("globalConfiguration")),
        "applications": applications(stock, connector, wanted, known),
        "rollbackRevision": None,
    }
    return begin(stock, old.project, old, changed, skip_scripts=bool(action.skip_scripts))


def latest(stock: Stock, old: Resource, ref: Reference) -> Payload:
    """A Deployment's Connector as it is now. Raises ApiError 400 DeploymentConnectorUpdateFailure."""
    staged = old.type == "preview"
    found = (stock.staged if staged else stock.published).by_id.get(old.connector or "")
    payload = {} if found is None else found.payload
    cause = ""
    if found is None:
        cause = "Connector not found"
    elif staged and not lifecycle.is_previewable(payload.get("isPreviewable")):
        cause = "ConnectorStaged is not previewable"
    elif elsewhere(payload, old.region):
        cause = f"Region {old.region} is not supported"
    if found is None or cause:
        connector = f"id={old.connector}" if old.connector_key is None else f"key={old.connector_key}"
        raise refused("DeploymentConnectorUpdateFailure", reference=worded(ref), connector=connector, cause=cause)
    return made_of(stock, found, payload, staged=staged).copy


def foreign(
    payload: Payload, connector: Payload, given: Sequence[ApplicationValues], *, updated: bool
) -> Iterator[str]:
    """The applications of the Connector that the Deployment was made without."""
    own = {one["applicationName"] for one in applications_of(payload)}
    if updated:
        own |= {name for name, _ in apps_of(connector)} - {name for name, _ in apps_of(payload.get("connector"))}
    known = {name for name, _ in apps_of(connector)}
    return (one.application_name for one in given if one.application_name in known - own)


def newcomers(payload: Payload, connector: Payload, given: Sequence[ApplicationValues]) -> list[ApplicationValues]:
    """The applications that a later version of the Connector has added, without values of their own."""
    before = {name for name, _ in apps_of(payload.get("connector"))} | {one.application_name for one in given}
    return [ApplicationValues(application_name=name) for name, _ in apps_of(connector) if name not in before]


# ── either ───────────────────────────────────────────────────────────────────


def begin(stock: Stock, project: str, old: Resource | None, payload: Payload, *, skip_scripts: bool) -> Resource:
    """Let a new attempt begin: of a Deployment that was there, or of a new one."""
    now = stock.clock.now()
    made = resource(project, payload, created=now, modified=now)
    course = lifecycle.deploy(
        stock.chance.uuid(),
        stock.durations,
        stock.plans.take("deploy", names_of(made)),
        application=first_application(payload),
        skip_scripts=skip_scripts,
    )
    if old is not None:
        return start(stock, old, {name: value for name, value in payload.items() if name != "version"}, course)
    made = resource(project, {**payload, **course.at_once}, created=now, modified=now)
    stock.deployed.keep(made)
    stock.progress.begin(("deployment", made.id), course.moves)
    return made


def start(stock: Stock, old: Resource, changes: Mapping[str, Any], course: Course) -> Resource:
    """Let a course begin on a Deployment that is there."""
    new = stock.alter_deployment(old, {**changes, **course.at_once}, stock.clock.now())
    stock.progress.begin(("deployment", new.id), course.moves)
    return new


def applications(
    stock: Stock, connector: Payload, given: Sequence[ApplicationValues], known: Sequence[Payload]
) -> list[Payload]:
    """A Deployment's applications after a request: those `known` stay in their place, those only given are added."""
    declared = {one["applicationName"]: one for one in configurations_of(connector)}
    wanted = {one.application_name: one for one in given}
    made = [
        {**one, **configured(one, wanted.get(one["applicationName"]), declared.get(one["applicationName"], {}))}
        for one in known
    ]
    here = {one["applicationName"] for one in known}
    for name, values in wanted.items():
        if name not in here:
            bare = {"id": stock.chance.uuid(), "applicationName": name}
            made.append({**bare, **configured({}, values, declared.get(name, {}))})
    return made


def configured(earlier: Payload, given: ApplicationValues | None, declared: Payload) -> Payload:
    """An application's configuration after a request, and when it runs where it is a job."""
    values: Payload = dict(laid_over(earlier, given, declared))
    if declared.get("applicationType") == AppType.JOB:
        name = declared["applicationName"]
        values["schedule"] = (given and given.schedule) or earlier.get("schedule") or SCHEDULES.get(name, SCHEDULE)
    return values


def global_values(connector: Payload, given: Values | None, earlier: Any) -> Payload:
    """The global configuration after a request, where the Connector has any."""
    declared = connector.get("globalConfiguration")
    if not declared:
        return {} if earlier is None else {"globalConfiguration": earlier}
    return {"globalConfiguration": laid_over(earlier, given, declared)}


def api_client(stock: Stock, connector: Payload) -> Payload:
    """The API Client that a Deployment is given where its Connector asks for one."""
    wanted = connector.get("apiClient")
    if not isinstance(wanted, dict):
        return {}
    return {"apiClient": {"name": stock.chance.letters(24), "scopes": wanted.get("scopes", [])}}


def names_of(found: Resource) -> tuple[str | None, ...]:
    """What a plan may call a Deployment by, nearest first."""
    return found.key, found.id, found.connector_key, found.connector


def first_application(payload: Payload) -> str | None:
    """The application that failures are blamed on."""
    return next((one["applicationName"] for one in applications_of(payload)), None)


def refuse_stale(payload: Payload, ref: Reference, version: int) -> None:
    """Raise ApiError 409 where a request is about another version than there is."""
    current = payload.get("version")
    if lifecycle.is_stale(current, version):
        words = {"expectedVersion": version, "currentVersion": current}
        raise refused("ConcurrentModification", reference=worded(ref), **words)


def refuse_any(problems: Iterable[Refusal | None], **words: Any) -> None:
    """Raise one ApiError that lists the refusals, if any. `words` are further ones for their messages."""
    found = [refused(one.code, **{**words, **one.words}) for one in problems if one is not None]
    if found:
        raise together(found)
