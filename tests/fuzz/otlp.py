"""Requests of pushed logs, mutated: each gives a value or a ValueError, in time and in bounded memory.

`python -m tests.fuzz.otlp 1000000 [SEED]` tries that many and says what came of them.
"""

import json
import random  # noqa: TID251  seeded
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as WireRecord
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from watcher.core.logrecord import LogRecord
from watcher.ports import Pushed
from watcher.sources.otlp import decode_json, decode_protobuf, protobuf

NOW = 1_800_000_000_000
SECONDS = 1.0
MEBIBYTES = 32
_INTERESTING = (
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff" * 9 + b"\x01",
    b"\x0a",
    b"\x12",
    b"\x32",
    b"\x2a",
    b"\x0b",
    b"\x0c",
)
_TOKENS = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\ud800",
        b"null",
        b"1e999",
        b"-1",
        b"99999999999999999999",
        b"\xff",
    ),
    *(
        b'{"stringValue":',
        b'{"kvlistValue":{"values":[',
        b'{"arrayValue":{"values":[',
        b'"deploymentId"',
        b"NaN",
        b"\x00",
    ),
)
_NAMES = (
    "deploymentId",
    "connect.deployment_id",
    "type",
    "severity",
    "details",
    "details.message",
    "details.a.b",
    "timestamp",
    "projectKey",
    "x",
)
_TEXTS = (
    "HTTP_REQUEST",
    "APPLICATION_JSON",
    "d1",
    "2027-01-15T08:00:00.000Z",
    '{"message":"x","level":50}',
    '{"deploymentId":"d2","details":{}}',
    "0.123s",
    "é\u2028",
    "",
)

Mutation = Callable[[bytes, random.Random], bytes]


def run(inputs: int, seed: int) -> int:
    """Try that many inputs; returns how many were requests in spite of everything. Raises AssertionError: one broke a promise."""
    rng = random.Random(seed)
    memory = _peak()
    readable = 0
    for number, (decode, body) in zip(range(inputs), _inputs(rng), strict=False):
        began = time.process_time()
        found = _tried(decode, body)
        spent = time.process_time() - began
        assert spent < SECONDS, f"input {number} of seed {seed} took {spent:.2f} s: {body[:200]!r}"
        readable += found is not None
    grown = (_peak() - memory) / 1024
    assert grown < MEBIBYTES, f"{inputs} inputs of seed {seed} took {grown:.0f} MiB"
    return readable


def _tried(decode: Callable[[bytes, int], Pushed], body: bytes) -> Pushed | None:
    try:
        found = decode(body, NOW)
    except ValueError:
        found = None
    if decode is decode_protobuf or decode is _decode_record:
        whole = _as_record(body) if decode is _decode_record else body
        assert said(found) == slowly(whole), f"not what decoding all of it says: {body!r}"
    if found is None:
        return None
    assert found.foreign >= 0
    assert found.malformed >= 0
    for each in found.records:
        _check(_finished(each))
    return found


def said(found: Pushed | None) -> object:
    """What was read, with details that may be made only now."""
    return found and ([_finished(each) for each in found.records], found.foreign, found.malformed)


def slowly(body: bytes) -> object:
    """What is read of a request in protobuf if all of it is decoded."""
    try:
        found = protobuf.read(body, NOW, quickly=False)
    except ValueError:
        return None
    return [_finished(each) for each in found.records], found.foreign, found.malformed


def _finished(record: LogRecord) -> LogRecord:
    details: bytes = record.details() if callable(record.details) else record.details
    return record._replace(details=details)


def _check(record: LogRecord) -> None:
    """A record that is of the types it says, and that can be kept and sent."""
    (
        deployment,
        application,
        kind,
        severity,
        level,
        at,
        message,
        method,
        path,
        status,
        latency,
        details,
        project,
        key,
    ) = record
    texts = (deployment, application, kind, severity, level, message, method, path, project)
    assert all(type(each) is str for each in texts), record
    assert all(type(each) is int for each in (at, status, latency, key)), record
    assert type(details) is bytes, record
    assert deployment, record
    assert all(len(each) <= 256 for each in (deployment, application, kind, severity, level, project, method)), record
    assert len(message) <= 64 * 1024, record
    assert 0 <= at <= NOW + 3_600_000, record
    assert 0 <= key < 1 << 62, record
    assert 0 <= status < 1_000, record
    assert 0 <= latency <= 86_400_000, record
    "".join(texts).encode()
    if details:
        json.loads(details)


def _inputs(rng: random.Random) -> Iterator[tuple[Callable[[bytes, int], Pushed], bytes]]:
    seeds = [_request(rng) for _ in range(50)]
    records = [each for seed in seeds for each in seed.resource_logs[0].scope_logs[0].log_records]
    usual = [usually(rng, placement) for placement in PLACEMENTS for _ in range(10)]
    whole = [each.SerializeToString() for each in (*seeds, *usual)]
    whole_json = [json_format.MessageToJson(each, indent=None).encode() for each in seeds]
    inner = [each.SerializeToString() for each in (*records, *(_first(each) for each in usual))]
    inner_json = [json_format.MessageToJson(each, indent=None).encode() for each in records]
    corpora: list[tuple[Callable[[bytes, int], Pushed], tuple[Mutation, ...], list[bytes]]] = [
        (decode_protobuf, _BINARY, whole),
        (decode_json, _TEXTUAL, whole_json),
        (_decode_record, _BINARY, inner),
        (_decode_json_record, _TEXTUAL, inner_json),
    ]
    while True:
        for decode, mutations, corpus in corpora:
            body = rng.choice(corpus)
            for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
                body = rng.choice(mutations)(body, rng)
            if rng.random() < 0.05:
                body = _spliced(body, rng, rng.choice(corpus))
            yield decode, body[: 64 * 1024]


def _decode_record(body: bytes, now: int) -> Pushed:
    """As one record of a request that is right otherwise."""
    return decode_protobuf(_as_record(body), now)


def _as_record(body: bytes) -> bytes:
    return _field(1, _field(1, _OURS) + _field(2, _field(2, body)))


def _decode_json_record(body: bytes, now: int) -> Pushed:
    head = b'{"resourceLogs":[{"resource":{"attributes":[{"key":"deploymentId","value":{"stringValue":"d9"}}]},'
    return decode_json(head + b'"scopeLogs":[{"logRecords":[' + body + b"]}]}]}", now)


# ── valid requests ───────────────────────────────────────────────────────────


def _request(rng: random.Random) -> ExportLogsServiceRequest:
    records = [
        WireRecord(
            time_unix_nano=rng.choice((0, NOW * 10**6, 2**64 - 1)),
            observed_time_unix_nano=rng.choice((0, NOW * 10**6)),
            severity_number=rng.randrange(0, 25),  # type: ignore[arg-type]  # an enum
            severity_text=rng.choice(("", "INFO", "error", "Odd")),
            attributes=_pairs(rng, 3),
            body=_value(rng, 3),
        )
        for _ in range(rng.randrange(1, 4))
    ]
    return ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(resource=Resource(attributes=_pairs(rng, 1)), scope_logs=[ScopeLogs(log_records=records)])
        ]
    )


PLACEMENTS = ("attributes", "body", "resource", "text", "dotted")


def usually(rng: random.Random, placement: str) -> ExportLogsServiceRequest:
    """A request as a sender makes it: the same fields at the same place in each record, of which some are odd."""
    resource = {"deploymentId": "d1", "applicationName": "service"} if placement in {"resource", "text"} else {}
    records = [_usual(rng, placement, resource) for _ in range(rng.randrange(1, 4))]
    described = Resource(attributes=_named(resource))
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=described, scope_logs=[ScopeLogs(log_records=records)])]
    )


def _usual(rng: random.Random, placement: str, resource: dict[str, str]) -> WireRecord:
    made = WireRecord(time_unix_nano=NOW * 10**6 - rng.randrange(10**12))
    if rng.random() < 0.8:
        made.severity_number = rng.choice((0, 9, 17))  # type: ignore[assignment]  # an enum
        made.severity_text = rng.choice(("", "INFO", "ERROR", "odd"))
    if rng.random() < 0.8:
        made.observed_time_unix_nano = NOW * 10**6
    if rng.random() < 0.2:
        made.trace_id, made.span_id, made.flags = rng.randbytes(16), rng.randbytes(8), 1
    details = _details(rng)
    fields: dict[str, object] = {
        "timestamp": "2027-01-15T08:00:00.000Z",
        "type": rng.choice(("APPLICATION_TEXT", "APPLICATION_JSON", "HTTP_REQUEST")),
        **({} if resource else {"deploymentId": f"d{rng.randrange(3)}", "applicationName": "service"}),
        "severity": rng.choice(("DEFAULT", "ERROR", "")),
    }
    if rng.random() < 0.2:
        fields["insertId"] = f"{rng.getrandbits(60):x}"
    if placement == "dotted":
        fields |= {f"details.{name}": value for name, value in details.items()}
    elif placement not in {"resource", "text"}:
        fields["details"] = details
    names = list(fields)
    if rng.random() < 0.3:
        rng.shuffle(names)
    pairs = _named({name: fields[name] for name in names})
    if placement == "body":
        made.body.CopyFrom(AnyValue(kvlist_value=KeyValueList(values=pairs)))
        return made
    made.attributes.extend(pairs)
    if placement == "resource":
        made.body.CopyFrom(_plainly(details))
    elif rng.random() < 0.9:
        made.body.string_value = _text(rng)
    return made


def _details(rng: random.Random) -> dict[str, object]:
    choices: dict[str, tuple[object, ...]] = {
        "level": ("info", "error", 50, True, "", {"a": 1}),
        "name": ("service",),
        "correlationId": ("c" * 36, "c" * 126, "c" * 200),
        "severity": ("ERROR", 3),
        "message": (_text(rng), _text(rng), _text(rng), "", 7, "short"),
        "msg": (_text(rng), "", 1),
        "err": ("broken", {"message": "broken", "stack": "Error: broken\n    at x"}),
        "requestMethod": ("GET",),
        "request_url": ("/x",),
        "timestamp": ("2027",),
        "details": ({"timestamp": "x", "details": "y"},),
        "req": ({"url": "/x", "headers": ["a", {"b": 1.5}], "id": "r" * 30},),
        "type": ("ORDER",),
    }
    names = rng.sample(list(choices), rng.randrange(0, 5))
    if rng.random() < 0.7:
        names.append("message")
    return {name: rng.choice(choices[name]) for name in names}


def _text(rng: random.Random) -> str:
    size = rng.choice((1, 20, 60, 100, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 150, 400, 17_000))
    begin = rng.choice(
        ("", "", "[ERROR] ", "Error: é ", "{", '{"message":"x"}', "\n\ttimestamp", "2.\n\x07details", "Y")
    )
    return (begin + "it broke " * (size // 9 + 1))[:size]


def _named(fields: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_plainly(value)) for name, value in fields.items()]


def _plainly(value: object) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=_named(value)))
        case list():
            return AnyValue(array_value=ArrayValue(values=map(_plainly, value)))
    return AnyValue(string_value=str(value))


def _first(request: ExportLogsServiceRequest) -> WireRecord:
    found: WireRecord = request.resource_logs[0].scope_logs[0].log_records[0]
    return found


def _pairs(rng: random.Random, depth: int) -> list[KeyValue]:
    return [KeyValue(key=rng.choice(_NAMES), value=_value(rng, depth)) for _ in range(rng.randrange(0, 5))]


def _value(rng: random.Random, depth: int) -> AnyValue:
    kind = rng.randrange(0, 8 if depth else 6)
    match kind:
        case 0 | 1:
            return AnyValue(string_value=rng.choice(_TEXTS))
        case 2:
            return AnyValue(int_value=rng.choice((0, 50, 503, -(2**63), 2**63 - 1)))
        case 3:
            return AnyValue(double_value=rng.choice((0.5, float("inf"), float("nan"), 1e300)))
        case 4:
            return AnyValue(bool_value=True)
        case 5:
            return AnyValue(bytes_value=b"\xff\x00")
        case 6:
            return AnyValue(array_value=ArrayValue(values=[_value(rng, depth - 1) for _ in range(rng.randrange(0, 3))]))
    return AnyValue(kvlist_value=KeyValueList(values=_pairs(rng, depth - 1)))


# ── mutations ────────────────────────────────────────────────────────────────


def _flipped(body: bytes, rng: random.Random) -> bytes:
    found = bytearray(body)
    for _ in range(rng.randrange(1, 8)):
        if found:
            found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _overwritten(body: bytes, rng: random.Random) -> bytes:
    at, size = rng.randrange(len(body) + 1), rng.randrange(1, 9)
    return body[:at] + rng.randbytes(size) + body[at + size :]


def _cut(body: bytes, rng: random.Random) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def _shortened(body: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + body[at + rng.randrange(1, 30) :]


def _repeated(body: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    piece = body[at : at + rng.randrange(1, 200)]
    return body[:at] + piece * rng.choice((2, 3, 100)) + body[at:]


def _spliced(body: bytes, rng: random.Random, other: bytes | None = None) -> bytes:
    other = body if other is None else other
    return body[: rng.randrange(len(body) + 1)] + other[rng.randrange(len(other) + 1) :]


def _interesting(body: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.choice(_INTERESTING) + body[at + rng.randrange(0, 2) :]


def _token(body: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.choice(_TOKENS) * rng.choice((1, 1, 2, 1_000)) + body[at + rng.randrange(0, 4) :]


def _deep(body: bytes, rng: random.Random) -> bytes:
    """A value as the body of a record, nested as deep as it may be, or deeper."""
    inner = b"\x0a\x01x"
    for _ in range(rng.choice((5, 31, 32, 33, 100, 1_000))):
        inner = (
            _field(5, _field(1, inner))
            if rng.random() < 0.5
            else _field(6, _field(1, _field(1, b"a") + _field(2, inner)))
        )
    attribute = _field(6, _field(1, rng.choice(_NAMES).encode()) + _field(2, inner))
    return body + _field(1, _field(2, _field(2, _field(5, inner) + attribute + body[:50])))


def _deep_json(body: bytes, rng: random.Random) -> bytes:
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"arrayValue":{"values":[', b"]}}")))
    depth = rng.choice((5, 32, 33, 100, 900, 2_000))
    value = opening * depth + b"1" + closing * depth
    return body.replace(b'"body": ', b'"body": ' + value + b', "was": ') if rng.random() < 0.7 else body + value


def _noise(_body: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(0, 300))


def _varint(number: int) -> bytes:
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


_OURS = _field(1, _field(1, b"deploymentId") + _field(2, _field(1, b"d9")))
_COMMON: tuple[Mutation, ...] = (_flipped, _flipped, _overwritten, _cut, _shortened, _repeated, _spliced, _noise)
_BINARY: tuple[Mutation, ...] = (*_COMMON, _interesting, _interesting, _deep)
_TEXTUAL: tuple[Mutation, ...] = (*_COMMON, _token, _token, _deep_json)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    asked = int(sys.argv[1])
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print(f"{run(asked, chosen):,} of {asked:,} inputs could be read; every other one is a ValueError")
