"""The Connect API behind networks that delay, cut, drip, fall silent and send too much, at each of its endpoints."""

import asyncio
import gzip
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from tests.connect_api import (
    ENDPOINTS,
    PROJECT,
    REQUESTS,
    Clients,
    ConnectApi,
    Endpoint,
    answer,
    blind,
    for_every_endpoint,
    for_every_request,
    reading,
)
from tests.connect_records import CANARY
from tests.fakes import FakeClock
from tests.loopback import FakeDns, Speak, free_port, raw_server, saying, silent, web_server
from watcher.errors import Blindness
from watcher.http import CAP, DEADLINE, Answer, Http, Request

OK = b"HTTP/1.1 200 OK\r\n"
NOTHING = b'{"results": [], "total": 0}'
SOON = 500
TLS = Path(__file__).parent / "tls"
ONE = next(each for each in ENDPOINTS if each.name == "one deployment")
"""Where one endpoint stands for all."""
ZEROS = gzip.compress(b"\0" * 40_000_000, 1)
MEMBERS = gzip.compress(b"") * 50_000


@dataclass
class Hasty(Http):
    """A door that waits less than it is asked to for what is meant to fail, and remembers what that was."""

    meant: Callable[[str], bool]
    """Whether a request to this URL is."""
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def send(self, request: Request) -> Answer:
        if not self.meant(request.url):
            return await super().send(request)
        self.asked.append(request)
        return await super().send(replace(request, deadline=SOON))


def whole(body: bytes) -> bytes:
    return OK + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


def only_at(endpoint: Endpoint, speak: Speak) -> Speak:
    """What the endpoint says; whatever is asked before it finds nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = (await asked_for(reader)).startswith(endpoint.path)
        await (speak if there else saying(whole(NOTHING), at_once=True))(reader, writer)

    return talk


async def asked_for(reader: asyncio.StreamReader) -> str:
    """Read one request whole; what it is for."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return head.split()[1].decode()


@asynccontextmanager
async def behind(
    endpoint: Endpoint, speak: Speak, *, clock: FakeClock | None = None, door: Callable[[], Http] = Http
) -> AsyncIterator[Clients]:
    """The clients of an API that says this at the endpoint."""
    async with (
        raw_server(only_at(endpoint, speak)) as url,
        reading(ConnectApi(), clock, door=door, **endpoint.at(url)) as found,
    ):
        yield found


# ── time ─────────────────────────────────────────────────────────────────────


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte every 10 ms, for ever: no single read ever has to wait long."""
    writer.write(OK + b"Content-Length: 60000\r\n\r\n")
    gone = asyncio.ensure_future(reader.read())
    while not gone.done():
        writer.write(b" ")
        await asyncio.wait([gone], timeout=0.01)


async def at_all(ask: Callable[[Endpoint], Awaitable[None]], endpoints: tuple[Endpoint, ...] = REQUESTS) -> None:
    """At every endpoint at once, because all of it is waiting."""
    await asyncio.gather(*map(ask, endpoints))


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
        door, clock = Hasty(lambda url: endpoint.path in url), FakeClock()
        start = clock.at
        async with behind(endpoint, speak, clock=clock, door=lambda: door) as clients:
            error = await blind(endpoint.ask(clients))
        assert error.kind is Blindness.TIMEOUT, endpoint.name
        assert f"timed out after {SOON}ms while {doing}" in str(error), endpoint.name
        assert clock.at == start, "what took too long is not tried again within the poll"
        assert {(each.deadline, each.cap, each.guard) for each in door.asked} == {(DEADLINE, endpoint.cap, False)}

    await at_all(attempt)


async def test_a_connection_that_does_not_come_about_in_time_is_told_as_such() -> None:
    async def attempt(endpoint: Endpoint) -> None:
        async with raw_server(silent) as url:
            mute = url.replace("http:", "https:")
            door = Hasty(lambda asked: asked.startswith(mute))
            async with reading(ConnectApi(), door=lambda: door, **endpoint.at(mute)) as clients:
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
                there = (await asked_for(reader)).startswith(endpoint.path)
                visits += there
                if there and visits == 2:
                    await silent(reader, writer)
                    return
                body = endpoint.body() if there else NOTHING
                writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        door = Hasty(lambda asked: visits == 1 and endpoint.path in asked)
        async with raw_server(vanish) as url, reading(ConnectApi(), door=lambda: door, api_url=url) as clients:
            assert (await endpoint.ask(clients)).keys() == {"id-a"}
            assert talks == 1, "it was kept"
            assert (await blind(endpoint.ask(clients))).kind is Blindness.TIMEOUT
            assert (await endpoint.ask(clients)).keys() == {"id-a"}
        assert talks == 2, endpoint.name
        assert len(door.asked) == 1, endpoint.name

    await at_all(attempt, ENDPOINTS)


# ── what breaks ──────────────────────────────────────────────────────────────


@for_every_request
async def test_a_connection_that_breaks_before_an_answer_is_a_blip(endpoint: Endpoint) -> None:
    def broken(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    api = endpoint.api(broken, broken)
    async with reading(api) as clients:
        assert (await endpoint.ask(clients)).keys() == {"id-a"}
    assert endpoint.asked(api) == 3


def cuts(endpoint: Endpoint, *, chunked: bool) -> list[bytes]:
    """A good answer, cut off in its body: after every byte for the one, at some places for the others."""
    body = endpoint.body()
    head = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" if chunked else b"Content-Length: %d\r\n\r\n"
    ends = {*range(0, len(body), 1 if endpoint is ONE else 17), len(body) - 1, len(body) if chunked else 0}
    return [OK + head % len(body) + body[:end] for end in sorted(ends)]


def resetting(said: bytes) -> Speak:
    """Say it, and then break the connection off instead of ending it."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(said, then="abort", at_once=True)(reader, writer)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return speak


@for_every_request
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_an_answer_that_is_cut_off_is_none_wherever_the_cut_is(endpoint: Endpoint, chunked: bool) -> None:
    answers = cuts(endpoint, chunked=chunked)
    visits = 0

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        await saying(answers[visits % len(answers)], at_once=True)(reader, writer)

    async with behind(endpoint, cut) as clients:
        for _ in answers:
            assert (await blind(endpoint.ask(clients))).kind is Blindness.NETWORK
    assert visits == len(answers), "none of them was tried again"


@for_every_request
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_an_answer_that_a_reset_cuts_off_is_none(endpoint: Endpoint, chunked: bool) -> None:
    for said in cuts(endpoint, chunked=chunked)[::10]:
        async with behind(endpoint, resetting(said)) as clients:
            assert (await blind(endpoint.ask(clients))).kind is Blindness.NETWORK


async def test_an_answer_that_is_cut_off_in_its_head_is_a_blip_wherever_the_cut_is() -> None:
    good = OK + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ONE.body()) + ONE.body()
    ends = range(good.index(b"\r\n\r\n") + 4)
    left = [good[:end] if blip else good for end in ends for blip in (False, True)]

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(left.pop(), at_once=True)(reader, writer)

    async with behind(ONE, cut) as clients:
        for _ in ends:
            assert (await ONE.ask(clients)).keys() == {"id-a"}
    assert left == []


@for_every_request
async def test_a_host_that_is_not_there(endpoint: Endpoint) -> None:
    clock = FakeClock()
    start = clock.at
    async with reading(ConnectApi(), clock, **endpoint.at(f"http://127.0.0.1:{free_port()}")) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.NETWORK
    assert "Connection refused" in str(error)
    assert clock.at > start, "it was tried again"


@for_every_request
async def test_a_name_that_nobody_knows_is_told_as_such(endpoint: Endpoint) -> None:
    door = Http(resolver=FakeDns())
    async with reading(ConnectApi(), door=lambda: door, **endpoint.at("http://nowhere.example")) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.NETWORK
    assert "nowhere.example: the host's name cannot be resolved" in str(error)


@for_every_request
async def test_a_tls_failure_is_told_apart(endpoint: Endpoint) -> None:
    plain = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="hang", at_once=True)
    async with (
        raw_server(plain) as url,
        reading(ConnectApi(), **endpoint.at(url.replace("http:", "https:"))) as clients,
    ):
        assert (await blind(endpoint.ask(clients))).kind is Blindness.TLS


@pytest.mark.parametrize(
    ("served", "trusted", "said"),
    [
        ("good", None, "self-signed certificate"),
        ("expired", "expired", "certificate has expired"),
        ("elsewhere", "elsewhere", "certificate is not valid for '127.0.0.1'"),
    ],
    ids=["unknown authority", "expired", "wrong host"],
)
async def test_a_certificate_that_is_not_to_be_trusted_is_told_as_such(
    served: str, trusted: str | None, said: str
) -> None:
    api = ONE.api()
    clock = FakeClock()
    start = clock.at
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(TLS / f"{served}.pem")
    door = Http(ca_file=TLS / f"{trusted}.pem" if trusted else None)
    async with (
        web_server(api.handle, tls=tls) as url,
        reading(ConnectApi(), clock, door=lambda: door, **ONE.at(url)) as clients,
    ):
        error = await blind(ONE.ask(clients))
    assert error.kind is Blindness.TLS
    assert said in str(error)
    assert (api.requests, clock.at) == ([], start), "it was not asked, and not tried again"


@for_every_request
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


@for_every_request
async def test_an_answer_that_announces_too_much_is_not_read(endpoint: Endpoint) -> None:
    head = OK + b"Content-Length: 99999999999\r\n\r\n"
    async with behind(endpoint, saying(head, then="hang", at_once=True)) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.UNREADABLE
    assert f"larger than {endpoint.cap} bytes" in str(error)


@for_every_request
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
    assert f"larger than {endpoint.cap} bytes" in str(error)
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


@for_every_request
async def test_a_page_just_under_the_cap_is_read(endpoint: Endpoint) -> None:
    body = endpoint.body()
    full = body[:-1] + b" " * (endpoint.cap - len(body)) + body[-1:]
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
