"""Every error code of the official description, reached by a request; the caller judges status, message and fields."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.facts.caller import PROJECT, Answer
from tests.facts.judge import status_of
from tests.facts.stage import AWS, CLOSED, DEPLOYMENTS, DRAFTS, GLOBAL, NOBODY, Stage, draft_body
from tests.facts.table import ANNOUNCED_ERRORS, TABLE

Reach = Callable[[Stage], Awaitable[Answer]]
WAYS: dict[str, list[Reach]] = {}


def reaches(code: str) -> Callable[[Reach], Reach]:
    """The request is refused with that code."""

    def listed(way: Reach) -> Reach:
        WAYS.setdefault(code, []).append(way)
        return way

    return listed


# ── every endpoint ───────────────────────────────────────────────────────────


@reaches("AuthenticationError")
async def no_token(stage: Stage) -> Answer:
    return await stage.caller.ask(f"GET {DEPLOYMENTS}", token="")


@reaches("AuthorizationError")
async def another_scope(stage: Stage) -> Answer:
    token = await stage.caller.token_for(f"view_connectors:{PROJECT}")
    return await stage.caller.ask(f"POST {DRAFTS}", draft_body("fresh"), token=token)


@reaches("ResourceNotFound")
async def no_such_deployment(stage: Stage) -> Answer:
    return await stage.caller.ask(f"GET {DEPLOYMENTS}/{{ID}}", ID=NOBODY)


@reaches("ResourceNotFound")
async def no_such_draft(stage: Stage) -> Answer:
    return await stage.caller.ask(f"DELETE {DRAFTS}/key={{key}}", key="nobody")


@reaches("ResourceNotFound")
async def no_such_connector(stage: Stage) -> Answer:
    await stage.draft("never-published")
    return await stage.caller.ask("GET /connectors/key={key}", key="never-published")


@reaches("InvalidPathParam")
async def no_id(stage: Stage) -> Answer:
    return await stage.caller.ask(f"GET {DEPLOYMENTS}/{{ID}}", ID="not-an-id")


@reaches("InvalidQueryParam")
async def too_many(stage: Stage) -> Answer:
    return await stage.caller.ask(f"GET {DEPLOYMENTS}", query={"limit": 501})


@reaches("InvalidJsonInput")
async def no_json(stage: Stage) -> Answer:
    return await stage.caller.ask(f"POST {DEPLOYMENTS}", raw=b"{")


@reaches("ConcurrentModification")
async def version_of_yesterday(stage: Stage) -> Answer:
    await stage.draft("subject")
    return await change(stage, "subject", off=-1, action="setName", name="Another")


@reaches("ConcurrentModification")
async def version_of_a_deployment(stage: Stage) -> Answer:
    await stage.published("fine")
    await stage.deployed("fine", "subject")
    return await redeploy(stage, "subject", off=1)


@reaches("General")
async def a_fault_within(stage: Stage) -> Answer:
    await stage.caller.control("POST", "/faults", {"path": "/*", "status": 500})
    return await stage.caller.ask(f"GET {DEPLOYMENTS}")


@reaches("BadGateway")
async def a_fault_before(stage: Stage) -> Answer:
    await stage.caller.control("POST", "/faults", {"path": "/*", "status": 502})
    return await stage.caller.ask(f"GET {DRAFTS}")


@reaches("DuplicateField")
async def key_of_another_draft(stage: Stage) -> Answer:
    await stage.draft("subject")
    return duplicate(await stage.caller.ask(f"POST {DRAFTS}", draft_body("subject")))


@reaches("DuplicateField")
async def key_of_another_deployment(stage: Stage) -> Answer:
    await stage.published("fine")
    await stage.deploy("fine", "subject")
    return duplicate(await create(stage, "fine", key="subject"))


def duplicate(answer: Answer) -> Answer:
    assert answer.body["errors"][0] | {"field": "key", "duplicateValue": "subject"} == answer.body["errors"][0]
    return answer


# ── ConnectorStaged ──────────────────────────────────────────────────────────


async def change(stage: Stage, key: str, *, off: int = 0, **action: Any) -> Answer:
    """An update action on a draft."""
    was = await stage.staged(key)
    body = {"version": was["version"] + off, "actions": [action]}
    return await stage.caller.ask(f"POST {DRAFTS}/{{ID}}", body, ID=was["id"])


@reaches("ConnectorAlreadyCertified")
async def certified_once_more(stage: Stage) -> Answer:
    await stage.published("subject", certification=True)
    return await change(stage, "subject", action="publish", certification=True)


@reaches("ConnectorStagedInCertification")
async def published_during_certification(stage: Stage) -> Answer:
    await stage.certifying("subject")
    return await change(stage, "subject", action="publish", certification=True)


@reaches("ConnectorStagedNotPrivate")
async def project_of_a_public_connector(stage: Stage) -> Answer:
    await stage.published("subject", certification=True)
    return await change(stage, "subject", action="addPrivateProject", privateProject="europe-west1.gcp:gamma")


@reaches("ConnectorStagedNotPrivate")
async def project_taken_from_a_public_connector(stage: Stage) -> Answer:
    await stage.published("subject", certification=True)
    return await change(stage, "subject", action="removePrivateProject", privateProject=f"europe-west1.gcp:{PROJECT}")


@reaches("FieldValueNotFound")
async def project_that_is_not_listed(stage: Stage) -> Answer:
    await stage.draft("subject")
    return await change(stage, "subject", action="removePrivateProject", privateProject="europe-west1.gcp:gamma")


@reaches("ConnectorStagedPreviewRequestUnderProcess")
async def previewed_twice_at_once(stage: Stage) -> Answer:
    await stage.draft("subject")
    await stage.change("subject", "updatePreviewable")
    return await change(stage, "subject", action="updatePreviewable")


@reaches("GitRepositoryNotReachable")
async def repository_that_is_not_there(stage: Stage) -> Answer:
    return await created_from(stage, url="https://github.com/acme/unreachable")


@reaches("ConnectorSpecificationFileNotFound")
async def repository_without_connect_yaml(stage: Stage) -> Answer:
    return await created_from(stage, tag="no-spec")


@reaches("ConnectorSpecificationFileNotValid")
async def repository_with_nonsense_in_connect_yaml(stage: Stage) -> Answer:
    return await created_from(stage, tag="bad-spec")


async def created_from(stage: Stage, **fields: Any) -> Answer:
    """A new draft whose source has something wrong; a draft that is there answers the same to its new repository."""
    repository = {"url": "https://github.com/acme/connector", "tag": "1.0.0", **fields}
    await stage.draft("subject")
    answer = await change(stage, "subject", action="setRepository", **repository)
    assert answer == await stage.caller.ask(f"POST {DRAFTS}", draft_body("fresh", repository=repository))
    return answer


# ── new Deployments ──────────────────────────────────────────────────────────


async def create(stage: Stage, connector: str, **fields: Any) -> Answer:
    """A request for a Deployment."""
    body = await stage.deployment_body(connector, fields.pop("key", "fresh"), **fields)
    return await stage.caller.ask(f"POST {DEPLOYMENTS}", body)


@reaches("ConnectorReferenceNotFound")
async def no_such_reference(stage: Stage) -> Answer:
    body = {"connector": {"key": "nobody", "version": 1}, "configurations": [], "region": AWS}
    return await stage.caller.ask(f"POST {DEPLOYMENTS}", body)


@reaches("ConnectorReferenceNotFound")
async def draft_that_was_never_published(stage: Stage) -> Answer:
    await stage.draft("subject")
    staged = await stage.deployment_body("subject", "fresh", staged=True)
    body = {**staged, "connector": {"key": "subject", "version": 1}}
    return await stage.caller.ask(f"POST {DEPLOYMENTS}", body)


@reaches("ConnectorStagedNotPreviewable")
async def draft_that_was_never_previewed(stage: Stage) -> Answer:
    await stage.draft("subject")
    return await create(stage, "subject", staged=True)


@reaches("DeploymentInvalidType")
async def connector_as_a_preview(stage: Stage) -> Answer:
    await stage.published("fine")
    return await create(stage, "fine", type="preview")


@reaches("DeploymentInvalidType")
async def draft_for_production(stage: Stage) -> Answer:
    await stage.previewed("fine")
    return await create(stage, "fine", staged=True, type="production")


@reaches("DeploymentUnsupportedRegion")
async def region_that_a_connector_is_not_for(stage: Stage) -> Answer:
    await stage.published("fine")
    return await create(stage, "fine", region="australia-southeast1.gcp")


@reaches("DeploymentProductionDeactivated")
async def project_that_is_not_for_production(stage: Stage) -> Answer:
    await stage.published("fine", privateProjects=[f"europe-west1.gcp:{CLOSED}"])
    body = await stage.deployment_body("fine", "fresh", type="sandbox")
    await stage.caller.good(f"POST {DEPLOYMENTS}", body, projectKey=CLOSED)
    return await stage.caller.ask(f"POST {DEPLOYMENTS}", {**body, "key": "x1", "type": "production"}, projectKey=CLOSED)


def application(name: str, *keys: str) -> dict[str, Any]:
    """The configuration of an application."""
    given = [{"key": key, "value": "x"} for key in keys]
    return {"applicationName": name, "standardConfiguration": given, "securedConfiguration": []}


@reaches("DeploymentUnknownApplicationConfiguration")
async def application_that_nobody_has(stage: Stage) -> Answer:
    await stage.published("fine", specified=True)
    return await create(stage, "fine", configurations=[application("service", "HOST"), application("nobody")])


@reaches("DeploymentUnknownApplicationConfigurationKey")
async def key_that_an_application_does_not_ask_for(stage: Stage) -> Answer:
    await stage.published("fine", specified=True)
    return await create(stage, "fine", configurations=[application("service", "NOBODY_ASKED")])


@reaches("DeploymentApplicationRequired")
async def no_application(stage: Stage) -> Answer:
    await stage.published("fine", specified=True)
    return await create(stage, "fine", configurations=[])


@reaches("DeploymentUnknownGlobalConfigurationKey")
async def global_key_that_is_not_asked_for(stage: Stage) -> Answer:
    return await configured_globally(stage, {"key": "TENANT", "value": "acme"}, {"key": "NOBODY", "value": "x"})


@reaches("DeploymentMissingGlobalConfigurationKey")
async def global_key_that_is_missing(stage: Stage) -> Answer:
    return await configured_globally(stage, {"key": "MODE", "value": "x"})


@reaches("DeploymentEmptyRequiredGlobalConfigurationKey")
async def global_key_that_is_empty(stage: Stage) -> Answer:
    return await configured_globally(stage, {"key": "TENANT", "value": ""})


async def configured_globally(stage: Stage, *standard: dict[str, str]) -> Answer:
    """A Deployment with these standard values for all its applications."""
    await stage.published("fine", specified=True)
    return await create(stage, "fine", globalConfiguration={**GLOBAL, "standardConfiguration": [*standard]})


# ── Deployments that are there ───────────────────────────────────────────────


async def redeploy(stage: Stage, key: str, *, off: int = 0, **fields: Any) -> Answer:
    """A redeploy action on a Deployment."""
    was = await stage.caller.good(f"GET {DEPLOYMENTS}/key={{key}}", key=key)
    body = {"version": was["version"] + off, "actions": [{"action": "redeploy", **fields}]}
    return await stage.caller.ask(f"POST {DEPLOYMENTS}/key={{key}}", body, key=key)


@reaches("DeploymentInvalidStatusTransition")
async def redeployed_in_the_queue(stage: Stage) -> Answer:
    return await redeployed_while(stage, "Queued", "Already queued")


@reaches("DeploymentInvalidStatusTransition")
async def redeployed_while_deploying(stage: Stage) -> Answer:
    return await redeployed_while(stage, "Deploying", "Already deploying")


@reaches("DeploymentInvalidStatusTransition")
async def redeployed_while_undeploying(stage: Stage) -> Answer:
    return await redeployed_while(stage, "Undeploying", "Already undeploying")


async def redeployed_while(stage: Stage, status: str, words: str) -> Answer:
    """A redeploy action in a status that does not allow it."""
    fields = {"projects": [PROJECT], "count": 1, "key": "subject", "status": status}
    await stage.caller.control("POST", "/deployments", fields)
    answer = await redeploy(stage, "subject")
    assert answer.body["message"].endswith(words)
    return answer


@reaches("DeploymentApplicationDoNotBelong")
async def application_that_the_deployment_lacks(stage: Stage) -> Answer:
    await stage.published("fine", specified=True)
    body = await stage.deployment_body("fine", "subject")
    await stage.deployed("fine", "subject", configurations=body["configurations"][:1])
    return await redeploy(stage, "subject", configurationValues=body["configurations"])


@reaches("DeploymentConnectorUpdateFailure")
async def connector_that_cannot_be_deployed_any_longer(stage: Stage) -> Answer:
    await stage.previewed("fine")
    await stage.deployed("fine", "subject", staged=True)
    await stage.change("fine", "setRepository", url="https://github.com/acme/connector", tag="2.0.0")
    return await redeploy(stage, "subject", updateConnector=True)


@reaches("DeploymentUnknownApplicationConfigurationKey")
async def key_that_an_application_still_does_not_ask_for(stage: Stage) -> Answer:
    await stage.published("fine", specified=True)
    await stage.deployed("fine", "subject")
    return await redeploy(stage, "subject", configurationValues=[application("service", "NOBODY_ASKED")])


@reaches("DeploymentApplicationRequired")
async def redeployed_without_applications(stage: Stage) -> Answer:
    await stage.published("fine", specified=True)
    await stage.deployed("fine", "subject")
    return await redeploy(stage, "subject", configurationValues=[])


# ── logs ─────────────────────────────────────────────────────────────────────


async def logs(stage: Stage, **query: str) -> Answer:
    """A request for the logs of a Deployment."""
    await stage.published("fine", specified=True)
    await stage.deployed("fine", "subject", region=query.pop("region", "europe-west1.gcp"))
    return await stage.caller.ask(f"GET {DEPLOYMENTS}/key={{key}}/logs", query=query, key="subject")


@reaches("DeploymentApplicationDoesNotExist")
async def logs_of_nobody(stage: Stage) -> Answer:
    return await logs(stage, applicationName="nobody")


@reaches("DeploymentLogInvalidDate")
async def logs_of_long_ago(stage: Stage) -> Answer:
    return await logs(stage, startDate="2001-01-01T00:00:00.000Z")


@reaches("DeploymentLogInvalidPageToken")
async def logs_after_nothing(stage: Stage) -> Answer:
    return await logs(stage, pageToken="made-up")


@reaches("DeploymentLogMissingApplicationName")
async def logs_on_aws(stage: Stage) -> Answer:
    return await logs(stage, region=AWS)


# ── all of them ──────────────────────────────────────────────────────────────


def test_every_code_of_the_description_is_reached_and_no_other() -> None:
    assert WAYS.keys() - ANNOUNCED_ERRORS.keys() == TABLE.errors.keys()


@pytest.mark.parametrize(
    ("code", "way"),
    [pytest.param(code, way, id=f"{code}-{way.__name__}") for code, ways in WAYS.items() for way in ways],
)
async def test_a_code_is_reached(stage: Stage, code: str, way: Reach) -> None:
    answer = await way(stage)
    assert (answer.code, answer.status) == (code, status_of(code))
