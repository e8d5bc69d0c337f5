"""Log records as an OTLP request: every place where the fields of a DeploymentLog may stand, in both encodings.

Public is that records are forwarded over OTLP/HTTP with the field names that the logs endpoint has. Where in the
LogRecord they stand is not, so each plausible placement can be chosen. Invented, because nothing is public about them:
the names of resource and scope, and the form of the API's own access logs, which come through the same pipe.
"""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from watcher.simulator.chance import Chance
from watcher.simulator.clock import iso
from watcher.simulator.loglines import between, picked

Placement: TypeAlias = Literal["attributes", "body", "dotted", "json-body"]
"""Where the fields stand: attributes with `details` as a map; a map as the body; attributes down to
`details.message`; a body that is the JSON text. The body of the first and third is the message."""
Encoding: TypeAlias = Literal["protobuf", "json"]
Compression: TypeAlias = Literal["gzip", "none"]

CONTENT_TYPES: Mapping[str, str] = {"protobuf": "application/x-protobuf", "json": "application/json"}
SEVERITY_NUMBERS: Mapping[str, int] = {
    "DEBUG": 5,
    "INFO": 9,
    "NOTICE": 10,
    "WARNING": 13,
    "ERROR": 17,
    "CRITICAL": 18,
    "ALERT": 19,
    "EMERGENCY": 21,
}
"""OpenTelemetry's numbers; that of DEFAULT is 0, unspecified."""
NANOS = 1_000_000
INT64 = 1 << 63

METHODS = ("GET", "GET", "GET", "POST", "DELETE")
RESOURCES = ("carts", "orders", "products", "customers", "product-projections/search", "me/carts")
STATUSES = (200, 200, 200, 201, 200, 404, 409, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One record on its way: its fields and when it was written and received, as milliseconds since the epoch.

    `own` is false of what no Deployment wrote.
    """

    at: int
    arrival: int
    fields: Mapping[str, Any]
    own: bool = True


def request(records: Iterable[Sent], placement: Placement, attributes: Mapping[str, str]) -> Any:
    """The records as one ExportLogsServiceRequest; `attributes` are added to each, as the configuration can ask for."""
    made = ExportLogsServiceRequest()
    logs = {}
    for own, name in ((True, "connect"), (False, "api")):
        resource = made.resource_logs.add()
        resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=name)))
        scope = resource.scope_logs.add()
        scope.scope.name = "platform-insights"
        logs[own] = scope.log_records
    for record in records:
        one = placed(record, placement) if record.own else accessed(record)
        one.attributes.extend(pairs(attributes))
        logs[record.own].append(one)
    for index in (1, 0):
        if not made.resource_logs[index].scope_logs[0].log_records:
            del made.resource_logs[index]
    return made


def encoded(made: Any, encoding: Encoding, compression: Compression) -> tuple[bytes, dict[str, str]]:
    """A request's body and the headers that describe it."""
    if encoding == "json":
        body = msgspec.json.encode(json_format.MessageToDict(made, use_integers_for_enums=True))
    else:
        body = made.SerializeToString()
    headers = {"Content-Type": CONTENT_TYPES[encoding]}
    if compression == "gzip":
        return gzip.compress(body, compresslevel=6, mtime=0), {**headers, "Content-Encoding": "gzip"}
    return body, headers


def rejected(body: bytes, encoding: Encoding) -> tuple[int, str]:
    """How many records a good answer says it has not taken, and why. Raises ValueError where it is no such answer."""
    answer = ExportLogsServiceResponse()
    try:
        if encoding == "json":
            json_format.Parse(body, answer, ignore_unknown_fields=True)
        else:
            answer.ParseFromString(body)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"the answer is no ExportLogsServiceResponse ({type(error).__name__})") from None
    return answer.partial_success.rejected_log_records, answer.partial_success.error_message


# ── one record ───────────────────────────────────────────────────────────────


def placed(record: Sent, placement: Placement) -> Any:
    """A DeploymentLog in that placement."""
    severity = str(record.fields.get("severity", ""))
    made = timed(record)
    made.severity_text = severity
    made.severity_number = SEVERITY_NUMBERS.get(severity, 0)
    if placement == "body":
        made.body.CopyFrom(value(record.fields))
        return made
    if placement == "json-body":
        made.body.string_value = msgspec.json.encode(record.fields).decode()
        return made
    made.attributes.extend(pairs(flat(record.fields) if placement == "dotted" else record.fields))
    if message := message_of(record.fields.get("details")):
        made.body.string_value = message
    return made


def accessed(record: Sent) -> Any:
    """An access log of the API: no Deployment, no application."""
    made = timed(record)
    made.severity_text, made.severity_number = "INFO", SEVERITY_NUMBERS["INFO"]
    made.body.string_value = f"{record.fields['http.request.method']} {record.fields['url.path']}"
    made.attributes.extend(pairs(record.fields))
    return made


def access(chance: Chance, project: str, at: int) -> Sent:
    """A request to the API that somebody made."""
    fields = {
        "projectKey": project,
        "http.request.method": picked(chance, METHODS),
        "url.path": f"/{project}/{picked(chance, RESOURCES)}/{chance.uuid()}",
        "http.response.status_code": picked(chance, STATUSES),
        "correlationId": chance.uuid(),
        "durationMs": between(chance, 4, 900),
        "timestamp": iso(at),
    }
    return Sent(at=at, arrival=at, fields=fields, own=False)


def timed(record: Sent) -> Any:
    """A LogRecord with its two times and nothing else."""
    return LogRecord(time_unix_nano=max(record.at, 0) * NANOS, observed_time_unix_nano=max(record.arrival, 0) * NANOS)


def message_of(details: Any) -> str:
    """The message of a record, where it has one."""
    found = details.get("message", details.get("msg")) if isinstance(details, Mapping) else None
    return found if isinstance(found, str) else ""


def flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields with dotted names instead of maps in maps; lists stay."""
    made: dict[str, Any] = {}
    for name, one in fields.items():
        if isinstance(one, Mapping):
            made |= flat(one, f"{prefix}{name}.")
        else:
            made[prefix + name] = one
    return made


def pairs(fields: Mapping[str, Any]) -> Sequence[Any]:
    """Fields as attributes."""
    return [KeyValue(key=name, value=value(one)) for name, one in fields.items()]


def value(found: Any) -> Any:
    """A value of JSON as an AnyValue; null is the empty one."""
    made = AnyValue()
    if isinstance(found, bool):
        made.bool_value = found
    elif isinstance(found, int) and -INT64 <= found < INT64:
        made.int_value = found
    elif isinstance(found, int | float):
        made.double_value = found
    elif isinstance(found, str):
        made.string_value = found
    elif isinstance(found, Mapping):
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(pairs(found))
    elif isinstance(found, Sequence):
        made.array_value.SetInParent()
        made.array_value.values.extend([value(one) for one in found])
    return made
