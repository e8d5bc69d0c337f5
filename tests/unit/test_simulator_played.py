"""What the steps and tables of a scenario bring about."""

from typing import Any

import pytest

from tests.unit.simulated import START, LeapingClock, played, staged, status
from watcher.simulator import Simulator
from watcher.simulator.logbook import Query

# ── Deployments ──────────────────────────────────────────────────────────────


async def test_a_fleet_is_spread_over_its_projects() -> None:
    made = await played('[[steps]]\nat="0s"\nfleet={count=5,projects=["a","b"],keyPrefix="x",type="sandbox"}')
    assert [found.key for found in made.world.deployments("a").values()] == ["x-000001", "x-000003", "x-000005"]
    assert {found.type for found in made.world.deployments("b").values()} == {"sandbox"}


OUTAGE = """
[[steps]]
at = "0s"
fleet = { count = 4, deployedRegion = "us-central1.gcp" }
[[steps]]
at = "0s"
create = { key = "shop" }
[[steps]]
at = "10s"
set_where = { where = { deployedRegion = "us-central1.gcp" }, limit = 3, over = "9s", status = "Failed" }
"""


async def test_changes_of_many_are_spread_over_time() -> None:
    made = await played(OUTAGE)
    failed = [found for found in made.world.everything() if found.status == "Failed"]
    assert [found.modified - START for found in failed] == [10_000, 13_000, 16_000]


async def test_what_is_spread_is_chosen_at_once_and_done_by_hand_too() -> None:
    made = staged(OUTAGE, 0)
    assert made.player.step() is not None
    assert made.transitions == 1
    made.create("demo-shop", deployedRegion="us-central1.gcp")
    assert made.player.step() is None
    assert (made.transitions, made.timeline.elapsed()) == (3, 16_000)


async def test_a_spread_turn_that_is_refused_is_noted() -> None:
    made = staged(OUTAGE, 0)
    made.player.step()
    made.delete(made.world.by_key("demo-shop", "fleet-000002").id)
    made.advance(60_000)
    assert [failure.partition(":")[0] for failure in made.player.failures] == ["at 13000 ms"]
    assert made.transitions == 2


async def test_a_deployment_is_asked_for_updated_and_undeployed() -> None:
    made = await played("""
    [[steps]]
    at = "0s"
    deploy = { key = "shop", connector = "order-export", region = "us-central1.gcp" }
    [[steps]]
    at = "2m"
    redeploy = { where = { status = "Deployed" }, updateConnector = true, skipScripts = true }
    [[steps]]
    at = "4m"
    undeploy = { key = "shop" }
    [[steps]]
    at = "4m10s"
    revoke_tokens = true
    """)
    shop = made.world.by_key("demo-shop", "shop")
    assert (shop.status, shop.type, shop.region, shop.connector_key) == (
        "Undeploying", "production", "us-central1.gcp", "order-export",
    )  # fmt: skip
    assert made.transitions == 6
    made.advance(60_000)
    assert made.world.deployments("demo-shop") == {}


@pytest.mark.parametrize("connector", ["tax-calculation", "order-export", "payment-gateway", "email-campaigns"])
async def test_every_connector_of_the_catalogue_can_be_asked_for(connector: str) -> None:
    made = await played(f'[[steps]]\nat="0s"\ndeploy={{key="shop",connector="{connector}"}}')
    made.advance(600_000)
    assert status(made) == "Deployed"


async def test_plans_decide_what_requests_come_to() -> None:
    made = await played("""
    [[steps]]
    at = "0s"
    fleet = { count = 3 }
    [[steps]]
    at = "0s"
    plan = { kind = "deploy", key = "*", result = "Failed", count = 2, entries = [{ type = "Error", title = "no space left" }] }
    [[steps]]
    at = "1s"
    redeploy = { where = { status = "Deployed" } }
    [[steps]]
    at = "10m"
    plan = { kind = "undeploy", key = "fleet-000003", result = "stuck", count = "all" }
    [[steps]]
    at = "10m"
    undeploy = { where = { project = "demo-shop" } }
    [[steps]]
    at = "20m"
    revoke_tokens = true
    """)
    left = list(made.world.everything())
    assert [(found.key, found.status) for found in left] == [("fleet-000003", "Undeploying")]


async def test_the_reason_of_a_failure_is_reported() -> None:
    made = await played("""
    [[steps]]
    at = "0s"
    create = { key = "shop" }
    [[steps]]
    at = "0s"
    plan = { kind = "deploy", key = "shop", result = "Failed", cause = "out of disk" }
    [[steps]]
    at = "0s"
    redeploy = { key = "shop" }
    """)
    made.advance(600_000)
    entries = made.world.by_key("demo-shop", "shop").payload["details"]["build"]["report"]["entries"]
    assert [(entry["type"], entry["message"]) for entry in entries] == [("Error", "out of disk")]


# ── Connectors ───────────────────────────────────────────────────────────────


async def test_a_draft_goes_its_way_to_a_connector() -> None:
    made = await played("""
    [[steps]]
    at = "0s"
    draft = { key = "checks", name = "Checks" }
    [[steps]]
    at = "0s"
    plan = { kind = "publish", key = "checks", result = "InCertification", comments = ["A question"] }
    [[steps]]
    at = "1s"
    edit = { key = "checks", actions = [{ action = "setName", name = "Address Checks" }] }
    [[steps]]
    at = "2s"
    preview = { key = "checks" }
    [[steps]]
    at = "2m"
    publish = { key = "checks", certification = true }
    [[steps]]
    at = "6m"
    comment = { key = "checks", comment = "An answer" }
    [[steps]]
    at = "7m"
    set_draft = { key = "checks", status = "Published" }
    """)
    draft = made.world.draft_by_key("checks").payload
    assert (draft["name"], draft["isPreviewable"], draft["status"]) == ("Address Checks", "true", "Published")
    assert [one["comment"] for one in draft["certificationInfo"]["comments"]] == ["A question", "An answer"]


async def test_connectors_are_made_and_changed_and_drafts_removed() -> None:
    made = await played("""
    [[steps]]
    at = "0s"
    connector = { key = "mine", version = 3, certified = false }
    [[steps]]
    at = "0s"
    draft = { key = "other" }
    [[steps]]
    at = "1s"
    set_connector = { key = "mine", version = 9 }
    [[steps]]
    at = "2s"
    delete_draft = { key = "other" }
    [[steps]]
    at = "3s"
    create = { key = "shop", connector = "mine" }
    """)
    assert made.world.connector_by_key("mine").payload["version"] == 9
    assert made.world.by_key("demo-shop", "shop").payload["connector"]["version"] == 9
    assert made.world.drafts() == {}


# ── around them ──────────────────────────────────────────────────────────────


def records(made: Simulator, **window: Any) -> list[Any]:
    found = made.world.by_key("demo-shop", "shop").id
    return list(made.logbook.page(Query(deployment_id=found, **window))["data"])


@pytest.mark.parametrize("speed", [1, 10])
async def test_logs_are_written_in_scenario_time(speed: float) -> None:
    clock = LeapingClock()
    text = """
    [logs]
    page_size = 7
    [[steps]]
    at = "0s"
    create = { key = "shop" }
    [[steps]]
    at = "10s"
    logs = { key = "shop", count = 6, over = "1m", late = "5s", duplicates = 3 }
    """
    made = await played(text, speed, clock)
    assert records(made) == []
    clock.at = START + round(25_000 / speed)
    assert len(records(made)) == 2
    made.advance(60_000)
    assert len(records(made)) == 7  # eight there are, and a page of seven
    begun = START + round(10_000 / speed)
    assert len(records(made, start=begun, end=begun)) == 1


async def test_logs_end_at_their_moment_and_the_end_can_be_taken_back() -> None:
    clock = LeapingClock(at=START - 60_000)
    made = staged('[logs]\nremoved_at="10s"\nremoved_status=410\n[[steps]]\nat="0s"\ncreate={key="shop"}', 5, clock)
    made.catch_up()
    clock.at = START  # its time has not begun, so its end is as far away as before
    made.timeline.begin()
    made.catch_up()
    assert made.logbook.removed == START + 2000
    made.advance(10_000)
    assert (made.clock.now(), made.logbook.removed, made.logbook.removed_status) == (START + 2000, START + 2000, 410)
    made.keep_logs()
    made.catch_up()
    assert made.logbook.removed is None


async def test_tokens_end_and_cursors_with_them() -> None:
    made = staged('[[steps]]\nat="1s"\nrevoke_tokens=true\n[[steps]]\nat="2s"\nexpire_cursors=true')
    made.tokens.issue()
    made.advance(1500)
    assert made.tokens.revoke() == 0
    made.advance(1500)
    assert (made.player.done, made.player.failures) == (2, [])


async def test_the_tables_reach_their_parts() -> None:
    made = staged("""
    production_disabled = ["poor-shop"]
    [durations]
    previewing = "7s"
    [access]
    projects = ["demo-shop"]
    clients = [{ id = "watcher", secret = "s", scopes = ["view_connectors:demo-shop"] }]
    [logs]
    page_size = 3
    ending = "absent"
    cursor_lifetime = "9s"
    """)
    assert made.world.production_disabled == {"poor-shop"}
    assert (made.world.durations.previewing, made.world.durations.queued) == (7000, 5000)
    assert made.tokens.access.projects == frozenset({"demo-shop"})
    assert [client.scopes for client in made.tokens.access.clients] == [("view_connectors:demo-shop",)]
    manners = made.logbook.manners
    assert (manners.page_size, manners.ending, manners.cursor_lifetime, manners.keep) == (3, "absent", 9000, 100_000)


# ── in the same process ──────────────────────────────────────────────────────


def test_a_simulator_can_do_what_the_control_api_can() -> None:
    made = Simulator(clock=LeapingClock())
    draft = made.create_drafts(count=2, name="Twice")[0]
    assert made.update_draft(draft["id"], status="Failed")["status"] == "Failed"
    made.delete_draft(draft["id"])
    assert [found.payload["name"] for found in made.world.drafts().values()] == ["Twice"]
    connector = made.create_connectors(key="mine")[0]
    assert made.update_connector(connector["id"], version=8)["version"] == 8
    made.delete_connector(connector["id"])
    assert connector["id"] not in made.world.connectors()
    shop = made.create("demo-shop", key="shop")[0]
    made.plan("undeploy", "shop", result="stuck")
    made.world.request_undeploy("demo-shop", ("key", "shop"))
    made.advance(3_600_000)
    assert status(made) == "Undeploying"
    assert made.log_burst(shop["id"], shape="text", count=4, duplicates=2) == 6
