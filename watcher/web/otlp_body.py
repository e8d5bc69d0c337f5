"""A pushed request's body: read within a time and a size, inflated to no more than a size, held within a sum."""

import asyncio
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from watcher.core.duration import Millis
from watcher.web.otlp_answer import Reason, RefusedError

_isal: Any
try:
    from isal import isal_zlib as _isal
except ImportError:  # the speed extra is not installed
    _isal = zlib

MAX_MEMBERS = 16
"""Parts that a gzip body may have. Each part copies the rest of the body, so many of them would cost the square of it."""
_GZIP = 31
_COME_BACK: Millis = 2_000
_ERRORS = (zlib.error, _isal.error)


class Room:
    """How many bytes of bodies may be under way at a time: `limit` of all senders, `share` of those with the same key."""

    def __init__(self, limit: int, share: int) -> None:
        self._limit = limit
        self._share = share
        self._used: Counter[frozenset[str]] = Counter()

    @contextmanager
    def hold(self, size: int, projects: frozenset[str]) -> Iterator[None]:
        """Take room for as long as the context lasts, in the name of a key's projects. Raises RefusedError: there is none."""
        if self._used.total() + size > self._limit or self._used[projects] + size > self._share:
            raise RefusedError(Reason.BUSY, "too much is under way", retry_after=_COME_BACK)
        self._used[projects] += size
        try:
            yield
        finally:
            self._used[projects] -= size


async def read(request: web.Request, most: int, patience: Millis) -> bytearray:
    """The body as it is on the wire. Raises RefusedError: it is too large, comes too slowly, is torn, or breaks off."""
    body = bytearray()
    try:
        async with asyncio.timeout(patience / 1000):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise too_large(most)
    except TimeoutError:
        raise RefusedError(Reason.SLOW, "the body did not come in time", retry_after=_COME_BACK) from None
    except (HttpProcessingError, web.RequestPayloadError):
        raise RefusedError(Reason.MALFORMED, "the body is not what its head says", status=400) from None
    except ConnectionError:
        raise RefusedError(Reason.DISCONNECTED, "the sender has hung up") from None
    return body


def inflate(wire: bytes | bytearray, most: int) -> bytes:
    """What gzip packed, never more than `most` bytes of it. Raises RefusedError: it is more, or no gzip."""
    parts: list[bytes] = []
    left, rest = most, wire
    for _ in range(MAX_MEMBERS):
        part, rest = _member(rest, left)
        left -= len(part)
        if left < 0:
            raise too_large(most)
        parts.append(part)
        if not rest:
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise RefusedError(Reason.MALFORMED, f"gzip in more than {MAX_MEMBERS} parts", status=400)


def _member(wire: bytes | bytearray, most: int) -> tuple[bytes, bytes]:
    """One member of a gzip file, one byte more than `most` at the most, and what stands behind it."""
    engine = _isal.decompressobj(wbits=_GZIP)
    try:
        found: bytes = engine.decompress(wire, most + 1)
    except _ERRORS:
        raise RefusedError(Reason.MALFORMED, "not gzip", status=400) from None
    if not engine.eof and len(found) <= most:
        raise RefusedError(Reason.MALFORMED, "gzip that ends too early", status=400)
    return found, engine.unused_data


def too_large(most: int) -> RefusedError:
    """That a body is larger than it may be."""
    return RefusedError(Reason.TOO_LARGE, f"more than {most:,} bytes", status=413)


def opened(encoding: str, wire: bytearray, most: int) -> bytes:
    """The body in the encoding that its head names."""
    if encoding == "gzip":
        return inflate(wire, most)
    if len(wire) > most:
        raise too_large(most)
    return bytes(wire)
