"""Legal requests for new Deployments."""

from typing import Any

import pytest

from tests.unit.simulated import HandClock, Moved, app, codes, mailing, world_of
from watcher.simulator import ApiError


@pytest.fixture
def moved() -> Moved:
    clock = HandClock()
    return Moved(world_of(clock), clock)


# ── creating ─────────────────────────────────────────────────────────────────


def test_a_new_deployment_is_queued_and_gets_its_addresses_when_it_is_deployed(moved: Moved) -> None:
    made = moved.deploy(connector="order-export")
    connector = moved.world.connector_by_key("order-export").payload
    assert made == {
        "id": made["id"],
        "key": "k1",
        "version": 1,
        "type": "sandbox",
        "connector": {name: value for name, value in connector.items() if name not in {"private", "apiClient"}},
        "apiClient": {"name": made["apiClient"]["name"], "scopes": ["manage_orders", "view_products"]},
        "deployedRegion": "europe-west1.gcp",
        "applications": [
            {
                "id": made["applications"][0]["id"],
                "applicationName": "order-listener",
                "standardConfiguration": [],
                "securedConfiguration": [],
            },
            {
                "id": made["applications"][1]["id"],
                "applicationName": "nightly-reconciliation",
                "standardConfiguration": [],
                "securedConfiguration": [],
                "schedule": "0 3 * * *",
            },
        ],
        "preview": False,
        "status": "Queued",
        "details": {"build": {"id": made["details"]["build"]["id"]}},
    }
    seen = []
    for length in (4, 1, 59, 1):
        moved.wait(length)
        seen.append(moved.status())
    assert seen == ["Queued", "Deploying", "Deploying", "Deployed"]
    after = moved.world.by_key("shop", "k1").payload
    assert after["version"] == 3
    assert after["details"]["build"] == {"id": made["details"]["build"]["id"], "report": {"entries": []}}
    listener, job = after["applications"]
    assert listener["topic"] == f"projects/connect-europe-west1/topics/order-listener-{listener['id'][:8]}"
    assert job == made["applications"][1]
    assert moved.world.transitions == 2


@pytest.mark.parametrize(
    ("connector", "region", "field", "start"),
    [
        ("gift-cards", "us-central1.gcp", "url", "https://service-"),
        ("order-export", "us-east-2.aws", "topic", "arn:aws:sns:us-east-2:"),
        ("payment-gateway", "mars-1.azure", "url", "https://assets-"),
    ],
)
def test_addresses_are_of_the_kind_and_the_region(
    moved: Moved, connector: str, region: str, field: str, start: str
) -> None:
    moved.deploy(connector=connector, region=region)
    moved.wait(1000)
    payload = moved.world.by_key("shop", "k1").payload
    assert payload["deployedRegion"] == region
    assert payload["applications"][0][field].startswith(start)


VALUES = [
    {
        "applicationName": "gift-card-service",
        "standardConfiguration": [{"key": "LOG_LEVEL", "value": "debug"}],
        "securedConfiguration": [{"key": "API_KEY", "value": "hush"}],
    }
]


def test_configuration_values_are_kept_and_shown_secured_ones_included(moved: Moved) -> None:
    made = moved.deploy(configurations=VALUES)
    assert [{name: one[name] for name in VALUES[0]} for one in made["applications"]] == VALUES
    moved.wait(1000)
    after = moved.redeploy(
        configurationValues=[
            {"applicationName": "gift-card-service", "standardConfiguration": [{"key": "LOG_LEVEL", "value": "warn"}]}
        ]
    )["applications"][0]
    assert (after["standardConfiguration"], after["securedConfiguration"]) == (
        [{"key": "LOG_LEVEL", "value": "warn"}],
        VALUES[0]["securedConfiguration"],
    )
    assert after["url"].startswith("https://service-")  # addresses outlive a redeployment


def test_every_job_has_a_schedule_and_no_other_application_does(moved: Moved) -> None:
    moved.deploy("k1", "order-export")
    moved.deploy("k2", "product-search")
    moved.deploy("k3", "email-campaigns", globalConfiguration=mailing("shop"))
    moved.world.create(["raw"], 8, {})
    moved.wait(1000)
    shown = [one for found in moved.world.everything() for one in found.payload["applications"]]
    schedules = {"nightly-reconciliation": "0 3 * * *", "daily-segments": "30 5 * * *"}
    assert len(shown) > 16
    assert [one.get("schedule") for one in shown] == [schedules.get(one["applicationName"]) for one in shown]
    events = {"order-listener", "profile-sync", "index-updater"}
    assert {one["applicationName"] for one in shown if "topic" in one} == events


def test_a_schedule_can_be_overridden(moved: Moved) -> None:
    given = [{"applicationName": "daily-segments", "schedule": "0 5 * * *"}, {"applicationName": "profile-sync"}]
    values = {"standardConfiguration": [{"key": "MAILING_ACCOUNT", "value": "acme"}]}
    made = moved.deploy(connector="email-campaigns", configurations=given, globalConfiguration=values)
    assert [one.get("schedule") for one in made["applications"]] == ["0 5 * * *", None]
    assert made["globalConfiguration"] == {**values, "securedConfiguration": []}
    moved.wait(1000)
    assert moved.redeploy()["applications"][0]["schedule"] == "0 5 * * *"


UNFIT: list[tuple[dict[str, Any], str, str]] = [
    ({"connector": {}}, "InvalidJsonInput", "Request body does not contain valid JSON."),
    ({"configurations": None}, "InvalidJsonInput", "Request body does not contain valid JSON."),
    ({"type": "live"}, "InvalidJsonInput", "Request body does not contain valid JSON."),
    ({"key": "x"}, "InvalidJsonInput", "Request body does not contain valid JSON."),
    ({"key": "taken"}, "DuplicateField", "A duplicate value taken exists for field key."),
    (
        {"connector": {"key": "nobody"}},
        "ConnectorReferenceNotFound",
        "Connector 'nobody' with version latest not found",
    ),
    (
        {"connector": {"key": "gift-cards", "version": 4}},
        "ConnectorReferenceNotFound",
        "Connector 'gift-cards' with version 4 not found",
    ),
    (
        {"connector": {"key": "gift-cards", "staged": True}},
        "ConnectorReferenceNotFound",
        "Connector 'gift-cards' with version latest not found",
    ),
    (
        {"connector": {"key": "elsewhere"}},
        "ConnectorReferenceNotFound",
        "Connector 'elsewhere' with version latest not found",
    ),
    (
        {"type": "preview"},
        "DeploymentInvalidType",
        (
            "The Connector key=gift-cards cannot be deployed as a 'preview' type."
            " Only 'sandbox|production' types are allowed."
        ),
    ),
    (
        {"connector": {"key": "previewable", "staged": True}, "type": "sandbox"},
        "DeploymentInvalidType",
        "The Connector key=previewable cannot be deployed as a 'sandbox' type. Only 'preview' types are allowed.",
    ),
    (
        {"connector": {"key": "elsewhere", "staged": True}},
        "ConnectorReferenceNotFound",
        "Connector 'elsewhere' with version latest not found",
    ),
    (
        {"connector": {"key": "unready", "staged": True}},
        "ConnectorStagedNotPreviewable",
        "Connector key=unready with version 1 is not previewable",
    ),
    (
        {"type": "production"},
        "DeploymentProductionDeactivated",
        (
            "Deployments to production are disabled for this Project."
            " Please contact support to enable production deployments."
        ),
    ),
    (
        {"connector": {"key": "local"}, "region": "us-east-2.aws"},
        "DeploymentUnsupportedRegion",
        "Deployment unsupported region us-east-2.aws",
    ),
    ({"configurations": []}, "DeploymentApplicationRequired", "A Deployment requires at least one application"),
    (
        {"configurations": [app("other")]},
        "DeploymentUnknownApplicationConfiguration",
        "Deployment does not require configuration for application named 'other'.",
    ),
    (
        {"configurations": [app(standard="API_KEY")]},
        "DeploymentUnknownApplicationConfigurationKey",
        "Deployment does not require standard configuration with key API_KEY for application named gift-card-service.",
    ),
    (
        {"configurations": [app(secured="LOG_LEVEL")]},
        "DeploymentUnknownApplicationConfigurationKey",
        "Deployment does not require secret configuration with key LOG_LEVEL for application named gift-card-service.",
    ),
    (
        {"globalConfiguration": {"securedConfiguration": [{"key": "K", "value": ""}]}},
        "DeploymentUnknownGlobalConfigurationKey",
        "Deployment global configuration does not require secret with key K.",
    ),
    (
        {"connector": {"key": "email-campaigns"}, "configurations": [app("profile-sync")]},
        "DeploymentMissingGlobalConfigurationKey",
        "Deployment global configuration requires standard with key MAILING_ACCOUNT.",
    ),
    (
        {
            "connector": {"key": "email-campaigns"},
            "configurations": [app("profile-sync")],
            "globalConfiguration": mailing(""),
        },
        "DeploymentEmptyRequiredGlobalConfigurationKey",
        "Deployment requires a non empty value for standard global configuration with key MAILING_ACCOUNT.",
    ),
]


def stage(moved: Moved) -> None:
    moved.deploy("taken")
    moved.world.production_disabled.add("shop")
    moved.draft("unready")
    moved.published("elsewhere", privateProjects=["eu:other-shop"])
    moved.published("local", supportedRegions=["europe-west1.gcp"])
    moved.draft("previewable")
    moved.change("previewable", action="updatePreviewable")
    moved.wait(1000)


@pytest.mark.parametrize(("fields", "code", "message"), UNFIT)
def test_a_deployment_is_refused(moved: Moved, fields: dict[str, Any], code: str, message: str) -> None:
    stage(moved)
    before = dict(moved.world.deployments("shop"))
    draft = {
        "key": "k1",
        "connector": {"key": "gift-cards"},
        "region": "europe-west1.gcp",
        "configurations": [app()],
        **fields,
    }
    with pytest.raises(ApiError) as refused:
        moved.world.request_deploy("shop", draft)
    assert (codes(refused), refused.value.body["message"]) == ([code], message)
    assert refused.value.status == 400
    assert moved.world.deployments("shop") == before


def test_every_mistake_in_a_configuration_is_told_at_once(moved: Moved) -> None:
    given = [app("other"), app("profile-sync", standard="X Y", secured="Z")]
    with pytest.raises(ApiError) as refused:
        moved.deploy(connector="email-campaigns", configurations=given, globalConfiguration=mailing(OTHER="x"))
    assert codes(refused) == [
        "DeploymentUnknownApplicationConfiguration",
        *["DeploymentUnknownApplicationConfigurationKey"] * 3,
        "DeploymentUnknownGlobalConfigurationKey",
        "DeploymentMissingGlobalConfigurationKey",
    ]


def test_a_private_connector_is_for_its_projects(moved: Moved) -> None:
    moved.published(privateProjects=["eu:shop"])
    assert moved.deploy(connector="mine")["connector"]["certified"] is False
    with pytest.raises(ApiError) as refused:
        moved.deploy(connector="mine", project="other-shop")
    assert codes(refused) == ["ConnectorReferenceNotFound"]
    moved.change(action="addPrivateProject", privateProject="us:other-shop")
    moved.deploy(connector="mine", project="other-shop")


def test_a_preview_is_of_a_draft_at_the_version_it_has(moved: Moved) -> None:
    moved.draft()
    moved.change(action="updatePreviewable")
    moved.wait(1000)
    made = moved.deploy(connector={"key": "mine", "staged": True, "version": 3})
    assert (made["type"], made["preview"], made["connector"]["version"]) == ("preview", True, 3)
    with pytest.raises(ApiError) as refused:
        moved.deploy("k2", connector={"key": "mine", "staged": True, "version": 2})
    assert codes(refused) == ["ConnectorReferenceNotFound"]
