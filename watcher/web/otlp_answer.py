"""What the OTLP listener answers, in the encoding it was asked in."""

import json
from enum import StrEnum

from aiohttp import web
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from watcher.core.duration import Millis
from watcher.errors import WatcherError

PROTOBUF_TYPE, JSON_TYPE = "application/x-protobuf", "application/json"


class Reason(StrEnum):
    """Why a request or a connection was refused; a closed list, fit for a label."""

    UNAUTHORIZED = "unauthorized"
    CONTENT_TYPE = "content_type"
    CONTENT_ENCODING = "content_encoding"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many_records"
    MALFORMED = "malformed"
    SLOW = "slow"
    DISCONNECTED = "disconnected"
    CONNECTIONS = "connections"
    BUSY = "busy"
    BEHIND = "behind"
    STORE = "store"
    FAILED = "failed"


class RefusedError(WatcherError):
    """A request that is not taken. `retry_after` in milliseconds makes it one that is to be sent again.

    Trouble of our own is always 503: exporters give up on 500, and some on 429.
    """

    def __init__(self, reason: Reason, message: str, *, status: int = 503, retry_after: Millis = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


_CODES = {400: 3, 401: 16, 413: 8, 415: 3, 503: 14}
"""What google.rpc.Code calls a status: invalid argument, unauthenticated, resource exhausted, unavailable."""


def taken(content_type: str, rejected: int, reason: str) -> web.Response:
    """That everything was taken, or how many records were not."""
    if content_type == JSON_TYPE:
        said = {"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": reason}} if rejected else {}
        return _response(200, JSON_TYPE, json.dumps(said).encode())
    message = ExportLogsServiceResponse()
    if rejected:
        message.partial_success.rejected_log_records = rejected
        message.partial_success.error_message = reason
    return _response(200, PROTOBUF_TYPE, message.SerializeToString())


def refusal(content_type: str, refused: RefusedError) -> web.Response:
    """A google.rpc.Status. Who may not send or cannot, is hung up on; who is to come again, is told when."""
    code, text = _CODES[refused.status], str(refused)
    if content_type == JSON_TYPE:
        response = _response(refused.status, JSON_TYPE, json.dumps({"code": code, "message": text}).encode())
    else:
        response = _response(refused.status, PROTOBUF_TYPE, _Status(code=code, message=text).SerializeToString())
    if refused.retry_after:
        response.headers["Retry-After"] = str(max(-(-refused.retry_after // 1000), 1))
    if refused.reason in {Reason.UNAUTHORIZED, Reason.SLOW, Reason.TOO_LARGE}:
        response.force_close()
    return response


def _response(status: int, content_type: str, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type=content_type)


def _status() -> type:
    """The message google.rpc.Status, less its details; its own package would be a dependency for two fields."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="status.proto", package="google.rpc", syntax="proto3")
    message = file.message_type.add(name="Status")
    message.field.add(name="code", number=1, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL)
    message.field.add(name="message", number=2, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found: type = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))
    return found


_Status = _status()
