"""A page read by column says of every record what the long way says of it."""

import json
import random  # noqa: TID251  seeded
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import log_pages
from watcher.connect import log_page, log_wire
from watcher.connect.log_wire import Origin
from watcher.core.columns import Columns, columns
from watcher.core.logrecord import LogRecord

ORIGIN = Origin("shop", "d", "service")

texts = st.sampled_from(
    [
        *("", "plain words", "\x1b[31merror\x1b[39m: it broke", "[WARN] slow", "TypeError: x is not a function"),
        *("Order 5 exported", "level=error msg=no", "a\n    at b", "ünï ćode", '"quoted"'),
    ]
)
levels = st.sampled_from([None, "error", "INFO", 50, 30, 3.5, "nonsense", True, ["odd"], ""])
applications = st.fixed_dictionaries(
    {},
    optional={
        "message": st.one_of(texts, st.none(), st.just(5), st.just({"a": 1})),
        "msg": texts,
        "level": levels,
        "severity": levels,
        "err": st.sampled_from([{"message": "m", "stack": "Error: m\n    at x"}, "no", 5]),
        "requestUrl": st.sampled_from(["https://a.example/b?c=d", "", None, 5]),
        "requestMethod": st.sampled_from(["GET", "", None]),
        "correlationId": texts,
    },
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "requestMethod": st.sampled_from(["GET", "POST", "get", "", None, 5]),
        "requestUrl": st.sampled_from(["https://a.example/b?c=d", "/x#y", "", None]),
        "status": st.sampled_from([200, 502, 99, "503", None, 1e3]),
        "latency": st.sampled_from(["0.123s", "12ms", "x", None, 3]),
        "message": st.sampled_from(["said", "", None]),
        "level": levels,
    },
)
moments = st.sampled_from(
    [
        *("2026-11-24T10:15:30.123Z", "2026-11-24T10:15:30Z", "2026-11-24T10:15:59.999999Z", "2026-11-24T10:16:00Z"),
        *("2026-11-24T12:15:30.123+02:00", "2026-11-24T10:15:30.123", "2026-11-24", "1969-12-31T23:59:59Z", "no", ""),
    ]
)
records = st.fixed_dictionaries(
    {"timestamp": moments},
    optional={
        "type": st.sampled_from(["APPLICATION_TEXT", "APPLICATION_JSON", "HTTP_REQUEST", "NEW_TYPE", None]),
        "applicationName": st.sampled_from(["service", "job", "", None, "a" * 300]),
        "severity": st.sampled_from(["DEFAULT", "ERROR", "INFO", "", None, "WEIRD"]),
        "details": st.one_of(applications, requests, texts, st.none()),
    },
)


def whole(record: LogRecord) -> LogRecord:
    """The record with its details as text, however they are held."""
    found = record.details() if callable(record.details) else record.details
    return record._replace(details=bytes(found).decode(errors="replace"))


def both(body: bytes) -> tuple[Columns, Columns]:
    """What either way makes of a page; the rest of it is the same."""
    quick, long = log_page.read(body, ORIGIN), log_wire.read(body, ORIGIN)
    assert (quick.next, quick.quarantined) == (long.next, long.quarantined)
    return columns(quick.records), columns(long.records)


def the_same(quick: Columns, long: Columns) -> None:
    """Column by column, and record by record."""
    assert list(map(whole, quick)) == list(map(whole, long))
    assert list(quick.keys) == list(long.keys)
    assert list(quick.messages) == list(long.messages)
    assert list(quick.times()) == list(long.times())
    assert quick.span() == long.span()
    assert quick.counts() == long.counts()
    for at in range(len(quick)):
        assert (quick.time(at), quick.latency(at), quick.checksum(at)) == (
            long.time(at),
            long.latency(at),
            long.checksum(at),
        )


@given(st.lists(records, max_size=6))
def test_both_ways_say_the_same(made: list[dict[str, Any]]) -> None:
    the_same(*both(json.dumps({"data": made, "next": "t"}).encode()))


def test_both_ways_say_the_same_of_pages_that_nobody_should_send() -> None:
    chance, read = random.Random(5), 0
    for _ in range(1_500):
        body = log_pages.mutated(chance)
        try:
            pair = both(body)
        except ValueError:
            with pytest.raises(ValueError, match=r".+"):
                log_wire.read(body, ORIGIN)
            continue
        the_same(*pair)
        read += len(pair[0])
    assert read > 300


def test_the_usual_page_is_not_read_the_long_way() -> None:
    """Nobody would see it but by the time that it takes."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("APPLICATION_TEXT", {"message": "it broke"}),
        ("APPLICATION_JSON", {"message": "it broke", "level": "error", "cart": {"id": 5}}),
        ("HTTP_REQUEST", {"requestMethod": "GET", "requestUrl": "https://a.example/", "status": 200, "latency": "1s"}),
    ]
    made = [
        {"timestamp": "2026-11-24T10:15:30.123Z", "type": kind, "severity": severity, "details": details}
        for kind, details in kinds
        for severity in ("INFO", "ERROR")
    ]
    page = log_page.read(json.dumps({"data": made}).encode(), ORIGIN).records
    assert isinstance(page, log_page._Page)
    assert not page._odd
    assert not page._wires


@pytest.mark.parametrize("name", ["level", "severity", "applicationName"])
def test_a_long_text_is_not_remembered(name: str) -> None:
    """An application can write a level of any length, and another one in every record."""
    record = {"timestamp": "2026-11-24T10:15:30.123Z", "type": "APPLICATION_TEXT", "details": {"message": "x"}}
    before = log_page._learnt.cache_info()
    for at in range(3):
        long, short = (f"{length * 'x'}{at}{name}" for length in (500, 5))
        for text in (long, short):
            told = {"details": {"message": "x", name: text}} if name != "applicationName" else {name: text}
            the_same(*both(json.dumps({"data": [record | told]}).encode()))
    after = log_page._learnt.cache_info()
    assert after.misses - before.misses == 3
