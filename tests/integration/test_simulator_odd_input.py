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
    "no text": ("POST", "/connectors/drafts", b'{"key": "\xff"}'),
    "no text for a name": ("POST", "/connectors/drafts", b'{"\xff": 1}'),
    "since": ("GET", f"/_sim/requests?since={HUGE}", None),
    "deep control": ("POST", "/_sim/deployments", DEEP),
    "deep enough to be read": ("POST", "/_sim/drafts", '{"x": ' + "[" * 600 + "]" * 600 + "}"),
    "lifetime": ("POST", "/_sim/tokens", '{"expires_in": 1e308}'),
    "delay": ("POST", "/_sim/faults", '{"path": "/x", "delay": 1e308}'),
    "drip": ("POST", "/_sim/faults", '{"path": "/x", "drip": 1e308}'),
    "jump": ("POST", "/_sim/faults", '{"path": "/x", "clock_jump": 1e308}'),
    "header": ("POST", "/_sim/faults", '{"path": "/x", "headers": {"X-A": "a\\r\\nb: c"}}'),
    "header name": ("POST", "/_sim/faults", '{"path": "/x", "headers": {"X A": "a"}}'),
    "length": ("POST", "/_sim/faults", '{"path": "/x", "headers": {"Content-Length": "x"}}'),
    "content type": ("POST", "/_sim/faults", '{"path": "/x", "content_type": "a\\nb"}'),
    "retry after": ("POST", "/_sim/faults", '{"path": "/x", "retry_after": "a\\nb"}'),
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


FORMS = {
    "no text": ("application/x-www-form-urlencoded", b"grant_type=\xff"),
    "no charset": ("application/x-www-form-urlencoded; charset=nobodys", b"grant_type=x"),
    "no boundary": ("multipart/form-data", b"x"),
    "no parts": ("multipart/form-data; boundary=y", b"x"),
}


@pytest.mark.parametrize("name", FORMS)
async def test_a_token_request_that_is_no_form_is_refused(name: str) -> None:
    kind, body = FORMS[name]
    headers = {"Content-Type": kind, "Authorization": aiohttp.encode_basic_auth("id", "secret")}
    async with (
        serve() as simulator,
        aiohttp.ClientSession(simulator.url, headers=headers) as client,
        client.post("/oauth/token", data=body) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"] == "invalid_request"


async def test_a_body_that_cannot_be_unpacked_is_refused_and_the_next_request_is_served() -> None:
    async with serve() as simulator, aiohttp.ClientSession(simulator.url) as client:
        for path in ("/_sim/drafts", "/inbox/x"):
            async with client.post(path, data=b"no gzip", headers={"Content-Encoding": "gzip"}) as answer:
                assert answer.status == 400
                assert (await answer.json())["errors"][0]["code"] == "InvalidJsonInput"
        async with client.get("/_sim/state") as answer:
            assert answer.status == 200


async def test_a_message_that_is_nested_without_measure_is_kept_as_the_text_it_is() -> None:
    async with serve() as simulator, aiohttp.ClientSession(simulator.url) as client:
        async with client.post("/inbox/x", data=DEEP) as answer:
            assert answer.status == 200
        async with client.post("/slack/hook/x", data=DEEP) as answer:
            assert (answer.status, await answer.text()) == (400, "invalid_payload")
    assert [message.body for message in simulator.messages] == [DEEP]


async def test_a_fault_of_endless_digits_is_not_there() -> None:
    limits = {"max_line_size": 20_000, "max_field_size": 20_000}
    async with serve() as simulator, aiohttp.ClientSession(simulator.url, **limits) as client:  # type: ignore[arg-type]  # numbers
        assert (await ask(client, "DELETE", f"/_sim/faults/{HUGE}"))[0] == 404
