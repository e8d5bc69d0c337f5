"""The fields of an HTTP request as Cloud Logging writes them."""

import re
from collections.abc import Mapping
from functools import lru_cache

from watcher.core.duration import Millis

_LONGEST = 2_048
_MOST: Millis = 86_400_000
_STATUS = re.compile(r"[0-9]{3}")
_SECONDS = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})\s*(s|ms)?\s*")


def path_of(url: object) -> str:
    """The path of a URL or of a request's target, without its query."""
    return _path(url[:_LONGEST]) if type(url) is str else ""


@lru_cache(maxsize=1024)
def _path(url: str) -> str:
    text = url.partition("?")[0].partition("#")[0]
    scheme, found, rest = text.partition("://")
    if found and "/" not in scheme:
        return "/" + rest.partition("/")[2]
    return text


def status_of(value: object) -> int:
    """A status as a number, or 0."""
    if type(value) is str and _STATUS.fullmatch(value):
        value = int(value)
    return value if type(value) is int and 100 <= value < 1_000 else 0  # noqa: PLR2004  same


def latency_of(value: object) -> Millis:
    """`"0.123s"`, `"123ms"` or `{"seconds": 0, "nanos": 123000000}` as milliseconds; a bare number is in seconds."""
    if isinstance(value, Mapping):
        seconds = _seconds(value.get("seconds", 0)) + _seconds(value.get("nanos", 0)) / 1e9
    else:
        seconds = _seconds(value)
    return min(round(seconds * 1000), _MOST)


def _seconds(value: object) -> float:
    if type(value) is int or type(value) is float:
        return float(value) if 0 <= value < _MOST * 1_000_000 else 0.0
    return _read(value[:40]) if type(value) is str else 0.0


@lru_cache(maxsize=4096)
def _read(text: str) -> float:
    found = _SECONDS.fullmatch(text)
    if found is None:
        return 0.0
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
