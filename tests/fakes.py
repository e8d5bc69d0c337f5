"""Fakes at the ports: a clock that stands still, an API that follows a script, a sink that records."""

import asyncio
import random  # noqa: TID251  seeded
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from watcher.core.delivery import Delivery
from watcher.core.duration import Millis
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.core.snapshot import Connector, ConnectorStaged, Deployment, Listing, Record, ReportEntry
from watcher.errors import Blindness, SourceError
from watcher.ports import Env

R = TypeVar("R", bound=Record)
START = 1_800_000_000_000


@dataclass
class FakeClock:
    """Time moves when a test says so; a sleep moves it at once."""

    at: Millis = START

    def now(self) -> Millis:
        return self.at

    def monotonic(self) -> Millis:
        return self.at

    async def sleep(self, length: Millis) -> None:
        self.at += length
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


def fake_env(clock: FakeClock | None = None, seed: int = 7) -> Env:
    return Env(clock=clock or FakeClock(), rng=random.Random(seed))


def deployment(name: str = "shop", status: str = "Deployed", **fields: object) -> Deployment:
    """A production Deployment; `warning` adds the report entry of a failed postDeploy script."""
    warning = fields.pop("warning", None)
    entries = (ReportEntry(type="Warning", title=str(warning), application="service"),) if warning else ()
    base = Deployment(
        id=f"id-{name}",
        key=name,
        project="my-shop",
        type="production",
        status=status,
        build="b1",
        connector_id="c1",
        connector_key="stripe",
        connector_version=3,
        region="europe-west1.gcp",
        entries=entries,
    )
    return replace(base, **fields)  # type: ignore[arg-type]  # test data by name


def draft(name: str = "stripe", status: str = "Draft", **fields: Any) -> ConnectorStaged:
    """A draft of a Connector that nobody has asked a preview of."""
    base = ConnectorStaged(
        id=f"id-{name}", key=name, project="my-shop", status=status, version=1, previewable="none", tag="v1.0.0"
    )
    return replace(base, **fields)


def connector(name: str = "stripe", **fields: Any) -> Connector:
    """A published Connector that nobody is behind of."""
    base = Connector(id=f"id-{name}", key=name, project="my-shop", version=3, tag="v1.0.0")
    return replace(base, **fields)


@dataclass
class ScriptedSource(Generic[R]):
    """One list of the API as a script: what exists, whether the list lies, whether calls fail."""

    records: dict[str, R] = field(default_factory=dict)
    error: SourceError | None = None
    hidden: bool = False
    calls: list[str] = field(default_factory=list)
    truncated: bool = False
    composed: bool = False
    _last: dict[str, R] | None = None

    def put(self, *items: R) -> None:
        self.records.update((each.id, each) for each in items)

    def set(self, name: str, **fields: object) -> None:
        found = self.records[f"id-{name}"]
        self.records[found.id] = replace(found, **fields)  # type: ignore[arg-type]  # test data by name

    def remove(self, name: str) -> None:
        del self.records[f"id-{name}"]

    def fail(self, kind: Blindness = Blindness.SERVER, text: str = "HTTP 503", retry_after: int | None = None) -> None:
        self.error = SourceError(text, kind, retry_after=retry_after)

    async def list(self) -> Listing[R]:
        self.calls.append("list")
        if self.error:
            raise self.error
        found = {} if self.hidden else dict(self.records)
        unchanged = self._last == found
        self._last = found
        return Listing(
            records=found, total=len(found), unchanged=unchanged, truncated=self.truncated, composed=self.composed
        )

    async def get(self, record_id: str) -> R | None:
        self.calls.append(f"get {record_id}")
        if self.error:
            raise self.error
        return self.records.get(record_id)


@dataclass
class RecordingSink:
    """Keeps what it was sent. `before` and `after` run around the moment at which it takes a message."""

    id: str = "team/recording/0"
    send_resolved: bool = True
    encode: Callable[[Notification], bytes] = lambda notification: notification.id.encode()
    sent: list[Delivery] = field(default_factory=list)
    before: Callable[[Delivery], None] = lambda _: None
    after: Callable[[Delivery], None] = lambda _: None
    paces: tuple[Pace, ...] = ()

    def render(self, notification: Notification) -> bytes:
        return self.encode(notification)

    async def send(self, delivery: Delivery) -> None:
        self.before(delivery)
        self.sent.append(delivery)
        self.after(delivery)
