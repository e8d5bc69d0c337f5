"""Attributes in protobuf: which field of Connect each one is, and what it says.

Those that come again and again (the type, the Deployment, the application) are remembered by their bytes.
"""

from collections.abc import Sequence
from typing import Any

from watcher.sources.otlp import wire
from watcher.sources.otlp.names import DETAIL, DETAILS, EMPTY, TIMESTAMP, WASTE, place
from watcher.sources.otlp.shape import MAX_ATTRIBUTES, Found, word
from watcher.sources.otlp.values import bounded, value_of
from watcher.sources.otlp.wire import key_end, text_after

REMEMBERED = 4_096
_REMEMBERED_BYTES = 160
_DETAILS = b"\n\x07details"
"""How an attribute of this name begins: the one that is never the same twice."""
_WASTE: tuple[int, Any] = (WASTE, None)
_EMPTY: tuple[int, Any] = (EMPTY, None)

remembered: dict[bytes, tuple[int, Any]] = {}
_places: dict[bytes, tuple[int, str]] = {}


def with_attributes(known: Found, attributes: Sequence[bytes], others: list[bytes] | None = None) -> Found:
    """What is known once these are, too. `others` gets those that are none of Connect's."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise ValueError(f"more than {MAX_ATTRIBUTES:,} attributes")
    found = known.copy()
    named = []
    for raw in attributes:
        slot, value = remembered.get(raw) or learnt(raw)
        if slot < DETAIL:
            if slot != DETAILS or found[slot] is None or value_of(value):  # who says nothing takes nothing back
                found[slot] = value
        elif slot == DETAIL:
            named.append(value)
        elif others is not None and slot == WASTE:
            others.append(raw)
    if named:
        found[DETAIL] = (*found[DETAIL], *named)
    return found


def learnt(raw: bytes) -> tuple[int, Any]:
    """What an attribute is and says. The time is left as it is, for there is usually a better one; details, as they are large."""
    if raw[:9] == _DETAILS:
        return DETAILS, raw
    end = key_end(raw)
    key = raw[2:end] if end else wire.KeyValue.FromString(bounded(raw)).key
    slot, short = _places.get(key) or _placed(key)
    if slot == WASTE:
        return _remember(raw, _WASTE)
    if slot in (TIMESTAMP, DETAILS):
        return slot, raw
    value: Any = text_after(raw, end) if end else None
    if value is None:
        value = value_of(raw)
    if slot == DETAIL:
        return slot, (short, value)
    kept = word(value)
    return _remember(raw, (slot, kept) if kept else _EMPTY)


def _remember(raw: bytes, found: tuple[int, Any]) -> tuple[int, Any]:
    if len(raw) <= _REMEMBERED_BYTES:
        if len(remembered) >= REMEMBERED:
            remembered.clear()
        remembered[raw] = found
    return found


def _placed(key: bytes) -> tuple[int, str]:
    found = place(str(key, "utf-8", "replace"))
    if len(key) <= _REMEMBERED_BYTES:
        if len(_places) >= REMEMBERED:
            _places.clear()
        _places[key] = found
    return found
