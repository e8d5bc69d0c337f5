from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from watcher.simulator import Simulator, serve
from watcher.simulator.clock import iso
from watcher.simulator.logbook import Manners, Record

NOW = 1_800_000_000_000
DAY = 86_400_000
NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass
class HandClock:
    at: int = NOW

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.at += length


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def running(clock: HandClock) -> AsyncIterator[Simulator]:
    async with serve(seed=1, clock=clock) as simulator:
        yield simulator


@pytest.fixture
async def client(running: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    headers = await bearer(running, "view_connectors_deployments:shop")
    async with aiohttp.ClientSession(running.url, headers=headers) as session:
        yield session


async def bearer(simulator: Simulator, scope: str) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "scope": scope}
    credentials = {"Authorization": aiohttp.encode_basic_auth("id", "secret")}
    async with (
        aiohttp.ClientSession(simulator.url) as guest,
        guest.post("/oauth/token", data=form, headers=credentials) as response,
    ):
        return {"Authorization": f"Bearer {(await response.json())['access_token']}"}


@pytest.fixture
def deployment(running: Simulator) -> dict[str, Any]:
    return running.create("shop", key="orders", connector="order-export")[0]


async def ask(
    client: aiohttp.ClientSession, path: str, parameters: dict[str, str] | None = None, status: int = 200
) -> Any:
    async with client.get(f"/shop/deployments/{path}/logs", params=parameters) as response:
        body = await response.json()
        assert response.status == status, body
        assert response.content_type == "application/json"
        return body


async def refusal(
    client: aiohttp.ClientSession, path: str, parameters: dict[str, str] | None = None, status: int = 400
) -> tuple[str, str]:
    body = await ask(client, path, parameters, status)
    assert body["statusCode"] == status
    assert body["message"] == body["errors"][0]["message"]
    return body["errors"][0]["code"], body["message"]


def write(simulator: Simulator, deployment: dict[str, Any], *moments: int) -> None:
    records = [Record(timestamp=at, type="APPLICATION_TEXT", details={"message": str(at)}) for at in moments]
    simulator.logbook.append(deployment["id"], "order-listener", records)


# ── reading ──────────────────────────────────────────────────────────────────


async def test_logs_are_read_by_id_and_by_key(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any]
) -> None:
    write(running, deployment, NOW - 88)
    expected = {
        "data": [
            {
                "type": "APPLICATION_TEXT",
                "deploymentId": deployment["id"],
                "applicationName": "order-listener",
                "severity": "DEFAULT",
                "timestamp": iso(NOW - 88),
                "details": {"message": str(NOW - 88)},
            }
        ],
        "next": "",
    }
    assert await ask(client, deployment["id"]) == expected
    assert await ask(client, "key=orders") == expected


async def test_all_pages_together_are_all_records(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any]
) -> None:
    running.logbook.burst(deployment, shape="http-5xx", count=120, start_ms=NOW - 9000, over_ms=9000)
    running.logbook.burst(deployment, "nightly-reconciliation", "pino-error", 30, NOW - 9000, 9000)
    query = {"startDate": iso(NOW - DAY), "endDate": iso(NOW)}
    pages = [await ask(client, "key=orders", query)]
    while token := pages[-1]["next"]:
        pages.append(await ask(client, deployment["id"], {**query, "pageToken": token}))
    assert [len(page["data"]) for page in pages] == [50, 50, 50]
    records = [record for page in pages for record in page["data"]]
    assert records == sorted(records, key=lambda record: str(record["timestamp"]))
    assert {record["type"] for record in records} == {"HTTP_REQUEST", "APPLICATION_JSON"}


async def test_one_application_can_be_asked_for(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any]
) -> None:
    for name in ("order-listener", "nightly-reconciliation"):
        running.logbook.burst(deployment, name)
    for name in ("order-listener", "nightly-reconciliation"):
        (record,) = (await ask(client, "key=orders", {"applicationName": name}))["data"]
        assert record["applicationName"] == name
    assert await refusal(client, "key=orders", {"applicationName": "nobody"}) == (
        "DeploymentApplicationDoesNotExist",
        "Deployment does not have an application named nobody.",
    )


async def test_late_records_come_when_they_arrive(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any], clock: HandClock
) -> None:
    running.logbook.burst(deployment, count=3, start_ms=NOW, late_ms=5000)
    assert (await ask(client, "key=orders"))["data"] == []
    clock.at += 5000
    assert {record["timestamp"] for record in (await ask(client, "key=orders"))["data"]} == {iso(NOW)}


@pytest.mark.parametrize(("ending", "expected"), [("null", {"data": [], "next": None}), ("absent", {"data": []})])
async def test_the_end_can_be_said_in_other_ways(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any], ending: Any, expected: object
) -> None:
    running.logbook.manners = Manners(ending=ending)
    assert await ask(client, deployment["id"]) == expected


async def test_a_page_can_be_empty_and_not_the_last(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any]
) -> None:
    running.logbook.manners = Manners(empty_every=1)
    write(running, deployment, NOW)
    page = await ask(client, "key=orders")
    assert page["data"] == []
    running.logbook.manners = Manners()
    assert len((await ask(client, "key=orders", {"pageToken": page["next"]}))["data"]) == 1


async def test_a_deploy_writes_what_its_applications_do(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any]
) -> None:
    running.plan("deploy", "orders", result="Warning")
    update = {"version": deployment["version"], "actions": [{"action": "redeploy"}]}
    running.world.request_redeploy("shop", ("id", deployment["id"]), update)
    running.advance(3_600_000)
    records = (await ask(client, "key=orders"))["data"]
    assert {record["applicationName"] for record in records} == {"order-listener", "nightly-reconciliation"}
    assert [record["details"]["message"].partition(":")[0] for record in records][2:] == ["Post-deploy failed"]


# ── dates ────────────────────────────────────────────────────────────────────

SECOND = iso(NOW).removesuffix(".000Z")


@pytest.mark.parametrize("text", [SECOND, f"{SECOND}Z", f"{SECOND}.000Z", f"{SECOND}.000000000Z", f"{SECOND}+00:00"])
async def test_a_date_may_have_a_zone_and_a_fraction_or_not(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any], clock: HandClock, text: str
) -> None:
    write(running, deployment, NOW - 1, NOW, NOW + 1)
    clock.at += 10
    for name, expected in (("startDate", [NOW, NOW + 1]), ("endDate", [NOW - 1, NOW])):
        page = await ask(client, "key=orders", {name: text})
        assert [record["details"]["message"] for record in page["data"]] == list(map(str, expected))


@pytest.mark.parametrize(
    "dates",
    [
        {"startDate": "yesterday"},
        {"endDate": ""},
        {"startDate": "2027-01-15"},
        {"startDate": "2027-02-30T00:00:00Z"},
        {"startDate": "0001-01-01T00:00:00"},
        {"startDate": str(NOW)},
        {"startDate": iso(NOW - 30 * DAY - 1)},
        {"endDate": iso(NOW - 31 * DAY)},
        {"startDate": iso(NOW), "endDate": iso(NOW - 1)},
    ],
)
async def test_dates_that_are_none_or_out_of_range_are_refused(
    client: aiohttp.ClientSession, deployment: dict[str, Any], dates: dict[str, str]
) -> None:
    assert await refusal(client, deployment["id"], dates) == ("DeploymentLogInvalidDate", "Invalid start/end date")


async def test_a_query_may_start_thirty_days_ago(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any]
) -> None:
    write(running, deployment, NOW - 30 * DAY)
    assert len((await ask(client, "key=orders", {"startDate": iso(NOW - 30 * DAY)}))["data"]) == 1
    assert (await ask(client, "key=orders"))["data"] == []


# ── tokens ───────────────────────────────────────────────────────────────────


async def test_a_token_of_another_query_or_of_the_past_is_refused(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any], clock: HandClock
) -> None:
    write(running, deployment, *range(NOW - 60, NOW))
    token = (await ask(client, "key=orders"))["next"]
    expected = ("DeploymentLogInvalidPageToken", f"Invalid page token: {token}")
    assert len((await ask(client, "key=orders", {"pageToken": token}))["data"]) == 10
    assert await refusal(client, "key=orders", {"pageToken": token, "applicationName": "order-listener"}) == expected
    clock.at += running.logbook.manners.cursor_lifetime + 1
    assert await refusal(client, "key=orders", {"pageToken": token}) == expected
    fresh = (await ask(client, "key=orders"))["next"]
    running.logbook.expire_cursors()
    assert (await refusal(client, "key=orders", {"pageToken": fresh}))[0] == "DeploymentLogInvalidPageToken"


async def test_a_token_that_is_empty_is_the_first_page(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any]
) -> None:
    write(running, deployment, NOW)
    assert len((await ask(client, "key=orders", {"pageToken": ""}))["data"]) == 1


# ── AWS ──────────────────────────────────────────────────────────────────────


async def test_aws_regions_insist_on_an_application(client: aiohttp.ClientSession, running: Simulator) -> None:
    made = running.create("shop", key="on-aws", connector="order-export", deployedRegion="us-east-2.aws")[0]
    running.logbook.burst(made)
    for parameters in ({}, {"applicationName": ""}):
        assert await refusal(client, "key=on-aws", parameters) == (
            "DeploymentLogMissingApplicationName",
            "Missing application name when fetching deployment logs",
        )
    assert len((await ask(client, "key=on-aws", {"applicationName": "order-listener"}))["data"]) == 1
    assert (await refusal(client, "key=on-aws", {"applicationName": "x"}))[0] == "DeploymentApplicationDoesNotExist"


@pytest.mark.parametrize("fields", [{"deployedRegion": None}, {"deployedRegion": 5, "applications": "none"}])
async def test_a_deployment_set_to_anything_has_logs(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any], fields: dict[str, Any]
) -> None:
    running.update(deployment["id"], **fields)
    assert await ask(client, "key=orders") == {"data": [], "next": ""}


# ── what is not there ────────────────────────────────────────────────────────


async def test_logs_need_a_deployment(client: aiohttp.ClientSession, running: Simulator) -> None:
    elsewhere = running.create("other", key="theirs")[0]["id"]
    for path, named in ((NOBODY, f"id={NOBODY}"), (elsewhere, f"id={elsewhere}"), ("key=theirs", "key=theirs")):
        assert await refusal(client, path, status=404) == (
            "ResourceNotFound",
            f"Deployment with {named} does not exist",
        )
    for path in ("not-a-uuid", "key=!"):
        assert (await refusal(client, path))[0] == "InvalidPathParam"


async def test_logs_need_a_token_that_is_good_for_them(running: Simulator, deployment: dict[str, Any]) -> None:
    for headers, status, expected in (
        ({}, 401, "AuthenticationError"),
        ({"Authorization": "Bearer made-up"}, 401, "invalid_token"),
        (await bearer(running, "view_connectors:shop"), 403, "AuthorizationError"),
    ):
        async with aiohttp.ClientSession(running.url, headers=headers) as guest:
            assert (await refusal(guest, "key=orders", status=status))[0] == expected
            assert (await refusal(guest, deployment["id"], status=status))[0] == expected


@pytest.mark.parametrize("status", [404, 410])
async def test_from_its_removal_on_every_logs_path_is_gone_and_nothing_else(
    client: aiohttp.ClientSession, running: Simulator, deployment: dict[str, Any], clock: HandClock, status: Any
) -> None:
    running.logbook.removed, running.logbook.removed_status = NOW + 1000, status
    async with client.get("/shop/deployments/key=orders/logs") as response:
        assert response.status == 200
        assert response.headers["Sunset"] == "Fri, 15 Jan 2027 08:00:01 GMT"
        assert response.headers["Deprecation"] == "@1793923200"
    clock.at += 1000
    for path in ("key=orders", deployment["id"], NOBODY, "key=!"):
        assert await refusal(client, path, status=status) == ("ResourceNotFound", "The Resource was not found.")
    async with client.get("/shop/deployments/key=orders") as response:
        assert response.status == 200


async def test_without_a_removal_date_nothing_is_announced(
    client: aiohttp.ClientSession, deployment: dict[str, Any]
) -> None:
    async with client.get(f"/shop/deployments/{deployment['id']}/logs") as response:
        assert not {"Sunset", "Deprecation"} & set(response.headers)
