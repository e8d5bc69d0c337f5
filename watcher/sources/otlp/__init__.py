"""Logs that are pushed, over OTLP: bytes in, records out.

Platform Insights sends a project's logs with the field names of the log endpoint (`type`, `deploymentId`,
`applicationName`, `severity`, `timestamp`, `details`), and nothing published says where in a record they stand. So every
plausible place and spelling is understood (`names`, `shape`), and what has no Deployment's id is none of Connect's: a
project's API access logs come the same way, in far greater number, and cost next to nothing here.

Protobuf (`protobuf`) and JSON (`json_text`) are two readers of one thing. Contract: pure; an input gives a value or a
ValueError, in time and memory bounded by its length; a record that cannot be understood costs no other.
"""

from hashlib import sha256

from google.protobuf.internal import api_implementation

from watcher.core.duration import Millis
from watcher.ports import Pushed
from watcher.sources.otlp import json_text, protobuf
from watcher.sources.otlp.shape import MAX_RECORDS, Sorted, TooManyError

__all__ = ["MAX_RECORDS", "TooManyError", "decode_json", "decode_protobuf", "decoder_problem"]


def decode_protobuf(body: bytes, now: Millis = 0) -> Pushed:
    """Read an ExportLogsServiceRequest. `now` is when a record was written that does not say it, or says a time to come.

    Raises:
        TooManyError: there are more than `MAX_RECORDS` records.
        ValueError: it is none.
    """
    return _pushed(protobuf.read(body, now), body)


def decode_json(body: bytes, now: Millis = 0) -> Pushed:
    """Read an ExportLogsServiceRequest in the JSON of OTLP. `now` and errors as for `decode_protobuf`."""
    return _pushed(json_text.read(body, now), body)


def decoder_problem() -> str:
    """Why protobuf cannot be trusted with foreign bytes here; empty where it can.

    The decoder in pure Python, which is used where there is no wheel, can be overrun by nesting (CVE-2025-4565).
    """
    backend = api_implementation.Type()
    if backend == "upb":
        return ""
    return f"protobuf decodes with its {backend!r} backend here, which is not safe for foreign bytes; install a wheel of it that has upb"


def _pushed(found: Sorted, body: bytes) -> Pushed:
    return Pushed(found.records, found.foreign, found.malformed, sha256(body).digest())
