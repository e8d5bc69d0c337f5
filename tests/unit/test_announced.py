"""What an API says of its own future, read from its headers."""

import pytest

from watcher.connect.exchange import MAX_NOTICE, announced


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, ""),
        ({"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, ""),
        ({"Deprecation": "@1767225600"}, "Deprecation: @1767225600"),
        ({"Sunset": "Sun, 31 Jan 2027 00:00:00 GMT"}, "Sunset: Sun, 31 Jan 2027 00:00:00 GMT"),
        ({"Warning": '299 - "use revisions"'}, 'Warning: 299 - "use revisions"'),
        ({"Warning": '110 - "Response is Stale"'}, ""),
        ({"Deprecation": "true", "Sunset": "soon"}, "Deprecation: true; Sunset: soon"),
    ],
)
def test_only_an_announcement_is_one(headers: dict[str, str], found: str) -> None:
    assert announced(headers) == found


def test_a_long_one_is_cut() -> None:
    assert len(announced({"Sunset": "x" * 10_000})) == MAX_NOTICE + len("Sunset: ")
