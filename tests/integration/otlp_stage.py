"""A listener for pushed logs on loopback, and an intake that does what a test wants."""

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from google.protobuf import json_format
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # generated, without stubs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as WireRecord
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs

from tests.fakes import START, FakeClock, fake_env
from watcher.core.logrecord import LogRecord
from watcher.metrics import Metrics, new_registry
from watcher.ports import Pushed, Receipt
from watcher.web.otlp import Listening, serve_otlp

HEADER, KEY = "x-connect-watcher-key", "canary-key-of-at-least-32-characters"
PROJECTS = frozenset({"my-shop"})
PROTOBUF, IN_JSON = "application/x-protobuf", "application/json"


def request_of(*messages: str, **more: str) -> ExportLogsServiceRequest:
    """Records of one application, as Connect might send them."""
    fields = {
        "type": "APPLICATION_TEXT",
        "deploymentId": "d1",
        "applicationName": "service",
        "severity": "INFO",
        **more,
    }
    attributes = [KeyValue(key=name, value=AnyValue(string_value=value)) for name, value in fields.items()]
    records = [
        WireRecord(time_unix_nano=(START + at) * 10**6, attributes=attributes, body=AnyValue(string_value=text))
        for at, text in enumerate(messages)
    ]
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])])


def in_protobuf(wire: ExportLogsServiceRequest) -> bytes:
    found: bytes = wire.SerializeToString()
    return found


def in_json(wire: ExportLogsServiceRequest) -> bytes:
    found: str = json_format.MessageToJson(wire, indent=None)
    return found.encode()


ENCODINGS = {PROTOBUF: in_protobuf, IN_JSON: in_json}


def refusal(answer: bytes, content_type: str) -> Status:
    """What the body of an answer that refuses says, in either encoding."""
    return Status.FromString(answer) if content_type == PROTOBUF else json_format.Parse(answer, Status())


@dataclass
class FakeIntake:
    """Takes everything, unless it has errors to raise first or `holding` is set."""

    errors: list[Exception] = field(default_factory=list)
    offered: list[Pushed] = field(default_factory=list)
    records: list[LogRecord] = field(default_factory=list)
    projects: list[frozenset[str]] = field(default_factory=list)
    rejected: int = 0
    holding: asyncio.Event | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def push(self, pushed: Pushed, projects: frozenset[str]) -> Receipt:
        self.offered.append(pushed)
        self.projects.append(projects)
        self.arrived.set()
        if self.holding is not None:
            await self.holding.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.records.extend(pushed.records)
        reason = "records of projects that are not watched" if self.rejected else ""
        return Receipt(len(pushed.records) - self.rejected, self.rejected, reason)

    @property
    def messages(self) -> list[str]:
        return [each.message for each in self.records]


@dataclass
class Stage:
    """What a test sees: the intake, the address, the counters."""

    url: str
    intake: FakeIntake
    metrics: Metrics
    clock: FakeClock
    refused: Counter[str]
    session: aiohttp.ClientSession

    def count(self, outcome: str) -> float:
        found = self.metrics.registry.get_sample_value(
            "connect_watcher_log_records_total", {"source": "otlp", "outcome": outcome}
        )
        return found or 0

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    async def post(
        self, body: Any, content_type: str = PROTOBUF, headers: Mapping[str, str] | None = None, path: str = "/v1/logs"
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a body with the key, unless `headers` say otherwise."""
        chosen = {HEADER: KEY, "Content-Type": content_type, **(headers or {})}
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.session.post(self.url + path, data=data, headers=chosen) as response:
            return response, await response.read()


@asynccontextmanager
async def stage(
    change: Callable[[dict[str, Any]], None] = lambda _: None, intake: FakeIntake | None = None
) -> AsyncIterator[Stage]:
    """A listener for as long as the context lasts; `change` edits its settings."""
    settings: dict[str, Any] = {"header": HEADER, "keys": [(KEY, PROJECTS)]}
    change(settings)
    metrics, clock, refused = Metrics(new_registry(), version="test"), FakeClock(), Counter[str]()
    taking = intake or FakeIntake()
    async with (
        serve_otlp(
            ("127.0.0.1", 0),
            Listening(**settings),
            intake=taking,
            env=fake_env(clock),
            metrics=metrics,
            refused=lambda reason: refused.update([reason]),
        ) as url,
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Content-Type"]) as session,
    ):
        yield Stage(url, taking, metrics, clock, refused, session)
