import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from watcher.simulator import Simulator, serve

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def running() -> AsyncIterator[Simulator]:
    async with serve(seed=1) as simulator:
        yield simulator


@pytest.fixture
async def client(running: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(running.url) as session:
        yield session


async def token(client: aiohttp.ClientSession, **form: str) -> dict[str, Any]:
    form = form or {"grant_type": "client_credentials", "scope": "view_connectors_deployments:shop"}
    headers = {"Authorization": aiohttp.encode_basic_auth("id", "secret")}
    async with client.post("/oauth/token", data=form, headers=headers) as response:
        granted: dict[str, Any] = await response.json()
        return granted


async def get(client: aiohttp.ClientSession, path: str, status: int = 200) -> Any:
    headers = {"Authorization": f"Bearer {(await token(client))['access_token']}"}
    async with client.get(path, headers=headers) as response:
        body = await response.json()
        assert response.status == status, body
        assert response.content_type == "application/json"
        return body


async def control(client: aiohttp.ClientSession, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    async with client.request(method, f"/_sim{path}", json=body) as response:
        assert response.status == status, await response.text()
        return await response.json() if response.content_length else None


def code(body: Any) -> str:
    assert body["message"] == body["errors"][0]["message"]
    return str(body["errors"][0]["code"])


# ── tokens ───────────────────────────────────────────────────────────────────


async def test_token_for_client_credentials_in_body_or_query(client: aiohttp.ClientSession) -> None:
    granted = await token(client)
    assert granted["token_type"] == "Bearer"
    assert granted["expires_in"] == 172_800
    assert granted["scope"] == "view_connectors_deployments:shop"
    headers = {"Authorization": aiohttp.encode_basic_auth("id", "secret")}
    async with client.post("/oauth/token?grant_type=client_credentials", headers=headers) as response:
        assert (await response.json())["scope"].endswith(":*")


async def test_token_is_refused_without_client_or_with_another_grant(client: aiohttp.ClientSession) -> None:
    async with client.post("/oauth/token", data={"grant_type": "client_credentials"}) as response:
        body = await response.json()
        assert (response.status, body["error"], code(body)) == (401, "invalid_client", "invalid_client")
    assert (await token(client, grant_type="password"))["error"] == "unsupported_grant_type"


async def test_requests_need_a_token_that_was_issued(client: aiohttp.ClientSession) -> None:
    for path in ("/shop/deployments", f"/shop/deployments/{NOBODY}", "/shop/deployments/key=some-key"):
        async with client.get(path, headers={"Authorization": "Bearer made-up"}) as response:
            assert response.status == 401
            assert await response.json() == {
                "statusCode": 401,
                "message": "invalid_token",
                "errors": [{"code": "invalid_token", "message": "invalid_token"}],
                "error": "invalid_token",
            }


async def test_revoked_tokens_are_refused_until_a_new_one_is_fetched(client: aiohttp.ClientSession) -> None:
    old = {"Authorization": f"Bearer {(await token(client))['access_token']}"}
    async with client.get("/shop/deployments", headers=old) as response:
        assert response.status == 200
    assert await control(client, "POST", "/tokens/revoke") == {"revoked": 1}
    async with client.get("/shop/deployments", headers=old) as response:
        assert response.status == 401
    await get(client, "/shop/deployments")


async def test_lifetime_of_tokens_can_be_set(client: aiohttp.ClientSession) -> None:
    await control(client, "POST", "/tokens", {"expires_in": 90})
    assert (await token(client))["expires_in"] == 90
    await control(client, "POST", "/tokens", {"expires_in": 0}, status=400)


# ── Deployments ──────────────────────────────────────────────────────────────


async def test_an_unknown_project_is_an_empty_list(client: aiohttp.ClientSession) -> None:
    assert await get(client, "/nobody/deployments") == {
        "limit": 20, "offset": 0, "count": 0, "total": 0, "results": [],
    }  # fmt: skip


async def test_pages_hold_what_was_asked_for(client: aiohttp.ClientSession, running: Simulator) -> None:
    made = sorted((payload["id"] for payload in running.create("shop", count=7)), reverse=True)
    body = await get(client, "/shop/deployments?limit=3&offset=5&sort=status+asc&sort=id+desc")
    assert (body["limit"], body["offset"], body["count"], body["total"]) == (3, 5, 2, 7)
    assert [found["id"] for found in body["results"]] == made[5:]
    assert (await get(client, "/shop/deployments?limit=0"))["results"] == []


@pytest.mark.parametrize("query", ["limit=501", "offset=10001", "sort=nope", "deploymentType=live", "limit=x"])
async def test_queries_out_of_bounds_are_refused(client: aiohttp.ClientSession, query: str) -> None:
    body = await get(client, f"/shop/deployments?{query}", status=400)
    assert code(body) == "InvalidQueryParam"
    assert body["errors"][0]["detailedErrorMessage"]


async def test_one_deployment_by_id_and_by_key(client: aiohttp.ClientSession, running: Simulator) -> None:
    made = running.create("shop", key="my-key")[0]
    assert await get(client, f"/shop/deployments/{made['id']}") == made
    assert await get(client, "/shop/deployments/key=my-key") == made


async def test_what_is_not_there_is_not_found(client: aiohttp.ClientSession, running: Simulator) -> None:
    elsewhere = running.create("other", key="theirs")[0]["id"]
    for name, path in ((f"id={elsewhere}", elsewhere), ("key=theirs", "key=theirs")):
        body = await get(client, f"/shop/deployments/{path}", status=404)
        assert (body["statusCode"], code(body)) == (404, "ResourceNotFound")
        assert body["message"] == f"Deployment with {name} does not exist"
    assert code(await get(client, "/shop/deployments/not-a-uuid", status=400)) == "InvalidPathParam"
    assert code(await get(client, "/shop/deployments/key=!", status=400)) == "InvalidPathParam"
    assert code(await get(client, "/no/such/path", status=404)) == "ResourceNotFound"


async def test_correlation_id_comes_back_or_is_made(client: aiohttp.ClientSession) -> None:
    async with client.get("/shop/deployments", headers={"X-Correlation-ID": "mine-1"}) as response:
        assert response.headers["X-Correlation-ID"] == "mine-1"
    async with client.get("/shop/deployments") as response:
        assert response.headers["X-Correlation-ID"].startswith("simulator-")


async def test_traffic_does_not_change_what_a_seed_makes(client: aiohttp.ClientSession, running: Simulator) -> None:
    await get(client, "/shop/deployments")
    assert running.create("shop") == Simulator(seed=1).create("shop")


# ── control ──────────────────────────────────────────────────────────────────


async def test_deployments_are_loaded_round_robin_and_shown(client: aiohttp.ClientSession) -> None:
    batch = {"count": 40, "projects": ["a", "b"], "status": "Failed", "type": "sandbox", "keyPrefix": "load"}
    made = (await control(client, "POST", "/deployments", batch, status=201))["deployments"]
    assert len({one["id"] for one in made}) == 40
    assert [one["projectKey"] for one in made[:3]] == ["a", "b", "a"]
    state = await control(client, "GET", "/state")
    assert {key: len(project["deployments"]) for key, project in state["projects"].items()} == {"a": 20, "b": 20}
    assert [(one["id"], one["projectKey"]) for one in state["deployments"]] == [
        (one["id"], one["projectKey"]) for one in made
    ]
    shown = (await get(client, "/a/deployments?limit=500"))["results"]
    assert shown == state["projects"]["a"]["deployments"]
    assert {(one["status"], one["type"], one["key"][:5]) for one in shown} == {("Failed", "sandbox", "load-")}


async def test_any_field_can_be_set_and_removed(client: aiohttp.ClientSession, running: Simulator) -> None:
    made = running.create("shop")[0]
    build = {"build": {"id": "b-2", "report": {"entries": [{"type": "Warning", "title": "t", "message": None}]}}}
    body = await control(
        client, "POST", f"/deployments/{made['id']}", {"status": "Queued", "details": build, "key": None}
    )
    assert body == await get(client, f"/shop/deployments/{made['id']}")
    assert (body["version"], body["status"], body["details"]["build"]["id"]) == (2, "Queued", "b-2")
    assert "key" not in body
    assert running.transitions == 1
    await control(client, "POST", f"/deployments/{NOBODY}", {"status": "Queued"}, status=404)
    await control(client, "POST", f"/deployments/{made['id']}", ["status"], status=400)


async def test_a_removed_deployment_is_gone(client: aiohttp.ClientSession, running: Simulator) -> None:
    gone, left = (payload["id"] for payload in running.create("shop", count=2))
    await control(client, "DELETE", f"/deployments/{gone}")
    assert [one["id"] for one in (await get(client, "/shop/deployments"))["results"]] == [left]
    await get(client, f"/shop/deployments/{gone}", status=404)
    await control(client, "DELETE", f"/deployments/{gone}", status=404)


@pytest.mark.parametrize(
    "body", [{}, {"count": 0, "projects": ["a"]}, {"count": 1, "projects": []}, {"projects": [""]}, []]
)
async def test_a_batch_that_makes_no_sense_is_refused(client: aiohttp.ClientSession, body: Any) -> None:
    assert code(await control(client, "POST", "/deployments", body, status=400)) == "InvalidJsonInput"


async def test_requests_are_noted_without_their_secrets(client: aiohttp.ClientSession) -> None:
    await get(client, "/shop/deployments?limit=5&offset=1")
    asked, listed = await control(client, "GET", "/requests")
    assert (asked["method"], asked["path"], asked["status"]) == ("POST", "/oauth/token", 200)
    assert (listed["path"], listed["query"], listed["status"]) == ("/shop/deployments", "limit=5&offset=1", 200)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", listed["at"])
    assert "User-Agent" in listed["headers"]
    assert not any(name.lower() == "authorization" for entry in (asked, listed) for name in entry["headers"])
    assert await control(client, "GET", "/requests?since=1") == [listed]


# ── inboxes ──────────────────────────────────────────────────────────────────


async def test_webhooks_are_kept_as_they_came(client: aiohttp.ClientSession) -> None:
    for method, sent in (("POST", '{"a": [1]}'), ("PUT", "plain text")):
        headers = {"X-Odd-Case": "1", "Authorization": "Bearer kept"}
        async with client.request(method, "/inbox/team/a?x=1", data=sent, headers=headers) as response:
            assert (response.status, await response.json()) == (200, {"ok": True})
    first, second = await control(client, "GET", "/inbox")
    assert set(first) == {"at", "kind", "method", "path", "headers", "body"}
    assert (first["kind"], first["method"], first["path"]) == ("webhook", "POST", "/inbox/team/a")
    assert (first["body"], second["body"], second["method"]) == ({"a": [1]}, "plain text", "PUT")
    assert (first["headers"]["X-Odd-Case"], first["headers"]["Authorization"]) == ("1", "Bearer kept")
    assert await control(client, "GET", "/inbox?since=1") == [second]
    await control(client, "DELETE", "/inbox", status=204)
    assert await control(client, "GET", "/inbox") == []


async def test_slack_hook_takes_messages_and_refuses_in_slacks_words(client: aiohttp.ClientSession) -> None:
    path = "/slack/hook/T0/B0/secret"
    for sent, status, said in (
        ({"json": {"text": "hello"}}, 200, "ok"),
        ({"data": {"payload": '{"text": "form"}'}}, 200, "ok"),
        ({"json": {}}, 400, "no_text"),
        ({"data": b"{"}, 400, "invalid_payload"),
        ({"json": {"blocks": [{"type": "header"}]}}, 400, "invalid_blocks"),
    ):
        async with client.post(path, **sent) as response:
            assert (response.status, await response.text(), response.content_type) == (status, said, "text/html")
    inbox = await control(client, "GET", "/inbox")
    assert [(message["kind"], message["path"], message["body"]) for message in inbox] == [
        ("slack", path, {"text": "hello"}),
        ("slack", path, {"text": "form"}),
    ]
    assert [entry["accepted"] for entry in await control(client, "GET", "/requests")] == [
        True,
        True,
        False,
        False,
        False,
    ]


async def test_the_inbox_can_be_waited_for(client: aiohttp.ClientSession, running: Simulator) -> None:
    waiting = asyncio.ensure_future(running.wait_inbox(lambda inbox: len(inbox) == 2, 5))
    for n in (1, 2):
        await client.post("/inbox/x", json=n)
    assert [message.body for message in await waiting] == [1, 2]
    with pytest.raises(TimeoutError, match=r"it holds \[1, 2\]"):
        await running.wait_inbox(lambda inbox: len(inbox) == 3, 0.01)


# ── scenario and process ─────────────────────────────────────────────────────


async def test_scenario_can_be_stepped_and_watched_over_http() -> None:
    async with serve(scenario="demo", speed=0) as simulator, aiohttp.ClientSession(simulator.url) as client:
        assert len((await get(client, "/demo-shop/deployments"))["results"]) == 7
        before = await control(client, "GET", "/scenario")
        assert before["done"] == 7
        while (played := await control(client, "POST", "/step"))["left"]:
            assert played["at"] >= 2000
        assert await control(client, "POST", "/step") == {"at": None, "left": 0}
        after = await control(client, "GET", "/scenario")
        assert (after["done"], after["failures"], after["transitions"]) == (before["steps"], [], simulator.transitions)
        assert after["expect"][0] == {
            "at": 0, "alert": "NowWatching", "state": "firing", "deployment": None, "connector": None, "count": 1, "logs": False,
        }  # fmt: skip
        assert len((await get(client, "/demo-shop/deployments"))["results"]) == 5


async def test_the_program_says_where_it_listens_and_leaves_when_told() -> None:
    code = "import asyncio; from watcher.simulator import main_simulate; exit(asyncio.run(main_simulate('127.0.0.1:0', 'demo')))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    found = re.fullmatch(r"listening on (http://127\.0\.0\.1:[1-9]\d*)\n", line)
    assert found is not None
    async with aiohttp.ClientSession(found[1]) as client:
        await control(client, "POST", "/faults", {"path": "/inbox/*", "delay": 3600}, status=201)
        held = asyncio.ensure_future(client.post("/inbox/x"))
        while not await control(client, "GET", "/requests"):
            pass
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 10)
        with pytest.raises(aiohttp.ClientError):
            await held
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_an_ipv6_address_is_written_as_a_url() -> None:
    async with serve("::1") as simulator, aiohttp.ClientSession(simulator.url) as client:
        assert simulator.url.startswith("http://[::1]:")
        assert await control(client, "GET", "/inbox") == []


async def test_a_thousand_deployments_load_and_list_quickly(client: aiohttp.ClientSession) -> None:
    """A hundredth of the full load, with room for a busy machine."""
    async with asyncio.timeout(2):
        await control(client, "POST", "/deployments", {"count": 1000, "projects": ["a"]}, status=201)
        pages = [await get(client, f"/a/deployments?limit=500&offset={offset}") for offset in (0, 500)]
    assert [page["count"] for page in pages] == [500, 500]
