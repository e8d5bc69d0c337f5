"""The door, against real servers that misbehave."""

import asyncio
import gzip
import logging
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from tests.loopback import FakeDns, Speak, free_port, raw_server, saying, silent, web_server
from watcher import __version__
from watcher.errors import ConfigError
from watcher.http import Answer, Fault, Http, Request, TransportError

CANARY = "c4n4ry-s3cr3t"
SECRET_PATH = f"/services/{CANARY}?token={CANARY}#{CANARY}"
LOOPBACK = [ip_network("127.0.0.0/8")]
TLS = Path(__file__).parent / "tls"
OK = b"HTTP/1.1 200 OK\r\n"
ZEROS = gzip.compress(b"\0" * 40_000_000)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as door:
        yield door


async def fail(http: Http, request: Request) -> TransportError:
    """The error of a request that must fail, and that must not show what is secret about it."""
    with pytest.raises(TransportError) as caught:
        await http.send(request)
    error = caught.value
    assert CANARY not in f"{error!s} {error!r}"
    assert error.__context__ is None
    assert str(error)
    return error


async def hello(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path_qs, "headers": dict(request.headers), "body": await request.text()})


async def test_an_answer_comes_back_whole_whatever_its_status(http: Http) -> None:
    async def teapot(_: web.Request) -> web.Response:
        return web.Response(status=418, text="short and stout", headers={"Retry-After": "7"})

    async with web_server(teapot) as url:
        answer = await http.send(Request(url=url))
    assert (answer.status, answer.body) == (418, b"short and stout")
    assert answer.headers["retry-after"] == answer.headers["Retry-After"] == "7"


async def test_what_leaves(http: Http) -> None:
    async with web_server(hello) as url:
        answer = await http.send(Request(method="POST", url=f"{url}/a?b=c", headers={"X-Mine": "1"}, body=b"payload"))
    text = answer.body.decode()
    assert f"connect-watcher/{__version__}" in text
    assert '"/a?b=c"' in text
    assert "payload" in text
    assert '"Accept-Encoding": "gzip"' in text


async def test_compressed_answers_are_decompressed(http: Http) -> None:
    async def squeezed(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"x" * 1000), headers={"Content-Encoding": "gzip"})

    async with web_server(squeezed) as url:
        assert (await http.send(Request(url=url))).body == b"x" * 1000


async def test_redirects_are_not_followed_and_cookies_not_kept(http: Http) -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(f"{request.path} {request.headers.get('Cookie')}")
        return web.Response(status=302, headers={"Location": "/target", "Set-Cookie": "a=b; Path=/"})

    async with web_server(elsewhere) as url:
        assert (await http.send(Request(url=f"{url}/first"))).status == 302
        assert (await http.send(Request(url=f"{url}/second"))).status == 302
    assert seen == ["/first None", "/second None"]


@pytest.mark.parametrize(
    ("speak", "kind", "status"),
    [
        (saying(b""), Fault.NETWORK, None),
        (saying(b"", then="reset"), Fault.NETWORK, None),
        (saying(b"HTTP/1.1 2"), Fault.NETWORK, None),
        (saying(OK + b"Content-Length: 100\r\n\r\nabc"), Fault.NETWORK, 200),
        (saying(OK + b"Content-Length: 100\r\n\r\nabc", then="reset"), Fault.NETWORK, 200),
        (saying(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"), Fault.NETWORK, 200),
        (saying(b"220 mail.example ESMTP\r\n\r\n"), Fault.GARBLED, None),
        (saying(b"HTTP/1.1 abc OK\r\n\r\n"), Fault.GARBLED, None),
        (saying(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n"), Fault.GARBLED, None),
        (saying(OK + b"Content-Length: -5\r\n\r\nabc"), Fault.GARBLED, None),
        (saying(OK + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc"), Fault.GARBLED, None),
        (saying(OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n"), Fault.GARBLED, None),
        (saying(OK + b"X: 1\r\n" * 5_000 + b"\r\n"), Fault.GARBLED, None),
        (saying(OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde"), Fault.GARBLED, 200),
        (saying(OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nabcde"), Fault.GARBLED, None),
        (saying(OK + b"Content-Length: 99999999999\r\n\r\nabc", then="hang"), Fault.TOO_LARGE, 200),
        (saying(OK + b"Content-Encoding: gzip\r\n\r\n" + ZEROS), Fault.TOO_LARGE, 200),
        (saying(b"", then="hang"), Fault.TIMEOUT, None),
        (saying(OK, then="hang"), Fault.TIMEOUT, None),
        (saying(OK + b"Content-Length: 100\r\n\r\nabc", then="hang"), Fault.TIMEOUT, 200),
    ],
)
async def test_every_fault_is_named(http: Http, speak: Speak, kind: Fault, status: int | None) -> None:
    async with raw_server(speak) as url:
        deadline = 300 if kind is Fault.TIMEOUT else 30_000
        error = await fail(http, Request(url=url + SECRET_PATH, deadline=deadline))
        assert (error.kind, error.sent, error.status) == (kind, True, status)
        assert str(error).startswith(url.removeprefix("http://"))


async def test_a_request_ends_by_its_deadline_however_slowly_bytes_drip(http: Http) -> None:
    async with raw_server(_patient_drip) as url:
        error = await fail(http, Request(url=url, deadline=300))
    assert error.kind is Fault.TIMEOUT
    assert str(error).endswith("timed out after 300ms while reading the answer")


async def _patient_drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte every 10 ms, for ever: no single read ever has to wait long."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK + b"Content-Length: 1000000\r\n\r\n")
    gone = asyncio.ensure_future(reader.read())
    while not gone.done():
        writer.write(b"x")
        await asyncio.wait([gone], timeout=0.01)


async def test_a_timeout_says_what_it_was_waiting_for(http: Http) -> None:
    async with raw_server(silent) as url:
        waiting = await fail(http, Request(url=url, deadline=200))
        handshake = await fail(http, Request(url=url.replace("http:", "https:"), deadline=50))
    assert (waiting.kind, waiting.sent) == (Fault.TIMEOUT, True)
    assert str(waiting).endswith("timed out after 200ms while waiting for the answer")
    assert (handshake.kind, handshake.sent) == (Fault.TIMEOUT, False)
    assert str(handshake).endswith("timed out after 50ms while connecting")


async def test_a_slow_name_is_inside_the_deadline() -> None:
    class Stuck(FakeDns):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            await asyncio.get_running_loop().create_future()
            return []

    async with Http(resolver=Stuck()) as http:
        error = await fail(http, Request(url="https://hooks.example/x", guard=True, deadline=50))
    assert (error.kind, error.sent) == (Fault.TIMEOUT, False)
    assert str(error) == "hooks.example: timed out after 50ms while looking up the host's name"


async def test_no_more_than_the_cap_is_read(http: Http) -> None:
    async def thousand(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1000)

    async with web_server(thousand) as url:
        assert len((await http.send(Request(url=url, cap=1000))).body) == 1000
        error = await fail(http, Request(url=url, cap=999))
    assert (error.kind, error.status) == (Fault.TOO_LARGE, 200)


async def test_an_endless_answer_is_left_at_the_cap(http: Http) -> None:
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"\r\n")
        while True:
            writer.write(b"x" * 65536)
            written += 65536
            await writer.drain()

    async with raw_server(endless) as url:
        error = await fail(http, Request(url=url, cap=2**20, deadline=5_000))
    assert error.kind is Fault.TOO_LARGE
    assert written < 2**24


async def test_nothing_left_where_no_connection_came_about(http: Http) -> None:
    refused = await fail(http, Request(method="POST", url=f"http://127.0.0.1:{free_port()}{SECRET_PATH}", body=b"x"))
    assert (refused.kind, refused.sent) == (Fault.NETWORK, False)
    assert str(refused).endswith("cannot connect (Connection refused)")
    async with Http(resolver=FakeDns()) as offline:
        lost = await fail(offline, Request(url=f"https://nowhere.example{SECRET_PATH}"))
    assert (lost.kind, lost.sent) == (Fault.DNS, False)
    assert str(lost) == "nowhere.example: the host's name cannot be resolved (Name or service not known)"


async def test_a_request_that_met_a_reset_counts_as_sent(http: Http) -> None:
    async with raw_server(saying(b"", then="reset")) as url:
        error = await fail(http, Request(method="POST", url=url, body=b"x"))
    assert (error.kind, error.sent, error.status) == (Fault.NETWORK, True, None)


@pytest.mark.parametrize(
    "url", ["", "example.com", "ftp://example.com/", "https:///x", "https://a:b/", "https://[::1/"]
)
async def test_what_is_no_url_is_not_repeated(http: Http, url: str) -> None:
    error = await fail(http, Request(url=url + CANARY))
    assert (error.kind, error.sent) == (Fault.BLOCKED, False)


@pytest.mark.parametrize("headers", [{"X": f"a\r\nX-Smuggled: {CANARY}"}, {f"X\n{CANARY}": "a"}])
async def test_a_header_cannot_smuggle_another(http: Http, headers: dict[str, str]) -> None:
    async with web_server(hello) as url:
        error = await fail(http, Request(url=url, headers=headers))
    assert error.kind is Fault.GARBLED


async def test_cancelling_is_not_a_fault(http: Http) -> None:
    connected = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await silent(reader, writer)

    async with raw_server(hang) as url:
        sending = asyncio.create_task(http.send(Request(url=url)))
        await connected.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_nothing_secret_reaches_the_log(http: Http, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with raw_server(saying(OK + b"Content-Length: 9\r\n\r\nabc", then="reset")) as url:
        await fail(http, Request(method="POST", url=url + SECRET_PATH, body=CANARY.encode()))
    await fail(http, Request(url=f"http://127.0.0.1:{free_port()}{SECRET_PATH}"))
    assert CANARY not in caplog.text
    request = Request(url=CANARY, headers={"Authorization": CANARY}, body=CANARY.encode())
    assert CANARY not in repr(request)
    assert CANARY not in repr(Answer(status=200, headers={"X": CANARY}, body=CANARY.encode()))


# ── TLS ──────────────────────────────────────────────────────────────────────


def server_tls(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")
    return context


async def test_a_certificate_of_the_operators_own_authority_is_accepted() -> None:
    async with web_server(hello, tls=server_tls("good")) as url, Http(ca_file=TLS / "good.pem") as http:
        assert (await http.send(Request(url=url))).status == 200


@pytest.mark.parametrize(
    ("served", "trusted", "said"),
    [
        ("good", None, "self-signed certificate"),
        ("expired", "expired", "certificate has expired"),
        ("elsewhere", "elsewhere", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
async def test_other_certificates_are_not(served: str, trusted: str | None, said: str) -> None:
    ca_file = TLS / f"{trusted}.pem" if trusted else None
    async with web_server(hello, tls=server_tls(served)) as url, Http(ca_file=ca_file) as http:
        error = await fail(http, Request(url=url + SECRET_PATH))
    assert (error.kind, error.sent) == (Fault.TLS, False)
    assert said in str(error)


async def test_tls_before_1_2_is_not_spoken(recwarn: pytest.WarningsRecorder) -> None:
    context = server_tls("good")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert {each.category for each in recwarn} <= {DeprecationWarning}
    async with web_server(hello, tls=context) as url, Http(ca_file=TLS / "good.pem") as http:
        error = await fail(http, Request(url=url))
    assert (error.kind, error.sent) == (Fault.NETWORK, False)
    assert str(error).endswith("cannot connect (closed by the other side)")


async def test_plain_http_is_not_taken_for_tls(http: Http) -> None:
    async with raw_server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="hang", at_once=True)) as url:
        error = await fail(http, Request(url=url.replace("http:", "https:")))
    assert (error.kind, error.sent) == (Fault.TLS, False)


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_unusable_ca_file_is_a_configuration_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"http\.ca_file: .*ca\.pem: "):
        Http(ca_file=path)


# ── the guard ────────────────────────────────────────────────────────────────


async def test_a_name_passes_only_with_all_its_addresses() -> None:
    hits: list[str] = []

    async def count(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response()

    async with web_server(count) as url:
        port = url.rpartition(":")[2]
        dns = FakeDns({"mixed.example": [["127.0.0.1", "10.0.0.1"]], "near.example": [["127.0.0.1"]]})
        async with Http(resolver=dns, allow=LOOPBACK) as http:
            error = await fail(http, Request(url=f"http://mixed.example:{port}{SECRET_PATH}", guard=True))
            assert hits == []
            assert (await http.send(Request(url=f"http://near.example:{port}/", guard=True))).status == 200
    assert (error.kind, error.sent) == (Fault.BLOCKED, False)
    assert str(error) == "mixed.example: blocked by the egress policy: 10.0.0.1 is a private address"
    assert hits == ["/"]


async def test_a_name_that_changes_its_mind_is_judged_for_every_connection() -> None:
    """The first lookup is harmless; the address that is connected to comes from no other lookup than the judged one."""
    dns = FakeDns({"rebind.example": [["127.0.0.1"], ["169.254.169.254"]]})
    async with raw_server(saying(OK + b"Content-Length: 0\r\nConnection: close\r\n\r\n")) as url:
        request = Request(url=f"http://rebind.example:{url.rpartition(':')[2]}/", guard=True)
        async with Http(resolver=dns, allow=LOOPBACK) as http:
            assert (await http.send(request)).status == 200
            assert dns.asked == ["rebind.example"]
            error = await fail(http, request)
    assert error.kind is Fault.BLOCKED
    assert "169.254.169.254 is a link-local address" in str(error)


async def test_a_connection_of_ours_is_not_lent_to_a_guarded_request() -> None:
    dns = FakeDns({"inside.example": [["127.0.0.1"]]})
    async with web_server(hello) as url, Http(resolver=dns) as http:
        inside = f"http://inside.example:{url.rpartition(':')[2]}/"
        assert (await http.send(Request(url=inside))).status == 200
        assert (await fail(http, Request(url=inside, guard=True))).kind is Fault.BLOCKED


async def test_allowed_plain_http_does_not_open_a_way_for_public_plain_http() -> None:
    dns = FakeDns({"public.example": [["8.8.8.8"]]})
    async with Http(resolver=dns, allow=LOOPBACK) as http:
        error = await fail(http, Request(url="http://public.example/", guard=True))
    assert error.kind is Fault.BLOCKED
    assert "plain http" in str(error)


async def test_a_guarded_url_has_no_user_in_it() -> None:
    async with web_server(hello) as url, Http(allow=LOOPBACK) as http:
        assert (await http.send(Request(url=url, guard=True))).status == 200
        for user in (f"user:{CANARY}@", f"{CANARY}@", f":{CANARY}@"):
            error = await fail(http, Request(url=url.replace("//", f"//{user}"), guard=True))
            assert error.kind is Fault.BLOCKED
            assert "user name or password" in str(error)


async def test_guarded_https_to_an_allowed_network() -> None:
    dns = FakeDns({"localhost": [["127.0.0.1"]]})
    async with (
        web_server(hello, tls=server_tls("good")) as url,
        Http(resolver=dns, allow=LOOPBACK, ca_file=TLS / "good.pem") as http,
    ):
        named = url.replace("127.0.0.1", "localhost")
        assert (await http.send(Request(url=named, guard=True))).status == 200
        assert (await http.send(Request(url=url, guard=True))).status == 200


# ── proxies ──────────────────────────────────────────────────────────────────


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


async def test_the_environments_proxy_is_not_used(http: Http) -> None:
    async with web_server(hello) as url:
        with environment("http_proxy", f"http://127.0.0.1:{free_port()}"):
            assert (await http.send(Request(url=url))).status == 200


async def test_the_configured_proxy_is_used_and_told_who_we_are() -> None:
    lines: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with raw_server(proxy) as url:
        with_user = url.replace("http://", f"http://user:{CANARY}@")
        async with Http(proxy_url=with_user) as http:
            assert (await http.send(Request(url="http://api.example/x"))).status == 200
    assert lines[0].startswith(b"GET http://api.example/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " in lines[0]


async def test_a_proxy_that_refuses_is_named_as_such() -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(saying(refusal)) as url, Http(proxy_url=url.replace("//", f"//user:{CANARY}@")) as http:
        error = await fail(http, Request(url=f"https://api.example{SECRET_PATH}"))
    assert (error.kind, error.sent) == (Fault.NETWORK, False)
    assert str(error) == "api.example: the proxy refuses with status 407"


async def test_a_proxy_that_is_not_there_is_named_as_such() -> None:
    async with Http(proxy_url=f"http://user:{CANARY}@127.0.0.1:{free_port()}") as http:
        error = await fail(http, Request(url=f"https://api.example{SECRET_PATH}"))
    assert (error.kind, error.sent) == (Fault.NETWORK, False)
    assert "the proxy cannot be reached (Connection refused)" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://metadata.google.internal/",
        "http://hooks.example/",
        "https://0x7f.1/",
    ],
)
async def test_behind_a_proxy_what_can_be_judged_is_judged(url: str) -> None:
    async with Http(proxy_url=f"http://127.0.0.1:{free_port()}") as http:
        assert (await fail(http, Request(url=url, guard=True))).kind is Fault.BLOCKED
        assert (await fail(http, Request(url=url))).kind is Fault.NETWORK
