"""What the official SDK makes of refusals: every error code it knows, with its status, message and special fields."""

from typing import Any

from tests.peers.sdk import Answer, Client, Step, codes, sdk
from tests.peers.shop import PROJECT, hurried
from tests.peers.steps import (
    DEPLOYMENTS,
    DRAFT,
    DRAFTS,
    GET,
    URL,
    by_id,
    by_key,
    deployment,
    post,
    query,
    update,
    values,
)
from watcher.simulator import Simulator, auth
from watcher.simulator.auth import Access

NOBODY = "5ab3edcd-9d23-4934-8f48-256805253119"
AWS = "eu-central-1.aws"
TOKEN = "bm90aGluZw=="
ANY = {"version": 1}
"""Everything `arrange` makes is at its first version."""

ERRORS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "ConcurrentModification",
    500: "InternalServerError",
    502: "HttpError",
    503: "ServiceUnavailable",
}
"""The SDK's error classes by status; the API's code is in each as `code`."""


def draft(key: str, action: str, **arguments: Any) -> tuple[Step, ...]:
    return (*DRAFTS, by_key(key), update(ANY, action, **arguments))


def redeploy(key: str, **arguments: Any) -> tuple[Step, ...]:
    return (*DEPLOYMENTS, by_key(key), update(ANY, "redeploy", **arguments))


def logs(key: str, **arguments: Any) -> tuple[Step, ...]:
    return (*DEPLOYMENTS, by_key(key), "logs", query(**arguments))


def staged(**repository: str) -> tuple[Step, ...]:
    return (*DRAFTS, post(**{**DRAFT, "key": "fresh", "repository": {"url": URL, "tag": "v1", **repository}}))


def configured(**fields: Any) -> tuple[Step, ...]:
    return (*DEPLOYMENTS, deployment(**{"key": "fresh", **fields}))


def account(**standard: str) -> dict[str, Any]:
    """Global configuration values."""
    return {"standardConfiguration": [{"key": key, "value": value} for key, value in standard.items()]}


def arrange(simulator: Simulator) -> None:
    """Something in every state that a request can be refused in, and a fault for each status without a reason."""
    world = simulator.world
    world.create_drafts(
        1, {"connector": "email-campaigns", "status": "Published", "private": True, **DRAFT, "key": "mailing"}
    )
    world.create_drafts(1, {"key": "draft"})
    world.create_drafts(1, {"key": "pending", "isPreviewable": "pending"})
    world.create_drafts(1, {"key": "processing", "status": "Processing"})
    world.create_drafts(1, {"key": "in-certification", "status": "InCertification"})
    world.create_drafts(1, {"key": "certified", "status": "Published", "private": False})
    for status in ("Queued", "Deploying", "Undeploying"):
        simulator.create(PROJECT, key=status, connector="tax-calculation", status=status)
    simulator.create(PROJECT, key="on-aws", connector="tax-calculation", deployedRegion=AWS)
    simulator.create(PROJECT, key="orphan", connector="loyalty-points")
    world.delete_connector(world.connector_by_key("loyalty-points").id)
    whole = simulator.create(PROJECT, key="partial", connector="order-export")[0]
    simulator.update(whole["id"], applications=whole["applications"][:1], version=1)
    world.production_disabled.add("sealed-shop")
    for fault in (500, 502, 503):
        simulator.fault(f"/{PROJECT}/deployments/key=fault-{fault}", status=fault)


REFUSALS: dict[str, tuple[tuple[Step, ...], str]] = {
    # What is not there
    "deployment by key": (
        (*DEPLOYMENTS, by_key("none"), GET),
        "404 ResourceNotFound: Deployment with key=none does not exist",
    ),
    "deployment by id": (
        (*DEPLOYMENTS, by_id(NOBODY), GET),
        f"404 ResourceNotFound: Deployment with id={NOBODY} does not exist",
    ),
    "deployment to delete": (
        (*DEPLOYMENTS, by_key("none"), ("delete", {})),
        "404 ResourceNotFound: Deployment with key=none does not exist",
    ),
    "deployment of another project": (
        (("withProjectKey", {"projectKey": "another-shop"}), "deployments", by_key("first"), GET),
        "404 ResourceNotFound: Deployment with key=first does not exist",
    ),
    "connector": (("connectors", by_key("none"), GET), "404 ResourceNotFound: Connector with key=none does not exist"),
    "connector of a draft": (
        ("connectors", by_key("draft"), GET),
        "404 ResourceNotFound: Connector with key=draft does not exist",
    ),
    "draft": ((*DRAFTS, by_id(NOBODY), GET), f"404 ResourceNotFound: ConnectorStaged with id={NOBODY} does not exist"),
    "logs of nothing": (logs("none"), "404 ResourceNotFound: Deployment with key=none does not exist"),
    # What makes no sense
    "no id": ((*DEPLOYMENTS, by_id("nonsense"), GET), "400 InvalidPathParam: Request path param is not valid"),
    "too many": ((*DEPLOYMENTS, query(limit=501)), "400 InvalidQueryParam: Request query param is not valid"),
    "no draft": ((*DEPLOYMENTS, post(key="x")), "400 InvalidJsonInput: Request body does not contain valid JSON."),
    "no such action": (draft("draft", "dance"), "400 InvalidJsonInput: Request body does not contain valid JSON."),
    # Another version, a taken key
    "deployment of another version": (
        (*DEPLOYMENTS, by_key("first"), update({"version": 7}, "redeploy")),
        "409 ConcurrentModification: Object key=first has a different version than expected. Expected: 7 - Actual: 1)",
    ),
    "draft of another version": (
        (*DRAFTS, by_key("draft"), update({"version": 7}, "updatePreviewable")),
        "409 ConcurrentModification: Object key=draft has a different version than expected. Expected: 7 - Actual: 1)",
    ),
    "taken key": (configured(key="first"), "400 DuplicateField: A duplicate value first exists for field key."),
    "taken draft": ((*DRAFTS, post(**DRAFT)), "400 DuplicateField: A duplicate value mailing exists for field key."),
    # Drafts
    "projects of a public draft": (
        draft("certified", "addPrivateProject", privateProject="europe-west1.gcp:x-shop"),
        "400 ConnectorStagedNotPrivate: The operation is not valid because ConnectorStaged with key=certified is not private",
    ),
    "project that is not there": (
        draft("draft", "removePrivateProject", privateProject="europe-west1.gcp:x-shop"),
        "400 FieldValueNotFound: The value europe-west1.gcp:x-shop for the privateProjects field was not found",
    ),
    "preview twice": (
        draft("pending", "updatePreviewable"),
        "400 ConnectorStagedPreviewRequestUnderProcess: The ConnectorStaged preview request is already in progress",
    ),
    "certify twice": (
        draft("in-certification", "publish", certification=True),
        "400 ConnectorStagedInCertification: The ConnectorStaged is already in certification",
    ),
    "certify what is": (
        draft("certified", "publish", certification=True),
        "400 ConnectorAlreadyCertified: The ConnectorStaged is already certified",
    ),
    "update while processing": (
        draft("processing", "setName", name="x"),
        "400 InvalidJsonInput: Request body does not contain valid JSON.",
    ),
    "repository": (
        staged(url="git@github.com:example/unreachable.git"),
        "400 GitRepositoryNotReachable: Repository with the tag is not reachable",
    ),
    "no connect.yaml": (
        staged(tag="no-spec"),
        f"400 ConnectorSpecificationFileNotFound: The file connect.yaml at {URL} with the tag no-spec was not found",
    ),
    "bad connect.yaml": (
        staged(tag="bad-spec"),
        f"400 ConnectorSpecificationFileNotValid: The file connect.yaml at {URL} with the tag bad-spec is not valid",
    ),
    # New Deployments
    "unknown connector": (
        configured(connector={"key": "none", "version": 3}),
        "400 ConnectorReferenceNotFound: Connector 'none' with version 3 not found",
    ),
    "not previewable": (
        configured(connector={"key": "draft", "staged": True}, configurations=[]),
        "400 ConnectorStagedNotPreviewable: Connector key=draft with version 1 is not previewable",
    ),
    "type of a connector": (
        configured(type="preview"),
        "400 DeploymentInvalidType: The Connector key=mailing cannot be deployed as a 'preview' type. Only 'sandbox|production' types are allowed.",
    ),
    "production disabled": (
        (
            ("withProjectKey", {"projectKey": "sealed-shop"}),
            "deployments",
            deployment("live", connector={"key": "tax-calculation"}, type="production"),
        ),
        "400 DeploymentProductionDeactivated: Deployments to production are disabled for this Project. Please contact support to enable production deployments.",
    ),
    "region": (configured(region=AWS), f"400 DeploymentUnsupportedRegion: Deployment unsupported region {AWS}"),
    "no application": (
        configured(configurations=[]),
        "400 DeploymentApplicationRequired: A Deployment requires at least one application",
    ),
    "unknown application": (
        configured(configurations=[values("nobody")]),
        "400 DeploymentUnknownApplicationConfiguration: Deployment does not require configuration for application named 'nobody'.",
    ),
    "unknown key": (
        configured(configurations=[values("profile-sync", COLOUR="red")]),
        "400 DeploymentUnknownApplicationConfigurationKey: Deployment does not require standard configuration with key COLOUR for application named profile-sync.",
    ),
    "unknown global key": (
        configured(globalConfiguration=account(MAILING_ACCOUNT="a", COLOUR="red")),
        "400 DeploymentUnknownGlobalConfigurationKey: Deployment global configuration does not require standard with key COLOUR.",
    ),
    "missing global key": (
        configured(globalConfiguration={}),
        "400 DeploymentMissingGlobalConfigurationKey: Deployment global configuration requires standard with key MAILING_ACCOUNT.",
    ),
    "empty global key": (
        configured(globalConfiguration=account(MAILING_ACCOUNT="")),
        "400 DeploymentEmptyRequiredGlobalConfigurationKey: Deployment requires a non empty value for standard global configuration with key MAILING_ACCOUNT.",
    ),
    # Redeployments and deletions
    **{
        f"redeploy while {status}": (
            redeploy(status),
            f"400 DeploymentInvalidStatusTransition: Invalid status change: Already {status.lower()}",
        )
        for status in ("Queued", "Deploying", "Undeploying")
    },
    "delete twice": (
        (*DEPLOYMENTS, by_key("Undeploying"), ("delete", {})),
        "400 DeploymentInvalidStatusTransition: Invalid status change: Already undeploying",
    ),
    "application left out": (
        redeploy("partial", configurationValues=[values("nightly-reconciliation")]),
        "400 DeploymentApplicationDoNotBelong: Deployment with key=partial does not include application: nightly-reconciliation",
    ),
    "update of a connector that is gone": (
        redeploy("orphan", updateConnector=True),
        "400 DeploymentConnectorUpdateFailure: Deployment with key=orphan failed while trying to update Connector key=loyalty-points (cause: Connector not found)",
    ),
    # Logs
    "logs on AWS": (
        logs("on-aws"),
        "400 DeploymentLogMissingApplicationName: Missing application name when fetching deployment logs",
    ),
    "logs of an unknown application": (
        logs("first", applicationName="nobody"),
        "400 DeploymentApplicationDoesNotExist: Deployment does not have an application named nobody.",
    ),
    "logs of long ago": (
        logs("first", startDate="2020-01-01T00:00:00.000Z"),
        "400 DeploymentLogInvalidDate: Invalid start/end date",
    ),
    "logs of a token": (
        logs("first", pageToken=TOKEN),
        f"400 DeploymentLogInvalidPageToken: Invalid page token: {TOKEN}",
    ),
    # Nobody's fault
    "500": ((*DEPLOYMENTS, by_key("fault-500"), GET), "500 General: Write operations are temporarily unavailable"),
    "502": ((*DEPLOYMENTS, by_key("fault-502"), GET), "502 BadGateway: Bad Gateway"),
    "503": (
        (*DEPLOYMENTS, by_key("fault-503"), GET),
        "503 OverCapacity: The service is having trouble handling the load.",
    ),
}
"""For each situation the request, and the status, code and message that have to come back."""

ELSEWHERE = {"AuthenticationError", "AuthorizationError"}
"""The codes that are about who asks, see the last tests."""


async def test_every_refusal_is_the_right_error_of_the_sdk() -> None:
    assert codes() <= {text.split()[1].rstrip(":") for _, text in REFUSALS.values()} | ELSEWHERE
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        arrange(simulator)
        before = {one.id: one.encoded for one in simulator.world.everything()}
        seen = {name: told(await call(*chain)) for name, (chain, _) in REFUSALS.items()}
        assert {one.id: one.encoded for one in simulator.world.everything()} == before
    assert seen == {name: text for name, (_, text) in REFUSALS.items()}


def told(answer: Answer) -> str:
    """The status, code and message of an error, in which the SDK and the body have to agree."""
    assert answer.error is not None, answer.body
    code, message = answer.codes[0], answer.body["message"]
    assert answer.body["statusCode"] == answer.status
    assert (answer.error["name"], answer.error["code"]) == (ERRORS[answer.status], code)
    return f"{answer.status} {code}: {message}"


SPECIAL: dict[str, dict[str, Any]] = {
    "deployment of another version": {"expectedVersion": 7, "currentVersion": 1},
    "taken key": {"field": "key", "duplicateValue": "first"},
    "project that is not there": {"field": "privateProjects", "value": "europe-west1.gcp:x-shop"},
}
DETAILED = ("no id", "too many", "no draft", "no such action", "update while processing")


async def test_errors_of_the_sdk_have_their_special_fields() -> None:
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        arrange(simulator)
        for name, fields in SPECIAL.items():
            (error,) = (await call(*REFUSALS[name][0])).body["errors"]
            assert {key: error.get(key) for key in error if key not in {"code", "message"}} == fields
        for name in DETAILED:
            (error,) = (await call(*REFUSALS[name][0])).body["errors"]
            assert isinstance(error["detailedErrorMessage"], str)
            assert error["detailedErrorMessage"]


async def test_several_mistakes_are_one_answer_of_the_sdk() -> None:
    wrong = configured(configurations=[values("profile-sync", COLOUR="red"), values("nobody")])
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        arrange(simulator)
        refused = await call(*wrong)
    assert refused.codes == [
        "DeploymentUnknownApplicationConfigurationKey",
        "DeploymentUnknownApplicationConfiguration",
    ]
    assert refused.body["message"] == refused.body["errors"][0]["message"]


# ── who asks ─────────────────────────────────────────────────────────────────

VIEWER = Client("viewer", "sesame", (f"view_connectors_deployments:{PROJECT}", f"view_connectors:{PROJECT}"))
MAKER = Client("maker", "sesame", (f"manage_connectors:{PROJECT}",))
ELSEWHERE_SHOP: Step = ("withProjectKey", {"projectKey": "another-shop"})
ASKED: list[tuple[Client, tuple[Step, ...], str]] = [
    (VIEWER, (*DEPLOYMENTS, GET), "200"),
    (VIEWER, (*DEPLOYMENTS, by_key("first"), "logs", GET), "200"),
    (VIEWER, (*DRAFTS, GET), "200"),
    (VIEWER, ("connectors", by_key("mailing"), GET), "200"),
    (VIEWER, redeploy("first"), "403 AuthorizationError: Access denied"),
    (VIEWER, (*DEPLOYMENTS, by_key("first"), ("delete", {})), "403 AuthorizationError: Access denied"),
    (VIEWER, draft("draft", "updatePreviewable"), "403 AuthorizationError: Access denied"),
    (VIEWER, (ELSEWHERE_SHOP, "deployments", GET), "403 AuthorizationError: Access denied"),
    (MAKER, draft("draft", "updatePreviewable"), "201"),
    (MAKER, ("connectors", "search", GET), "200"),
    (MAKER, (*DEPLOYMENTS, GET), "403 AuthorizationError: Access denied"),
]
"""For each client and request what comes of it."""


async def test_a_client_of_the_sdk_may_do_what_its_scopes_say() -> None:
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        arrange(simulator)
        simulator.tokens.access = Access(
            clients=tuple(auth.Client(id=one.id, secret=one.secret, scopes=one.scopes) for one in (VIEWER, MAKER))
        )
        seen = [await call(*chain, by=client) for client, chain, _ in ASKED]
    assert [str(one.status) if one.error is None else told(one) for one in seen] == [text for _, _, text in ASKED]


async def test_a_stranger_to_the_sdk() -> None:
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        nobody = await call(*DEPLOYMENTS, GET, by=None)
        simulator.tokens.access = Access(clients=(auth.Client(id="viewer", secret="else", scopes=VIEWER.scopes),))
        wrong = await call(*DEPLOYMENTS, GET, by=VIEWER)
    assert told(nobody) == "401 AuthenticationError: Bad credentials or Client ID is not defined"
    assert wrong.error is not None
    assert (wrong.status, wrong.error["name"], wrong.error["code"]) == (401, "Unauthorized", "invalid_client")


async def test_the_sdk_replaces_a_revoked_token_once() -> None:
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        assert (await call(*DEPLOYMENTS, GET)).status == 200
        simulator.tokens.revoke()
        assert (await call(*DEPLOYMENTS, GET)).status == 200
        simulator.fault(f"/{PROJECT}/deployments", status=401)
        assert told(await call(*DEPLOYMENTS, GET)) == "401 invalid_token: invalid_token"
        statuses = [entry.status for entry in simulator.requests]
    assert statuses == [200, 200, 401, 200, 200, 401, 200, 401]
