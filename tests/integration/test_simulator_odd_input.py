"""Whatever a client sends, the simulator refuses it in the API's own words: nothing is a fault of the server."""

from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from watcher.simulator import serve

HUGE = "9" * 5_000
DEEP = "[" * 100_000 + "]" * 100_000
WRONG = {
    "limit": ("GET", f"/shop/deployments?limit={HUGE}", None),
    "offset": ("GET", f"/connectors/search?offset={HUGE}", None),
    "version": ("DELETE", f"/shop/deployments/key=shop-1?version={HUGE}", None),
    "revision": ("GET", f"/shop/deployments/key=shop-1/revisions/{HUGE}", None),
    "deep draft": ("POST", "/connectors/drafts", DEEP),
    "deep update": ("POST", "/shop/deployments/key=shop-1", '{"version": 1, "actions": ' + DEEP + "}"),
    "since": ("GET", f"/_sim/requests?since={HUGE}", None),
    "deep control": ("POST", "/_sim/deployments", DEEP),
    "lifetime": ("POST", "/_sim/tokens", '{"expires_in": 1e308}'),
}


async def ask(client: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    token = aiohttp.encode_basic_auth("id", "secret")
    async with client.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": token}
    ) as granted:
        bearer = {"Authorization": f"Bearer {(await granted.json())['access_token']}"}
    async with client.request(method, URL(path, encoded=True), data=body, headers=bearer) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("name", WRONG)
async def test_it_is_refused_and_no_fault_of_the_server(name: str) -> None:
    method, path, body = WRONG[name]
    limits = {"max_line_size": 20_000, "max_field_size": 20_000}
    async with serve() as simulator, aiohttp.ClientSession(simulator.url, **limits) as client:  # type: ignore[arg-type]  # numbers
        simulator.create("shop", key="shop-1")
        status, said = await ask(client, method, path, body)
    assert status == 400, said
    assert said["errors"][0]["code"] in {"InvalidQueryParam", "InvalidPathParam", "InvalidJsonInput"}


@pytest.mark.parametrize("offset", ["-870000h", "870000h"])
async def test_a_wall_clock_that_is_as_wrong_as_can_be_is_served_all_the_same(offset: str) -> None:
    async with serve() as simulator, aiohttp.ClientSession(simulator.url) as client:
        (made,) = simulator.create("shop", key="shop-1")
        path = "/shop/deployments/key=shop-1/logs"
        assert (await ask(client, "POST", "/_sim/clock", f'{{"offset": "{offset}"}}'))[0] == 200
        simulator.log_burst(made["id"], shape="text", count=120)
        status, said = await ask(client, "GET", path)
        assert status == 200, said
        if said["next"]:
            token = quote(said["next"], safe="")
            status, said = await ask(client, "GET", f"{path}?pageToken={token}")
            assert status == 200, said
