"""Protobuf's wire format, as far as it is read by hand, and the schema for the rest.

The schema is the official one with one change: attributes and nested values stay bytes until somebody asks, and text is
bytes, because invalid UTF-8 in a log line must not cost the line.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

_BYTE = 0x80
_KEY, _VALUE, _TEXT = 0x0A, 0x12, 0x0A
"""Tags of the key and the value of an attribute, and of the text of a value."""
_MAX_OTHERS = 1_000
"""Numbers beside the messages of a message; the schema has a dozen at the most."""
_FIXED = {0: 0, 1: 8, 5: 4}
"""Bytes of the wire types that have as many; type 0 says itself where it ends."""


def _loosened(message: Any) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    for each in message.field:
        if each.type == kinds.TYPE_STRING or each.name in {"attributes", "values", "body"}:
            each.type = kinds.TYPE_BYTES
            each.ClearField("type_name")


def _schema() -> tuple[Any, ...]:
    pool = descriptor_pool.DescriptorPool()
    for official in (common_pb2, resource_pb2, logs_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        official.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _loosened(message)
        pool.Add(file)
    names = ("common.v1.AnyValue", "common.v1.KeyValue", "common.v1.InstrumentationScope")
    found = (*names, "resource.v1.Resource", "logs.v1.LogRecord")
    return tuple(
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"opentelemetry.proto.{name}")) for name in found
    )


AnyValue, KeyValue, Scope, Resource, LogRecord = _schema()


def parts(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:  # noqa: C901  once for all that is walked, and no call in it
    """Number, begin and end of each message, text or bytes in a message. Raises ValueError, IndexError: it is none."""
    others = 0
    while at < end:
        tag = data[at]
        at += 1
        if tag >= _BYTE:
            tag, at = _varint(data, at - 1)
        kind = tag & 7
        if kind == 2:  # noqa: PLR2004  the wire types have no names worth the look-up: length, varint, 8 and 4 bytes
            size = data[at]
            at += 1
            if size >= _BYTE:
                if data[at] < _BYTE:  # as most are, and worth no call
                    size = size & 127 | data[at] << 7
                    at += 1
                else:
                    size, at = _varint(data, at - 1)
            stop = at + size
            if stop > end or tag < 8:  # noqa: PLR2004  there is no field 0
                raise ValueError("a length leads out of the message")
            yield tag >> 3, at, stop
            at = stop
            continue
        others += 1
        if others > _MAX_OTHERS or kind not in _FIXED:
            raise ValueError("not protobuf that anybody sends")
        at = at + _FIXED[kind] if kind else _varint(data, at)[1]
    if at != end:
        raise ValueError("the message ends within a value")


def messages(data: bytes, at: int, end: int, tag: int, found: list[int], most: int) -> int:
    """Add begin and end of each short message with that tag, as long as nothing else comes; where that is. Stops at `most` numbers."""
    add = found.append
    while at < end and data[at] == tag:
        size, begin = data[at + 1], at + 2
        if size >= _BYTE:
            high = data[begin]
            size = size & 127 | high << 7
            begin += 1
            if high >= _BYTE:
                break
        stop = begin + size
        if stop > end or len(found) > most:
            break
        add(begin)
        add(stop)
        at = stop
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _BYTE:
            return value, at
        shift += 7
        if shift > 63:  # noqa: PLR2004  bits of a varint
            raise ValueError("a number of more than 64 bits")


def key_end(raw: bytes) -> int:
    """Where the key of an attribute ends that begins with it, as every encoder writes it; 0 if it does not."""
    return raw[1] + 2 if len(raw) > 1 and raw[0] == _KEY and raw[1] < _BYTE else 0


def text_after(raw: bytes, end: int) -> str | None:
    """The text that is the value of an attribute whose key ends there; `None` for any other value or order of things.

    Most attributes are of this kind, and this takes a third of what decoding them does.
    """
    size = len(raw) - end
    if size < _BYTE:
        if size > 3 and raw[end] == _VALUE and raw[end + 1] == size - 2 and raw[end + 2] == _TEXT:  # noqa: PLR2004  bytes of two heads
            return str(raw[end + 4 :], "utf-8", "replace") if raw[end + 3] == size - 4 else None
    elif raw[end] == _VALUE and raw[end + 1] >= _BYTE > raw[end + 2] and raw[end + 3] == _TEXT:
        inner = size - 3
        if raw[end + 1] & 127 | raw[end + 2] << 7 == inner and raw[end + 4] >= _BYTE > raw[end + 5]:
            exact = raw[end + 4] & 127 | raw[end + 5] << 7 == inner - 3
            return str(raw[end + 6 :], "utf-8", "replace") if exact else None
    return None
