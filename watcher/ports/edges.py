"""Where facts come from and messages go: one list of the API, one configured destination."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from watcher.core.delivery import Delivery
from watcher.core.event import Event
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.core.sight import SourceState
from watcher.core.snapshot import Listing, R_co, Record


class Source(Protocol[R_co]):
    """One list of the Connect API: a project's Deployments, the drafts an API client sees, the Connectors in use."""

    async def list(self) -> Listing[R_co]:
        """Read the whole list. Raises SourceError; never returns part of a list as if it were whole."""
        ...

    async def get(self, record_id: str) -> R_co | None:
        """Read one record; `None` when the API says that it does not exist. Raises SourceError."""
        ...


class Sink(Protocol):
    """One configured destination. Policy (retry, pacing, order) stays outside.

    A sink whose receiver follows each group on its own (an incident, an alert that must be ended) says so with
    `one_by_one = True`: what waited for it through an outage is never told in one. What few sinks ask for beside the news
    they say likewise, with attributes called as in `SinkRef`: `refresh`, `acknowledgements` and `keeps_open`.
    """

    @property
    def id(self) -> str:
        """Stable name: receiver, kind and position."""
        ...

    @property
    def send_resolved(self) -> bool:
        """Whether it wants to hear that alerts have ended."""
        ...

    def render(self, notification: Notification) -> bytes:
        """The body to send, frozen by the caller before the first attempt. Pure; never fails on any notification."""
        ...

    @property
    def paces(self) -> tuple[Pace, ...]:
        """How fast it may be sent to, each pace shared by all sinks that name it.

        One send is one turn of each, unless the sink is `Sparing`.
        """
        ...

    async def send(self, delivery: Delivery) -> str | None:
        """Send `delivery.body` under `delivery.id`; returns what to remember of the lane, or `None` for no change.

        Raises DeliveryError unless the receiver said it took it.
        """
        ...


@runtime_checkable
class Sparing(Protocol):
    """A sink of which not every send needs a turn of each pace: beginning a live message is no edit."""

    def idle(self, delivery: Delivery, body: bytes) -> Collection[str]:
        """The names of the paces that sending this body will leave alone, as far as that is known before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one poll adds to the store, as one transaction."""

    source: SourceState
    upserts: Sequence[Record] = ()
    removed: Sequence[str] = ()
    events: Sequence[Event] = ()
