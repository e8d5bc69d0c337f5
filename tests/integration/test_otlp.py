import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import structlog
from google.protobuf.json_format import Parse
from opentelemetry._logs import LogRecord as SdkRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from tests.fakes import START, FakeClock, fake_env
from tests.integration.otlp_stage import (
    ENCODINGS,
    HEADER,
    KEY,
    PROJECTS,
    PROTOBUF,
    FakeIntake,
    Stage,
    in_json,
    in_protobuf,
    refusal,
    request_of,
    stage,
)
from watcher.errors import BehindError, ConfigError, StoreError
from watcher.metrics import Metrics, new_registry
from watcher.web.otlp import Listening, serve_otlp


@pytest.fixture
async def at() -> AsyncIterator[Stage]:
    async with stage() as made:
        yield made


# ── an exporter that is not ours ─────────────────────────────────────────────


def batch(*messages: str) -> list[ReadableLogRecord]:
    attributes = {"type": "APPLICATION_TEXT", "connect.deploymentId": "d1", "applicationName": "service"}
    return [
        ReadableLogRecord(
            SdkRecord(timestamp=(START + number) * 10**6, body=text, severity_text="ERROR", attributes=attributes),
            resource=Resource.create({"projectKey": "my-shop"}),
        )
        for number, text in enumerate(messages)
    ]


async def export(at: Stage, messages: list[str], compression: Compression) -> LogRecordExportResult:
    exporter = OTLPLogExporter(f"{at.url}/v1/logs", headers={HEADER: KEY}, compression=compression, timeout=30)
    try:
        return await asyncio.to_thread(exporter.export, batch(*messages))
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]  # not typed by its authors


@pytest.mark.parametrize(
    ("errors", "compression"),
    [
        ([], Compression.Gzip),
        ([], Compression.NoCompression),
        ([BehindError("too much", retry_after=1), BehindError("too much", retry_after=1)], Compression.Gzip),
        ([StoreError("the disk is full")], Compression.NoCompression),
    ],
    ids=["gzip", "plain", "behind twice", "store"],
)
async def test_the_official_exporter_loses_nothing(
    at: Stage, errors: list[Exception], compression: Compression
) -> None:
    tries = len(errors) + 1
    at.intake.errors = list(errors)
    messages = [f"line {number}" for number in range(500)]
    assert await export(at, messages, compression) is LogRecordExportResult.SUCCESS
    assert at.intake.messages == messages
    assert at.intake.records[7][:7] == ("d1", "service", "APPLICATION_TEXT", "ERROR", "ERROR", START + 7, "line 7")
    assert at.intake.records[7].project == "my-shop"
    assert len(at.intake.offered) == tries
    assert len({each.digest for each in at.intake.offered}) == 1
    assert at.count("accepted") == 500
    assert sum(at.refused.values()) == tries - 1


async def test_the_official_exporter_gives_up_without_the_key(at: Stage) -> None:
    exporter = OTLPLogExporter(f"{at.url}/v1/logs", headers={HEADER: "wrong"}, timeout=5)
    assert await asyncio.to_thread(exporter.export, batch("x")) is LogRecordExportResult.FAILURE
    exporter.shutdown()  # type: ignore[no-untyped-call]  # not typed by its authors
    assert at.intake.offered == []
    assert at.refused == {"unauthorized": 1}


# ── what is taken, and what is answered ──────────────────────────────────────


@pytest.mark.parametrize("path", ["/v1/logs", "/"])
@pytest.mark.parametrize("content_type", ENCODINGS)
@pytest.mark.parametrize("packed", [False, True])
async def test_what_is_taken_is_answered_in_its_encoding(at: Stage, content_type: str, path: str, packed: bool) -> None:
    body = ENCODINGS[content_type](request_of("one", "two"))
    headers = {"Content-Encoding": "gzip"} if packed else {}
    response, answer = await at.post(gzip.compress(body) if packed else body, content_type, headers, path)
    assert (response.status, response.content_type) == (200, content_type)
    assert answer == (b"" if content_type == PROTOBUF else b"{}")
    assert at.intake.messages == ["one", "two"]
    assert at.intake.projects == [PROJECTS]
    assert at.count("accepted") == 2


async def test_parameters_of_the_content_type_and_gzip_in_parts_are_fine(at: Stage) -> None:
    body = in_json(request_of("one"))
    packed = gzip.compress(body[:20]) + gzip.compress(body[20:])
    headers = {"Content-Encoding": "GZIP", "Content-Type": "application/json; charset=utf-8"}
    response, _ = await at.post(packed, headers=headers)
    assert response.status == 200
    assert at.intake.messages == ["one"]


async def test_the_answer_waits_for_the_commit(at: Stage) -> None:
    at.intake.holding = asyncio.Event()
    asked = asyncio.create_task(at.post(in_protobuf(request_of("one"))))
    await at.intake.arrived.wait()
    await at.post(b"", headers={HEADER: "wrong"})
    assert not asked.done()
    assert at.count("accepted") == 0
    at.intake.holding.set()
    assert (await asked)[0].status == 200
    assert at.count("accepted") == 1


@pytest.mark.parametrize("content_type", ENCODINGS)
async def test_rejected_and_malformed_records_are_a_partial_success(at: Stage, content_type: str) -> None:
    at.intake.rejected = 1
    wire = request_of("one", "two", "three")
    broken = wire.resource_logs[0].scope_logs[0].log_records.add()
    for number in range(1_001):
        broken.attributes.add(key=f"deploymentId{number}")
    wire.resource_logs[0].scope_logs[0].log_records.add().body.string_value = "foreign"
    response, answer = await at.post(ENCODINGS[content_type](wire), content_type)
    assert response.status == 200
    message = (
        ExportLogsServiceResponse.FromString(answer)
        if content_type == PROTOBUF
        else Parse(answer, ExportLogsServiceResponse())
    )
    assert message.partial_success.rejected_log_records == 2
    assert "not watched; 1 records" in message.partial_success.error_message
    outcomes = {name: at.count(name) for name in ("accepted", "rejected", "foreign", "malformed")}
    assert outcomes == {"accepted": 2, "rejected": 1, "foreign": 1, "malformed": 1}


async def test_a_request_of_foreign_records_is_taken_and_goes_nowhere(at: Stage) -> None:
    response, answer = await at.post(in_protobuf(request_of("GET /my-shop/products", deploymentId="")))
    assert (response.status, answer) == (200, b"")
    assert at.intake.offered == []
    assert at.count("foreign") == 1


@pytest.mark.parametrize("content_type", ENCODINGS)
@pytest.mark.parametrize(
    ("error", "seconds", "reason"),
    [
        (BehindError("x", retry_after=5_000), "5", "behind"),
        (BehindError("x", retry_after=1), "1", "behind"),
        (BehindError("x", retry_after=1_001), "2", "behind"),
        (StoreError("canary of the store"), "2", "store"),
        (ZeroDivisionError("canary of a bug"), "2", "failed"),
    ],
)
async def test_trouble_of_our_own_is_to_be_tried_again(
    at: Stage, error: Exception, seconds: str, reason: str, content_type: str
) -> None:
    at.intake.errors = [error]
    response, answer = await at.post(ENCODINGS[content_type](request_of("one")), content_type)
    assert (response.status, response.headers["Retry-After"]) == (503, seconds)
    assert response.content_type == content_type
    status = refusal(answer, content_type)
    assert status.code == 14
    assert "canary" not in status.message
    assert at.refused == {reason: 1}
    assert at.count("accepted") == 0
    again, _ = await at.post(ENCODINGS[content_type](request_of("one")), content_type)
    assert again.status == 200
    assert at.intake.messages == ["one"]
    assert at.intake.offered[0].digest == at.intake.offered[1].digest


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Content-Type": "text/plain"}, 415, "content_type"),
        ({"Content-Type": "application/grpc"}, 415, "content_type"),
        ({"Content-Encoding": "zstd"}, 415, "content_encoding"),
        ({"Content-Encoding": "deflate"}, 415, "content_encoding"),
        ({"Content-Encoding": "gzip, gzip"}, 415, "content_encoding"),
        ({"Content-Encoding": "br"}, 415, "content_encoding"),
        ({"Content-Encoding": "gzip"}, 400, "malformed"),
        ({"Content-Type": "application/json"}, 400, "malformed"),
        ({}, 400, "malformed"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_words(
    at: Stage, headers: dict[str, str], status: int, reason: str
) -> None:
    response, answer = await at.post(b"\xff canary", headers=headers)
    assert response.status == status
    assert "Retry-After" not in response.headers
    found = refusal(answer, response.content_type)
    assert (found.code, bool(found.message), "canary" in found.message) == (3, True, False)
    assert at.refused == {reason: 1}


async def test_nothing_else_is_there(at: Stage) -> None:
    for method, path, status in (("GET", "/v1/logs", 405), ("POST", "/v1/traces", 404), ("PUT", "/", 405)):
        async with at.session.request(method, at.url + path) as response:
            assert response.status == status
            assert response.headers["Server"] == "connect-watcher"


# ── keys ─────────────────────────────────────────────────────────────────────

SECOND = "another-key-of-at-least-32-characters"


@pytest.mark.parametrize(
    "presented",
    [None, "", "wrong", KEY[:-1], KEY + "x", KEY.upper(), f"Bearer {KEY}", "ü" * 40, "x" * 8_000],
)
async def test_without_a_key_nothing_is_read_and_nothing_is_said(presented: str | None) -> None:
    async with stage(lambda settings: settings.update(keys=[(KEY, PROJECTS), ("", frozenset({"other"}))])) as at:
        given = {} if presented is None else {HEADER: presented}
        chosen = {"Content-Type": PROTOBUF, **given}
        async with at.session.post(at.url + "/v1/logs", data=b"\xff" * 100, headers=chosen) as response:
            answer = await response.read()
        assert response.status == 401
        assert response.headers["Connection"] == "close"
        assert "WWW-Authenticate" not in response.headers
        assert "unauthorized" in refusal(answer, response.content_type).message
        assert at.intake.offered == []
        assert at.refused == {"unauthorized": 1}


async def test_two_headers_are_no_key(at: Stage) -> None:
    headers = [(HEADER, KEY), (HEADER, KEY), ("Content-Type", PROTOBUF)]
    async with at.session.post(at.url + "/v1/logs", data=b"", headers=headers) as response:
        assert response.status == 401


async def test_each_key_speaks_for_its_projects_and_equal_ones_for_all_of_theirs() -> None:
    keys = [(KEY, frozenset({"a"})), (SECOND, frozenset({"b"})), (KEY, frozenset({"c"}))]
    async with stage(lambda settings: settings.update(keys=keys)) as at:
        for key in (KEY, SECOND):
            assert (await at.post(in_protobuf(request_of("x")), headers={HEADER: key}))[0].status == 200
        assert at.intake.projects == [{"a", "c"}, {"b"}]


async def test_a_bearer_token_is_a_key_where_the_header_is_that_of_tokens() -> None:
    async with stage(lambda settings: settings.update(header="Authorization")) as at:
        for given, status in ((f"Bearer {KEY}", 200), (KEY, 200), (f"Basic {KEY}", 401)):
            headers = {"Authorization": given}
            assert (await at.post(in_protobuf(request_of("x")), headers=headers))[0].status == status


@pytest.fixture
def loud() -> Iterator[None]:
    quiet = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    yield
    structlog.configure(**quiet)


@pytest.mark.usefixtures("loud")
async def test_the_log_hears_of_refusals_once_a_minute_and_never_of_keys(at: Stage) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await at.post(b"", headers={HEADER: "wrong canary"})
        at.clock.at += 60_000
        await at.post(b"", headers={HEADER: "wrong canary"})
        await at.post(b"", headers={"Content-Type": "text/plain"})
    said = [(each["event"], each["reason"], each["count"]) for each in logs]
    assert said == [
        ("otlp.refused", "unauthorized", 1),
        ("otlp.refused", "unauthorized", 5),
        ("otlp.refused", "content_type", 1),
    ]
    assert "canary" not in str(logs)
    assert KEY not in repr(Listening(header=HEADER, keys=[(KEY, PROJECTS)]))


async def test_whoever_asks_first_is_encouraged_only_with_a_key(at: Stage) -> None:
    body = in_protobuf(request_of("one"))
    for key, expected in ((KEY, b"HTTP/1.1 100"), ("wrong", b"HTTP/1.1 401")):
        reader, writer = await asyncio.open_connection(*at.address)
        writer.write(
            f"POST /v1/logs HTTP/1.1\r\nHost: x\r\n{HEADER}: {key}\r\nContent-Type: {PROTOBUF}\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert (await reader.readline()).startswith(expected)
        if key == KEY:
            assert await reader.readline() == b"\r\n"
            writer.write(body)
            assert b" 200 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert at.intake.messages == ["one"]


# ── the listener itself ──────────────────────────────────────────────────────


async def test_an_address_that_is_taken_is_a_problem_of_the_configuration() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        serving = serve_otlp(
            taken.getsockname(),
            Listening(header=HEADER, keys=()),
            intake=FakeIntake(),
            env=fake_env(FakeClock()),
            metrics=Metrics(new_registry(), version="test"),
            refused=lambda _: None,
        )
        with pytest.raises(ConfigError, match=r"^otlp\.listen: cannot listen on http://127\.0\.0\.1:\d+: Address"):
            async with serving:
                pass


async def test_at_the_end_what_is_under_way_is_answered() -> None:
    release = asyncio.Event()
    intake = FakeIntake(holding=release)
    async with aiohttp.ClientSession() as session:
        async with stage(intake=intake) as at:
            headers = {HEADER: KEY, "Content-Type": PROTOBUF}
            asked = asyncio.create_task(session.post(at.url, data=in_protobuf(request_of("one")), headers=headers))
            await intake.arrived.wait()
            asyncio.get_running_loop().call_later(0.05, release.set)
        assert (await asked).status == 200
