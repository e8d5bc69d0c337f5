"""A page of logs, read."""

import json
from typing import Any

import pytest

from tests.fuzz import log_pages
from watcher.connect.log_page import read
from watcher.connect.log_wire import LogPage, Origin, at_of

AT = 1_795_515_330_123
ORIGIN = Origin("shop", "d", "")
LINE: dict[str, Any] = {
    "type": "APPLICATION_TEXT",
    "deploymentId": "d",
    "applicationName": "service",
    "severity": "DEFAULT",
    "timestamp": "2026-11-24T10:15:30.123Z",
    "details": {"message": "it broke"},
}


def page(*records: Any, next_: Any = "") -> LogPage:
    return read(json.dumps({"data": records, "next": next_}).encode(), ORIGIN)


def line(**fields: Any) -> Any:
    (found,) = page({**LINE, **fields}).records
    return found


def test_a_line_of_text() -> None:
    found = line()
    assert found[:7] == ("d", "service", "APPLICATION_TEXT", "DEFAULT", "DEFAULT", AT, "it broke")
    assert found[7:13] == ("", "", 0, 0, b"", "shop")


def test_a_request() -> None:
    details = {
        "requestMethod": "POST",
        "requestUrl": "https://service.example/orders/5?token=secret#part",
        "status": 502,
        "latency": "0.1236s",
    }
    found = line(type="HTTP_REQUEST", severity="ERROR", details=details)
    assert (found.method, found.path, found.status, found.latency) == ("POST", "/orders/5", 502, 124)
    assert found.level == "ERROR"
    assert json.loads(found.message) == json.loads(bytes(found.details)) == details


@pytest.mark.parametrize(
    ("details", "message", "level"),
    [
        ({"level": "error", "message": "no"}, "no", "ERROR"),
        ({"level": 50, "msg": "no"}, "no", "ERROR"),
        ({"severity": "WARNING", "level": "error", "msg": "no"}, "no", "WARNING"),
        ({"level": ["odd"], "message": "no"}, "no", "DEFAULT"),
        ({"message": {"a": 1}, "msg": "no"}, "no", "DEFAULT"),
        ({"err": {"message": "no", "stack": "Error: no\n    at x"}}, "Error: no\n    at x", "ERROR"),
        ({"err": {"message": "no", "stack": "    at x"}}, "no\n    at x", None),
        ({"err": {"message": "no"}}, "no", "DEFAULT"),
        ({"err": "no"}, "no", "DEFAULT"),
        ({"level": "error"}, '{"level": "error"}', "ERROR"),
        ({"message": ""}, "", "DEFAULT"),
        ("plain", "plain", "DEFAULT"),
        (None, "", "DEFAULT"),
        ([1, 2], "[1, 2]", "DEFAULT"),
        (5, "5", "DEFAULT"),
    ],
)
def test_what_a_record_says(details: Any, message: str, level: str | None) -> None:
    found = line(type="APPLICATION_JSON", details=details)
    assert found.message == message
    assert level is None or found.level == level


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a/b?c", "/a/b"),
        ("https://x.example", "/"),
        ("https://x.example?a=/secret", "/"),
        ("https://x.example/#/secret", "/"),
        ("", "/"),
        (5, ""),
    ],
)
def test_a_path_has_neither_host_nor_query(url: Any, path: str) -> None:
    assert line(details={"requestMethod": "GET", "requestUrl": url}).path == path


@pytest.mark.parametrize(
    ("latency", "length"),
    [
        ("0.123s", 123),
        ("12ms", 12),
        ("1s", 1000),
        ("s", 0),
        ("nans", 0),
        ("infs", 0),
        ("-1s", 0),
        ("1e999s", 0),
        (3, 0),
    ],
)
def test_latency(latency: Any, length: int) -> None:
    assert line(details={"requestMethod": "GET", "latency": latency}).latency == length


@pytest.mark.parametrize(
    ("status", "code"), [(200, 200), ("404", 404), ("x", 0), (7, 0), (2.5, 0), (True, 0), (None, 0)]
)
def test_status(status: Any, code: int) -> None:
    assert line(details={"requestMethod": "GET", "status": status}).status == code


@pytest.mark.parametrize(
    ("moment", "at"),
    [
        ("2026-11-24T10:15:30.123Z", AT),
        ("2026-11-24T10:15:30Z", AT - 123),
        ("2026-11-24T10:15:30", AT - 123),
        ("2026-11-24T10:15:30.123456789Z", AT),
        ("2026-11-24T12:15:30.123+02:00", AT),
        ("2026-11-24T10:15:61.123Z", -1),
        ("1969-12-31T23:59:59Z", -1),
        ("0001-01-01T00:00:00+23:59", -1),
        ("", -1),
        ("yesterday", -1),
    ],
)
def test_times(moment: str, at: int) -> None:
    assert at_of(moment) == at
    records = page({**LINE, "timestamp": moment}, LINE).records
    assert [each.at for each in records] == [each for each in (at, AT) if each >= 0]


def test_times_within_a_second_are_told_apart() -> None:
    moments = [f"2026-11-24T10:15:3{n % 2}.{n:03}Z" for n in range(1000)]
    records = page(*({**LINE, "timestamp": each} for each in moments)).records
    assert [each.at for each in records] == [at_of(each) for each in moments]


@pytest.mark.parametrize("ending", ["", None, 5, {}])
def test_the_end(ending: Any) -> None:
    assert page(LINE, next_=ending).next == ""
    assert page(next_="abc").next == "abc"
    assert read(b'{"data":[]}', ORIGIN) == LogPage((), "", 0)


def test_equal_records_have_equal_keys_and_others_do_not() -> None:
    assert line().key == line().key
    others = [
        line(details={"message": "it broke."}),
        line(severity="INFO"),
        line(type="APPLICATION_JSON"),
        line(applicationName="job"),
    ]
    assert len({line().key, *(each.key for each in others)}) == 5


BROKEN = [
    b"5",
    b"null",
    b'"x"',
    b"[]",
    b"{}",
    b'{"timestamp":5}',
    b'{"timestamp":""}',
    b"{NaN}",
    b"[" * 100_000 + b"]" * 100_000,
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("ending", [b'],"next":"abc"}', b"]}"])
def test_one_broken_record_is_left_out_and_the_others_are_not(broken: bytes, ending: bytes) -> None:
    sound = json.dumps(LINE).encode()
    found = read(b'{"data":[' + b",".join([sound, broken, sound]) + ending, ORIGIN)
    assert [each.message for each in found.records] == ["it broke"] * 2
    assert found.quarantined == 1
    assert found.next == ("abc" if b"abc" in ending else "")


@pytest.mark.parametrize(
    "details", [b'{"message":"\\ud83d"}', b'{"message":"\xff"}', b'{"message":"x","n":' + b"9" * 5000 + b"}"]
)
def test_details_that_are_no_sound_json_are_still_a_record(details: bytes) -> None:
    found = read(b'{"data":[{"timestamp":"2026-11-24T10:15:30.123Z","details":' + details + b"}]}", ORIGIN)
    assert [each.at for each in found.records] == [AT]
    assert found.records[0].message.encode()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b'{"results":[]}', b'{"data":{}}', b'{"data":[', b"\xff"]
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"empty body|HTML|JSON"):
        read(body, ORIGIN)


def test_any_bytes_are_a_page_or_a_refusal() -> None:
    assert log_pages.run(3_000, seed=7) > 500


def test_texts_that_never_end_are_searched_once() -> None:
    body = b'{"data":[{NaN},"' + b'\\"' * 500_000
    with pytest.raises(ValueError, match="JSON"):
        read(body, ORIGIN)
