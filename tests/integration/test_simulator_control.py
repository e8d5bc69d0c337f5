from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from watcher.simulator import Simulator, serve
from watcher.simulator.scenario import read_scenario

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def running() -> AsyncIterator[Simulator]:
    async with serve(seed=1) as simulator:
        yield simulator


@pytest.fixture
async def client(running: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {running.tokens.issue()}"}
    async with aiohttp.ClientSession(running.url, headers=headers) as session:
        yield session


async def ask(client: aiohttp.ClientSession, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    async with client.request(method, path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json() if response.content_length else None


def code(body: Any) -> str:
    return str(body["errors"][0]["code"])


def why(body: Any) -> str:
    return str(body["errors"][0]["detailedErrorMessage"])


# ── drafts and Connectors ────────────────────────────────────────────────────


async def test_drafts_are_made_changed_shown_and_removed(client: aiohttp.ClientSession) -> None:
    made = await ask(client, "POST", "/_sim/drafts", {"count": 2, "name": "Twice", "isPreviewable": "true"}, 201)
    first, second = (one["id"] for one in made["drafts"])
    changed = await ask(client, "POST", f"/_sim/drafts/{first}", {"status": "Failed", "description": None})
    assert (changed["status"], changed["name"], "description" in changed) == ("Failed", "Twice", False)
    assert await ask(client, "GET", f"/connectors/drafts/{first}") == changed
    state = await ask(client, "GET", "/_sim/state")
    assert [(one["id"], one["isPreviewable"]) for one in state["drafts"]] == [(first, "true"), (second, "true")]
    assert (await ask(client, "DELETE", f"/_sim/drafts/{first}"))["id"] == first
    assert [one["id"] for one in (await ask(client, "GET", "/_sim/state"))["drafts"]] == [second]
    for method in ("POST", "DELETE"):
        assert code(await ask(client, method, f"/_sim/drafts/{NOBODY}", {}, 404)) == "ResourceNotFound"


async def test_connectors_are_made_changed_shown_and_removed(client: aiohttp.ClientSession) -> None:
    made = await ask(client, "POST", "/_sim/connectors", {"key": "mine", "version": 4}, 201)
    found = made["connectors"][0]
    assert found["key"] == "mine"
    changed = await ask(client, "POST", f"/_sim/connectors/{found['id']}", {"certified": False, "version": 7})
    assert (changed["certified"], changed["version"]) == (False, 7)
    assert await ask(client, "GET", "/connectors/key=mine") == changed
    assert changed in (await ask(client, "GET", "/_sim/state"))["connectors"]
    await ask(client, "DELETE", f"/_sim/connectors/{found['id']}")
    assert code(await ask(client, "GET", "/connectors/key=mine", status=404)) == "ResourceNotFound"
    assert code(await ask(client, "DELETE", f"/_sim/connectors/{found['id']}", status=404)) == "ResourceNotFound"


async def test_a_plan_decides_what_a_request_comes_to(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.create("shop", key="tax")
    plan = {"kind": "deploy", "key": "tax", "result": "Failed", "cause": "no space left", "count": "all"}
    assert (await ask(client, "POST", "/_sim/plan", plan, 201))["count"] == "all"
    update = {"version": 1, "actions": [{"action": "redeploy"}]}
    assert (await ask(client, "POST", "/shop/deployments/key=tax", update, 201))["status"] == "Queued"
    await ask(client, "POST", "/_sim/clock", {"advance": "2m"})
    found = await ask(client, "GET", "/shop/deployments/key=tax")
    assert found["status"] == "Failed"
    assert found["details"]["build"]["report"]["entries"][0]["message"] == "no space left"


async def test_a_rollback_is_asked_for_here(client: aiohttp.ClientSession, running: Simulator) -> None:
    (made,) = running.create("a-shop", key="tax", connector="tax-calculation")
    rolled = await ask(client, "POST", "/_sim/rollback", {"project": "a-shop", "key": "tax", "revision": 1}, 201)
    assert (rolled["id"], rolled["status"], rolled["rollbackRevision"]) == (made["id"], "Queued", 1)
    running.advance(100_000)
    wrong = {"project": "a-shop", "key": "tax", "revision": 99}
    assert code(await ask(client, "POST", "/_sim/rollback", wrong, 400)) == "DeploymentRollbackNotAllowed"
    assert code(await ask(client, "POST", "/_sim/rollback", {"key": "tax"}, 404)) == "ResourceNotFound"
    assert "revision" in why(await ask(client, "POST", "/_sim/rollback", {"key": "tax", "revision": 0}, 400))


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"kind": "deploy", "key": "tax"}, "result: Field required"),
        ({"kind": "deploy", "key": "tax", "result": "true"}, "a deploy comes to one of Deployed, Failed, "),
        ({"kind": "certify", "key": "tax", "result": "true"}, "kind: Input should be 'deploy'"),
        ({"kind": "deploy", "key": "*", "result": "Failed", "cuont": 1}, "cuont: Extra inputs are not permitted"),
        ([], "Expected `object`, got `array`"),
    ],
)
async def test_a_plan_that_makes_no_sense_is_refused(client: aiohttp.ClientSession, plan: Any, said: str) -> None:
    assert said in why(await ask(client, "POST", "/_sim/plan", plan, 400))


# ── logs ─────────────────────────────────────────────────────────────────────


async def test_logs_are_written_to_order(client: aiohttp.ClientSession, running: Simulator) -> None:
    made = running.create("shop", key="tax", connector="tax-calculation")[0]
    by_id = {"deployment": made["id"], "shape": "pino-error", "count": 4, "duplicates": 2}
    by_key = {"project": "shop", "key": "tax", "application": "tax-calculator", "shape": "info", "late": "1m"}
    assert await ask(client, "POST", "/_sim/logs", by_id, 201) == {"records": 6}
    assert await ask(client, "POST", "/_sim/logs", by_key, 201) == {"records": 1}
    page = await ask(client, "GET", f"/shop/deployments/{made['id']}/logs")
    assert len(page["data"]) == 6
    await ask(client, "POST", "/_sim/clock", {"advance": "1m"})
    assert len((await ask(client, "GET", "/shop/deployments/key=tax/logs"))["data"]) == 7


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        ({}, 400, "name a deployment or a key"),
        ({"deployment": NOBODY, "key": "tax"}, 400, "name a deployment or a key"),
        ({"deployment": NOBODY}, 404, "does not exist"),
        ({"project": "shop", "key": "tax", "shape": "haiku"}, 400, "no such shape: haiku; there are "),
        ({"project": "shop", "key": "tax", "application": "nope"}, 400, "nope"),
        ({"project": "shop", "key": "tax", "over": 5}, 400, "over: write a moment"),
    ],
)
async def test_logs_nobody_can_write_are_refused(
    client: aiohttp.ClientSession, running: Simulator, wanted: Any, status: int, said: str
) -> None:
    running.create("shop", key="tax")
    assert said in str(await ask(client, "POST", "/_sim/logs", wanted, status))


async def test_cursors_expire_and_the_logs_endpoint_ends(client: aiohttp.ClientSession, running: Simulator) -> None:
    made = running.create("shop")[0]
    running.log_burst(made["id"], count=60)
    path = f"/shop/deployments/{made['id']}/logs"
    token = (await ask(client, "GET", path))["next"]
    await ask(client, "POST", "/_sim/logs/expire", status=204)
    async with client.get(path, params={"pageToken": token}) as response:
        assert code(await response.json()) == "DeploymentLogInvalidPageToken"
    told = await ask(client, "POST", "/_sim/logs/removed", {"after": "10m", "status": 410}, 201)
    assert told["status"] == 410
    async with client.get(path) as response:
        sunset = parsedate_to_datetime(response.headers["Sunset"])
        assert abs((datetime.fromisoformat(told["removed"]) - sunset).total_seconds()) <= 1
    await ask(client, "POST", "/_sim/clock", {"advance": "10m"})
    await ask(client, "GET", path, status=410)
    await ask(client, "DELETE", "/_sim/logs/removed", status=204)
    await ask(client, "GET", path)
    await ask(client, "POST", "/_sim/logs/removed", {}, 201)
    await ask(client, "GET", path, status=404)
    assert "status" in why(await ask(client, "POST", "/_sim/logs/removed", {"status": 500}, 400))
    assert "write a length" in why(await ask(client, "POST", "/_sim/logs/removed", {"after": "soon"}, 400))


# ── time ─────────────────────────────────────────────────────────────────────


async def test_time_passes_at_once_and_what_falls_into_it_is_dated_by_it(
    client: aiohttp.ClientSession, running: Simulator
) -> None:
    before = await ask(client, "GET", "/_sim/clock")
    assert set(before) == {"now", "offset", "scenario", "speed"}
    assert (before["offset"], before["speed"]) == (0, 1)
    running.create("shop", key="tax")
    running.plan("deploy", "tax", result="Failed")
    update = {"version": 1, "actions": [{"action": "redeploy"}]}
    await ask(client, "POST", "/shop/deployments/key=tax", update, 201)
    after = await ask(client, "POST", "/_sim/clock", {"advance": "10m"})
    assert 600_000 <= after["scenario"] - before["scenario"] < 605_000
    begun, now = (datetime.fromisoformat(clock["now"]).timestamp() for clock in (before, after))
    assert 600 <= now - begun < 605
    entry = (await ask(client, "GET", "/shop/deployments/key=tax"))["details"]["build"]["report"]["entries"][0]
    assert 65 <= datetime.fromisoformat(entry["createdAt"]).timestamp() - begun < 70


async def test_a_clock_set_wrong_shows_in_dates_and_the_ends_of_tokens(
    client: aiohttp.ClientSession, running: Simulator
) -> None:
    set_wrong = await ask(client, "POST", "/_sim/clock", {"offset": "-2h"})
    assert set_wrong["offset"] == -7_200_000
    async with client.get("/shop/deployments") as response:
        told = parsedate_to_datetime(response.headers["Date"]).timestamp()
        assert abs(told - datetime.fromisoformat(set_wrong["now"]).timestamp()) < 5
        assert response.status == 200
    assert set_wrong["scenario"] < 60_000
    assert (await ask(client, "POST", "/_sim/clock", {"offset": 172_801}))["offset"] == 172_801_000
    await ask(client, "GET", "/shop/deployments", status=401)
    assert (await ask(client, "POST", "/_sim/clock", {"offset": 0}))["offset"] == 0
    await ask(client, "GET", "/shop/deployments")
    assert running.journal.entries[-1].at > set_wrong["now"]  # what was asked when is not a matter of that clock


async def test_tokens_end_when_enough_time_has_passed(client: aiohttp.ClientSession) -> None:
    await ask(client, "POST", "/_sim/clock", {"advance": "47h59m"})
    await ask(client, "GET", "/shop/deployments")
    await ask(client, "POST", "/_sim/clock", {"advance": "1m"})
    await ask(client, "GET", "/shop/deployments", status=401)


@pytest.mark.parametrize(
    ("hands", "said"),
    [
        ({}, "say advance or offset"),
        ({"advance": "-5s"}, "time does not pass backwards"),
        ({"advance": "5"}, "write a length of time"),
        ({"offset": "soon"}, "write a length of time"),
        ({"ofset": "5s"}, "ofset"),
    ],
)
async def test_a_clock_that_makes_no_sense_is_refused(client: aiohttp.ClientSession, hands: Any, said: str) -> None:
    assert said in why(await ask(client, "POST", "/_sim/clock", hands, 400))


@dataclass
class HandClock:
    at: int = 1_790_000_000_000

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.at += length


async def test_a_request_finds_the_world_as_of_its_moment() -> None:
    clock = HandClock()
    async with serve(clock=clock) as simulator, aiohttp.ClientSession(simulator.url) as client:
        simulator.create("shop", key="tax")
        update = {"version": 1, "actions": [{"action": "redeploy"}]}
        headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
        async with client.post("/shop/deployments/key=tax", json=update, headers=headers) as response:
            assert response.status == 201
        for path in ("/shop/deployments/key=tax", "/_sim/state"):
            clock.at += 33_000
            async with client.get(path, headers=headers) as response:
                found = await response.json()
            status = found["status"] if "status" in found else found["deployments"][0]["status"]
            assert status == ("Deploying" if path.startswith("/shop") else "Deployed")


async def test_letting_time_pass_shows_in_the_next_answer() -> None:
    scenario = read_scenario("""
    [[steps]]
    at = "0s"
    create = { key = "tax" }
    [[steps]]
    at = "10m"
    redeploy = { key = "tax" }
    """)
    async with serve(scenario=scenario, speed=0) as simulator, aiohttp.ClientSession(simulator.url) as client:
        simulator.play()
        for advance, status in ((0, "Deployed"), ("10m", "Queued"), ("5s", "Deploying"), ("60s", "Deployed")):
            await ask(client, "POST", "/_sim/clock", {"advance": advance})
            state = await ask(client, "GET", "/_sim/state")
            assert [found["status"] for found in state["deployments"]] == [status]
