"""Retry-After in both forms, and in none."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.http import http_date, retry_after

NOW = 1_800_000_000_000
SECOND, HOUR = 1_000, 3_600_000


def at(seconds: float) -> str:
    return formatdate(NOW / 1000 + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "12 parsecs"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "30"}, 30 * SECOND),
        ({"Retry-After": " 30 "}, 30 * SECOND),
        ({"Retry-After": "1.5"}, 1_500),
        ({"Retry-After": "0"}, SECOND),
        ({"Retry-After": "-5"}, SECOND),
        ({"Retry-After": "1000000000"}, HOUR),
        ({"Retry-After": "9" * 6_000}, HOUR),
        ({"Retry-After": at(120)}, 120 * SECOND),
        ({"Retry-After": at(-120)}, SECOND),
        ({"Retry-After": at(90_000)}, HOUR),
        ({"Retry-After": at(7_200 + 60), "Date": at(7_200)}, 60 * SECOND),
        ({"Retry-After": at(60), "Date": "yesterday"}, 60 * SECOND),
        ({"Retry-After": "Sunday, 06-Nov-94 08:49:37 GMT"}, SECOND),
        ({"Retry-After": "Sun Nov  6 08:49:37 1994"}, SECOND),
        ({"Retry-After": "Fri, 31 Feb 2027 00:00:00 GMT"}, None),
    ],
)
def test_forms(headers: dict[str, str], wait: int | None) -> None:
    assert retry_after(headers, NOW) == wait


@given(st.text() | st.from_regex(r"[+-]?[0-9]{1,5000}(\.[0-9]*)?"), st.text(), st.integers(0, 2**62))
def test_any_text_is_nothing_or_within_bounds(value: str, date: str, now: int) -> None:
    wait = retry_after({"Retry-After": value, "Date": date}, now)
    assert wait is None or SECOND <= wait <= HOUR


@given(st.integers(1, 3_600))
def test_seconds_within_bounds_are_kept(seconds: int) -> None:
    assert retry_after({"Retry-After": str(seconds)}, NOW) == seconds * 1000


@given(st.integers(0, 4_000_000_000), st.integers(1, 3_600))
def test_a_date_counts_from_the_answers_own_date(server: int, seconds: int) -> None:
    headers = {"Date": formatdate(server, usegmt=True), "Retry-After": formatdate(server + seconds, usegmt=True)}
    assert retry_after(headers, NOW) == seconds * 1000


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 784_111_777_000),
        ("Sun, 06 Nov 1994 09:49:37 +0100", 784_111_777_000),
        ("", None),
        ("Sun, 06 Nov 199999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +99999999", None),
    ],
)
def test_http_dates(text: str, point: int | None) -> None:
    assert http_date(text) == point


@given(st.text())
def test_no_text_breaks_the_date(text: str) -> None:
    found = http_date(text)
    assert found is None or isinstance(found, int)
