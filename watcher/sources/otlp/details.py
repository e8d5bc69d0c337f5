"""Details as they came, looked at only as far as they decide what a record says and how grave it is."""

from typing import Any, TypeAlias

from watcher.sources.otlp.values import MAX_DEPTH, MAX_NODES, mapping
from watcher.sources.otlp.wire import key_end, text_after

_PAIR, _KEY, _VALUE, _TEXT, _MAP, _MORE = 0x0A, 0x0A, 0x12, 0x0A, 0x32, 0x80
"""Tags of a map's field, of its name and its value, of a text and a map; the bit that says that a length goes on."""
_SHORT = 40
"""Bytes up to which a field is worth remembering."""
_LONGER = 160
"""The same of a request, whose fields come again and again: its URL, its user agent."""
_REMEMBERED = 4_096
_NOTHING, _MESSAGE, _MSG, _LEVEL, _SEVERITY, _ERR, _ODD = range(7)
_SLOTS = {
    b"message": _MESSAGE,
    b"msg": _MSG,
    b"err": _ERR,
    b"level": _LEVEL,
    b"severity": _SEVERITY,
    b"requestMethod": _ODD,
    b"requestUrl": _ODD,
    b"request_method": _ODD,
    b"request_url": _ODD,
}
"""The fields that decide, by name; `_ODD` makes a record something else than a line."""

_SAID, _GRAVE = frozenset({_MESSAGE, _MSG}), frozenset({_LEVEL, _SEVERITY})

Told: TypeAlias = tuple[bytes, str | float | None]
"""What the details say, in UTF-8, and of what level they say it is."""
_Field: TypeAlias = tuple[int, Any]

_remembered: dict[bytes, _Field] = {}
_pairs: dict[bytes, tuple[str, Any]] = {}
_leads: dict[int, dict[int, bytes]] = {_TEXT: {}, _MAP: {}}
_texts, _maps = _leads[_TEXT], _leads[_MAP]


def told(data: bytes, at: int, end: int) -> Told | None:
    """What the fields of a map say that stand between these places; `None` where that takes all of them, decoded.

    Each field is one that could be decoded. Raises what decoding raises, where one is not.
    """
    if at >= end:
        return None
    said: list[Any] = [None, None, None, None, None, None, None]
    while at < end:
        if data[at] != _PAIR:
            return None
        size = data[at + 1]
        at += 2
        if size <= _SHORT:
            stop = at + size
            raw = data[at:stop]
            slot, value = _remembered.get(raw) or _learnt(raw)
            said[slot] = value
            at = stop
            continue
        if size >= _MORE:
            size = size & 127 | data[at] << 7
            at += 1
        stop = at + size
        begin = at + 2 + data[at + 1]
        slot = _SLOTS.get(data[at + 2 : begin], _NOTHING)
        lead = _texts.get(stop - begin) or _lead(stop - begin, _TEXT)
        inner = begin + len(lead)
        if not lead or data[begin:inner] != lead or data[at] != _KEY or data[at + 1] >= _MORE:
            slot, value = _learnt(data[at:stop])
            said[slot] = value
        elif slot:
            value = data[inner:stop]
            said[slot] = value if slot <= _MSG else str(value, "utf-8", "replace")
        at = stop
    return _told(said) if at == end else None


def _told(said: list[Any]) -> Told | None:
    _, message, msg, level, severity, error, odd = said
    if message is None:
        message = msg or b""
        if error is not None and not message:
            return None
    elif not message:
        return None
    if odd is not None:
        return None
    if severity is None and type(level) is str:
        return message, level or None
    for value in (severity, level):
        if isinstance(value, str | int | float) and value and value is not True:
            return message, value
    return message, None


def _learnt(raw: bytes) -> _Field:
    """A field, decoded."""
    ((name, value),) = mapping([raw], [MAX_NODES], MAX_DEPTH).items()
    slot = _SLOTS.get(name.encode(), _NOTHING)
    if slot in _SAID:
        slot, value = (slot, value.encode()) if type(value) is str else (_ODD, True)
    elif slot not in _GRAVE:
        value = True
    found = slot, value
    if len(raw) <= _SHORT:
        if len(_remembered) >= _REMEMBERED:
            _remembered.clear()
        _remembered[raw] = found
    return found


def fields(data: bytes, at: int, end: int) -> dict[str, Any] | None:
    """All fields of a map that stand between these places, decoded; `None` where it takes more to find them.

    Raises what decoding raises, where one cannot be.
    """
    found: dict[str, Any] = {}
    while at < end:
        if data[at] != _PAIR:
            return None
        size = data[at + 1]
        at += 2
        if size >= _MORE:
            size = size & 127 | data[at] << 7
            at += 1
        stop = at + size
        raw = data[at:stop]
        name, value = _pairs.get(raw) or _pair(raw)
        found[name] = value
        at = stop
    return found if at == end else None


def _pair(raw: bytes) -> tuple[str, Any]:
    """A field's name and value. Most are texts, which take no decoder."""
    end = key_end(raw)
    value = text_after(raw, end) if end else None
    if value is not None:
        name = str(raw[2:end], "utf-8", "replace")
    else:
        ((name, value),) = mapping([raw], [MAX_NODES], MAX_DEPTH).items()
    if len(raw) <= _LONGER and not isinstance(value, dict | list):
        if len(_pairs) >= _REMEMBERED:
            _pairs.clear()
        _pairs[raw] = name, value
    return name, value


def map_lead(size: int) -> bytes:
    """How a value begins that has so many bytes and is a map; empty where there is none such."""
    return _maps.get(size) or _lead(size, _MAP)


def _lead(size: int, tag: int) -> bytes:
    """How a value begins that has so many bytes in all, and holds one thing with this tag; empty where there is none such."""
    found, left = b"", size
    for each in (_VALUE, tag):
        left -= 2
        if left < _MORE:
            found += bytes((each, max(left, 0)))
        else:
            left -= 1
            found += bytes((each, left & 127 | _MORE, left >> 7 & 127))
        if left < 0 or left >= _MORE * _MORE or (len(found) % 3 == 0 and left < _MORE):
            return b""
    _leads[tag][size] = found
    return found
