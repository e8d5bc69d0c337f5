"""Requests of pushed logs for benchmarks: a few are made of records, the others are cast from these, and none is like another."""

import gzip
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, TypeAlias, get_args

from tests.bench.corpus import RATED, Fields, corpus, kinds, lines
from watcher.simulator.otlp import SEVERITY_NUMBERS, Placement, Sent, encoded, pairs, request, timed, value

Layout: TypeAlias = Placement | Literal["resource"]
"""Where the fields stand: as the simulator places them; or once for all records of an application, whose body are the
text or the details."""
LAYOUTS: Sequence[Layout] = (*get_args(Placement), "resource")

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


def moulds(layout: Layout = "attributes", count: int = MOULDS) -> list[Mould]:
    """Requests as Connect's might be."""
    made = corpus(count * RECORDS, SHARE)
    return [mould(made[at : at + RECORDS], layout) for at in range(0, len(made), RECORDS)]


def mould(records: Sequence[Fields], layout: Layout = "attributes") -> Mould:
    if layout == "resource":
        records = sorted(records, key=_application)
    wanted = [re.compile(each.pattern) for each in kinds(RATED)]
    hits, sent = 0, []
    for at, (record, text) in enumerate(zip(records, lines(records), strict=True)):
        found = sum(each.search(text) is not None for each in wanted)
        hits += found
        if found:
            record["details"]["message"] = _IDS.sub(_FRESH, text)
        sent.append(Sent(at=at + 1, arrival=at + 1, fields=record))
    wire = by_application(sent) if layout == "resource" else request(sent, layout, {})
    body, _ = encoded(wire, "protobuf", "none")
    places, offsets, begin = [], [], 0
    for at in range(len(records)):
        stamp = struct.pack("<Q", (at + 1) * 1_000_000)
        for _ in ("written", "received"):
            begin = body.index(stamp, begin)
            places.append(begin)
            offsets.append(at)
            begin += len(stamp)
    return Mould(body, places, offsets, hits)


def by_application(sent: Sequence[Sent]) -> Any:
    """A request that says once of each application what is true of all its records."""
    made = request([], "attributes", {})
    for (deployment, application), records in groupby(sent, lambda each: _application(each.fields)):
        logs = made.resource_logs.add()
        logs.resource.attributes.extend(pairs({"deploymentId": deployment, "applicationName": application}))
        logs.scope_logs.add().log_records.extend(map(_below, records))
    return made


def _below(record: Sent) -> Any:
    made, fields = timed(record), record.fields
    made.severity_text = fields["severity"]
    made.severity_number = SEVERITY_NUMBERS.get(fields["severity"], 0)
    made.attributes.extend(pairs({"type": fields["type"]}))
    details = fields["details"]
    made.body.CopyFrom(value(details["message"] if fields["type"] == "APPLICATION_TEXT" else details))
    return made


def _application(fields: Any) -> tuple[str, str]:
    return fields["deploymentId"], fields["applicationName"]
