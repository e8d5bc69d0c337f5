"""Legal requests about Deployments that are there: another attempt, the end, and what is left of either."""

from typing import Any

import pytest

from tests.unit.simulated import HandClock, Moved, app, codes, mailing, world_of
from watcher.simulator import ApiError


class Book:
    """A logbook that notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []

    def deployed(self, payload: Any, at: int) -> None:
        self.told.append((payload["id"], payload["status"], at))

    def forget(self, deployment_id: str) -> None:
        self.told.append((deployment_id, "forgotten", 0))


@pytest.fixture
def moved() -> Moved:
    clock = HandClock()
    return Moved(world_of(clock), clock)


# ── redeploying ──────────────────────────────────────────────────────────────


def test_a_redeployment_is_a_new_attempt_that_keeps_the_connector(moved: Moved) -> None:
    first = moved.published()
    made = moved.deploy(connector="mine")
    moved.wait(1000)
    moved.change(action="setRepository", tag="2")
    moved.change(action="publish", certification=False)
    moved.wait(1000)
    again = moved.redeploy()
    assert (again["status"], again["version"]) == ("Queued", 4)
    assert again["details"]["build"]["id"] != made["details"]["build"]["id"]
    assert (again["connector"]["version"], again["connector"]["repository"]) == (1, first["repository"])
    moved.wait(1000)
    updated = moved.redeploy(updateConnector=True)
    assert (updated["connector"]["version"], updated["connector"]["repository"]["tag"]) == (2, "2")


def test_an_update_brings_and_takes_applications(moved: Moved) -> None:
    moved.published(repository={"url": "https://x/order-export", "tag": "1"})
    made = moved.deploy(connector="mine", configurations=[app("order-listener")])
    moved.wait(1000)
    moved.change(action="setRepository", url="https://x/product-search", tag="2")
    moved.change(action="publish", certification=False)
    moved.wait(1000)
    given = [app("full-export", standard="LOG_LEVEL")]
    after = moved.redeploy(updateConnector=True, configurationValues=given)["applications"]
    assert [one["applicationName"] for one in after] == ["full-export", "index-updater"]
    assert made["applications"][0]["id"] not in {one["id"] for one in after}


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"configurationValues": []}, "DeploymentApplicationRequired"),
        ({"configurationValues": [app("nobody")]}, "DeploymentUnknownApplicationConfiguration"),
        ({"configurationValues": [app("enabler")]}, "DeploymentApplicationDoNotBelong"),
        (
            {"configurationValues": [app("processor", standard="NOPE")]},
            "DeploymentUnknownApplicationConfigurationKey",
        ),
        ({"globalConfiguration": mailing("x")}, "DeploymentUnknownGlobalConfigurationKey"),
        ({"skipScripts": "yes"}, "InvalidJsonInput"),
        ({"action": "rollback"}, "InvalidJsonInput"),
    ],
)
def test_a_redeployment_is_refused(moved: Moved, action: dict[str, Any], code: str) -> None:
    moved.deploy(connector="payment-gateway", configurations=[app("processor")])
    moved.wait(1000)
    before = moved.world.by_key("shop", "k1")
    with pytest.raises(ApiError) as refused:
        moved.redeploy(**action)
    assert codes(refused) == [code]
    assert moved.world.by_key("shop", "k1") == before


def test_global_values_stay_unless_they_are_given(moved: Moved) -> None:
    moved.deploy(connector="email-campaigns", globalConfiguration=mailing("acme"))
    moved.wait(1000)
    assert moved.redeploy()["globalConfiguration"]["standardConfiguration"] == [
        {"key": "MAILING_ACCOUNT", "value": "acme"}
    ]
    moved.wait(1000)
    with pytest.raises(ApiError) as refused:
        moved.redeploy(globalConfiguration=mailing(""))
    assert codes(refused) == ["DeploymentEmptyRequiredGlobalConfigurationKey"]
    named = {"standardConfiguration": [{"key": "MAILING_ACCOUNT"}, {"key": "MAILING_SENDER", "value": "a@b"}]}
    assert moved.redeploy(globalConfiguration=named)["globalConfiguration"]["standardConfiguration"] == [
        {"key": "MAILING_ACCOUNT", "value": "acme"},
        {"key": "MAILING_SENDER", "value": "a@b"},
    ]


@pytest.mark.parametrize("cause", ["Connector not found", "Region europe-west1.gcp is not supported"])
def test_a_connector_that_cannot_be_updated_to(moved: Moved, cause: str) -> None:
    connector = moved.published()
    moved.deploy(connector="mine")
    moved.wait(1000)
    if cause.startswith("Connector"):
        moved.world.delete_draft(connector["id"])
    else:
        moved.world.update_connector(connector["id"], {"supportedRegions": ["us-east-2.aws"]})
    with pytest.raises(ApiError) as refused:
        moved.redeploy(updateConnector=True)
    message = f"Deployment with key=k1 failed while trying to update Connector key=mine (cause: {cause})"
    assert (codes(refused), refused.value.body["message"]) == (["DeploymentConnectorUpdateFailure"], message)
    assert moved.redeploy()["status"] == "Queued"  # without the update it can


def test_a_preview_that_was_taken_back_cannot_be_updated_to(moved: Moved) -> None:
    moved.draft()
    moved.change(action="updatePreviewable")
    moved.wait(1000)
    moved.deploy(connector={"key": "mine", "staged": True})
    moved.wait(1000)
    moved.change(action="setRepository", tag="2")
    with pytest.raises(ApiError) as refused:
        moved.redeploy(updateConnector=True)
    assert refused.value.body["message"].endswith("(cause: ConnectorStaged is not previewable)")


def test_an_update_of_another_version_or_of_two_attempts_is_refused(moved: Moved) -> None:
    moved.deploy()
    moved.wait(1000)
    action = {"action": "redeploy"}
    for update, code in (
        ({"version": 1, "actions": [action]}, "ConcurrentModification"),
        ({"version": 3, "actions": [action, action]}, "DeploymentInvalidStatusTransition"),
        ({"version": 3, "actions": []}, "InvalidJsonInput"),
        ({"actions": [action]}, "InvalidJsonInput"),
    ):
        with pytest.raises(ApiError) as refused:
            moved.world.request_redeploy("shop", ("key", "k1"), update)
        assert codes(refused) == [code]
    assert moved.status() == "Deployed"


def test_raw_deployments_can_be_redeployed_and_deleted_too(moved: Moved) -> None:
    made = moved.world.create(["shop"], 1, {"key": "k1", "connector": "gift-cards"})[0].payload
    after = moved.redeploy(updateConnector=True, configurationValues=[app(standard="LOG_LEVEL")])
    assert after["applications"][0]["id"] == made["applications"][0]["id"]
    odd = moved.world.create(["shop"], 1, {"key": "odd", "connector": 5, "applications": "x", "details": None})[0]
    assert moved.redeploy("odd")["status"] == "Queued"
    moved.wait(1000)
    with pytest.raises(ApiError) as refused:
        moved.redeploy("odd", updateConnector=True)
    assert codes(refused) == ["DeploymentConnectorUpdateFailure"]
    moved.world.request_undeploy("shop", ("id", odd.id))


# ── outcomes, the end, and what is left ──────────────────────────────────────


def test_plans_decide_what_an_attempt_comes_to(moved: Moved) -> None:
    moved.plan("deploy", "Failed", key="k1", cause="out of memory")
    moved.plan("deploy", "Warning", key="gift-cards", count=None)
    moved.deploy()
    moved.wait(1000)
    entry = moved.world.by_key("shop", "k1").payload["details"]["build"]["report"]["entries"][0]
    assert (moved.status(), entry["message"], entry["createdAt"]) == (
        "Failed",
        "out of memory",
        "2023-11-14T22:13:20.065Z",
    )
    assert "url" not in moved.world.by_key("shop", "k1").payload["applications"][0]
    for skip, count in ((False, 1), (True, 0)):
        moved.redeploy(skipScripts=skip)
        moved.wait(1000)
        entries = moved.world.by_key("shop", "k1").payload["details"]["build"]["report"]["entries"]
        assert (moved.status(), len(entries)) == ("Deployed", count)


@pytest.mark.parametrize(("kind", "result"), [("deploy", "gone"), ("explode", "Failed"), ("preview", "Deployed")])
def test_a_plan_for_what_cannot_come_is_refused(moved: Moved, kind: str, result: str) -> None:
    with pytest.raises(ApiError) as refused:
        moved.plan(kind, result)
    assert codes(refused) == ["InvalidJsonInput"]


def test_a_deletion_takes_its_time_and_leaves_nothing(moved: Moved) -> None:
    book = Book()
    moved.world.logbook = book
    made = moved.deploy()
    with pytest.raises(ApiError) as refused:
        moved.world.request_undeploy("shop", ("key", "k1"))
    assert refused.value.body["message"] == "Invalid status change: Already queued"
    moved.wait(1000)
    leaving = moved.world.request_undeploy("shop", ("id", made["id"]), 3).payload
    assert (leaving["status"], leaving["version"]) == ("Undeploying", 4)
    moved.wait(29)
    assert moved.status() == "Undeploying"
    moved.wait(1)
    with pytest.raises(ApiError, match="404"):
        moved.world.deployment("shop", ("id", made["id"]))
    assert book.told == [(made["id"], "Deployed", moved.clock.at - 965), (made["id"], "forgotten", 0)]
    assert moved.deploy()["id"] != made["id"]


def test_a_deletion_can_fail_and_be_asked_for_again(moved: Moved) -> None:
    moved.plan("undeploy", "UndeployFailed", cause="exit 1")
    made = moved.deploy()
    for ref, version, code in (
        (("key", "k1"), None, "DeploymentInvalidStatusTransition"),  # which uses up no plan
        (("key", "nobody"), None, "ResourceNotFound"),
        (("key", "k1"), 9, "ConcurrentModification"),
    ):
        with pytest.raises(ApiError) as refused:
            moved.world.request_undeploy("shop", ref, version)
        assert codes(refused) == [code]
    moved.wait(1000)
    moved.world.request_undeploy("shop", ("key", "k1"))
    moved.wait(1000)
    build = moved.world.by_key("shop", "k1").payload["details"]["build"]
    assert (moved.status(), build["id"]) == ("UndeployFailed", made["details"]["build"]["id"])
    assert build["report"]["entries"][0]["title"] == "Failed during the execution of 'preUndeploy' script"
    moved.world.request_undeploy("shop", ("key", "k1"))
    moved.wait(1000)
    assert moved.world.deployments("shop") == {}


@pytest.mark.parametrize(("fields", "after"), [({"status": "Failed"}, "Failed"), ({"type": "production"}, "Deployed")])
def test_only_a_raw_change_of_status_ends_a_course(moved: Moved, fields: dict[str, Any], after: str) -> None:
    made = moved.deploy()
    moved.world.update(made["id"], fields)
    moved.wait(1000)
    assert moved.status() == after


# ── revisions ────────────────────────────────────────────────────────────────


def revisions(moved: Moved) -> list[tuple[int, Any, str]]:
    return [
        (one["revision"], one["applications"][0]["standardConfiguration"], one["createdAt"])
        for one in moved.world.revisions.of(moved.world.by_key("shop", "k1"))
    ]


def test_every_success_leaves_a_revision_and_nothing_else_does(moved: Moved) -> None:
    moved.plan("deploy", "Deployed")
    moved.plan("deploy", "Failed")
    moved.deploy(configurations=[app(standard="LOG_LEVEL")])
    assert revisions(moved) == []
    first = (3, [{"key": "LOG_LEVEL", "value": "x"}], "2023-11-14T22:13:20.065Z")
    moved.wait(1000)
    assert revisions(moved) == [first]
    moved.redeploy()
    moved.wait(1000)
    assert (moved.status(), revisions(moved)) == ("Failed", [first])
    moved.redeploy()
    moved.wait(1000)
    assert [number for number, _, _ in revisions(moved)] == [9, 3]


def rolled_back(moved: Moved, number: int | None = None) -> dict[str, Any]:
    return moved.world.request_rollback("shop", ("key", "k1"), number).payload


def test_a_rollback_is_a_new_attempt_that_is_made_of_a_revision(moved: Moved) -> None:
    moved.published(repository={"url": "https://x/gift-cards", "tag": "1"})
    good = moved.deploy(connector="mine", configurations=[app(standard="LOG_LEVEL")])
    moved.wait(1000)
    moved.change(action="setRepository", tag="2")
    moved.change(action="publish", certification=False)
    moved.wait(1000)
    moved.plan("deploy", "Failed")
    other = {"applicationName": "gift-card-service", "standardConfiguration": [{"key": "LOG_LEVEL", "value": "y"}]}
    bad = moved.redeploy(updateConnector=True, configurationValues=[other])
    assert bad["applications"][0]["standardConfiguration"] == other["standardConfiguration"]
    moved.wait(1000)
    made = rolled_back(moved)
    assert (made["status"], made["rollbackRevision"]) == ("Queued", 3)
    assert made["details"]["build"]["id"] not in {one["details"]["build"]["id"] for one in (good, bad)}
    assert (made["connector"], bad["connector"]["version"]) == (good["connector"], 2)
    assert made["applications"][0]["standardConfiguration"] == [{"key": "LOG_LEVEL", "value": "x"}]
    moved.wait(5)
    assert moved.status() == "Deploying"
    moved.wait(60)
    assert (moved.status(), [number for number, _, _ in revisions(moved)]) == ("Deployed", [9, 3])
    assert rolled_back(moved)["rollbackRevision"] == 3
    moved.wait(1000)
    assert rolled_back(moved, 9)["rollbackRevision"] == 9
    moved.wait(1000)
    assert "rollbackRevision" not in moved.redeploy()


def test_a_rollback_needs_a_revision_and_a_deployment_at_rest(moved: Moved) -> None:
    moved.deploy()
    with pytest.raises(ApiError) as busy:
        rolled_back(moved)
    assert codes(busy) == ["DeploymentInvalidStatusTransition"]
    moved.wait(1000)
    for number in (None, 2):
        with pytest.raises(ApiError) as refusal:
            rolled_back(moved, number)
        assert codes(refusal) == ["DeploymentRollbackNotAllowed"]
    assert moved.status() == "Deployed"


def test_raw_deployments_have_had_their_success(moved: Moved) -> None:
    made = moved.world.create(["shop"], 1, {"key": "k1"})[0]
    assert [number for number, _, _ in revisions(moved)] == [1]
    for status in ("Failed", "Deployed"):
        moved.world.update(made.id, {"status": status})
    assert [number for number, _, _ in revisions(moved)] == [3, 1]
