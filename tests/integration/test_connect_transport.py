"""The Connect API behind networks that delay, cut, drip, fall silent and send too much, at each of its endpoints."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web

from tests.connect_api import (
    ENDPOINTS,
    PROJECT,
    Clients,
    ConnectApi,
    Endpoint,
    answer,
    blind,
    for_every_endpoint,
    reading,
)
from tests.connect_records import CANARY
from tests.fakes import FakeClock
from tests.loopback import FakeDns, Speak, free_port, raw_server, saying, silent
from watcher.errors import Blindness
from watcher.http import CAP, DEADLINE, Answer, Http, Request

OK = b"HTTP/1.1 200 OK\r\n"
NOTHING = b'{"results": [], "total": 0}'
SOON = 300
ZEROS = gzip.compress(b"\0" * 40_000_000, 1)
MEMBERS = gzip.compress(b"") * 50_000


@dataclass
class Hasty(Http):
    """A door that waits less than it is asked to for anything but a token, and remembers what it was asked."""

    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def send(self, request: Request) -> Answer:
        if request.url.endswith("/oauth/token"):
            return await super().send(request)
        self.asked.append(request)
        return await super().send(replace(request, deadline=SOON))


def whole(body: bytes) -> bytes:
    return OK + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


def only_at(endpoint: Endpoint, speak: Speak) -> Speak:
    """What the endpoint says; whatever is asked before it finds nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        there = asked.startswith(endpoint.path)
        await (speak if there else saying(whole(NOTHING), at_once=True))(reader, writer)

    return talk


@asynccontextmanager
async def behind(
    endpoint: Endpoint, speak: Speak, *, clock: FakeClock | None = None, door: Callable[[], Http] = Http
) -> AsyncIterator[Clients]:
    """The clients of an API that says this at the endpoint."""
    async with (
        raw_server(only_at(endpoint, speak)) as url,
        reading(ConnectApi(), clock, door=door, api_url=url) as found,
    ):
        yield found


# ── time ─────────────────────────────────────────────────────────────────────


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte every 10 ms, for ever: no single read ever has to wait long."""
    writer.write(OK + b"Content-Length: 1000000\r\n\r\n")
    gone = asyncio.ensure_future(reader.read())
    while not gone.done():
        writer.write(b" ")
        await asyncio.wait([gone], timeout=0.01)


async def at_all(ask: Callable[[Endpoint], Awaitable[None]]) -> None:
    """At every endpoint at once, because all of it is waiting."""
    await asyncio.gather(*map(ask, ENDPOINTS))


@pytest.mark.parametrize(
    ("speak", "doing"),
    [
        (silent, "waiting for the answer"),
        (saying(OK, then="hang", at_once=True), "waiting for the answer"),
        (saying(OK + b"Content-Length: 9\r\n\r\n{", then="hang", at_once=True), "reading the answer"),
        (drip, "reading the answer"),
    ],
    ids=["silent", "half a head", "half a body", "drip"],
)
async def test_a_read_that_takes_too_long_is_ended_whole(speak: Speak, doing: str) -> None:
    async def attempt(endpoint: Endpoint) -> None:
        door, clock = Hasty(), FakeClock()
        start = clock.at
        async with behind(endpoint, speak, clock=clock, door=lambda: door) as clients:
            error = await blind(endpoint.ask(clients))
        assert error.kind is Blindness.TIMEOUT, endpoint.name
        assert f"timed out after {SOON}ms while {doing}" in str(error), endpoint.name
        assert clock.at == start, "what took too long is not tried again within the poll"
        assert {(each.deadline, each.cap, each.guard) for each in door.asked} == {(DEADLINE, CAP, False)}

    await at_all(attempt)


async def test_a_connection_that_does_not_come_about_in_time_is_told_as_such() -> None:
    async def attempt(endpoint: Endpoint) -> None:
        async with raw_server(silent) as url:
            mute = url.replace("http:", "https:")
            async with reading(ConnectApi(), door=Hasty, api_url=mute) as clients:
                error = await blind(endpoint.ask(clients))
        assert error.kind is Blindness.TIMEOUT, endpoint.name
        assert f"timed out after {SOON}ms while connecting" in str(error), endpoint.name

    await at_all(attempt)


async def test_a_connection_that_went_silent_is_not_used_again() -> None:
    """Its first answer is good, then the peer vanishes without a word."""

    async def attempt(endpoint: Endpoint) -> None:
        talks, visits = 0, 0

        async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal talks, visits
            talks += 1
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
                there = asked.startswith(endpoint.path)
                visits += there
                if there and visits == 2:
                    await silent(reader, writer)
                    return
                body = endpoint.body() if there else NOTHING
                writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        async with raw_server(vanish) as url, reading(ConnectApi(), door=Hasty, api_url=url) as clients:
            assert (await endpoint.ask(clients)).keys() == {"id-a"}
            assert talks == 1, "it was kept"
            assert (await blind(endpoint.ask(clients))).kind is Blindness.TIMEOUT
            assert (await endpoint.ask(clients)).keys() == {"id-a"}
        assert talks == 2, endpoint.name

    await at_all(attempt)


# ── what breaks ──────────────────────────────────────────────────────────────


@for_every_endpoint
async def test_a_connection_that_breaks_before_an_answer_is_a_blip(endpoint: Endpoint) -> None:
    def broken(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    api = endpoint.api(broken, broken)
    async with reading(api) as clients:
        assert (await endpoint.ask(clients)).keys() == {"id-a"}
    assert api.calls[endpoint.path] == 3


@for_every_endpoint
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_an_answer_that_is_cut_off_is_none_wherever_the_cut_is(endpoint: Endpoint, chunked: bool) -> None:
    body = endpoint.body()
    head = (
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body)
        if chunked
        else b"Content-Length: %d\r\n\r\n" % len(body)
    )
    cuts = [*range(0, len(body), 17), len(body) - 1]
    visits = 0

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        await saying(OK + head + body[: cuts[visits % len(cuts)]], at_once=True)(reader, writer)

    async with behind(endpoint, cut) as clients:
        for _ in cuts:
            assert (await blind(endpoint.ask(clients))).kind is Blindness.NETWORK
    assert visits == len(cuts), "none of them was tried again"


@for_every_endpoint
async def test_a_host_that_is_not_there(endpoint: Endpoint) -> None:
    clock = FakeClock()
    start = clock.at
    async with reading(ConnectApi(), clock, api_url=f"http://127.0.0.1:{free_port()}") as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.NETWORK
    assert "Connection refused" in str(error)
    assert clock.at > start, "it was tried again"


@for_every_endpoint
async def test_a_name_that_nobody_knows_is_told_as_such(endpoint: Endpoint) -> None:
    door = Http(resolver=FakeDns())
    async with reading(ConnectApi(), door=lambda: door, api_url="http://nowhere.example") as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.NETWORK
    assert "nowhere.example: the host's name cannot be resolved" in str(error)


@for_every_endpoint
async def test_a_tls_failure_is_told_apart(endpoint: Endpoint) -> None:
    plain = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="hang", at_once=True)
    async with raw_server(plain) as url, reading(ConnectApi(), api_url=url.replace("http:", "https:")) as clients:
        assert (await blind(endpoint.ask(clients))).kind is Blindness.TLS


@for_every_endpoint
@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\nabc",
        OK + f"X-{CANARY}\r\n\r\n".encode(),
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
async def test_what_is_no_http_is_unreadable(endpoint: Endpoint, said: bytes) -> None:
    async with behind(endpoint, saying(said, at_once=True)) as clients:
        assert (await blind(endpoint.ask(clients))).kind is Blindness.UNREADABLE


# ── what is too much ─────────────────────────────────────────────────────────


@for_every_endpoint
async def test_an_answer_that_announces_too_much_is_not_read(endpoint: Endpoint) -> None:
    head = OK + b"Content-Length: 99999999999\r\n\r\n"
    async with behind(endpoint, saying(head, then="hang", at_once=True)) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.UNREADABLE
    assert f"larger than {CAP} bytes" in str(error)


@for_every_endpoint
async def test_an_answer_that_does_not_end_is_left_at_the_cap(endpoint: Endpoint) -> None:
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(OK + b"\r\n")
        while True:
            writer.write(b" " * 2**20)
            written += 2**20
            await writer.drain()

    async with behind(endpoint, endless) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.UNREADABLE
    assert f"larger than {CAP} bytes" in str(error)
    assert written < 2 * CAP


@for_every_endpoint
@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        (b"gzip", ZEROS, f"larger than {CAP} bytes"),
        (b"gzip", MEMBERS, "the answer cannot be decompressed"),
        (b"gzip, gzip", gzip.compress(ZEROS), "answered 200 with something that is not JSON"),
    ],
    ids=["bomb", "empty members", "stacked"],
)
async def test_a_compressed_bomb_is_no_answer(endpoint: Endpoint, encoding: bytes, body: bytes, said: str) -> None:
    head = OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body))
    async with behind(endpoint, saying(head + body, at_once=True)) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.UNREADABLE
    assert said in str(error)


@for_every_endpoint
async def test_a_page_just_under_the_cap_is_read(endpoint: Endpoint) -> None:
    body = endpoint.body()
    full = body[:-1] + b" " * (CAP - len(body)) + body[-1:]
    async with reading(endpoint.api(answer(200, full))) as clients:
        assert (await endpoint.ask(clients)).keys() == {"id-a"}
    async with reading(endpoint.api(answer(200, full + b" "))) as clients:
        assert "larger than" in str(await blind(endpoint.ask(clients)))


@for_every_endpoint
async def test_after_the_worst_the_next_answer_is_as_good_as_ever(endpoint: Endpoint) -> None:
    worst = [answer(200, b"{"), answer(500), answer(403), answer(200, b"[" * 9_000), answer(404, b"<html>")]
    api = endpoint.api(*worst)
    async with reading(api) as clients:
        for _ in worst:
            assert str(await blind(endpoint.ask(clients))).startswith(PROJECT)
        assert (await endpoint.ask(clients)).keys() == {"id-a"}
