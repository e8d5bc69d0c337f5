"""Durations: Prometheus grammar in, a few words for a person out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import DAY, HOUR, MINUTE, SECOND, quick
from watcher.core import duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", 0),
        ("0s", 0),
        ("1ms", 1),
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("1h30m", HOUR + 30 * MINUTE),
        ("1d", DAY),
        ("2w", 14 * DAY),
        ("1y", 365 * DAY),
        ("90m", 90 * MINUTE),
        ("2m30s500ms", 2 * MINUTE + 30 * SECOND + 500),
        ("1y2w3d4h5m6s7ms", 365 * DAY + 14 * DAY + 3 * DAY + 4 * HOUR + 5 * MINUTE + 6 * SECOND + 7),
        ("007s", 7 * SECOND),
    ],
)
def test_what_prometheus_reads_is_read(text: str, length: int) -> None:
    assert duration.parse(text) == length


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "30",
        "1.5h",
        "-5m",
        "+5m",
        "1h 30m",
        " 5m",
        "5m ",
        "5m\n",
        "30m1h",
        "1h1h",
        "5M",
        "5 m",
        "m",
        "1hour",
        "٣s",
    ],
)
def test_anything_else_is_an_error_that_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match='"30s", "5m" or "1h30m"'):
        duration.parse(text)


@pytest.mark.parametrize("text", ["9" * 13 + "s", "9" * 5_000 + "s", "x" * 100_000])
def test_a_monstrous_text_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration") as error:
        duration.parse(text)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (1, "1ms"),
        (90 * MINUTE, "1h30m"),
        (DAY + HOUR, "1d1h"),
        (400 * DAY, "400d"),
        (61_001, "1m1s1ms"),
    ],
)
def test_a_length_is_written_as_it_is_read(length: int, text: str) -> None:
    assert duration.text(length) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (-5, "0ms"),
        (999, "999ms"),
        (SECOND, "1s"),
        (1_999, "1s"),
        (35 * MINUTE + 1, "35m"),
        (93_784_000, "1d2h"),
        (2 * DAY, "2d"),
    ],
)
def test_a_person_is_told_two_units_at_most(length: int, text: str) -> None:
    assert duration.rough(length) == text


@quick
@given(st.integers(0, 10**15))
def test_what_is_written_is_read_back(length: int) -> None:
    assert duration.parse(duration.text(length)) == length


@quick
@given(st.integers(0, 10**15))
def test_a_rough_length_is_short_by_less_than_an_hour(length: int) -> None:
    assert 0 <= length - duration.parse(duration.rough(length)) < HOUR
