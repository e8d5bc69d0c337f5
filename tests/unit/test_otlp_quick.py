"""What is read without decoding it is what decoding it says."""

import random  # noqa: TID251  seeded
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as WireRecord

from tests.fuzz.otlp import PLACEMENTS, said, slowly, usually
from tests.unit.test_otlp_decoding import (
    CONNECT,
    NANOS,
    NOW,
    in_protobuf,
    record,
    request,
    varint,
)
from tests.unit.test_otlp_decoding import (
    PLACEMENTS as WRITTEN,
)
from watcher.core.logrecord import JSON, TEXT, LogRecord
from watcher.sources.otlp import decode_protobuf, quick, runs
from watcher.sources.otlp.names import DEPLOYMENT
from watcher.sources.otlp.runs import sender
from watcher.sources.otlp.shape import nothing_found

NOWHERE = {"details": {"level": "error", "message": "it broke " * 20, "n": 1, "correlationId": "c" * 60}}


def quickly(raw: bytes, deployment: str = "") -> LogRecord | None:
    """A record read without decoding it, in a request of others; `None` where it is declined."""
    known = nothing_found()
    known[DEPLOYMENT] = deployment
    data = b"before" + raw + b"behind it is another"
    try:
        return quick.read(data, 6, 6 + len(raw), sender(known), known, NOW)
    except quick.DECLINED:
        return None


def alike(raw: bytes) -> None:
    """Both ways of reading a request come to the same."""
    try:
        found = said(decode_protobuf(raw, NOW))
    except ValueError:
        found = None
    assert found == slowly(raw)


def around(raw: bytes) -> bytes:
    inner = b"\x12" + varint(len(raw)) + raw
    outer = b"\x12" + varint(len(inner)) + inner
    return b"\x0a" + varint(len(outer)) + outer


USUAL = {
    "details": record({**CONNECT, "type": JSON, **NOWHERE}, "it broke"),
    "a line": record(CONNECT, "it broke"),
    "a line with details": record({**CONNECT, "details": {"message": "it broke"}}, "it broke"),
    "details without a message": record({**CONNECT, "type": JSON, "details": {"level": 50}}, "it broke"),
    "details with only msg": record({**CONNECT, "type": JSON, "details": {"msg": "it broke"}}),
    "a request": record({**CONNECT, "type": "HTTP_REQUEST", "details": {"requestMethod": "GET", "requestUrl": "/x"}}),
    "an error": record({**CONNECT, "type": JSON, "details": {"err": {"message": "it broke", "stack": "at x"}}}),
    "an error beside a text": record({**CONNECT, "type": JSON, "details": {"err": "it broke"}}, "x"),
    **{
        f"{fields}": record({**CONNECT, "type": JSON, "severity": "DEFAULT", "details": {"message": "x"} | fields})
        for fields in (
            {"level": True},
            {"level": 50},
            {"severity": "", "level": "warn"},
            {"severity": True, "level": "error"},
        )
    },
    "a map": record(None, {**CONNECT, "type": JSON, **NOWHERE}),
    "a map beside attributes": record({**CONNECT, "type": JSON}, NOWHERE["details"]),
    "details first": record({"details": {"message": "it broke"}, **CONNECT}, "it broke"),
    "others between": record(
        {"a": "b", **CONNECT, "details": {"message": "it broke", "timestamp": "2027"}, "c": "d"}, "x"
    ),
    "traced": record(CONNECT, "it broke", trace_id=b"t" * 16, span_id=b"s" * 8, flags=1, observed_time_unix_nano=NANOS),
    "severity beside": record({**CONNECT, "severity": ""}, "it broke", severity_text="WARN", severity_number=13),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_records_are_read_without_decoding_them(name: str) -> None:
    raw = USUAL[name].SerializeToString()
    for _ in range(3):  # the first time, what is said must be learnt
        assert quickly(raw) is not None
        alike(around(raw))


@pytest.mark.parametrize("name", WRITTEN)
def test_wherever_the_fields_stand_both_ways_come_to_the_same(name: str) -> None:
    for _ in range(3):
        alike(WRITTEN[name].SerializeToString())


@pytest.mark.parametrize(
    "wire",
    [
        record({**CONNECT, "details": {"requestMethod": "GET"}}, "x", time_unix_nano=0),
        record({}, "x"),
        record({"type": TEXT}, "x"),
        record(CONNECT),
        record(CONNECT, '{"message": "x"}'),
        record(CONNECT, ["x"]),
        record({**CONNECT, "details": "text"}, "x"),
        record({**CONNECT, "details.message": "x"}),
        record({**CONNECT, "connect.details": {"message": "x"}}, "y"),
        record({**CONNECT, "details": {}}, "x"),
        record({**CONNECT, "details": {"message": "x"}}, {"a": 1}),
        record(None, {**CONNECT, "message": "x"}),
        record(CONNECT, "x" * 20_000),
        record({**CONNECT, "details": {"message": "x" * 20_000}}),
        record(CONNECT, "x", dropped_attributes_count=1),
        record(CONNECT, "x", event_name="e"),
    ],
)
def test_others_are_declined_and_decoded(wire: WireRecord) -> None:
    raw = wire.SerializeToString()
    assert quickly(raw) is None
    alike(around(raw))


def test_a_time_of_zero_is_none() -> None:
    raw = b"\x09" + bytes(8) + record(CONNECT, "x", time_unix_nano=0).SerializeToString()
    assert quickly(raw) is None
    alike(around(raw))


OURS = {"deploymentId": "d1", "applicationName": "service", "type": TEXT}
SHORT = b"\n\x07details\x12\x0f2\r\n\x0b\n\x07message\x12\x00"


def attribute(content: bytes, size: int | None = None) -> bytes:
    return b"2" + varint(len(content) if size is None else size) + content


def beneath(raw: bytes) -> bytes:
    """A request whose resource names the Deployment."""
    wire: bytes = request(resource=OURS).resource_logs[0].resource.SerializeToString()
    inner = b"\x12" + varint(len(raw)) + raw
    outer = b"\x0a" + varint(len(wire)) + wire + b"\x12" + varint(len(inner)) + inner
    return b"\x0a" + varint(len(outer)) + outer


def line(text: bytes, *rest: bytes) -> bytes:
    """A record of a text, and what is behind it."""
    value = b"\n" + varint(len(text)) + text
    return b"\x09" + NANOS.to_bytes(8, "little") + b"*" + varint(len(value)) + value + b"".join(rest)


DETAILS_OF_130 = b"\n\x07details\x12" + b"\x79" + b"2\x77\n\x75\n\x07message\x12\x6a\n\x68" + b"x" * 104
STAMPED = b"\n\ttimestamp\x12\x02\n\x00"
AWRY = {
    "details whose length of one byte goes on": line(b"x", b"2", bytes([len(DETAILS_OF_130)]), DETAILS_OF_130),
    "a time whose length of one byte goes on": line(b"x", b"2\x90", STAMPED + b"\x1a\x7f" + b"x" * 127),
    "a time that leads into the details": line(b"x", attribute(STAMPED, len(STAMPED) + 3), attribute(SHORT)),
    "a time that leads beyond the end": line(b"x", attribute(STAMPED, len(STAMPED) + 3)),
    "details whose tag is the end of the text": line(
        b"2", bytes([len(DETAILS_OF_130) & 127 | 128, 1]) + DETAILS_OF_130
    ),
    "details that are other fields": line(b"x2\x1a", b"\n\x07details\x12\x0f2\r\n\x0b\n\x07message\x12\x00"),
    "details of a length that is none": line(b"x", b"2\x1a\x00" + SHORT),
    "a trace's id that leads beyond the end": line(b"x", b"J\x10" + b"t" * 10),
    "a trace's id of another length": line(b"x", b"J\x11" + b"t" * 17),
    "a severity's number of two bytes": line(b"x").replace(b"*", b"\x10\x91\x01*", 1),
    "a severity's text of many bytes": line(b"x").replace(b"*", b"\x1a\x81\x01" + b"I" * 129 + b"*", 1),
    "a severity's text beyond its end": line(b"x").replace(b"*", b"\x1a\x02I*", 1),
    "a severity's number that ends like the tag of its text": line(b"").partition(b"*")[0]
    + b"\x10\x91\x1a*\x29\n\x27"
    + b"x" * 39
    + attribute(SHORT),
    "a severity's text that ends like the tag of an attribute": line(b"").partition(b"*")[0]
    + b"\x1a\x81\x01"
    + b"I" * 128
    + b"2"
    + attribute(b"\n\x08aaaaaaaa")
    + attribute(b"\n\x23" + b"b" * 35)
    + attribute(b"\n\x07details\x12\x122\x10\n\x0e\n\x07message\x12\x03\n\x01x"),
    "a trace's id that is too short": line(b"x", b"J\x02tt" + b"\xff" * 14),
    "an attribute beyond the end": line(b"x", attribute(b"\n\x01a\x12\x03\n\x01b", 12)),
    "an attribute before the details that leads into them": line(b"x", attribute(b"\n\x01a", 6), attribute(SHORT)),
}


@pytest.mark.parametrize("name", AWRY)
def test_a_length_that_leads_elsewhere_is_noticed(name: str) -> None:
    raw = AWRY[name]
    for _ in range(2):
        alike(beneath(raw))
        alike(beneath(raw) + beneath(USUAL["details"].SerializeToString()))
        assert quickly(raw, "d1") is None


def test_a_map_whose_last_field_leads_out_of_it_is_noticed() -> None:
    for last in ("timestamp", "applicationName", "details"):
        fields = {name: value for name, value in (CONNECT | {"details": {"message": "x"}}).items() if name != last}
        raw = record(None, fields | {last: (CONNECT | {"details": {"message": "x"}})[last]}).SerializeToString()
        assert quickly(raw) is not None
        at = raw.rindex(last.encode()) - 3
        for more in (1, 2, 9):
            alike(around(raw[:at] + bytes([raw[at] + more]) + raw[at + 1 :]))
            alike(around(raw[:at] + bytes([raw[at] - more]) + raw[at + 1 :]))


def test_a_length_of_three_bytes_is_not_read_as_one_of_two() -> None:
    """A body that is an unknown field to a decoder, made to look like a text and attributes if a length is cut off."""
    attributes = b"".join(
        b"2" + varint(len(each.SerializeToString())) + each.SerializeToString() for each in record(CONNECT).attributes
    )
    outer, inner = b"\xcd\x81\x0a", b"\xca\x81\x01"
    size, seen = 0x4D | 1 << 7 | 10 << 14, 0x4D | 0x81 << 7
    begin = inner + bytes([0xC7, 0x81, 0x0A])
    shown = begin + b"x" * (seen - len(begin) - 1) + attributes
    left = size + 1 - len(shown) - 1
    body = shown + next(
        b"E\x01\x01\x01\x01" * fives + (b"Y" + bytes(8)) * ((left - 5 * fives) // 9)
        for fives in range(9)
        if (left - 5 * fives) % 9 == 0
    )
    raw = b"\x09" + NANOS.to_bytes(8, "little") + b"*" + outer + body
    assert quickly(raw) is None
    alike(around(raw))


def test_requests_with_very_long_details_have_a_message_that_ends() -> None:
    details = {"requestMethod": "GET", "requestUrl": "/x", "a": "\x01" * 12_000}
    for wire in (
        record({**CONNECT, "type": "HTTP_REQUEST", "details": details}),
        record(None, {**CONNECT, "type": "HTTP_REQUEST", "details": details}),
    ):
        raw = wire.SerializeToString()
        found = quickly(raw)
        assert found is not None
        assert len(found.message) == 65_536
        alike(around(raw))


def test_what_is_known_of_senders_and_runs_is_bounded_and_right() -> None:
    for number in range(600):
        base = {**OURS, "deploymentId": f"d{number}"}
        found = in_protobuf(request(record({"a": "b"}, "x"), record({"a": "b"}, "x"), resource=base)).records
        assert [each.deployment_id for each in found] == [f"d{number}"] * 2
    for number in range(5_000):
        found = in_protobuf(request(*[record({**CONNECT, "applicationName": f"a{number}"}, "x")] * 3)).records
        assert [each.application for each in found] == [f"a{number}"] * 3
    assert len(runs.runs) <= 4_096
    assert len(runs._senders) <= 256


def test_what_a_resource_says_of_details_is_not_forgotten() -> None:
    ours = {**OURS, "type": JSON}
    for resource in (ours | {"details": {"a": 1}}, ours | {"details.a": 1}):
        raw = request(record({}, "x"), record({}, "x"), resource=resource).SerializeToString()
        alike(raw)


def test_what_looks_like_the_time_or_the_details_within_a_text_is_neither() -> None:
    mark = (
        "x\n\ttimestamp\x12\x02\n\0",
        "2\x1a\n\x07details\x12\x0f2\r\n\x0b\n\x07message\x12\0",
        "2\n\n\x07details",
        "\n\ttimestamp",
    )
    for one in mark:
        for other in mark:
            for fields in (CONNECT, {"a": one, **CONNECT}, {**CONNECT, "b": one}, {**CONNECT, "applicationName": one}):
                for details in ({}, {"details": {"message": "it broke", "a": other}}):
                    alike(around(record({**fields, **details}, other).SerializeToString()))
                    alike(around(record(None, {**fields, **details}).SerializeToString()))


def test_a_length_that_goes_on_for_longer_is_not_misread() -> None:
    """Each length as two bytes that could be read as the begin of three."""
    raw = USUAL["details"].SerializeToString()
    for at in range(len(raw)):
        for more in (b"\x80", b"\xff", b"\x80\x01", b"\xff\xff"):
            alike(around(raw[:at] + more + raw[at:]))
            alike(around(raw[:at] + more + raw[at + len(more) :]))


def test_a_record_torn_anywhere_is_not_read_beyond_its_end() -> None:
    for wire in USUAL.values():
        raw = wire.SerializeToString()
        assert quickly(raw) is not None
        for end in range(len(raw)):
            alike(around(raw[:end]))
            alike(around(raw[:end]) + around(raw))


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_mutated_records_of_a_sender_come_to_the_same(placement: str) -> None:
    rng = random.Random(11)
    for _ in range(60):
        raw = usually(rng, placement).SerializeToString()
        alike(raw)
        for _ in range(20):
            torn = bytearray(raw)
            torn[rng.randrange(len(torn))] = rng.choice((0, 1, 0x0A, 0x12, 0x32, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            alike(bytes(torn))


TEXTS = st.text(max_size=60) | st.sampled_from(["it broke", "[ERROR] it broke", "é" * 70, "{", "level=error", ""])
VALUES = st.one_of(TEXTS, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False))
NAMES = st.sampled_from(
    ["message", "msg", "level", "severity", "err", "requestMethod", "a", "é", "type", "deploymentId"]
)
DETAILS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=2) | st.lists(VALUES, max_size=2))


@given(
    st.sampled_from([TEXT, JSON, "HTTP_REQUEST", "", "ODD"]),
    st.sampled_from(["DEFAULT", "ERROR", "", "odd"]),
    DETAILS,
    st.none() | TEXTS | DETAILS,
    st.booleans(),
)
def test_any_details_come_to_the_same(
    kind: str, severity: str, details: dict[str, Any], body: Any, whole: bool
) -> None:
    fields = {**CONNECT, "type": kind, "severity": severity, "details": details}
    wire = record(None, fields) if whole else record(fields, body)
    alike(request(wire, wire).SerializeToString())
    alike(request(record({"type": kind}, details), resource=CONNECT).SerializeToString())


def test_a_sender_of_others_costs_no_more_than_decoding_them(  # the way back from a few that are declined
) -> None:
    odd = record(CONNECT, "x", dropped_attributes_count=1)
    usual = record(CONNECT, "it broke")
    found = in_protobuf(request(*[odd] * 100, *[usual] * 3))
    assert [each.message for each in found.records] == ["x"] * 100 + ["it broke"] * 3
