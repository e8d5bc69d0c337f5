import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import StreamReader, web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from watcher.errors import ConfigError
from watcher.web import Health, serve, server
from watcher.web.listening import url_of

LOCAL = ("127.0.0.1", 0)


class World:
    """What the server is told, and what it answers."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.stopping = False
        self.registry = CollectorRegistry()
        self.url = ""

    @property
    def health(self) -> Health:
        return Health(problems=lambda: self.problems, waiting=lambda: self.waiting, stopping=lambda: self.stopping)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[aiohttp.ClientResponse, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as response:
            return response, await response.text()

    async def json(self, path: str) -> tuple[int, Any]:
        response, _ = await self.get(path)
        return response.status, await response.json()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with serve(LOCAL, made.registry, made.health) as made.url:
        yield made


async def test_all_is_well(world: World) -> None:
    assert await world.json("/-/healthy") == (200, {"status": "ok"})
    assert await world.json("/-/ready") == (200, {"status": "ok"})


HALF = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX-Slow: "


async def half_asked(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(HALF)
    return reader, writer


async def test_those_who_never_finish_asking_keep_nobody_out(world: World) -> None:
    slow = [await half_asked(world.url) for _ in range(server.MOST)]
    async with asyncio.timeout(10):
        assert await world.json("/-/healthy") == (200, {"status": "ok"})
        assert await world.json("/-/healthy") == (200, {"status": "ok"})
        oldest, _ = slow[0]
        assert await oldest.read() == b""
    for _, writer in slow:
        writer.transport.abort()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a-secret\x01\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_not_in_the_log(
    world: World, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = world.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(10):
        assert b" 400 " in await reader.readline()
    writer.close()
    assert [each for each in caplog.records if each.levelname != "DEBUG"] == []


async def test_a_fault_of_ours_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_request: web.Request) -> web.Response:
        raise RuntimeError("a mistake")

    made = World()
    async with (
        serve(LOCAL, made.registry, made.health, more=[web.get("/x", fail)]) as url,
        aiohttp.ClientSession() as client,
        client.get(f"{url}/x") as answer,
    ):
        assert answer.status == 500
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a mistake"


@pytest.mark.parametrize("wait", [True, False])
async def test_those_who_never_finish_what_they_send_keep_nobody_out(wait: bool) -> None:
    """Whether somebody waits for the rest, or answers without it."""

    async def take(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read()) if wait else 0))

    made, slow = World(), []
    async with serve(LOCAL, made.registry, made.health, more=[web.post("/x", take)]) as made.url:
        host, port = made.url.removeprefix("http://").split(":")
        for _ in range(server.MOST):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            writer.write(b"a")
            slow.append(writer)
        async with asyncio.timeout(1):
            for _ in range(3):
                assert await made.json("/-/healthy") == (200, {"status": "ok"})
        for writer in slow:
            writer.transport.abort()


async def test_who_sends_half_of_it_goes_before_those_who_came_earlier() -> None:
    async def take(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    made = World()
    async with (
        serve(LOCAL, made.registry, made.health, more=[web.post("/x", take)]) as made.url,
        asyncio.timeout(10),
    ):
        host, port = made.url.removeprefix("http://").split(":")
        earlier, writers = await half_asked(made.url), []
        for _ in range(server.MOST - 1):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            writers.append(writer)
        for _ in range(3):
            assert await made.json("/-/healthy") == (200, {"status": "ok"})
        earlier[1].write(b"\r\n\r\n")
        assert await earlier[0].readline() == b"HTTP/1.1 200 OK\r\n"
        for each in [*writers, earlier[1]]:
            each.transport.abort()


async def test_a_crowd_that_comes_at_once_does_not_push_out_who_has_spoken(world: World) -> None:
    address = world.url.removeprefix("http://").split(":")
    with ExitStack() as stack:  # nobody is taken up until this waits for something
        crowd = [
            stack.enter_context(socket.create_connection((address[0], int(address[1])))) for _ in range(3 * server.MOST)
        ]
        crowd[0].sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        reader, writer = await asyncio.open_connection(sock=crowd[0])
        async with asyncio.timeout(10):
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        writer.transport.abort()


@pytest.mark.parametrize("noticed", [True, False])
async def test_what_is_read_of_somebody_who_has_gone_is_not_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, noticed: bool
) -> None:
    """Whether that was before the request was taken up or after."""
    gone, read = asyncio.Event(), asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        await gone.wait()
        read.set()
        fresh = StreamReader(request.protocol, 1, loop=asyncio.get_running_loop())
        return web.Response(body=await (request.content if noticed else fresh).readany())

    async with serve(LOCAL, world.registry, world.health, more=[web.post("/x", take)]) as url, asyncio.timeout(10):
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na")
        with suppress(ConnectionError):
            await reader.read()
        gone.set()
        await read.wait()
        writer.transport.abort()
        assert await world.json("/-/healthy") == (200, {"status": "ok"})
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_whose_request_is_whole_is_not_sent_away_for_others() -> None:
    """Its body may come later than its head."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        await request.read()
        asked.set()
        await answer.wait()
        return web.Response()

    made = World()
    async with (
        serve(LOCAL, made.registry, made.health, more=[web.post("/x", take)]) as made.url,
        asyncio.timeout(10),
    ):
        host, port = made.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        assert await made.json("/-/healthy") == (200, {"status": "ok"})
        writer.write(b"b")
        await asked.wait()
        slow = [await half_asked(made.url) for _ in range(2 * server.MOST)]
        assert await made.json("/-/healthy") == (200, {"status": "ok"})
        answer.set()
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        for _, each in [*slow, (reader, writer)]:
            each.transport.abort()


async def test_those_who_rest_make_room_too(world: World) -> None:
    resting = []
    async with asyncio.timeout(20):
        for _ in range(server.MOST):
            reader, writer = await half_asked(world.url)
            writer.write(b"\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            resting.append(writer)
        assert await world.json("/-/healthy") == (200, {"status": "ok"})
    for each in resting:
        each.transport.abort()


async def test_a_question_must_come_in_time() -> None:
    made = World()
    async with serve(LOCAL, made.registry, made.health, patience=50) as url, asyncio.timeout(10):
        reader, writer = await half_asked(url)
        assert await reader.read() == b""
        writer.close()


async def test_what_comes_compressed_is_not_inflated() -> None:
    """Who sends a hundred kilobytes must not have us make a hundred megabytes of them, not even to throw them away."""

    async def take(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    bomb, headers = gzip.compress(bytes(1 << 19)), {"Content-Encoding": "gzip"}
    made = World()
    async with (
        serve(LOCAL, made.registry, made.health, more=[web.post("/x", take)]) as url,
        aiohttp.ClientSession() as client,
        client.post(f"{url}/x", data=bomb, headers=headers) as answer,
    ):
        assert await answer.text() == str(len(bomb))


async def test_health_is_asked_anew_for_every_answer(world: World) -> None:
    world.problems = {"judge": "stalled"}
    assert await world.json("/-/healthy") == (503, {"status": "unhealthy", "problems": {"judge": "stalled"}})
    assert (await world.json("/-/ready"))[0] == 200
    world.problems = {}
    assert (await world.json("/-/healthy"))[0] == 200


async def test_readiness_says_what_it_waits_for_and_that_it_is_stopping(world: World) -> None:
    world.waiting = {"my-shop": "not polled yet"}
    assert await world.json("/-/ready") == (503, {"status": "not ready", "problems": {"my-shop": "not polled yet"}})
    world.waiting, world.stopping = {}, True
    assert await world.json("/-/ready") == (503, {"status": "not ready", "problems": {"daemon": "stopping"}})
    assert (await world.json("/-/healthy"))[0] == 200


async def test_probes_answer_anyone_and_show_no_secret(world: World) -> None:
    world.problems = {"deliver": "https://user:canary-pw@host/\x1b[31m" + "x" * 5_000}
    _, found = await world.json("/-/healthy")
    shown = found["problems"]["deliver"]
    assert "canary" not in shown
    assert "\x1b" not in shown
    assert len(shown) <= 300


async def test_metrics_come_in_the_format_that_is_asked_for(world: World) -> None:
    Gauge("connect_watcher_alerts", "Alerts.", ("state",), registry=world.registry).labels("firing").set(3)
    response, text = await world.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"state": "firing"}
    assert family.samples[0].value == 3
    response, text = await world.get("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


async def test_answers_are_not_to_be_kept_guessed_at_or_traced_to_a_version(world: World) -> None:
    for path in ("/-/healthy", "/metrics", "/nowhere"):
        response, _ = await world.get(path)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Server"] == "connect-watcher"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/-/healthy", 405), ("HEAD", "/-/ready", 200), ("GET", "/metrics/../etc/passwd", 404)],
)
async def test_nothing_else_is_there(world: World, method: str, path: str, status: int) -> None:
    async with aiohttp.ClientSession() as session, session.request(method, world.url + path) as response:
        assert response.status == status


@pytest.mark.parametrize(
    "head",
    [
        "GET /" + "x" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: " + "x" * 20_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 200 + "\r\n",
        "\x16\x03\x01 not http\r\n\r\n",
    ],
    ids=["long line", "long header", "many headers", "not http"],
)
async def test_what_is_too_large_or_no_request_is_refused_and_others_are_served(world: World, head: str) -> None:
    host, port = world.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode())
    assert b" 400 " in (await reader.readline())
    writer.close()
    await writer.wait_closed()
    assert (await world.json("/-/healthy"))[0] == 200


async def test_an_open_connection_does_not_hold_up_the_end() -> None:
    made = World()
    async with serve(LOCAL, made.registry, made.health) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await reader.readline()
    assert await reader.read() is not None
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


async def test_an_address_that_is_taken_is_a_problem_of_the_configuration() -> None:
    with socket.create_server(LOCAL) as taken:
        address = taken.getsockname()
        with pytest.raises(
            ConfigError, match=r"^web\.listen: cannot listen on http://127\.0\.0\.1:\d+: Address already"
        ):
            async with serve(address, CollectorRegistry(), World().health):
                pass


def test_hosts_of_the_other_internet_protocol_are_bracketed() -> None:
    assert url_of("::1", 80) == "http://[::1]:80"
