"""Requests of pushed logs for benchmarks: a few are made of records, the others are cast from these, and none is like another."""

import gzip
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.corpus import RATED, Fields, corpus, kinds, lines
from watcher.simulator.otlp import Sent, encoded, request

RECORDS, SHARE = 1_000, 0.019
"""Records of a request, and how many of them a pattern matches."""
MOULDS = 20
"""Requests that are made of records; the others are these with other times and ids."""
_FRESH = "@" * 8
_IDS = re.compile(r"[0-9a-f]{8}(?=-[0-9a-f]{4}-)")


@dataclass(frozen=True)
class Mould:
    """A request whose times, at `places`, and whose ids within errors are filled in for each one that is cast."""

    body: bytes
    places: Sequence[int]
    offsets: Sequence[int]
    hits: int

    def cast(self, number: int, at: int) -> bytes:
        """Request `number`, written at that time and packed, as no other is."""
        made = bytearray(self.body.replace(_FRESH.encode(), f"{number:08x}".encode()))
        for place, offset in zip(self.places, self.offsets, strict=True):
            struct.pack_into("<Q", made, place, (at + offset) * 1_000_000)
        return gzip.compress(made, compresslevel=6, mtime=0)


def moulds() -> list[Mould]:
    """Requests as Connect's might be: fields as attributes, details a map, the body the message."""
    made = corpus(MOULDS * RECORDS, SHARE)
    return [mould(made[at : at + RECORDS]) for at in range(0, len(made), RECORDS)]


def mould(records: Sequence[Fields]) -> Mould:
    wanted = [re.compile(each.pattern) for each in kinds(RATED)]
    hits, sent = 0, []
    for at, (record, text) in enumerate(zip(records, lines(records), strict=True)):
        found = sum(each.search(text) is not None for each in wanted)
        hits += found
        if found:
            record["details"]["message"] = _IDS.sub(_FRESH, text)
        sent.append(Sent(at=at + 1, arrival=at + 1, fields=record))
    body, _ = encoded(request(sent, "attributes", {}), "protobuf", "none")
    places, offsets, begin = [], [], 0
    for at in range(len(records)):
        stamp = struct.pack("<Q", (at + 1) * 1_000_000)
        for _ in ("written", "received"):
            begin = body.index(stamp, begin)
            places.append(begin)
            offsets.append(at)
            begin += len(stamp)
    return Mould(body, places, offsets, hits)
