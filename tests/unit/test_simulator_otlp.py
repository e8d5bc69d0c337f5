"""Each placement and encoding holds the same records, read here without the simulator's own words."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from watcher.simulator.chance import Chance
from watcher.simulator.otlp import CONTENT_TYPES, Sent, access, encoded, flat, rejected, request

AT = 1_793_178_000_123
DETAILS = {
    "message": "Tax refused",
    "level": 50,
    "ratio": 0.25,
    "huge": 2**70,
    "ok": False,
    "gone": None,
    "tags": ["a", 1, {"b": []}],
    "err": {"type": "Error", "code": {"n": -1}},
    "empty": {},
}
FIELDS = {
    "type": "APPLICATION_JSON",
    "deploymentId": "1d5b6e0f-7d2a-4a51-b53f-0b3c44b0a1fe",
    "applicationName": "tax",
    "severity": "ERROR",
    "timestamp": "2026-10-28T09:00:00.123Z",
    "details": DETAILS,
}
SENT = Sent(at=AT, arrival=AT + 7, fields=FIELDS)


def plain(found: Any) -> Any:
    """An AnyValue as a value of JSON."""
    match found.WhichOneof("value"):
        case None:
            return None
        case "kvlist_value":
            return attributes(found.kvlist_value.values)
        case "array_value":
            return [plain(one) for one in found.array_value.values]
        case name:
            return getattr(found, name)


def attributes(found: Any) -> dict[str, Any]:
    return {one.key: plain(one.value) for one in found}


def only(made: Any) -> Any:
    (resource,) = made.resource_logs
    (scope,) = resource.scope_logs
    (record,) = scope.log_records
    return record


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as maps."""
    made: dict[str, Any] = {}
    for name, one in fields.items():
        *way, last = name.split(".")
        here = made
        for part in way:
            here = here.setdefault(part, {})
        here[last] = one
    return made


ROUNDED = {**DETAILS, "huge": float(2**70)}
"""Whole numbers beyond 64 bits have no place in an AnyValue but that of a fraction."""
NAMED = {name: one for name, one in ROUNDED.items() if name != "empty"}
"""An empty map has no dotted name to stand under."""


def looked_up(placement: str, record: Any, own: dict[str, Any]) -> tuple[Any, Any]:
    """The fields that a placement holds, and those that it has to."""
    if placement == "json-body":
        return json.loads(record.body.string_value), FIELDS
    if placement == "body":
        return plain(record.body), {**FIELDS, "details": ROUNDED}
    if placement == "dotted":
        return nested(own), {**FIELDS, "details": NAMED}
    return own, {**FIELDS, "details": ROUNDED}


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@pytest.mark.parametrize("placement", ["attributes", "body", "dotted", "json-body"])
def test_every_placement_holds_every_field(placement: Any, encoding: Any) -> None:
    body, headers = encoded(request([SENT], placement, {"team": "shop"}), encoding, "gzip")
    assert headers == {"Content-Type": CONTENT_TYPES[encoding], "Content-Encoding": "gzip"}
    made = ExportLogsServiceRequest()
    if encoding == "json":
        json_format.Parse(gzip.decompress(body), made)
    else:
        made.ParseFromString(gzip.decompress(body))
    record = only(made)
    own = attributes(record.attributes)
    assert own.pop("team") == "shop"
    found, expected = looked_up(placement, record, own)
    assert found == expected
    assert (placement in {"attributes", "dotted"}) is (record.body.string_value == "Tax refused")
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (AT * 10**6, (AT + 7) * 10**6)
    assert (record.severity_text, record.severity_number) == ("ERROR", 17)


def test_json_is_as_the_protocol_has_it_and_needs_no_compression() -> None:
    body, headers = encoded(request([SENT], "attributes", {}), "json", "none")
    assert headers == {"Content-Type": "application/json"}
    record = json.loads(body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    assert record["severityNumber"] == 17
    assert record["timeUnixNano"] == str(AT * 10**6)
    level = next(one for one in record["attributes"] if one["key"] == "details")
    assert {"key": "level", "value": {"intValue": "50"}} in level["value"]["kvlistValue"]["values"]


def test_a_message_of_pino_is_one_and_a_record_without_any_has_no_body() -> None:
    said = [
        only(request([Sent(at=AT, arrival=AT, fields={**FIELDS, "details": details})], "attributes", {})).body
        for details in ({"msg": "from pino"}, {"level": "error"}, "text", None)
    ]
    assert [plain(one) for one in said] == ["from pino", None, None, None]


def test_access_logs_have_no_deployment_and_stand_apart() -> None:
    chance = Chance(3)
    strange = access(chance, "my-shop", AT)
    made = request([strange, SENT, access(chance, "my-shop", AT)], "body", {})
    own, foreign = made.resource_logs
    assert [len(one.scope_logs[0].log_records) for one in (own, foreign)] == [1, 2]
    for record in foreign.scope_logs[0].log_records:
        found = attributes(record.attributes)
        assert found["projectKey"] == "my-shop"
        assert not {"deploymentId", "applicationName"} & found.keys()
    assert len(request([strange], "body", {}).resource_logs) == 1


def test_flat_names_reach_through_maps_and_not_through_lists() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": [{"e": 2}]}, "f": None}) == {"a.b.c": 1, "a.d": [{"e": 2}], "f": None}


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_what_a_receiver_rejects_is_read(encoding: Any) -> None:
    answer = ExportLogsServiceResponse()
    assert rejected(b"" if encoding == "protobuf" else b"{}", encoding) == (0, "")
    answer.partial_success.rejected_log_records = 3
    answer.partial_success.error_message = "unknown project"
    body = answer.SerializeToString() if encoding == "protobuf" else json_format.MessageToJson(answer).encode()
    assert rejected(body, encoding) == (3, "unknown project")


@pytest.mark.parametrize(("encoding", "body"), [("protobuf", b"<html>"), ("json", b"<html>"), ("json", b"\xff")])
def test_an_answer_that_is_none_is_told(encoding: Any, body: bytes) -> None:
    with pytest.raises(ValueError, match="no ExportLogsServiceResponse"):
        rejected(body, encoding)
