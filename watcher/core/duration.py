"""Durations in Prometheus grammar, held as integer milliseconds."""

import re
from typing import TypeAlias

Millis: TypeAlias = int
"""Milliseconds: since the epoch for a point in time, otherwise a length of time."""

_UNITS: dict[str, Millis] = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_GRAMMAR = re.compile(r"".join(rf"(?:(?P<{unit}>[0-9]{{1,12}}){unit})?" for unit in _UNITS))
_HUMAN_UNITS = ("d", "h", "m", "s", "ms")


def parse(text: str) -> Millis:
    """Read `1h30m` as milliseconds: units y w d h m s ms, descending, each at most once; `0` needs no unit.

    Raises:
        ValueError: the text is not in that grammar; the message says what is.
    """
    if text == "0":
        return 0
    found = _GRAMMAR.fullmatch(text)
    if not text or found is None:
        raise ValueError(f'not a duration: {text[:40]!r}; write it like "30s", "5m" or "1h30m" (y w d h m s ms)')
    return sum(int(count) * _UNITS[unit] for unit, count in found.groupdict().items() if count)


def text(length: Millis) -> str:
    """Write milliseconds the way `parse` reads them, in days at most: 5_400_000 → `1h30m`."""
    if length <= 0:
        return "0s"
    parts: list[str] = []
    for unit in _HUMAN_UNITS:
        count, length = divmod(length, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def rough(length: Millis) -> str:
    """Write a length for a person, its two largest units at most: 93_784_000 → `1d2h`."""
    if length < _UNITS["s"]:
        return f"{max(length, 0)}ms"
    whole = text(length - length % _UNITS["s"])
    return "".join(re.findall(r"[0-9]+[a-z]+", whole)[:2])
