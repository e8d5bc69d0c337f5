"""Bodies that no service should send: noise, a gzip bomb, a page of any size. Made a piece at a time, never whole."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeAlias

PIECE = 64 * 1024
GZIP = 16 + zlib.MAX_WBITS
"""What makes zlib write a gzip member."""

Pieces: TypeAlias = Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body to be sent in pieces; `length` is `None` where it shows only at the end."""

    pieces: Pieces
    length: int | None
    encoding: str | None = None


def whole(content: bytes) -> Body:
    """A body that is there already."""
    return Body(pieces=iter([content] if content else []), length=len(content))


def noise(length: int, letters: Callable[[int], str]) -> Body:
    """Random bytes; `letters` makes that many hexadecimal ones."""
    return Body(pieces=(bytes.fromhex(letters(2 * size)) for size in sizes(length)), length=length)


def gzip_bomb(length: int) -> Body:
    """`length` blanks, packed a thousand to one: JSON may begin with them, so nothing but their number is wrong."""
    return Body(pieces=packed(length), length=None, encoding="gzip")


def packed(length: int) -> Pieces:
    """`length` blanks as one gzip member."""
    packer = zlib.compressobj(9, zlib.DEFLATED, GZIP)
    for size in sizes(length):
        yield packer.compress(b" " * size)
    yield packer.flush()


HEAD = b'{"offset":0,"limit":500,"total":%d,"count":%d,"results":['
TAIL = b"]}"
ELEMENT = (
    b'{"id":"00000000-0000-4000-8000-%012x","key":"huge-%012x","version":1,"type":"production",'
    b'"connector":{"id":"00000000-0000-4000-8000-000000000000","key":"huge","version":1,"name":"Huge"},'
    b'"deployedRegion":"europe-west1.gcp","applications":[],"preview":false,"status":"Deployed",'
    b'"details":{"build":{"id":"00000000-0000-4000-8000-%012x"}}}'
)
SMALLEST_PAGE = len(HEAD % (0, 0)) + len(TAIL)


def huge_page(length: int) -> Body:
    """A page of as many Deployments as fit into `length` bytes, filled up with blanks."""
    return Body(pieces=gathered(page_parts(length)), length=length)


def page_parts(length: int) -> Pieces:
    """The parts of such a page."""
    each = len(ELEMENT % (0, 0, 0)) + 1
    fitting = max((length - len(HEAD % (10**12, 10**12)) - len(TAIL)) // each, 0)
    head = HEAD % (fitting, fitting)
    yield head
    for n in islice(count(1), fitting):
        yield (ELEMENT % (n, n, n)) + (b"," if n < fitting else b"")
    rest = length - len(head) - len(TAIL) - fitting * each + (fitting > 0)
    yield from (b" " * size for size in sizes(rest))
    yield TAIL


def gathered(parts: Pieces) -> Pieces:
    """The same bytes in fewer pieces."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def sizes(length: int) -> Iterator[int]:
    """The sizes of the pieces of `length` bytes."""
    for left in range(length, 0, -PIECE):
        yield min(left, PIECE)


def first(pieces: Pieces, length: int) -> Pieces:
    """The first `length` bytes."""
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return


def single(pieces: Pieces) -> Pieces:
    """One byte at a time."""
    return (piece[n : n + 1] for piece in pieces for n in range(len(piece)))
