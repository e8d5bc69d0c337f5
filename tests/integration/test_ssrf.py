"""Hostile URLs as a table: whatever a receiver is told to post to, nothing outside the allowed set is ever connected to.

The allowed set is one address of this machine, which stands for the public network. Every other address of it has a trap
on the port that the URLs name, and every connection that is so much as tried is noted, wherever it leads.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from io import StringIO
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import ValidationError

from tests.fakes import fake_env
from tests.loopback import FakeDns
from tests.notifications import FAILED, delivery
from watcher.core.delivery import Outcome
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Fault, Http, Request, TransportError
from watcher.sinks import WebhookConfig, Wiring
from watcher.sinks.email import EmailConfig

OUTSIDE = "127.0.0.2"
"""What may be reached."""
ALLOWED = (ip_network(f"{OUTSIDE}/32"),)
INSIDE = (
    "127.0.0.1",
    "127.0.0.53",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "100.100.100.200",
    "172.16.0.1",
)


# ── the table ────────────────────────────────────────────────────────────────


def spellings(address: str) -> Iterator[str]:
    """The ways in which resolvers let an IPv4 address be written, besides its own."""
    number = int(IPv4Address(address))
    a, b, c, d = number.to_bytes(4, "big")
    yield address
    yield str(number)
    yield f"{number:#x}"
    yield f"{number:#X}"
    yield f"0{number:o}"
    yield f"000000{number:o}"
    yield f"{a}.{number & 0xFFFFFF}"
    yield f"{a}.{b}.{number & 0xFFFF}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a:#x}.0{b:o}.{c}.{d:#04x}"
    yield f"{address}."
    yield f"{a:#x}.{number & 0xFFFFFF:#x}"


def wrappings(address: str) -> Iterator[str]:
    """The IPv6 addresses that carry an IPv4 address in one way or another."""
    number = int(IPv4Address(address))
    high, low = number >> 16, number & 0xFFFF
    yield f"::ffff:{address}"
    yield f"::ffff:{high:x}:{low:x}"
    yield f"0:0:0:0:0:FFFF:{high:04X}:{low:04X}"
    yield f"::ffff:0:{address}"
    yield f"64:ff9b::{address}"
    yield f"64:ff9b::{high:x}:{low:x}"
    yield f"64:ff9b:1::{address}"
    yield f"2002:{high:x}:{low:x}::1"
    yield f"2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}"
    yield f"2001:470:1:2:0:5efe:{high:x}:{low:x}"
    if number:
        yield f"::{high:x}:{low:x}"


NUMERIC = [
    f"{scheme}://{host}:{{port}}/" for each in INSIDE for host in spellings(each) for scheme in ("https", "http")
]
WRAPPED = [f"https://[{host}]:{{port}}/hook" for each in INSIDE for host in wrappings(each)]
SIX = [
    f"https://[{host}]:{{port}}/"
    for host in (
        *(
            "::",
            "::1",
            "0:0:0:0:0:0:0:1",
            "::1%25lo",
            "::1%lo",
            "fe80::1",
            "fe80::1%25eth0",
            "fc00::1",
            "fd00:ec2::254",
        ),
        *("fec0::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1", "4000::1", "8000::1", "64:ff9b::", "2001:20::1"),
    )
]
DISGUISED = [
    f"https://{host}:{{port}}/"
    for host in (
        *("\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021"),
        *("127\uff0e0\uff0e0\uff0e1", "127\uff610\uff610\uff611", "\u0661\u0662\u0667.0.0.1", "\U0001d7cf27.0.0.1"),
        *("127.0.0.1\u200b", "127.\u200b0.0.1", "127.0.0.1\u3002", "127.0.0\u00ad.1", "\u202e1.0.0.721"),
        *(
            "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
            "\u217cocalhost",
            "loca\u2113host",
            "localhost\u3002",
        ),
        *("LOCALHOST", "LocalHost.", "localhost.localdomain", "\uff4cocalhost", "localho\u017ft", "local\u00adhost"),
        *(
            "%31%32%37.0.0.1",
            "127.0.0.1%00.example.com",
            "127.0.0.1%2f.example.com",
            "%6c%6fcalhost",
            "127.0.0.1%0d%0a",
        ),
        *(
            "0x7f.\uff11",
            "\uff10x7f000001",
            "[::\uff11]",
            "[\uff1a\uff1a1]",
            "\u2170.example",
            "127\u00b70\u00b70\u00b71",
        ),
    )
]
TRICKS = [
    *("https://outside.example@127.0.0.1:{port}/", "https://outside.example:443@127.0.0.1:{port}/"),
    *("https://user:word@outside.example:{port}/", "https://:word@outside.example/", "https://@outside.example/"),
    *("https://a@b@127.0.0.1:{port}/", "https://outside.example%40127.0.0.1:{port}/", "https://a:b@c:d@[::1]:{port}/"),
    *("https://127.0.0.1:{port}\\@outside.example/", "https://outside.example\\@127.0.0.1:{port}/"),
    *("https://127.0.0.1:{port}#@outside.example/", "https://127.0.0.1:{port}?@outside.example/"),
    *("https://127.0.0.1:{port}/@outside.example/", "https://127.0.0.1:{port};outside.example/"),
    *(
        "https:127.0.0.1:{port}/",
        "https:/127.0.0.1:{port}/",
        "https:\\\\127.0.0.1:{port}\\",
        "https:///127.0.0.1:{port}/",
    ),
    *(
        "https:////127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "127.0.0.1:{port}",
        "///127.0.0.1:{port}",
        "",
        " ",
        "/",
        "?",
    ),
    *(
        " https://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/ ",
        "\thttps://127.0.0.1:{port}/",
        "ht\ntps://127.0.0.1:{port}/",
    ),
    *(
        "https://127.0.0.1\t:{port}/",
        "https://127.0.\n0.1:{port}/",
        "https://127.0.0.1\r\nHost: x:{port}/",
        "https://\x00127.0.0.1/",
    ),
    *(
        "https://127.0.0.1:{port}:443/",
        "https://127.0.0.1:443:{port}/",
        "https://127.0.0.1:-1/",
        "https://127.0.0.1:99999/",
    ),
    *(
        "https://127.0.0.1:0/",
        "https://127.0.0.1:\uff18\uff10/",
        "https://127.0.0.1: {port}/",
        "https://127.0.0.1:+{port}/",
    ),
    *(
        "https://[::1/",
        "https://::1:{port}/",
        "https://[127.0.0.1]:{port}/",
        "https://[1::2::3]:{port}/",
        "https://[::1]{port}/",
    ),
    *(
        "https://[::1].example.com:{port}/",
        "https://[::ffff:127.0.0.1:{port}/",
        "https://[v1.x]:{port}/",
        "https://[]/",
    ),
    *("file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x", "dict://127.0.0.1:{port}/"),
    *("unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "ldap://127.0.0.1:{port}/", "data:,x"),
    *("ws://127.0.0.1:{port}/", "wss://127.0.0.1:{port}/", "javascript:alert(1)", "jar:https://127.0.0.1:{port}!/"),
    *("http://outside.example.", "http://public.example:{port}/", "http://8.8.8.8:{port}/"),
]
NAMES: Mapping[str, list[list[str]]] = {
    f"n{at}.inside.example": [answers]
    for at, answers in enumerate(
        (
            *([each] for each in INSIDE),
            *([each] for each in ("::1", "::", "fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::7f00:1")),
            *(
                [each]
                for each in ("2002:7f00:1::1", "::127.0.0.1", "ff02::1", "224.0.0.1", "255.255.255.255", "192.0.0.192")
            ),
            *([each] for each in ("168.63.129.16", "2001:0:4136:e378:8000:63bf:80ff:fffe", "198.18.0.1", "172.17.0.1")),
            *([OUTSIDE, each] for each in ("127.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1")),
            *([each, OUTSIDE] for each in ("127.0.0.1", "::1", "169.254.169.254", "64:ff9b::a00:1")),
        )
    )
}
RESOLVED = [f"https://{name}:{{port}}/" for name in NAMES] + [f"http://{name}:{{port}}/" for name in NAMES]
TABLE: Mapping[str, Sequence[str]] = {
    "numeric": NUMERIC,
    "wrapped": WRAPPED,
    "ipv6": SIX,
    "disguised": DISGUISED,
    "tricks": TRICKS,
    "names": RESOLVED,
}
TARGETS = [
    *("http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "http://localhost:{port}/", "//127.0.0.1:{port}/x"),
    *("http://169.254.169.254/latest/meta-data/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/"),
    *("http://2130706433:{port}/", "http://0x7f.1:{port}/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x"),
]
"""Where redirects lead."""


def test_the_table_is_as_long_as_it_says() -> None:
    urls = {url for urls in TABLE.values() for url in urls}
    assert len(urls) >= 400
    assert len({url.partition("://")[2] for url in urls}) >= 300


# ── the stage ────────────────────────────────────────────────────────────────

_SPIES: list[list[str]] = []


def _spy(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _SPIES and isinstance(args[1], tuple):
        _SPIES[-1].append(str(args[1][0]))


sys.addaudithook(_spy)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Every address that a connection is tried to, in the whole process."""
    _SPIES.append([])
    try:
        yield _SPIES[-1]
    finally:
        _SPIES.pop()


@dataclass
class Lenient(AbstractResolver):
    """As libc resolves: numbers in every form there is; beside them the names of a test, and any other name is loopback."""

    names: dict[str, list[list[str]]] = field(
        default_factory=lambda: {name: list(each) for name, each in NAMES.items()}
    )

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            found = {str(each[4][0]) for each in socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)}
        except OSError:
            found = set()
        known = self.names if host in self.names else {host: [sorted(found) or ["127.0.0.1"]]}
        return await FakeDns(known).resolve(host, port, family)

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class Traps:
    """How many connections were taken where nobody may go, and what was asked where everybody may."""

    port: int
    caught: int = 0
    asked: list[str] = field(default_factory=list)
    redirect: tuple[int, str] | None = None


@asynccontextmanager
async def traps() -> AsyncIterator[Traps]:
    """One port of this machine: a web server on the allowed address, traps on the others."""
    found = Traps(port=0)

    async def take(request: web.Request) -> web.Response:
        found.asked.append(request.path)
        status, location = found.redirect or (200, "")
        headers = {"Location": location, "Refresh": f"0; url={location}"} if location else {}
        response = web.Response(status=status, headers=headers)
        response.force_close()
        return response

    async def catch(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.caught += 1
        writer.transport.abort()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, OUTSIDE, 0).start()
    found.port = runner.addresses[0][1]
    servers = [
        await asyncio.start_server(catch, host, found.port) for host in ("127.0.0.1", "127.0.0.53", *_loopback6())
    ]
    try:
        yield found
    finally:
        for each in servers:
            each.close()
        await runner.cleanup()


def _loopback6() -> tuple[str, ...]:
    """IPv6's loopback, where this machine has it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ()
    return ("::1",)


async def posted(http: Http, url: str) -> DeliveryError | None:
    """What comes of a webhook with this URL: nothing, where the configuration is refused already."""
    wiring = Wiring(http=http, env=fake_env(), read=Path.read_text, stream=StringIO())
    try:
        sink = WebhookConfig.model_validate({"url": url, "timeout": "5s"}).build("team/webhook/0", wiring)
    except (ValidationError, ConfigError):
        return None
    with pytest.raises(DeliveryError) as caught:
        await sink.send(delivery(sink.render(FAILED)))
    return caught.value


# ── nothing gets through ─────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", TABLE)
async def test_no_hostile_url_leads_anywhere(kind: str) -> None:
    async with traps() as found, Http(resolver=Lenient(), allow=ALLOWED) as http:
        with watched() as tried:
            for template in TABLE[kind]:
                url = template.replace("{port}", str(found.port))
                error = await posted(http, url)
                assert error is None or (error.outcome, error.reason) == (Outcome.REFUSED, "blocked"), url
                with pytest.raises(TransportError) as caught:
                    await http.send(Request(url=url, method="POST", body=b"x", deadline=5_000, guard=True))
                assert (caught.value.kind, caught.value.sent) == (Fault.BLOCKED, False), url
                assert (tried, found.caught, found.asked) == ([], 0, []), url


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_no_redirect_is_followed(status: int, target: str) -> None:
    async with traps() as found, Http(resolver=Lenient(), allow=ALLOWED) as http:
        found.redirect = status, target.replace("{port}", str(found.port))
        with watched() as tried:
            error = await posted(http, f"http://{OUTSIDE}:{found.port}/hook")
        assert error is not None
        assert (error.outcome, error.reason) == (Outcome.REFUSED, "redirect")
        assert (set(tried), found.caught, found.asked) == ({OUTSIDE}, 0, ["/hook"])


@pytest.mark.parametrize("inside", [*INSIDE, "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"])
async def test_a_name_that_changes_its_answer_leads_only_where_it_was_judged(inside: str) -> None:
    """Good and bad answers by turns: the bad ones are refused, and a good one is what is connected to."""
    turns = [[OUTSIDE], [inside], [OUTSIDE], [inside, OUTSIDE], [OUTSIDE, inside], [OUTSIDE], [inside]]
    dns = FakeDns({"rebind.example": list(turns)})
    async with traps() as found, Http(resolver=dns, allow=ALLOWED) as http:
        found.redirect = 302, "/again"  # an answer after which the server closes, so that each attempt asks anew
        reasons = []
        with watched() as tried:
            for _turn in turns:
                error = await posted(http, f"http://rebind.example:{found.port}/hook")
                assert error is not None
                reasons.append(error.reason)
        assert found.caught == 0
        assert set(tried) == {OUTSIDE}
        assert len(found.asked) == reasons.count("redirect")
    assert reasons == ["redirect" if turn == [OUTSIDE] else "blocked" for turn in turns]


async def test_what_is_allowed_is_reached_and_traps_do_catch() -> None:
    """The same stage without the guard: so that the tests above can fail."""
    async with traps() as found, Http(resolver=Lenient(), allow=ALLOWED) as http:
        with watched() as tried:
            await http.send(Request(url=f"http://{OUTSIDE}:{found.port}/good", guard=True))
            for host in ("127.0.0.1", "n0.inside.example", "localhost"):
                with pytest.raises(TransportError):
                    await http.send(Request(url=f"http://{host}:{found.port}/", method="POST", deadline=5_000))
        assert found.asked == ["/good"]
        assert found.caught == 3
        assert tried == [OUTSIDE, "127.0.0.1", "127.0.0.1", "127.0.0.1"]


# ── mail servers ─────────────────────────────────────────────────────────────

HOSTS = [
    *(host for each in INSIDE for host in spellings(each)),
    *(host for each in INSIDE for host in wrappings(each)),
    *("::1", "::", "fe80::1", "fd00::1", "localhost", "LOCALHOST", "localhost.", "127\u30020\u30020\u30021", "[::1]"),
]


async def test_no_hostile_mail_server_is_connected_to() -> None:
    wiring = Wiring(http=Http(), env=fake_env(), read=Path.read_text, stream=StringIO(), allow=ALLOWED)
    given = {"from": "a@example.com", "to": ["b@example.com"], "timeout": "5s"}
    judged = 0
    async with traps() as found:
        with watched() as tried:
            for at, host in enumerate(HOSTS):
                tls = "starttls" if at % 10 == 0 else "none"
                try:
                    config = EmailConfig.model_validate({**given, "host": host, "port": found.port, "tls": tls})
                except ValidationError:
                    continue
                sink = config.build("team/email/0", wiring)
                with pytest.raises(DeliveryError) as caught:
                    await sink.send(delivery(sink.render(FAILED)))
                assert caught.value.outcome in {Outcome.REFUSED, Outcome.UNSENT}, host
                judged += caught.value.reason == "blocked"
                assert (tried, found.caught) == ([], 0), host
    assert judged >= 50
