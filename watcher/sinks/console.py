"""Console: one line for each notification, for a demo and for looking on. A full pipe holds everything up."""

import asyncio
import json
from collections.abc import Mapping
from typing import ClassVar, Literal, TextIO

from watcher import render
from watcher.core.delivery import Delivery, Outcome
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError
from watcher.sinks.base import SinkConfig, Wiring, frozen_body
from watcher.sinks.outcome import Reason

PATIENCE_SECONDS = 10.0
"""How long a full pipe may take a line; it is written in a thread, so that it holds up nobody else."""
SPELLED_OUT = 3
"""Alerts that the line of a person shows; the others are counted."""


class ConsoleConfig(SinkConfig):
    """Lines on standard output, for a person or as JSON."""

    kind: ClassVar[str] = "console"

    format: Literal["text", "json"] = "text"
    """A line for a person, or for a program."""

    def build(self, sink_id: str, wiring: Wiring) -> "Console":
        """Make the sink."""
        return Console(sink_id, self, wiring.stream)


class Console:
    """Writes lines to one stream."""

    paces: tuple[Pace, ...] = ()

    def __init__(self, sink_id: str, config: ConsoleConfig, stream: TextIO) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.format = config.format
        self._stream = stream

    def render(self, notification: Notification) -> bytes:
        """The line, without its end."""
        if self.format == "text":
            return line(notification).encode(errors="replace")
        return json.dumps(payload(notification)).encode()

    async def send(self, delivery: Delivery) -> None:
        """Write the line, in whatever letters the stream has."""
        text = frozen_body(delivery).decode(errors="replace")
        letters = self._stream.encoding or "utf-8"
        line = text.encode(letters, "backslashreplace").decode(letters) + "\n"
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.to_thread(self._write, line)
        except TimeoutError:
            raise DeliveryError("nobody reads the stream", Outcome.UNKNOWN, reason=Reason.TIMEOUT) from None
        except ValueError:
            raise DeliveryError("the stream is closed", Outcome.UNSENT, reason=Reason.NETWORK) from None
        except OSError as error:
            raise DeliveryError(f"the stream broke: {error.strerror}", Outcome.UNKNOWN, reason=Reason.NETWORK) from None

    def _write(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()


def line(notification: Notification) -> str:
    """A line for a person: when, what, and the first few alerts."""
    told = render.body(notification, SPELLED_OUT).replace("\n", "; ")
    return f"{render.to_the_second(notification.at)} {render.title(notification)} — {told}"


def payload(notification: Notification) -> Mapping[str, object]:
    """A line for a program."""
    return {
        "at": render.rfc3339(notification.at),
        "id": notification.id,
        "receiver": notification.receiver,
        "status": notification.status,
        "reason": notification.reason.value,
        "severity": notification.severity,
        "title": render.title(notification),
        "firing": notification.firing,
        "resolved": notification.resolved,
        "fresh": notification.fresh,
        "held_back": notification.held_back,
        "alerts": [
            {"status": alert.state, "labels": dict(alert.labels), "summary": render.line(alert)}
            for alert in render.ranked(notification.alerts)
        ],
    }
