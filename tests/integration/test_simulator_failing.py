import asyncio
import gzip
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from watcher.simulator import Simulator, serve
from watcher.simulator.bodies import PIECE
from watcher.simulator.clock import iso

INBOX = "/inbox/team"
HOOK = "/slack/hook/T/B/x"


@pytest.fixture
async def running() -> AsyncIterator[Simulator]:
    async with serve() as simulator:
        yield simulator


@pytest.fixture
async def client(running: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(running.url) as session:
        yield session


async def post(
    client: aiohttp.ClientSession, path: str = INBOX, body: Any = "hello"
) -> tuple[int, str, dict[str, str]]:
    async with client.post(path, json=body) as response:
        return response.status, await response.text(), dict(response.headers)


async def status(client: aiohttp.ClientSession, path: str = INBOX) -> int:
    return (await post(client, path))[0]


async def test_faults_are_added_listed_and_deleted_over_http(client: aiohttp.ClientSession) -> None:
    for fault in ({"path": "/a", "status": 503, "count": 2}, {"path": INBOX, "body": None, "retry_after": "5"}):
        async with client.post("/_sim/faults", json=fault) as response:
            assert response.status == 201
    async with client.get("/_sim/faults") as response:
        assert await response.json() == [
            {"id": 1, "path": "/a", "status": 503, "count": 2},
            {"id": 2, "path": INBOX, "body": None, "retry_after": "5"},
        ]
    for path, expected in (("/_sim/faults/1", 204), ("/_sim/faults/1", 404), ("/_sim/faults", 204)):
        async with client.delete(path) as response:
            assert response.status == expected
    async with client.get("/_sim/faults") as response:
        assert await response.json() == []
    async with client.post("/_sim/faults", json={"path": "/a", "sttus": 1}) as response:
        assert response.status == 400
        assert "sttus" in await response.text()


async def test_a_fault_holds_for_its_count_or_until_deleted(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, status=503, count=2)
    assert [await status(client) for _ in range(3)] == [503, 503, 200]
    number = running.fault("/inbox/*", status=500)
    assert [await status(client) for _ in range(3)] == [500, 500, 500]
    running.faults.drop(number)
    assert await status(client) == 200
    assert len(running.messages) == 2


async def test_the_oldest_fault_comes_first(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, status=500, count=1)
    running.fault("*", status=502, count=1)
    assert [await status(client) for _ in range(3)] == [500, 502, 200]
    assert [entry.fault for entry in running.requests] == [1, 2, None]


@pytest.mark.parametrize(
    ("path", "given", "said"),
    [
        (INBOX, 403, '{"statusCode":403,"message":"Access denied","errors":[{"code":"AuthorizationError","message":"Access denied"}]}'),
        (INBOX, 429, '{"statusCode":429,"message":"Too Many Requests","errors":[{"code":"General","message":"Too Many Requests"}]}'),
        (INBOX, 401, '{"statusCode":401,"message":"invalid_token","errors":[{"code":"invalid_token","message":"invalid_token"}],"error":"invalid_token"}'),
        (INBOX, 599, '{"statusCode":599,"message":"Unknown","errors":[{"code":"General","message":"Unknown"}]}'),
        (HOOK, 429, "rate_limited"),
        (HOOK, 503, "rollup_error"),
        (INBOX, 204, ""),
        (INBOX, 302, ""),
    ],
)  # fmt: skip
async def test_a_status_alone_brings_what_the_service_would_say(
    client: aiohttp.ClientSession, running: Simulator, path: str, given: int, said: str
) -> None:
    running.fault(path, status=given)
    answer = await post(client, path)
    assert answer[:2] == (given, said)
    assert running.messages == []


@pytest.mark.parametrize(
    ("fault", "said", "content_type"),
    [
        ({"body": {"a": None}}, '{"a":null}', "application/json; charset=utf-8"),
        ({"body": None}, "null", "application/json; charset=utf-8"),
        ({"body": "<html>"}, "<html>", "text/plain; charset=utf-8"),
        ({"body": '{"results": [', "content_type": "application/json"}, '{"results": [', "application/json"),
        ({"body": "", "headers": {"Content-Type": "x/y"}}, "", "x/y"),
    ],
)
async def test_a_body_is_sent_as_given(
    client: aiohttp.ClientSession, running: Simulator, fault: dict[str, Any], said: str, content_type: str
) -> None:
    running.fault(INBOX, **fault)
    code, text, headers = await post(client)
    assert (code, text, headers["Content-Type"]) == (200, said, content_type)


@pytest.mark.parametrize("retry_after", [7, "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_retry_after_is_sent_as_given(
    client: aiohttp.ClientSession, running: Simulator, retry_after: int | str
) -> None:
    running.fault(INBOX, status=429, retry_after=retry_after, headers={"X-Odd": "1"})
    _, _, headers = await post(client)
    assert (headers["Retry-After"], headers["X-Odd"]) == (str(retry_after), "1")


async def test_delay_alone_delays_the_usual_answer(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, delay=0.05, count=1)
    begun = asyncio.get_running_loop().time()
    assert await status(client) == 200
    assert asyncio.get_running_loop().time() - begun >= 0.05
    assert len(running.messages) == 1


async def test_a_client_that_leaves_early_harms_nobody(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, delay=0.05, truncate=1, count=1)
    with pytest.raises(TimeoutError):
        await client.post(INBOX, json="x", timeout=aiohttp.ClientTimeout(total=0.01))
    await running.wait_inbox(lambda inbox: len(inbox) == 1, 2)  # the usual answer was still made
    assert await status(client) == 200


@pytest.mark.parametrize("length", [0, 10])
async def test_truncate_announces_more_than_it_sends(
    client: aiohttp.ClientSession, running: Simulator, length: int
) -> None:
    running.fault("/shop/deployments", truncate=length, status=200, body={"results": [1, 2, 3]})
    async with client.get("/shop/deployments") as response:
        assert (response.status, response.content_length) == (200, len('{"results":[1,2,3]}'))
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert running.requests[-1].status == 200


async def test_truncate_cuts_the_usual_answer_too(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, truncate=3)
    async with client.post(INBOX, json="x") as response:
        assert response.content_length == len('{"ok":true}')
        assert await response.content.readany() == b'{"o'
    assert len(running.messages) == 1


async def test_reset_closes_the_connection_without_an_answer(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, reset=True, count=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(INBOX, json="x")
    assert (running.messages, running.requests[0].status) == ([], None)
    assert await status(client) == 200


@pytest.mark.parametrize("fault", [{"status": 500}, {"reset": True}, {"status": 200, "body": "x", "truncate": 0}])
@pytest.mark.parametrize(("path", "kind"), [(INBOX, "webhook"), (HOOK, "slack")])
async def test_after_accept_keeps_the_message_whatever_its_sender_hears(
    client: aiohttp.ClientSession, running: Simulator, path: str, kind: str, fault: dict[str, Any]
) -> None:
    running.fault(path, after_accept=True, **fault)
    try:
        async with client.post(path, json={"text": "x"}) as response:
            assert response.status in {500, 200}
            await response.read()
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
        pass
    assert [(message.kind, message.body) for message in running.messages] == [(kind, {"text": "x"})]
    assert running.requests[0].accepted is True


async def test_token_requests_meet_faults_and_control_requests_never_do(
    client: aiohttp.ClientSession, running: Simulator
) -> None:
    running.fault("*", status=503)
    assert await status(client, "/oauth/token") == 503
    async with client.get("/_sim/state") as response:
        assert response.status == 200
    async with client.get("/no/such/path") as response:
        assert response.status == 503
    assert [entry.path for entry in running.requests] == ["/oauth/token", "/no/such/path"]


async def test_a_method_tells_requests_to_one_path_apart(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, status=503, method="PUT")
    assert await status(client) == 200
    async with client.put(INBOX, json="x") as response:
        assert response.status == 503


# ── hostile bodies ───────────────────────────────────────────────────────────


async def test_a_dripping_body_is_ended_by_the_clients_total_deadline_only(
    client: aiohttp.ClientSession, running: Simulator
) -> None:
    running.fault(INBOX, drip=0.01)
    assert (await post(client))[:2] == (200, '{"ok":true}')
    limits = aiohttp.ClientTimeout(sock_read=5, total=0.05)
    with pytest.raises(TimeoutError):
        async with client.post(INBOX, json="x", timeout=limits) as response:
            await response.read()
    assert len(running.messages) == 2
    running.faults.clear()
    assert await status(client) == 200


async def test_garbage_comes_under_the_usual_content_type(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault("/shop/deployments", garbage=100_000)
    async with client.get("/shop/deployments") as response:
        first = await response.read()
        assert (response.status, response.content_type) == (200, "application/json")
    async with client.get("/shop/deployments") as response:
        assert len(first) == len(await response.read()) == 100_000
    again = Simulator(seed=0)
    assert bytes.fromhex(again.noise.letters(2 * PIECE)) == first[:PIECE]
    running.fault(HOOK, garbage=10, status=500)
    async with client.post(HOOK, json={"text": "x"}) as response:
        assert (response.status, response.content_type, response.content_length) == (500, "text/html", 10)


async def test_a_gzip_bomb_is_small_on_the_wire(running: Simulator) -> None:
    running.fault("/shop/deployments", gzip_bomb=5_000_000)
    async with (
        aiohttp.ClientSession(running.url, auto_decompress=False) as client,
        client.get("/shop/deployments") as got,
    ):
        assert (got.headers["Content-Encoding"], got.content_type) == ("gzip", "application/json")
        packed = await got.read()
    assert len(packed) < 10_000
    assert len(gzip.decompress(packed)) == 5_000_000


async def test_a_huge_page_is_json_and_a_client_can_leave_it(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault("/shop/deployments", huge_page=300_000, count=1)
    running.fault("/shop/deployments", huge_page=1 << 40)
    async with client.get("/shop/deployments") as response:
        page = await response.json()
        assert (response.content_length, page["count"]) == (300_000, len(page["results"]))
    async with client.get("/shop/deployments") as response:
        assert response.content_length == 1 << 40
        assert (await response.content.readexactly(12)) == b'{"offset":0,'
    assert await status(client) == 200


async def test_bytes_are_sent_as_given_and_cut_where_asked(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, body_base64="/wAB", count=1)
    running.fault(INBOX, body_base64="/wAB", content_type="image/png", truncate=2, count=1)
    async with client.post(INBOX, json="x") as response:
        assert (await response.read(), response.content_type) == (b"\xff\x00\x01", "application/octet-stream")
    async with client.post(INBOX, json="x") as response:
        assert (response.content_length, response.content_type) == (3, "image/png")
        assert await response.content.readany() == b"\xff\x00"


# ── the service itself ───────────────────────────────────────────────────────


async def test_every_answer_has_the_simulated_date(client: aiohttp.ClientSession, running: Simulator) -> None:
    for path in ("/_sim/inbox", "/shop/deployments", "/nothing"):
        async with client.get(path) as response:
            date = parsedate_to_datetime(response.headers["Date"])
            assert abs(date.timestamp() * 1000 - running.clock.now()) < 5000
    running.fault(INBOX, headers={"Date": "Mon, 01 Jan 2001 00:00:00 GMT"})
    assert (await post(client))[2]["Date"] == "Mon, 01 Jan 2001 00:00:00 GMT"


async def test_a_clock_jump_stays_when_the_fault_is_gone(client: aiohttp.ClientSession, running: Simulator) -> None:
    running.fault(INBOX, clock_jump="-2h", count=1)
    for _ in range(2):
        date = parsedate_to_datetime((await post(client))[2]["Date"]).timestamp() * 1000
        assert -7_205_000 < date - running.clock.steady() < -7_195_000
    assert running.messages[-1].at > iso(running.clock.now())  # when it really came


async def test_tokens_can_be_revoked_by_the_request_that_uses_one(
    client: aiohttp.ClientSession, running: Simulator
) -> None:
    for after_accept, expected in ((False, [401, 401]), (True, [200, 401])):
        headers = {"Authorization": f"Bearer {running.tokens.issue()}"}
        running.fault("/shop/deployments", revoke_tokens=True, after_accept=after_accept, count=1)
        for code in expected:
            async with client.get("/shop/deployments", headers=headers) as response:
                assert response.status == code
