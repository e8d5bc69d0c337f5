import json
import random  # noqa: TID251  seeded
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as WireRecord
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.fuzz import otlp as fuzz
from watcher.core.logrecord import HTTP_REQUEST, JSON, TEXT, LogRecord
from watcher.ports import Pushed
from watcher.sources.otlp import (
    MAX_RECORDS,
    TooManyError,
    decode_json,
    decode_protobuf,
    decoder_problem,
    runs,
)
from watcher.sources.otlp import attributes as known_attributes

NOW = 1_800_000_000_000
AT = NOW - 5_000
NANOS = AT * 1_000_000
STAMP = "2027-01-15T07:59:55.000Z"
DEPLOYMENT = "11111111-2222-3333-4444-555555555555"


def details_of(record: LogRecord) -> bytes:
    """The JSON of a record's details, which may be made only now."""
    return record.details() if callable(record.details) else record.details  # type: ignore[no-any-return]  # they are bytes


def any_value(value: Any) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case AnyValue():
            return value
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
    return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))


def pairs(fields: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=any_value(value)) for name, value in fields.items()]


def record(attributes: Mapping[str, Any] | None = None, body: Any = None, **fields: Any) -> WireRecord:
    fields.setdefault("time_unix_nano", NANOS)
    made = WireRecord(attributes=pairs(attributes or {}), **fields)
    if body is not None:
        made.body.CopyFrom(any_value(body))
    return made


def request(
    *records: WireRecord, resource: Mapping[str, Any] | None = None, scope: Mapping[str, Any] | None = None
) -> ExportLogsServiceRequest:
    inner = ScopeLogs(scope=InstrumentationScope(attributes=pairs(scope or {})), log_records=records)
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=Resource(attributes=pairs(resource or {})), scope_logs=[inner])]
    )


def in_protobuf(wire: ExportLogsServiceRequest) -> Pushed:
    return decode_protobuf(wire.SerializeToString(), NOW)


def in_json(wire: ExportLogsServiceRequest) -> Pushed:
    return decode_json(json_format.MessageToJson(wire, indent=None).encode(), NOW)


def in_snake_json(wire: ExportLogsServiceRequest) -> Pushed:
    text = json_format.MessageToJson(wire, preserving_proto_field_name=True, use_integers_for_enums=True)
    return decode_json(text.encode(), NOW)


READERS = [in_protobuf, in_json, in_snake_json]
Reader = Callable[[ExportLogsServiceRequest], Pushed]
readers = pytest.mark.parametrize("reader", READERS)


def only(pushed: Pushed) -> LogRecord:
    assert (len(pushed.records), pushed.foreign, pushed.malformed) == (1, 0, 0)
    return pushed.records[0]


CONNECT = {
    "type": TEXT,
    "deploymentId": DEPLOYMENT,
    "applicationName": "service",
    "severity": "ERROR",
    "timestamp": STAMP,
}
SNAKE = {
    "type": TEXT,
    "deployment_id": DEPLOYMENT,
    "application_name": "service",
    "severity": "ERROR",
    "timestamp": STAMP,
}
MESSAGE = {"details": {"message": "it broke"}}
DOTTED = {"details.message": "it broke"}


def prefixed(prefix: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in fields.items()}


PLACEMENTS = {
    "attributes, nested details": request(record(CONNECT | MESSAGE)),
    "attributes, dotted details": request(record(CONNECT | DOTTED)),
    "attributes, details as JSON": request(record(CONNECT | {"details": '{"message": "it broke"}'})),
    "attributes, details as text": request(record(CONNECT | {"details": "it broke"})),
    "attributes, body as text": request(record(CONNECT, "it broke")),
    "attributes, body as details": request(record(CONNECT, {"message": "it broke"})),
    "attributes, body as JSON of details": request(record(CONNECT, '{"message": "it broke"}')),
    "attributes and the same as text": request(record(CONNECT | DOTTED, "it broke")),
    "snake case": request(record(SNAKE | DOTTED)),
    "prefixed": request(record(prefixed("connect.", CONNECT | DOTTED))),
    "doubly prefixed": request(record(prefixed("ctp.connect.", SNAKE | MESSAGE))),
    "prefixed without dots": request(record(prefixed("connect_", SNAKE) | {"connect_details_message": "it broke"})),
    "long prefix": request(record(prefixed("com.commercetools.connect.", CONNECT | DOTTED))),
    "upper case": request(record({name.upper(): value for name, value in SNAKE.items()} | DOTTED)),
    "body as a map": request(record(None, CONNECT | MESSAGE)),
    "body as a map, dotted": request(record(None, CONNECT | DOTTED)),
    "body as a map, prefixed": request(record(None, prefixed("connect.", SNAKE | DOTTED))),
    "body as a map, flat": request(record(None, CONNECT | {"message": "it broke"})),
    "body as JSON": request(record(None, json.dumps(CONNECT | MESSAGE))),
    "body as JSON, details as JSON": request(
        record(None, json.dumps(CONNECT | {"details": json.dumps({"message": "it broke"})}))
    ),
    "body as bytes": request(record(CONNECT, b"it broke")),
    "body and attributes with the same": request(record(CONNECT, CONNECT | MESSAGE)),
    "resource": request(record({}, "it broke"), resource=CONNECT),
    "scope": request(record({}, "it broke"), scope=CONNECT),
    "resource, scope and record": request(
        record({"severity": "ERROR", "type": TEXT}, "it broke"),
        resource={"connect.deploymentId": DEPLOYMENT, "service.name": "x"},
        scope={"applicationName": "service"},
    ),
    "severity beside": request(record({**CONNECT, "severity": ""}, "it broke", severity_text="ERROR")),
    "severity as a number": request(record({**CONNECT, "severity": ""}, "it broke", severity_number=17)),
}


@readers
@pytest.mark.parametrize("name", PLACEMENTS)
def test_wherever_the_fields_stand_the_record_is_the_same(name: str, reader: Reader) -> None:
    found = only(reader(PLACEMENTS[name]))
    reference = only(in_protobuf(PLACEMENTS["attributes, body as text"]))
    assert found._replace(key=0) == reference._replace(key=0)
    assert found[:7] == (DEPLOYMENT, "service", TEXT, "ERROR", "ERROR", AT, "it broke")
    assert found.details == b""


@readers
def test_what_an_application_wrote_as_json_keeps_its_fields(reader: Reader) -> None:
    written = {
        "level": "error",
        "message": "it broke",
        "type": "ORDER",
        "severity": "high",
        "deploymentId": "not ours",
        "n": 3,
    }
    of_json = {**CONNECT, "type": JSON, "severity": "DEFAULT"}
    nested = {"details": written}
    for wire in (
        request(record(of_json | nested)),
        request(record(of_json, written)),
        request(record(of_json, json.dumps(written))),
        request(record({**of_json, "details": json.dumps(written)})),
        request(record(None, of_json | nested)),
        request(record(of_json | {f"details.{name}": value for name, value in written.items()})),
    ):
        found = only(reader(wire))
        assert found[:7] == (DEPLOYMENT, "service", JSON, "DEFAULT", found.level, AT, "it broke")
        assert json.loads(details_of(found)) == written


@readers
def test_the_level_of_a_structured_record_is_its_own(reader: Reader) -> None:
    of_json = {**CONNECT, "type": JSON, "severity": "DEFAULT"}
    for level, effective in (("error", "ERROR"), (50, "ERROR"), ("warn", "WARNING"), ("info", "INFO")):
        assert only(reader(request(record(of_json, {"level": level, "msg": "x"})))).level == effective
    assert (
        only(reader(request(record({**of_json, "severity": "INFO"}, {"level": "error", "msg": "x"})))).level == "INFO"
    )


@readers
def test_dotted_details_become_nested_ones(reader: Reader) -> None:
    dotted = {
        "details.err.message": "boom",
        "details.err.stack": "Error: boom\n    at x",
        "details.level": 50,
        "details.level.x": 1,
    }
    found = only(reader(request(record({**CONNECT, "type": JSON, **dotted}))))
    assert json.loads(details_of(found)) == {
        "err": {"message": "boom", "stack": "Error: boom\n    at x"},
        "level": 50,
        "level.x": 1,
    }
    assert found.message == "Error: boom\n    at x"


@readers
@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"message": "a", "msg": "b"}, "a"),
        ({"message": "", "msg": "b"}, "b"),
        ({"message": {"no": "text"}, "err": {"message": "c"}}, "c"),
        ({"err": {"message": "c", "stack": "at d"}}, "c\nat d"),
        ({"err": {"stack": "Error: e"}}, "Error: e"),
        ({"err": "e"}, "e"),
        ({"message": ""}, ""),
        ({"level": "error"}, '{"level":"error"}'),
        ({"msg": ["no text"]}, '{"msg":["no text"]}'),
    ],
)
def test_a_structured_record_says_its_message_or_its_error_or_all_of_itself(
    written: dict[str, Any], message: str, reader: Reader
) -> None:
    assert only(reader(request(record({**CONNECT, "type": JSON}, written)))).message == message


HTTP = {
    "requestMethod": "get",
    "requestUrl": "https://x.example/api/orders?token=1#f",
    "status": 503,
    "latency": "0.123s",
}


@readers
@pytest.mark.parametrize(
    "named", [{"deploymentId": "another"}, {"applicationName": "another"}, {"projectKey": "another-shop"}]
)
def test_nobody_writes_in_the_name_of_another(reader: Reader, named: dict[str, str]) -> None:
    base = {**CONNECT, "projectKey": "my-shop"}
    text = json.dumps({**CONNECT, **named, "severity": "CRITICAL", "details": {"message": "forged"}})
    found = only(reader(request(record(base, text))))
    assert (found.deployment_id, found.application, found.project) == (
        CONNECT["deploymentId"],
        CONNECT["applicationName"],
        "my-shop",
    )
    assert found.severity == CONNECT["severity"]


@readers
def test_names_are_fit_to_be_kept_and_shown(reader: Reader) -> None:
    odd = "\x1b[31mapp\u202e\x00\nAKIACANARYCANARY1234 password=hunter2hunter2"
    fields = {"type": odd, "deploymentId": odd, "applicationName": odd, "severity": odd, "projectKey": odd}
    found = only(reader(request(record({**fields, "details.requestMethod": odd, "details.requestUrl": "/"}, "text"))))
    kept = "app <secret> password=<secret>"
    assert [found.type, found.deployment_id, found.application, found.project] == [kept] * 4
    assert found.method == kept.upper()


@readers
@pytest.mark.parametrize("how", ["nested", "dotted", "body", "json body", "no type"])
def test_http_requests(how: str, reader: Reader) -> None:
    base = {**CONNECT, "type": HTTP_REQUEST, "severity": "DEFAULT"}
    wires = {
        "nested": record({**base, "details": HTTP}),
        "dotted": record(base | prefixed("details.", HTTP)),
        "body": record(None, {**base, "details": HTTP}),
        "json body": record(base, json.dumps(HTTP)),
        "no type": record({name: value for name, value in base.items() if name != "type"}, HTTP),
    }
    found = only(reader(request(wires[how])))
    assert (found.type, found.method, found.path, found.status, found.latency) == (
        HTTP_REQUEST,
        "GET",
        "/api/orders",
        503,
        123,
    )
    assert json.loads(found.message) == json.loads(details_of(found)) == HTTP


@pytest.mark.parametrize(
    ("fields", "path", "status", "latency"),
    [
        ({"requestUrl": "/a/b?c=d"}, "/a/b", 0, 0),
        ({"requestUrl": "https://x.example"}, "/", 0, 0),
        ({"requestUrl": "/r?to=https://x.example/y"}, "/r", 0, 0),
        ({"requestUrl": 7, "status": True, "latency": []}, "", 0, 0),
        ({"requestUrl": "/", "status": "404", "latency": {"seconds": "1", "nanos": 500_000_000}}, "/", 404, 1_500),
        ({"requestUrl": "/", "status": "４０４", "latency": "12ms"}, "/", 0, 12),
        ({"requestUrl": "/", "status": -1, "latency": "-3s"}, "/", 0, 0),
        ({"requestUrl": "/", "status": 1e3, "latency": float("inf")}, "/", 0, 0),
        ({"requestUrl": "/", "status": "2" * 5_000, "latency": "9" * 5_000 + "s"}, "/", 0, 0),
        ({"request_url": "/snake", "status": 200, "latency": "99999999s"}, "/snake", 200, 86_400_000),
    ],
)
def test_odd_http_fields_are_read_as_far_as_they_make_sense(
    fields: dict[str, Any], path: str, status: int, latency: int
) -> None:
    found = only(in_protobuf(request(record({**CONNECT, "type": HTTP_REQUEST, "details": fields}))))
    assert (found.path, found.status, found.latency) == (path, status, latency)


@readers
@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"time_unix_nano": NANOS + 999_999}, AT),
        ({"time_unix_nano": NANOS, "observed_time_unix_nano": 1}, AT),
        ({"time_unix_nano": 0, "observed_time_unix_nano": NANOS}, AT),
        ({"time_unix_nano": 0}, NOW),
        ({"time_unix_nano": (1 << 64) - 1}, NOW),
        ({"time_unix_nano": NANOS + 60_000_000_000_000_000}, NOW),
    ],
)
def test_when_a_record_was_written(fields: dict[str, int], at: int, reader: Reader) -> None:
    attributes = {name: value for name, value in CONNECT.items() if name != "timestamp"}
    assert only(reader(request(record(attributes, "x", **fields)))).at == at


@readers
@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2027-01-15T07:59:55.123Z", AT + 123),
        ("2027-01-15T07:59:55.123456789Z", AT + 123),
        ("2027-01-15T09:59:55+02:00", AT),
        ("2027-01-15T07:59:55", AT),
        (AT, AT),
        (str(AT), AT),
        (AT // 1000, AT),
        (NANOS // 1000, AT),
        (NANOS, AT),
        ("yesterday", NOW),
        ("9" * 400, NOW),
        ("0001-01-01T00:00:00+23:59", NOW),
        (-5, NOW),
        ({"no": "time"}, NOW),
    ],
)
def test_the_timestamp_counts_where_opentelemetry_has_none(stamp: Any, at: int, reader: Reader) -> None:
    assert only(reader(request(record({**CONNECT, "timestamp": stamp}, "x", time_unix_nano=0)))).at == at


@readers
@pytest.mark.parametrize(
    ("attributes", "project"),
    [
        ({"projectKey": "my-shop"}, "my-shop"),
        ({"project_key": "my-shop"}, "my-shop"),
        ({"ctp.project_key": "my-shop"}, "my-shop"),
        ({"ctp.project": "my-shop"}, "my-shop"),
        ({"project": "something"}, ""),
    ],
)
def test_the_project_is_known_where_it_is_said(attributes: dict[str, str], project: str, reader: Reader) -> None:
    assert only(reader(request(record(CONNECT | attributes, "x")))).project == project
    assert only(reader(request(record(CONNECT, "x"), resource=attributes))).project == project
    assert only(reader(request(record(None, CONNECT | attributes | MESSAGE)))).project == project


@readers
def test_the_nearest_place_wins_and_says_nothing_of_other_records(reader: Reader) -> None:
    wire = request(
        record({"severity": "ERROR", "applicationName": "job"}, "one"),
        record({}, "two"),
        record({"applicationName": ""}, "three"),
        resource=CONNECT | {"applicationName": "far", "severity": "DEBUG"},
        scope={"applicationName": "near"},
    )
    found = reader(wire).records
    assert [(each.application, each.severity) for each in found] == [
        ("job", "ERROR"),
        ("near", "DEBUG"),
        ("near", "DEBUG"),
    ]


@readers
def test_what_is_none_of_connects_is_counted_and_nothing_else(reader: Reader) -> None:
    foreign = [
        record({"http.method": "GET", "http.route": "/my-shop/products"}, "GET /my-shop/products"),
        record({"deployment.environment": "production"}, "speaks of a deployment"),
        record({"deploymentId": ""}, "empty"),
        record(None, {"message": "deploymentId is only mentioned"}),
        record(None, json.dumps({"details": {"deploymentId": DEPLOYMENT}})),
        WireRecord(),
    ]
    pushed = reader(request(*foreign, record(CONNECT, "ours")))
    assert ([each.message for each in pushed.records], pushed.foreign, pushed.malformed) == (["ours"], 6, 0)


@readers
@pytest.mark.parametrize(
    ("text", "number", "severity"),
    [
        ("", 0, "DEFAULT"),
        ("", 5, "DEBUG"),
        ("", 9, "INFO"),
        ("", 10, "NOTICE"),
        ("", 13, "WARNING"),
        ("", 21, "CRITICAL"),
        ("", 24, "EMERGENCY"),
        ("Information", 9, "INFO"),
        ("warn", 0, "WARNING"),
        ("Fatal", 21, "CRITICAL"),
        ("odd", 0, "ODD"),
    ],
)
def test_severities_in_opentelemetrys_words(text: str, number: int, severity: str, reader: Reader) -> None:
    attributes = {name: value for name, value in CONNECT.items() if name != "severity"}
    fields: dict[str, Any] = {"severity_text": text, "severity_number": number}
    assert only(reader(request(record(attributes, "x", **fields)))).severity == severity


def test_severity_numbers_by_name_and_as_text_and_plain_values_are_understood() -> None:
    for number in ("SEVERITY_NUMBER_ERROR2", "18", 18, 18.0):
        body = {
            "resourceLogs": [
                {
                    "resource": None,
                    "scopeLogs": [
                        {
                            "logRecords": [
                                {
                                    "severityNumber": number,
                                    "timeUnixNano": str(NANOS),
                                    "traceId": "zz",
                                    "unknown": {"a": [1]},
                                    "attributes": [{"key": "deploymentId", "value": DEPLOYMENT}, {"odd": 1}, 7],
                                    "body": "plain",
                                }
                            ]
                        }
                    ],
                }
            ],
            "more": 1,
        }
        found = only(decode_json(json.dumps(body).encode(), NOW))
        assert (found.severity, found.message, found.at) == ("ERROR", "plain", AT)


def test_half_characters_cost_neither_the_request_nor_the_record() -> None:
    wire = in_json_text(record(CONNECT, "PLACE")).replace("PLACE", "a\\ud83d\\u0062\\ud83d\\ude00\\ude00")
    assert only(decode_json(wire.encode(), NOW)).message == "a\ufffdb\U0001f600\ufffd"
    raw = request(record(CONNECT, "PLACE")).SerializeToString().replace(b"PLACE", b"\xff\xfeabc")
    assert only(decode_protobuf(raw, NOW)).message == "\ufffd\ufffdabc"


def in_json_text(*records: WireRecord) -> str:
    found: str = json_format.MessageToJson(request(*records), indent=None)
    return found


@readers
def test_keys_tell_records_apart_and_know_them_again(reader: Reader) -> None:
    records = [
        record(CONNECT, "one"),
        record(CONNECT, "one"),
        record(CONNECT, "two"),
        record(CONNECT, "one", time_unix_nano=NANOS + 1),
        record({**CONNECT, "severity": "INFO"}, "one"),
        record({**CONNECT, "type": JSON}, {"message": "one"}),
    ]
    keys = [each.key for each in reader(request(*records)).records]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 5
    assert all(0 < key < 1 << 62 for key in keys)
    assert keys[:5] == [each.key for each in in_protobuf(request(*records)).records][:5]


@readers
def test_the_digest_is_that_of_the_bytes(reader: Reader) -> None:
    wire = request(record(CONNECT, "one"))
    assert reader(wire).digest == reader(wire).digest
    assert reader(wire).digest != reader(request(record(CONNECT, "two"))).digest
    assert len(reader(wire).digest) == 32


@readers
def test_one_record_that_makes_no_sense_costs_no_other(reader: Reader) -> None:
    wide = record(CONNECT | {f"a{number}": "x" for number in range(1_001)})
    pushed = reader(request(record(CONNECT, "one"), wide, record(CONNECT, "two")))
    assert ([each.message for each in pushed.records], pushed.foreign, pushed.malformed) == (["one", "two"], 0, 1)


@pytest.mark.parametrize("depth", [33, 3_000])
def test_nesting_ends_somewhere(depth: int) -> None:
    value, text = b"\x0a\x01x", '{"stringValue":"x"}'
    for _ in range(depth):
        pair = b"\x0a\x01a\x12" + varint(len(value)) + value
        pairs_ = b"\x0a" + varint(len(pair)) + pair
        value = b"\x32" + varint(len(pairs_)) + pairs_
        text = f'{{"kvlistValue":{{"values":[{{"key":"a","value":{text}}}]}}}}'
    body = b"\x2a" + varint(len(value)) + value
    wires = [record(CONNECT, "one"), record(CONNECT | {"x": "PLACE"})]
    raw = [each.SerializeToString() for each in wires]
    records = b"".join(b"\x12" + varint(len(each)) + each for each in (raw[0], raw[0] + body, raw[0]))
    scope = b"\x12" + varint(len(records)) + records
    found = decode_protobuf(b"\x0a" + varint(len(scope)) + scope)
    assert ([each.message for each in found.records], found.malformed) == (["one", "one"], 1)
    json_text = in_json_text(*wires, wires[0]).replace('{"stringValue": "PLACE"}', text)
    json_text = json_text.replace('{"key": "x", "value"', '{"key": "details", "value"')
    if depth < 100:
        assert decode_json(json_text.encode())[1:3] == (0, 1)
    else:
        with pytest.raises(ValueError, match="not an ExportLogsServiceRequest"):
            decode_json(json_text.encode())


def test_messages_and_names_have_a_length() -> None:
    found = only(in_protobuf(request(record({**CONNECT, "applicationName": "n" * 5_000}, "m" * 500_000))))
    assert (len(found.message), len(found.application)) == (65_536, 256)
    assert in_protobuf(request(record(CONNECT, "m" * 1_100_000))).malformed == 1
    assert in_json(request(record(CONNECT, "m" * 1_100_000))).malformed == 1


@pytest.mark.parametrize("decode", [decode_protobuf, decode_json])
@pytest.mark.parametrize(
    "body", [b"\x00", b"\xff" * 100, b"[]", b"\x0a\x05\x12", b"{", b'{"resourceLogs": 3}', b"\x0b", b"nonsense"]
)
def test_what_is_no_request_is_a_value_error(body: bytes, decode: Callable[[bytes], Pushed]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode(body)


def test_a_message_cut_anywhere_is_a_value_or_a_value_error() -> None:
    raw = request(record(CONNECT | MESSAGE, "text"), resource={"a": 1}).SerializeToString()
    whole = 0
    for end in range(len(raw)):
        for decode in (decode_protobuf, decode_json):
            try:
                whole += len(decode(raw[:end]).records)
            except ValueError:
                continue
    assert whole == 0


def test_an_empty_request_holds_nothing() -> None:
    for pushed in (decode_protobuf(b""), decode_json(b"{}"), decode_json(b'{"resourceLogs":[{"scopeLogs":[{}]},{}]}')):
        assert pushed[:3] == ([], 0, 0)


def test_more_records_than_are_taken_are_refused_before_they_are_decoded() -> None:
    scope = b"\x12\x00" * (MAX_RECORDS + 1)
    resource = b"\x12" + varint(len(scope)) + scope
    with pytest.raises(TooManyError):
        decode_protobuf(b"\x0a" + varint(len(resource)) + resource)
    with pytest.raises(TooManyError):
        decode_json(b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * MAX_RECORDS + b"{}]}]}]}")


def varint(number: int) -> bytes:
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])


def test_what_is_remembered_of_attributes_is_bounded_and_right() -> None:
    for number in range(6_000):
        name = f"{number:08}-0000-0000-0000-000000000000"
        assert only(in_protobuf(request(record({**CONNECT, "deploymentId": name}, "x")))).deployment_id == name
    assert len(known_attributes.remembered) <= 4_096
    assert len(runs.runs) <= 4_096
    assert len(runs._senders) <= 256


def test_the_decoder_here_is_the_safe_one() -> None:
    assert decoder_problem() == ""


WORDS = st.sampled_from(["message", "level", "a", "type", "details", "deploymentId", "severity", "é", ""])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*CONNECT, *DOTTED, "details", "projectKey", "x"]), VALUES), VALUES)
def test_both_encodings_of_a_record_are_read_alike(attributes: dict[str, Any], body: Any) -> None:
    for fields in (attributes, CONNECT | attributes):
        wire = request(record(fields, body))
        assert said(in_protobuf(wire)) == said(in_json(wire)) == said(in_snake_json(wire))


def said(pushed: Pushed) -> tuple[list[LogRecord], int, int]:
    """What was read, but for the keys, which are those of an encoding."""
    return [each._replace(key=0, details=details_of(each)) for each in pushed.records], pushed.foreign, pushed.malformed


@given(st.randoms(use_true_random=False), VALUES)
def test_the_order_of_attributes_does_not_matter(rng: random.Random, body: Any) -> None:
    names = list(CONNECT | DOTTED)
    rng.shuffle(names)
    shuffled = {name: (CONNECT | DOTTED)[name] for name in names}
    assert said(in_protobuf(request(record(shuffled, body)))) == said(
        in_protobuf(request(record(CONNECT | DOTTED, body)))
    )


def test_mutated_requests_give_a_value_or_a_value_error() -> None:
    assert 500 < fuzz.run(3_000, seed=1) < 3_000
