"""A bot and a workspace without a wire between them, and a lane that is delivered as the outbox would."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock, fake_env
from tests.notifications import alert, delivery, notification, resolved
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification, NotifyReason
from watcher.errors import DeliveryError
from watcher.http import Answer, Fault, Request, TransportError
from watcher.ports import Sink, Sparing
from watcher.simulator.slack_team import Channel, Post, Team
from watcher.sinks import SlackConfig, Wiring

TOKEN = "xoxb-1-2-pr1vate"
API = "https://slack.example/api"
DUPLICATE = "possible duplicate"


class Died(BaseException):
    """The process is gone: nothing above may catch this."""


@dataclass
class Wire:
    """The way to the workspace. `faults` are met one a call, in order; what is not there is answered as usual."""

    team: Team
    faults: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    posted: list[tuple[str, str, bool]] = field(default_factory=list)
    """Every message that was ever taken: its delivery, its thread, whether it says that it may be a duplicate."""

    async def send(self, request: Request) -> Answer:
        assert request.guard
        method, arguments = request.url.removeprefix(f"{API}/"), json.loads(request.body or b"")
        self.calls.append((method, arguments))
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "delete root":
            for channel in self.team.channels.values():
                for root in channel.roots():
                    self.team.delete(root.ts)
        if early := _before(fault):
            return early
        token = request.headers["authorization"].removeprefix("Bearer ")
        answer = self.team.call(method, token, arguments)
        if answer.body["ok"] and method == "chat.postMessage":
            about = arguments.get("metadata", {}).get("event_payload", {}).get("id", "")
            self.posted.append((about, arguments.get("thread_ts", ""), DUPLICATE in json.dumps(arguments)))
        if late := _after(fault):
            return late
        return Answer(status=answer.status, headers=answer.headers, body=json.dumps(answer.body).encode())


def _before(fault: str) -> Answer | None:
    """What happens in place of the call."""
    if fault == "unsent":
        raise TransportError("slack.example: connection refused", Fault.NETWORK)
    if fault == "lost request":
        raise TransportError("slack.example: timed out", Fault.TIMEOUT, sent=True)
    if fault == "limited":
        return Answer(status=429, headers={"Retry-After": "3"}, body=b'{"ok":false,"error":"ratelimited"}')
    if fault == "503":
        return Answer(status=503, headers={}, body=b"")
    if fault.startswith("code "):
        return Answer(status=200, headers={}, body=json.dumps({"ok": False, "error": fault[5:]}).encode())
    return None


def _after(fault: str) -> Answer | None:
    """What happens once the call has taken effect."""
    if fault == "lost answer":
        raise TransportError("slack.example: timed out", Fault.TIMEOUT, sent=True)
    if fault == "doubtful":
        return Answer(status=200, headers={}, body=b'{"ok":false,"error":"internal_error"}')
    if fault == "die":
        raise Died
    return None


@dataclass
class Row:
    """A delivery that waits."""

    id: str
    seq: int
    body: bytes
    attempts: int = 0
    unknown: int = 0


@dataclass
class Lane:
    """One lane of one bot: rows in order, one attempt at a time, what the sink wants remembered kept with the outcome."""

    options: Mapping[str, Any] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    memo: str = ""
    rows: list[Row] = field(default_factory=list)
    errors: list[DeliveryError] = field(default_factory=list)
    seq: int = 0

    def __post_init__(self) -> None:
        self.team = Team(clock=self.clock)
        self.wire = Wire(self.team)
        self.sink = self.start()

    def start(self) -> Sink:
        """A process: nothing of the one before is left but the rows and the memo."""
        given = {"token": TOKEN, "channel": "#deploys", "api_url": API, **self.options}
        wiring = Wiring(http=self.wire, env=fake_env(self.clock), read=Path.read_text, stream=StringIO())
        return SlackConfig.model_validate(given).build("team/slack/0", wiring)

    @property
    def channel(self) -> Channel:
        return self.team.channel("#deploys")

    def put(self, told: Notification) -> str:
        """A row for a notification; its id."""
        self.seq += 1
        made = Notification(**{name: getattr(told, name) for name in told.__slots__} | {"id": f"cw_{self.seq}"})
        self.rows.append(Row(made.id, self.seq, self.sink.render(made)))
        return made.id

    async def attempt(self) -> None:
        """One attempt at the first row, and its settlement."""
        row, superseded = self.rows[0], len(self.rows) > 1
        row.attempts += 1
        self.clock.at += 2_000
        sent = delivery(
            row.body,
            id=row.id,
            seq=row.seq,
            attempts=row.attempts,
            unknown_outcomes=row.unknown,
            memo=self.memo,
            superseded=superseded,
        )
        made = len(self.wire.calls)
        spared = isinstance(self.sink, Sparing) and bool(self.sink.idle(sent, row.body))
        try:
            memo = await self.sink.send(sent)
            assert not (spared and "chat.update" in [method for method, _ in self.wire.calls[made:]])
        except Died:
            row.unknown += 1
            self.sink = self.start()
            return
        except DeliveryError as error:
            self.errors.append(error)
            row.unknown += error.outcome is Outcome.UNKNOWN
            self.memo = self.memo if error.memo is None else error.memo
            self.clock.at += error.retry_after or 0
            return
        self.memo = self.memo if memo is None else memo
        self.rows.pop(0)

    async def tell(self, told: Notification, *faults: str) -> str:
        """Deliver a notification, through faults; its id."""
        made = self.put(told)
        self.wire.faults = list(faults)
        await self.drain()
        assert self.wire.faults == []
        return made

    async def drain(self) -> None:
        """Deliver everything."""
        for _ in range(200):
            if not self.rows:
                return
            await self.attempt()
        raise AssertionError(self.errors[-1])


def header(post: Post) -> str:
    """The first line of a message."""
    text: str = post.content["blocks"][0]["text"]["text"]
    return text


def outline(channel: Channel) -> list[Any]:
    """A channel as a list: each root's first line, then those of its thread, `!` before what is shown in the channel."""
    found: list[Any] = []
    for post in channel.roots():
        replies = [("! " if each.broadcast else "") + short(each) for each in channel.thread(post.ts)]
        found.append((short(post), replies))
    return found


def short(post: Post) -> str:
    """A first line without its place."""
    return header(post).split(" · ")[0]


Make = Callable[[], Notification]
QUEUED = notification(alert("Queued", labels={"severity": "info"}, annotations={"summary": "queued"}))
DEPLOYING = notification(
    alert("Deploying", labels={"severity": "info"}, annotations={"summary": "deploying"}),
    reason=NotifyReason.NEW_ALERTS,
)
FAILED_FIRST = notification(alert(annotations={"summary": "failed", "error": "npm ci exited with code 1"}))
FAILED_NEXT = notification(
    alert(annotations={"summary": "failed", "error": "npm ci exited with code 1"}), reason=NotifyReason.NEW_ALERTS
)
FAILED_AGAIN = notification(alert(attempts=2), reason=NotifyReason.NEW_ATTEMPT)
REMINDER = notification(alert(fresh=False), reason=NotifyReason.REPEAT)
RECOVERED = notification(resolved(), reason=NotifyReason.ALL_RESOLVED)
FACT = notification(alert("Published", fact=True, labels={"severity": "info"}))
