"""Values of attributes and bodies in protobuf, as what JSON knows.

Two bytes can become a hundred, so whatever is decoded is bounded: in bytes, in how much it holds, and in how deep.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from watcher.sources.otlp import wire
from watcher.sources.otlp.shape import MAX_ATTRIBUTES, MAX_RECORD
from watcher.sources.otlp.wire import key_end, parts, text_after

SAFE = 64 * 1024
"""Bytes that may be decoded without counting first what they hold."""
MAX_NODES = 10_000
MAX_DEPTH = 32
BROKEN = (ValueError, DecodeError, IndexError, KeyError, RecursionError)
"""What decoding raises where something makes no sense."""


def value_of(raw: bytes) -> Any:
    """The value of an attribute."""
    return plain(wire.KeyValue.FromString(bounded(raw)).value, [MAX_NODES], MAX_DEPTH)


def body_of(raw: bytes) -> Any:
    """The value that a body is."""
    return plain(wire.AnyValue.FromString(bounded(raw)), [MAX_NODES], MAX_DEPTH)


def json_of_attribute(raw: bytes) -> bytes:
    """The JSON of an attribute's value, for whoever asks for it later."""
    return msgspec.json.encode(value_of(raw))


def json_of_body(raw: bytes) -> bytes:
    """The JSON of a body, for whoever asks for it later."""
    return msgspec.json.encode(body_of(raw))


def plain(value: Any, nodes: list[int], depth: int) -> Any:
    """An AnyValue as what JSON knows. Raises ValueError where it is too deep, or holds more values than `nodes` are left."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if type(inner) is bytes:
        return str(inner, "utf-8", "replace")
    if kind == "kvlist_value":
        return mapping(inner.values, nodes, depth)
    if kind == "array_value":
        _spend(nodes, len(inner.values), depth)
        return [plain(wire.AnyValue.FromString(each), nodes, depth - 1) for each in inner.values]
    return inner


def mapping(raws: Sequence[bytes], nodes: list[int], depth: int) -> dict[str, Any]:
    """Attributes by their names. Raises ValueError as `plain` does."""
    _spend(nodes, len(raws), depth)
    result = {}
    for raw in raws:
        end = key_end(raw)
        text = text_after(raw, end) if end else None
        if text is not None:
            result[str(raw[2:end], "utf-8", "replace")] = text
        else:
            pair = wire.KeyValue.FromString(raw)
            result[str(pair.key, "utf-8", "replace")] = plain(pair.value, nodes, depth - 1)
    return result


def _spend(nodes: list[int], count: int, depth: int) -> None:
    nodes[0] -= count
    if nodes[0] < 0 or depth == 0:
        raise ValueError("too many values, or too deep")


def bounded(raw: bytes) -> bytes:
    """The bytes, if decoding them takes a bounded amount of memory. Raises ValueError."""
    if len(raw) > SAFE:
        if len(raw) > MAX_RECORD:
            raise ValueError(f"larger than {MAX_RECORD:,} bytes")
        for count, _ in enumerate(parts(raw, 0, len(raw))):
            if count > MAX_ATTRIBUTES + 20:
                raise ValueError(f"more than {MAX_ATTRIBUTES:,} attributes")
    return raw
