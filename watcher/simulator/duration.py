"""Lengths of time as scenario files and the control API write them: `3s`, `1500ms`, `1m30s`. Pure."""

import re
from math import isfinite
from typing import Any

CENTURY = 36_525 * 86_400_000
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,9}}){unit})?" for unit in UNITS))


def read_moment(value: Any) -> int:
    """A duration as milliseconds. Raises ValueError."""
    found = DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        raise ValueError('write a moment like "3s", "500ms" or "1m30s"')
    return sum(int(count) * UNITS[unit] for unit, count in found.groupdict().items() if count)


def read_offset(value: Any) -> int:
    """A duration that may be negative, or a number of seconds, as milliseconds. Raises ValueError."""
    length = signed(value)
    if length is None or abs(length) > CENTURY:
        raise ValueError('write a length of time like "10m" or "-2h", or a number of seconds, up to a hundred years')
    return length


def signed(value: Any) -> int | None:
    """The milliseconds that `value` means, if any."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value * 1000) if isfinite(value) and abs(value) <= CENTURY else None
    sign, text = (-1, value[1:]) if isinstance(value, str) and value.startswith("-") else (1, value)
    try:
        return sign * read_moment(text)
    except ValueError:
        return None
