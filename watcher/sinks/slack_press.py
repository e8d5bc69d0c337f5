"""What becomes of a pressed button: who may, what is done, what is said. The same however Slack tells us of it.

Slack wants an answer within three seconds, so whoever takes a press answers first and lets it act afterwards. What came
of it is said to the one who pressed, or to the card's thread where it concerns everybody, through the press's own
`response_url`: that needs no token, and cannot be sent anywhere but to where the button was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import structlog

from watcher.core.silence import SilenceText
from watcher.errors import StoreError
from watcher.http import Request, TransportError
from watcher.ports import Clock, Operating
from watcher.sinks.base import MAX_REPLY, Http
from watcher.sinks.slack_buttons import Meant, Press, meant
from watcher.sinks.slack_message import encoded, escape

log = structlog.get_logger(__name__)

HOUR = 3_600_000
DEADLINE = 10_000
MOST = 32
"""Presses that are acted on at once; a person cannot press faster, and what is beyond is asked to press again."""
LAST_SECONDS = 5.0
EVERYBODY = "*"
"""In the place of a user: whoever is in the channel."""
_SHOWN = 80


class Refused(Protocol):
    """Puts on record that somebody pressed who may not."""

    async def __call__(self, *, by: str, action: str, subject: str) -> None:
        """Write it down."""
        ...


class _User(msgspec.Struct, frozen=True):
    """Who pressed."""

    id: str
    username: str = ""
    name: str = ""


class _Action(msgspec.Struct, frozen=True):
    """Which button was pressed."""

    action_id: str
    value: str = ""


class _Message(msgspec.Struct, frozen=True):
    """The message whose button it was."""

    ts: str = ""
    thread_ts: str = ""


class _Interaction(msgspec.Struct, frozen=True):
    """What Slack sends, as far as it matters."""

    type: str
    user: _User
    actions: list[_Action] = []
    response_url: str = ""
    message: _Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """One press. `answer_to` is where to say what came of it; `thread` is the card's."""

    press: Press
    about: Meant
    user: str
    name: str
    answer_to: str = field(default="", repr=False)
    thread: str = ""

    @property
    def by(self) -> str:
        """Who it was, for the record: a name can be changed, an id cannot."""
        return f"{self.name} (Slack {self.user})" if self.name else f"Slack {self.user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Who may press: users by id, and groups by id, whose members `members` knows. Nobody is named: nobody may."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    members: Callable[[str], Awaitable[frozenset[str]]] | None = None

    async def admits(self, user: str) -> bool:
        """Whether a user may."""
        if user in self.users or EVERYBODY in self.users:
            return True
        if self.members is None:
            return False
        for group in sorted(self.groups):
            if user in await self.members(group):
                return True
        return False


def read(payload: object) -> Pressed | None:
    """The press in what Slack sent, decoded from JSON; `None` where it is none of ours."""
    try:
        found = msgspec.convert(payload, _Interaction)
        (action,) = found.actions
        press = Press(action.action_id)
    except (msgspec.ValidationError, ValueError):
        return None
    about = meant(action.value)
    if found.type != "block_actions" or about is None:
        return None
    message = found.message or _Message()
    return Pressed(
        press=press,
        about=about,
        user=found.user.id,
        name=found.user.username or found.user.name,
        answer_to=found.response_url,
        thread=message.thread_ts or message.ts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where presses are acted on."""

    operating: Operating
    allowed: Allowed
    refused: Refused
    http: Http
    clock: Clock

    async def act(self, pressed: Pressed) -> None:
        """Do what a press asks for, if they may who pressed, and say what came of it. Raises StoreError."""
        try:
            said = await self._done(pressed)
        except ValueError as error:
            said = _to_one(f"That did not work: {escape(str(error), 500)}")
        except StoreError:
            await self._say(
                pressed, _to_one("That could not be written down, so it is not done. Try again in a while.")
            )
            raise
        await self._say(pressed, said)

    async def _done(self, pressed: Pressed) -> dict[str, Any]:
        if await self.allowed.admits(pressed.user):
            return await self._do(pressed)
        await self.refused(by=pressed.by, action=pressed.press.value, subject=pressed.about.group)
        return _to_one("You may not do that here: ask whoever runs the watcher to name you.")

    async def _do(self, pressed: Pressed) -> dict[str, Any]:
        who = f"<@{pressed.user}>" if pressed.user.isalnum() else escape(pressed.name, _SHOWN)
        if pressed.press is Press.ACKNOWLEDGE:
            count = await self.operating.acknowledge(pressed.about.group, by=pressed.by)
            if not count:
                return _to_one("Nothing of this fires any more, or it is acknowledged already.")
            return _to_all(pressed, f"👀 Acknowledged by {who}: no reminders until something changes.")
        until_deployment = pressed.press is Press.SILENCE_DEPLOYMENT
        wanted = SilenceText(
            matchers=pressed.about.matchers,
            comment="by a button in Slack",
            ends_at=0 if until_deployment else self.clock.now() + HOUR,
            until_deployment=until_deployment,
        )
        made = await self.operating.silence(wanted, by=pressed.by)
        until = "the next deployment" if until_deployment else "one hour from now"
        return _to_all(pressed, f"🔕 Silenced by {who} until {until} (silence {escape(made.id, _SHOWN)}).")

    async def _say(self, pressed: Pressed, message: Mapping[str, Any]) -> None:
        """Answer. What was done is done: an answer that is lost is no fault of it."""
        if not pressed.answer_to:
            return
        request = Request(
            url=pressed.answer_to,
            method="POST",
            headers={"content-type": "application/json; charset=utf-8"},
            body=encoded(message),
            deadline=DEADLINE,
            cap=MAX_REPLY,
            guard=True,
        )
        try:
            await self.http.send(request)
        except TransportError as error:
            log.warning("press.unanswered", error=str(error))


class Presses:
    """Presses that are acted on once whoever took them has answered."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._acting: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether so many are being acted on that no other should be taken."""
        return len(self._acting) >= MOST

    def take(self, pressed: Pressed) -> None:
        """Act on a press from now on."""
        task = asyncio.get_running_loop().create_task(self._act(pressed), name="press")
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def close(self) -> None:
        """Finish what was asked for, and what takes too long not at all."""
        if not self._acting:
            return
        _, late = await asyncio.wait(self._acting, timeout=LAST_SECONDS)
        for each in late:
            each.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _act(self, pressed: Pressed) -> None:
        try:
            await self._desk.act(pressed)
        except StoreError as error:
            log.error("press.failed", error=str(error))  # noqa: TRY400  its text says it all
        except Exception:
            log.exception("press.failed")


def _to_one(text: str) -> dict[str, Any]:
    return {"response_type": "ephemeral", "replace_original": False, "text": text}


def _to_all(pressed: Pressed, text: str) -> dict[str, Any]:
    """Into the thread of the card, so that everybody knows who has taken it on."""
    thread = {"thread_ts": pressed.thread} if pressed.thread else {}
    return {"response_type": "in_channel", "replace_original": False, "text": text, **thread}
