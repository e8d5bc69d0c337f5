import asyncio
import gzip
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.integration.otlp_stage import (
    ENCODINGS,
    HEADER,
    IN_JSON,
    KEY,
    PROTOBUF,
    FakeIntake,
    Stage,
    in_protobuf,
    refusal,
    request_of,
    stage,
)
from watcher.sources.otlp import MAX_RECORDS

SMALL = in_protobuf(request_of("one", "two"))
MIB = 1024 * 1024
WIRE, DECODED = 3 * MIB, 8 * MIB
GZIP = {"Content-Encoding": "gzip"}
BOUND = 96 * MIB
"""Bytes by which the process may grow at its worst while it answers a bomb; a request may hold `DECODED` of them."""


@pytest.fixture
async def at() -> AsyncIterator[Stage]:
    async with stage() as made:
        yield made


# ── building bombs ───────────────────────────────────────────────────────────


def varint(number: int) -> bytes:
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(content: bytes) -> bytes:
    return field(1, content)


def pair(key: bytes, value: bytes) -> bytes:
    return field(1, key) + field(2, value)


OURS = field(6, pair(b"deploymentId", text(b"d1")))


def scope_of(records: bytes, resource: bytes = b"") -> bytes:
    return field(1, (field(1, resource) if resource else b"") + field(2, records))


def request(*records: bytes, resource: bytes = b"") -> bytes:
    return scope_of(b"".join(field(2, each) for each in records), resource)


def filled(unit: bytes, size: int = DECODED - 4_096) -> bytes:
    return unit * (size // len(unit))


def nested(depth: int, wrap: Callable[[bytes], bytes], inner: bytes = b"\x0a\x01x") -> bytes:
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def in_map(inner: bytes) -> bytes:
    return field(6, field(1, pair(b"a", inner)))


def in_array(inner: bytes) -> bytes:
    return field(5, field(1, inner))


def packed_zeros(size: int) -> bytes:
    engine = zlib.compressobj(9, wbits=31)
    block = bytes(MIB)
    return b"".join(engine.compress(block) for _ in range(size // MIB)) + engine.flush()


def json_records(records: str) -> bytes:
    return f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}'.encode()


def json_ours(more: str) -> str:
    return f'{{"attributes":[{{"key":"deploymentId","value":{{"stringValue":"d1"}}}}{more}]}}'


GIGABYTE = packed_zeros(1024 * MIB)
P, J = PROTOBUF, IN_JSON
SIZES = {200, 400, 413}
Bomb = tuple[str, dict[str, str], Callable[[], bytes], set[int]]

BOMBS: dict[str, Bomb] = {
    # packed
    "gigabyte of zeros": (P, GZIP, lambda: GIGABYTE, {413}),
    "gigabyte of zeros as JSON": (J, GZIP, lambda: GIGABYTE, {413}),
    "ten gigabytes in parts": (P, GZIP, lambda: GIGABYTE[: WIRE // 4] * 3, {413}),
    "gzip in gzip": (P, GZIP, lambda: gzip.compress(gzip.compress(SMALL)), {400}),
    "gzip in gzip in gzip of a gigabyte": (P, GZIP, lambda: gzip.compress(gzip.compress(GIGABYTE)), {400}),
    "many empty parts": (P, GZIP, lambda: filled(gzip.compress(b""), WIRE), {400}),
    "many parts of a byte": (P, GZIP, lambda: filled(gzip.compress(b"\0"), WIRE), {400}),
    "seventeen parts": (P, GZIP, lambda: gzip.compress(b"") * 17, {400}),
    "sixteen parts": (P, GZIP, lambda: gzip.compress(b"") * 16, {200}),
    "gzip with garbage behind": (P, GZIP, lambda: gzip.compress(SMALL) + b"garbage", {400}),
    "gzip with a zero behind": (P, GZIP, lambda: gzip.compress(SMALL) + b"\0", {400}),
    "gzip with a wrong checksum": (P, GZIP, lambda: gzip.compress(SMALL)[:-8] + bytes(8), {400}),
    "gzip without its end": (P, GZIP, lambda: gzip.compress(SMALL)[:-1], {400}),
    "gzip of nothing": (P, GZIP, lambda: gzip.compress(b""), {200}),
    "nothing as gzip": (P, GZIP, bytes, {400}),
    "gzip with a long name": (P, GZIP, lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * (WIRE - 100), {400}),
    "raw deflate": (P, GZIP, lambda: zlib.compress(SMALL), {400}),
    "zstd": (P, {"Content-Encoding": "zstd"}, lambda: b"\x28\xb5\x2f\xfd" + bytes(100), {415}),
    "snappy": (P, {"Content-Encoding": "snappy"}, lambda: b"sNaPpY", {415}),
    "exactly as large as may be": (P, GZIP, lambda: gzip.compress(field(9, bytes(DECODED - 5))), {200}),
    "a byte more": (P, GZIP, lambda: gzip.compress(field(9, bytes(DECODED - 4))), {413}),
    # sizes on the wire
    "as large as may be on the wire": (P, {}, lambda: field(9, bytes(WIRE - 5)), {200}),
    "larger on the wire": (P, {}, lambda: field(9, bytes(WIRE - 4)), {413}),
    "much larger on the wire": (P, {}, lambda: bytes(WIRE * 4), {413}),
    # numbers of things
    "a million tiny records": (P, GZIP, lambda: gzip.compress(scope_of(b"\x12\x00" * 1_000_000)), {413}),
    "four million tiny records": (P, GZIP, lambda: gzip.compress(scope_of(filled(b"\x12\x00"))), {413}),
    "as many tiny records as are taken": (P, {}, lambda: scope_of(b"\x12\x00" * (MAX_RECORDS - 1)), {200}),
    "a million tiny records of ours": (
        P,
        GZIP,
        lambda: gzip.compress(scope_of(b"\x12\x00" * 1_000_000, field(1, pair(b"deploymentId", text(b"d"))))),
        {413},
    ),
    "as many records of ours as are taken": (
        P,
        {},
        lambda: scope_of(b"\x12\x00" * (MAX_RECORDS - 1), field(1, pair(b"deploymentId", text(b"d")))),
        {200},
    ),
    "four million scopes": (P, GZIP, lambda: gzip.compress(field(1, filled(b"\x12\x00"))), {413}),
    "four million resources": (P, GZIP, lambda: gzip.compress(filled(b"\x0a\x00")), {413}),
    "four million unknown fields": (P, GZIP, lambda: gzip.compress(filled(b"\x78\x00")), {400}),
    "four million descriptions of a resource": (P, GZIP, lambda: gzip.compress(field(1, filled(b"\x0a\x00"))), {413}),
    "ten thousand attributes": (P, {}, lambda: request(OURS + field(6, pair(b"a", text(b"b"))) * 10_000), {200}),
    "four million attributes": (P, GZIP, lambda: gzip.compress(request(OURS + filled(b"\x32\x00"))), {200}),
    "a million attributes in a thousand records": (
        P,
        GZIP,
        lambda: gzip.compress(request(*[OURS + b"\x32\x00" * 999] * 1_000)),
        {413},
    ),
    "ten thousand attributes of a resource": (
        P,
        {},
        lambda: request(OURS, resource=field(1, pair(b"a", text(b"b"))) * 10_000),
        {400},
    ),
    "a map of a million": (
        P,
        GZIP,
        lambda: gzip.compress(request(OURS + field(5, field(6, b"\x0a\x00" * 500_000)))),
        {200},
    ),
    "an array of a million": (
        P,
        GZIP,
        lambda: gzip.compress(request(OURS + field(5, field(5, b"\x0a\x00" * 500_000)))),
        {200},
    ),
    "eight maps of half a million": (
        P,
        GZIP,
        lambda: gzip.compress(request(*[OURS + field(5, field(6, b"\x0a\x00" * 510_000))] * 7)),
        {200},
    ),
    "an attribute of a megabyte": (P, {}, lambda: request(OURS + field(6, pair(b"x", text(bytes(MIB))))), {200}),
    "a message of a megabyte": (P, {}, lambda: request(OURS + field(5, text(b"x" * (MIB - 99)))), {200}),
    "a key of a megabyte": (P, {}, lambda: request(OURS + field(6, pair(b"k" * (MIB - 99), b""))), {200}),
    "details of a megabyte": (
        P,
        {},
        lambda: request(OURS + field(6, pair(b"details", text(b"{" + b"[" * (MIB - 99))))),
        {200},
    ),
    "details that are a wide JSON": (
        P,
        {},
        lambda: request(OURS + field(6, pair(b"details", text(b'{"a":[' + b"[]," * 300_000 + b"1]}")))),
        {200},
    ),
    # depth
    "a map thirty levels deep": (P, {}, lambda: request(OURS + field(5, nested(30, in_map))), {200}),
    "a map ten thousand levels deep": (P, {}, lambda: request(OURS + field(5, nested(5_000, in_map))), {200}),
    "an array ten thousand levels deep": (P, {}, lambda: request(OURS + field(5, nested(5_000, in_array))), {200}),
    "a resource ten thousand levels deep": (
        P,
        {},
        lambda: request(OURS, resource=field(1, pair(b"details", nested(5_000, in_map)))),
        {400},
    ),
    "groups": (P, {}, lambda: b"\x0b" * 100_000, {400}),
    "groups in a record": (P, {}, lambda: request(OURS + b"\x0b" * 100_000), {200}),
    # lengths
    "a length beyond the end": (P, {}, lambda: b"\x0a\xff\xff\xff\x7f", {400}),
    "a length of 64 bits": (P, {}, lambda: b"\x0a" + b"\xff" * 9 + b"\x01", {400}),
    "a length without an end": (P, {}, lambda: b"\x0a" + b"\xff" * 100_000, {400}),
    "a number without an end": (P, {}, lambda: b"\x08" + b"\xff" * 100_000, {400}),
    "a record's length beyond the end": (P, {}, lambda: field(1, field(2, b"\x12\x7f\x00")), {400}),
    "an attribute's length beyond the end": (P, {}, lambda: request(OURS + b"\x32\x7f"), {200}),
    "field zero": (P, {}, lambda: b"\x02\x00", {400}),
    # JSON
    "deep JSON": (J, {}, lambda: b"[" * MIB, {400}),
    "deep JSON under an unknown name": (J, {}, lambda: b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", {400}),
    "a deep record": (J, {}, lambda: json_records('{"deploymentId":' + "[" * 900 + "]" * 900 + "}"), {200}),
    "a million tiny JSON records": (J, {}, lambda: json_records("{}," * 900_000 + "{}"), {413}),
    "two million tiny JSON records": (J, GZIP, lambda: gzip.compress(json_records("{}," * 2_700_000 + "{}")), {413}),
    "four million JSON numbers": (J, GZIP, lambda: gzip.compress(json_records("1," * 4_000_000 + "1")), {413}),
    "a million JSON numbers": (J, GZIP, lambda: gzip.compress(json_records("1," * 999_000 + "1")), {413}),
    "ten thousand JSON attributes": (J, {}, lambda: json_records(json_ours(',{"key":"a"}' * 10_000)), {200}),
    "a JSON attribute of a megabyte": (J, {}, lambda: json_records(json_ours(f',{{"key":"{"k" * MIB}"}}')), {200}),
    "a wide JSON record": (J, {}, lambda: json_records('{"deploymentId":[' + "[]," * 300_000 + "[]]}"), {200}),
    "a very long number": (J, {}, lambda: json_records('{"timeUnixNano":' + "9" * MIB + "}"), {200, 400}),
    "a very long number of ours": (
        J,
        {},
        lambda: json_records('{"timeUnixNano":' + "9" * 500_000 + "," + json_ours("")[1:]),
        {200, 400},
    ),
    "torn characters": (J, {}, lambda: json_records(json_ours(',{"key":"' + "\\ud800" * 100_000 + '"}')), {200}),
    "not JSON": (J, {}, lambda: b"\xff" * MIB, {400}),
    "JSON of another kind": (J, {}, lambda: b'{"resourceLogs":{}}', {400}),
    "nothing as JSON": (J, {}, bytes, {400}),
}


def peak() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def test_there_are_enough_bombs() -> None:
    assert len(BOMBS) >= 60


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_answered_in_time_and_costs_bounded_memory(at: Stage, name: str) -> None:
    content_type, headers, build, expected = BOMBS[name]
    body = build()
    await at.post(SMALL)
    before = forget_peak()
    began = time.process_time()  # what it costs, on a machine that does other things meanwhile
    response, answer = await at.post(body, content_type, headers)
    spent = time.process_time() - began
    assert response.status in expected
    assert response.content_type == content_type
    if response.status != 200:
        assert refusal(answer, content_type).code in {3, 8}
    assert spent < 2  # half of that, on a core that nobody shares
    assert peak() - before < BOUND
    assert (await at.post(SMALL))[0].status == 200


@pytest.mark.parametrize("content_type", ENCODINGS)
async def test_a_request_cut_at_any_byte_is_refused(at: Stage, content_type: str) -> None:
    whole = ENCODINGS[content_type](request_of("one"))
    for end in range(1, len(whole)):
        response, _ = await at.post(whole[:end], content_type)
        assert response.status == 400
    assert at.intake.offered == []
    assert (await at.post(whole, content_type))[0].status == 200


async def test_a_body_without_a_length_is_bounded_like_any_other(at: Stage) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(MIB)

    response, _ = await at.post(chunks())
    assert response.status == 413

    async def small() -> AsyncIterator[bytes]:
        for at_ in range(len(SMALL)):
            yield SMALL[at_ : at_ + 1]

    response, _ = await at.post(small())
    assert response.status == 200


# ── time and connections ─────────────────────────────────────────────────────


async def opened(at: Stage, count: int, head: bytes) -> list[asyncio.StreamWriter]:
    pairs = await asyncio.gather(*(asyncio.open_connection(*at.address) for _ in range(count)))
    for _, writer in pairs:
        writer.write(head)
    return [writer for _, writer in pairs]


async def abort(writers: list[asyncio.StreamWriter]) -> None:
    for each in writers:
        each.transport.abort()
    await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)


HALF = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nX-Slow: "


@pytest.mark.parametrize("places", [32, 500, 512])
async def test_five_hundred_slow_connections_keep_nobody_out(places: int) -> None:
    async with stage(lambda settings: settings.update(connections=places)) as at:
        slow = await opened(at, 500, HALF)
        async with asyncio.timeout(5):
            response, _ = await at.post(SMALL)
            assert response.status == 200
            for each in slow:
                each.write(b"x")
            assert (await at.post(SMALL))[0].status == 200
        assert at.refused["connections"] == max(501 - places, 0)
        await abort(slow)


async def test_slow_bodies_without_a_key_keep_nobody_out_either() -> None:
    async with stage(lambda settings: settings.update(connections=8)) as at:
        head = f"POST /v1/logs HTTP/1.1\r\nHost: x\r\n{HEADER}: wrong\r\nContent-Length: 3000000\r\n\r\n".encode()
        slow = await opened(at, 64, head)
        async with asyncio.timeout(5):
            assert (await at.post(SMALL))[0].status == 200
        await abort(slow)


async def test_who_has_shown_a_key_is_not_sent_away() -> None:
    async with stage(lambda settings: settings.update(connections=4), FakeIntake(holding=asyncio.Event())) as at:
        assert at.intake.holding is not None
        asked = [asyncio.create_task(at.post(SMALL)) for _ in range(4)]
        while len(at.intake.offered) < 4:
            at.intake.arrived.clear()
            await at.intake.arrived.wait()
        reader, writer = await asyncio.open_connection(*at.address)
        assert await reader.read() == b""
        writer.close()
        at.intake.holding.set()
        assert [(await each)[0].status for each in asked] == [200] * 4
        assert at.refused == {"connections": 1}


OTHER_KEY = "another-key-of-at-least-32-characters"


def two_keys(settings: dict[str, Any]) -> None:
    settings.update(keys=[*settings["keys"], (OTHER_KEY, frozenset({"other-shop"}))])


def waiting_body(length: int, key: str = OTHER_KEY) -> bytes:
    """The head of a request whose body does not come."""
    return (
        f"POST /v1/logs HTTP/1.1\r\nHost: x\r\n{HEADER}: {key}\r\nContent-Type: {PROTOBUF}\r\n"
        f"Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    ).encode()


async def let_in(at: Stage, count: int, length: int, key: str = OTHER_KEY) -> list[asyncio.StreamWriter]:
    """Connections that have shown a key and are told to send their bodies, which they do not."""
    found = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(*at.address)
        writer.write(waiting_body(length, key))
        assert b" 100 " in await reader.readline()
        found.append(writer)
    return found


async def test_who_rests_makes_room_for_others_though_it_has_shown_a_key() -> None:
    async with stage(lambda settings: settings.update(connections=4)) as at:
        head = waiting_body(len(SMALL), KEY).replace(b"Expect: 100-continue\r\n", b"")
        resting = await opened(at, 4, head + SMALL)
        while len(at.intake.offered) < 4:
            at.intake.arrived.clear()
            await at.intake.arrived.wait()
        async with asyncio.timeout(5):
            assert (await at.post(SMALL))[0].status == 200
        await abort(resting)


async def test_one_key_does_not_keep_out_another_by_taking_all_places() -> None:
    def narrow(settings: dict[str, Any]) -> None:
        two_keys(settings)
        settings.update(connections=4)

    async with stage(narrow) as at:
        greedy = await let_in(at, 4, 1)
        async with asyncio.timeout(5):
            assert (await at.post(SMALL))[0].status == 200
        await abort(greedy)


async def test_one_key_does_not_keep_out_another_by_taking_all_room() -> None:
    def narrow(settings: dict[str, Any]) -> None:
        two_keys(settings)
        settings.update(wire=10_000, decoded=20_000, under_way=60_000)

    async with stage(narrow) as at:
        greedy = await let_in(at, 3, 10_000)
        assert (await at.post(SMALL, headers={HEADER: OTHER_KEY}))[0].status == 503
        assert (await at.post(SMALL))[0].status == 200
        await abort(greedy)


@pytest.mark.parametrize("head", [b"", HALF])
async def test_a_head_must_come_in_time(head: bytes) -> None:
    async with stage(lambda settings: settings.update(head=50)) as at:
        reader, writer = await asyncio.open_connection(*at.address)
        writer.write(head)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        assert at.refused == {"slow": 1}


async def test_a_body_must_come_in_time_and_may_then_be_sent_again() -> None:
    async with stage(lambda settings: settings.update(body=50)) as at:
        reader, writer = await asyncio.open_connection(*at.address)
        writer.write(
            f"POST /v1/logs HTTP/1.1\r\nHost: x\r\n{HEADER}: {KEY}\r\nContent-Type: {PROTOBUF}\r\n"
            f"Content-Length: {len(SMALL)}\r\n\r\n".encode()
            + SMALL[:5]
        )
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 2" in answer
        assert b"Connection: close" in answer
        await abort([writer])
        assert at.refused == {"slow": 1}
        assert at.intake.offered == []


async def test_who_hangs_up_in_the_middle_costs_nothing(at: Stage, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        _, writer = await asyncio.open_connection(*at.address)
        writer.write(
            f"POST /v1/logs HTTP/1.1\r\nHost: x\r\n{HEADER}: {KEY}\r\nContent-Type: {PROTOBUF}\r\n"
            f"Content-Length: {WIRE}\r\n\r\n".encode()
            + bytes(1_000)
        )
        await writer.drain()
        await abort([writer])
    async with asyncio.timeout(5):
        while (await at.post(field(9, bytes(WIRE - 5))))[0].status != 200:
            pass
    assert at.refused["disconnected"] == 50
    assert at.refused.keys() <= {"busy", "disconnected"}
    assert caplog.records == []


async def test_only_so_much_is_under_way_at_a_time() -> None:
    def narrow(settings: dict[str, Any]) -> None:
        settings.update(wire=10_000, decoded=20_000, under_way=40_000)

    body = in_protobuf(request_of("x" * 9_000))
    async with stage(narrow, FakeIntake(holding=asyncio.Event())) as at:
        assert at.intake.holding is not None
        asked = [asyncio.create_task(at.post(body)) for _ in range(2)]
        while len(at.intake.offered) < 2:
            at.intake.arrived.clear()
            await at.intake.arrived.wait()
        for content_type in (PROTOBUF, IN_JSON):
            response, _ = await at.post(body, content_type)
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
        at.intake.holding.set()
        assert [(await each)[0].status for each in asked] == [200, 200]
        assert (await at.post(body))[0].status == 200
        assert at.refused == {"busy": 2}


@pytest.mark.parametrize(
    "head",
    [
        b"POST /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"\x16\x03\x01 not http\r\n\r\n",
    ],
    ids=["long line", "long header", "many headers", "negative length", "two lengths", "not http"],
)
async def test_a_head_that_is_too_large_or_none_is_refused_and_others_are_served(at: Stage, head: bytes) -> None:
    reader, writer = await asyncio.open_connection(*at.address)
    writer.write(head)
    assert b" 400 " in (await reader.readline())
    writer.close()
    await writer.wait_closed()
    assert (await at.post(SMALL))[0].status == 200


async def test_a_broken_chunk_is_malformed(at: Stage) -> None:
    reader, writer = await asyncio.open_connection(*at.address)
    writer.write(
        f"POST / HTTP/1.1\r\nHost: x\r\n{HEADER}: {KEY}\r\nContent-Type: {IN_JSON}\r\n"
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 400 " in head
    writer.close()
    assert at.intake.offered == []


def test_all_of_this_holds_on_uvloop() -> None:
    async def everything() -> None:
        await test_five_hundred_slow_connections_keep_nobody_out(32)
        await test_who_has_shown_a_key_is_not_sent_away()
        await test_a_head_must_come_in_time(HALF)
        await test_a_body_must_come_in_time_and_may_then_be_sent_again()
        await test_only_so_much_is_under_way_at_a_time()
        async with stage() as at:
            await test_a_request_cut_at_any_byte_is_refused(at, PROTOBUF)

    uvloop.run(everything())


def test_the_bombs_are_what_they_say() -> None:
    assert len(GIGABYTE) < 2 * MIB
    assert json.loads(json_records(json_ours(""))) is not None
