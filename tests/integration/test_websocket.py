"""The door for WebSockets, against real servers that misbehave."""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web

from tests.loopback import FakeDns, Speak, free_port, raw_server, saying, silent, web_server
from watcher.http import Fault, Http, TransportError

CANARY = "c4n4ry-s3cr3t"
PATH = f"/link/?ticket={CANARY}"
LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(allow=LOOPBACK) as door:
        yield door


def at(url: str) -> str:
    return f"ws{url.removeprefix('http')}{PATH}"


async def fail(
    http: Http, url: str, *, deadline: int = 5_000, cap: int = 1_000, heartbeat: int = 5_000
) -> TransportError:
    """The error of a connection that must fail or break, and that must not show what is secret about it."""
    with pytest.raises(TransportError) as caught:
        async with http.connect(url, deadline=deadline, cap=cap, heartbeat=heartbeat) as socket:
            while await socket.receive() is not None:
                pass
    assert CANARY not in f"{caught.value!s} {caught.value!r}"
    assert caught.value.__context__ is None
    return caught.value


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.data == "bye":
            break
        await (socket.send_bytes(b"\0") if message.data == "bytes" else socket.send_str(message.data * 2))
    await socket.close()
    return socket


async def test_texts_go_out_and_come_in_until_the_other_side_closes(http: Http) -> None:
    async with web_server(echo) as url, http.connect(at(url)) as socket:
        await socket.send("é")
        assert await socket.receive() == "éé"
        await socket.send("bye")
        assert await socket.receive() is None
        assert await socket.receive() is None
        with pytest.raises(TransportError):
            await socket.send("too late")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ws://127.0.0.1:1/", "plain http"),
        ("wss://127.0.0.1:1/", "loopback"),
        ("wss://[::ffff:169.254.169.254]/", "blocked by the egress policy"),
        ("wss://0x7f.1/", "blocked by the egress policy"),
        ("wss://user:pass@example.com/", "user name or password"),
        ("ftp://example.com/", "cannot be used"),
        ("wss://", "cannot be used"),
        ("nothing", "cannot be used"),
    ],
)
async def test_what_may_not_be_reached_is_not(url: str, reason: str) -> None:
    async with Http() as http:
        error = await fail(http, url)
    assert error.kind is Fault.BLOCKED
    assert not error.sent
    assert reason in str(error) or "blocked by the egress policy" in str(error)


async def test_a_name_is_judged_by_every_address_it_stands_for() -> None:
    dns = FakeDns({"socket.example": [["93.184.216.34", "10.0.0.1"]]})
    async with Http(resolver=dns) as http:
        error = await fail(http, "wss://socket.example/link")
    assert (error.kind, dns.asked) == (Fault.BLOCKED, ["socket.example"])


async def test_nobody_is_followed_elsewhere(http: Http) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/there":
            return await echo(request)
        raise web.HTTPFound("/there")

    async with web_server(elsewhere) as url:
        error = await fail(http, at(url))
    assert (error.kind, asked) == (Fault.BLOCKED, ["/link/"])


async def test_who_does_not_upgrade_is_refused_with_its_status(http: Http) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403, text=CANARY)

    async with web_server(refuse) as url:
        assert "refuses the WebSocket with status 403" in str(await fail(http, at(url)))
    assert (await fail(http, f"ws://127.0.0.1:{free_port()}{PATH}")).kind is Fault.NETWORK


@pytest.mark.parametrize("speak", [silent, saying(b"HTTP/1.1 101 Switching", then="hang")])
async def test_opening_has_a_deadline(http: Http, speak: Speak) -> None:
    async with raw_server(speak) as url:
        error = await fail(http, at(url), deadline=200)
    assert (error.kind, "timed out after 200ms" in str(error)) == (Fault.TIMEOUT, True)


async def test_a_message_beyond_the_cap_ends_it(http: Http) -> None:
    async def flood(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await socket.send_str("x" * 2_000)
        await socket.receive()
        return socket

    async with web_server(flood) as url:
        assert (await fail(http, at(url), cap=1_000)).kind is Fault.TOO_LARGE


async def test_what_is_no_text_ends_it(http: Http) -> None:
    async with web_server(echo) as url, http.connect(at(url)) as socket:
        await socket.send("bytes")
        with pytest.raises(TransportError, match="no text"):
            await socket.receive()


async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Shake hands, and never say anything again, not even to a ping."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    accept = b64encode(digest)
    writer.write(
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    await silent(reader, writer)


async def test_a_dead_connection_is_seen(http: Http) -> None:
    async with raw_server(half_open) as url:
        error = await fail(http, at(url), heartbeat=200)
    assert (error.kind, "no sign of life" in str(error)) == (Fault.TIMEOUT, True)


async def test_one_that_answers_pings_lives(http: Http) -> None:
    pings: list[object] = []
    enough = asyncio.Event()

    async def listen(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        async for message in socket:
            pings.append(message.type)
            await socket.pong(message.data)
            if len(pings) == 3:
                await socket.send_str("still here")
                enough.set()
        return socket

    async with web_server(listen) as url, http.connect(at(url), heartbeat=100) as socket:
        assert await socket.receive() == "still here"
    assert set(pings[:3]) == {aiohttp.WSMsgType.PING}
