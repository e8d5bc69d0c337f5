"""What the official CLI shows of refusals: exit code 2, and the code and message of the right error."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.peers.cli import Ended, official_cli
from tests.peers.shop import PROJECT, hurried
from watcher.simulator import Simulator
from watcher.simulator.auth import Access, Client

AWS = "eu-central-1.aws"
SHOWN = re.compile(
    r"Details: - Code: (\w+) Message: (.*?)(?: Details: .*?)? Correlation ID: commercetools-cli-[0-9a-f]{32}$"
)
YES = (("cannot be undone", "y\r"),)
HERE = "--region europe-west1.gcp"
REPOSITORY = "https://github.com/example/tax-calculation.git"
NEW_DRAFT = f"connectorstaged create --name Tax --creator-email dev@example.com --repository-url {REPOSITORY}"

Table = Mapping[str, str]
"""What is refused: by the words after `commercetools connect`, the error's code and message."""

DEPLOYMENTS: Table = {
    "deployment describe --key none": "ResourceNotFound: Deployment with key=none does not exist",
    "deployment redeploy --key none": "ResourceNotFound: Deployment with key=none does not exist",
    "deployment delete --key none": "ResourceNotFound: Deployment with key=none does not exist",
    "deployment redeploy --key queued": "DeploymentInvalidStatusTransition: Invalid status change: Already queued",
    "deployment redeploy --key deploying": "DeploymentInvalidStatusTransition: Invalid status change: Already deploying",
    "deployment delete --key undeploying": "DeploymentInvalidStatusTransition: Invalid status change: Already undeploying",
    "deployment redeploy --key partial --configuration order-listener.LOG_LEVEL=debug": (
        "DeploymentApplicationDoNotBelong: Deployment with key=partial does not include application: nightly-reconciliation"
    ),
    "deployment list --limit 501": "InvalidQueryParam: Request query param is not valid",
}
CREATIONS: Table = {
    f"deployment create --connector-key none {HERE}": "ResourceNotFound: Connector with key=none does not exist",
    f"deployment create --connector-key draft {HERE}": "ResourceNotFound: Connector with key=draft does not exist",
    f"deployment create --connector-key none --connector-staged {HERE}": (
        "ResourceNotFound: ConnectorStaged with key=none does not exist"
    ),
    f"deployment create --connector-key draft --connector-staged {HERE}": (
        "ConnectorStagedNotPreviewable: Connector key=draft with version 1 is not previewable"
    ),
    f"deployment create --connector-key previewable --connector-staged --type production {HERE}": (
        "DeploymentInvalidType: The Connector key=previewable cannot be deployed as a 'production' type."
        " Only 'preview' types are allowed."
    ),
    f"deployment create --connector-key of-others {HERE}": (
        "ConnectorReferenceNotFound: Connector 'of-others' with version 1 not found"
    ),
    f"deployment create --connector-key european --region {AWS}": (
        f"DeploymentUnsupportedRegion: Deployment unsupported region {AWS}"
    ),
    f"deployment create --connector-key email-campaigns {HERE}": (
        "DeploymentMissingGlobalConfigurationKey:"
        " Deployment global configuration requires standard with key MAILING_ACCOUNT."
    ),
    f"deployment create --connector-key gift-cards --key queued {HERE}": (
        "DuplicateField: A duplicate value queued exists for field key."
    ),
}
DRAFTS: Table = {
    "connectorstaged describe --key none": "ResourceNotFound: ConnectorStaged with key=none does not exist",
    "connectorstaged validate --key none": "ResourceNotFound: ConnectorStaged with key=none does not exist",
    "connectorstaged publish --key processing": "InvalidJsonInput: Request body does not contain valid JSON.",
    "connectorstaged certify --key in-certification": (
        "ConnectorStagedInCertification: The ConnectorStaged is already in certification"
    ),
    "connectorstaged certify --key certified": "ConnectorAlreadyCertified: The ConnectorStaged is already certified",
    "connectorstaged update --key certified --name Tax --private-projects eu:b-shop": (
        "ConnectorStagedNotPrivate:"
        " The operation is not valid because ConnectorStaged with key=certified is not private"
    ),
    f"{NEW_DRAFT} --repository-tag v1 --key draft": "DuplicateField: A duplicate value draft exists for field key.",
    f"{NEW_DRAFT} --repository-tag no-spec": (
        f"ConnectorSpecificationFileNotFound: The file connect.yaml at {REPOSITORY} with the tag no-spec was not found"
    ),
    f"{NEW_DRAFT.replace('tax-calculation', 'unreachable')} --repository-tag v1": (
        "GitRepositoryNotReachable: Repository with the tag is not reachable"
    ),
}
LOGS: Table = {
    "deployment logs --key none": "ResourceNotFound: Deployment with key=none does not exist",
    "deployment logs --key on-aws": (
        "DeploymentLogMissingApplicationName: Missing application name when fetching deployment logs"
    ),
    "deployment logs --key on-aws --application nobody": (
        "DeploymentApplicationDoesNotExist: Deployment does not have an application named nobody."
    ),
    "deployment logs --key on-aws --application tax-calculator --startDate 2020-01-01T00:00:00": (
        "DeploymentLogInvalidDate: Invalid start/end date"
    ),
}
FAULTS: Table = {
    "deployment describe --key fault-401": "invalid_token: invalid_token",
    "deployment describe --key fault-403": "AuthorizationError: Access denied",
    "deployment describe --key fault-500": "General: Write operations are temporarily unavailable",
    "deployment describe --key fault-502": "BadGateway: Bad Gateway",
}


def arrange(simulator: Simulator) -> None:
    """Something in every state that a command can be refused in."""
    world = simulator.world
    for status in ("Queued", "Deploying", "Undeploying"):
        simulator.create(PROJECT, key=status.lower(), connector="tax-calculation", status=status)
    simulator.create(PROJECT, key="on-aws", connector="tax-calculation", deployedRegion=AWS)
    (partial,) = simulator.create(PROJECT, key="partial", connector="order-export")
    simulator.update(partial["id"], applications=partial["applications"][:1])
    world.create_drafts(1, {"key": "draft"})
    world.create_drafts(1, {"key": "previewable", "connector": "gift-cards", "isPreviewable": "true"})
    world.create_drafts(
        1, {"key": "of-others", "status": "Published", "private": True, "privateProjects": ["eu:b-shop"]}
    )
    world.create_drafts(1, {"key": "processing", "status": "Processing"})
    world.create_drafts(1, {"key": "in-certification", "status": "InCertification"})
    world.create_drafts(1, {"key": "certified", "status": "Published", "private": False})
    world.create_connectors(1, {"key": "european", "supportedRegions": ["europe-west1.gcp"]})
    for fault in (401, 403, 500, 502):
        simulator.fault(f"/{PROJECT}/deployments/key=fault-{fault}", status=fault)


@pytest.mark.parametrize("table", [DEPLOYMENTS, CREATIONS, DRAFTS, LOGS, FAULTS])
async def test_a_refusal_shows_the_right_error(table: Table, tmp_path: Path) -> None:
    async with hurried() as simulator:
        arrange(simulator)
        cli = official_cli(simulator.url, tmp_path)
        await cli.sign_in(PROJECT)
        before = resources(simulator)
        ended = await asyncio.gather(*(cli("connect", *words.split(), answers=YES) for words in table))
        assert resources(simulator) == before
    assert {words: told(each) for words, each in zip(table, ended, strict=True)} == table


def told(ended: Ended) -> str:
    """The code and message of the error that was shown last."""
    found = SHOWN.search(ended.shown)
    return f"{found[1]}: {found[2]}" if found is not None and ended.code == 2 else f"exit {ended.code}: {ended.shown}"


def resources(simulator: Simulator) -> dict[str, bytes]:
    """Everything there is, byte by byte."""
    world = simulator.world
    return {one.id: one.encoded for one in (*world.everything(), *world.drafts().values())}


async def test_a_login_that_is_refused(tmp_path: Path) -> None:
    known = Client(id="cid", secret="sesame", scopes=(f"view_connectors_deployments:{PROJECT}",))
    login = ("auth", "login", "--client-credentials", "--region", "europe-west1.gcp", "--client-id", "cid")
    async with hurried() as simulator:
        simulator.tokens.access = Access(clients=(known,))
        cli = official_cli(simulator.url, tmp_path)
        wrong, elsewhere = await asyncio.gather(
            cli(*login, "--client-secret", "guess", "--project-key", PROJECT),
            cli(*login, "--client-secret", "sesame", "--project-key", "another-shop"),
        )
        assert wrong == Ended(code=2, shown="Error: Authentication failed: Invalid client credentials.")
        assert elsewhere.code == 2
        assert 'Project key "another-shop" is not present in the token scopes.' in elsewhere.shown
        assert (await cli(*login, "--client-secret", "sesame", "--project-key", PROJECT)).code == 0
        seen, refused = await asyncio.gather(
            cli("connect", "deployment", "list"), cli("connect", "deployment", "redeploy", "--key", "first")
        )
        assert seen.code == 0
        assert told(refused) == "AuthorizationError: Access denied"
        assert simulator.world.by_key(PROJECT, "first").status == "Deployed"


async def test_what_the_cli_refuses_by_itself(tmp_path: Path) -> None:
    """For which it needs what the simulator says of a Connector, and asks for nothing else."""
    create = ("connect", "deployment", "create", "--connector-key", "email-campaigns", *HERE.split(), "--configuration")
    async with hurried() as simulator:
        cli = official_cli(simulator.url, tmp_path)
        await cli.sign_in(PROJECT)
        unknown, stranger, shared = await asyncio.gather(
            cli(*create, "profile-sync.COLOUR=red"), cli(*create, "nobody.COLOUR=red"), cli(*create, "COLOUR=red")
        )
        assert (unknown.code, stranger.code, shared.code) == (2, 2, 2)
        assert (
            "The configuration keys 'COLOUR' specified in the input are not found in the 'profile-sync'"
            in unknown.shown
        )
        assert "The application 'nobody' specified in the configuration input is not found" in stranger.shown
        assert "The global configuration keys 'COLOUR' specified in the input are not found" in shared.shown
        assert {entry.path for entry in simulator.requests} == {"/oauth/token", "/connectors/key=email-campaigns"}
