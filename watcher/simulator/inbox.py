"""Where messages arrive: Slack's incoming webhook and Web API, and a webhook that takes anything."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from watcher.simulator.clock import Clock, iso
from watcher.simulator.decoding import decoded
from watcher.simulator.errors import ApiError
from watcher.simulator.journal import headers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that was taken. `body` is the parsed JSON where it is JSON, otherwise the text."""

    at: str
    kind: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True, kw_only=True)
class Inbox:
    """The messages taken so far, in order of arrival."""

    clock: Clock
    messages: list[Message] = field(default_factory=list)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, kind: str, request: web.Request, body: Any) -> None:
        """Keep one message and wake everyone who waits for it. The token of a bot is not kept."""
        headers = headers_of(request)
        message = Message(
            at=iso(self.clock.now()),
            kind=kind,
            method=request.method,
            path=request.path,
            headers={
                name: value for name, value in headers.items() if kind != "slack" or name.lower() != "authorization"
            },
            body=body,
        )
        self.messages.append(message)
        self._grown.set()
        self._grown = asyncio.Event()

    async def wait(self, predicate: Callable[[Sequence[Message]], bool], seconds: float) -> tuple[Message, ...]:
        """Wait until `predicate` likes the whole inbox; what it then holds. Raises TimeoutError."""
        try:
            async with asyncio.timeout(seconds):
                while not predicate(self.messages):
                    await self._grown.wait()
        except TimeoutError:
            bodies = [message.body for message in self.messages]
            raise TimeoutError(f"the inbox is not as expected after {seconds} s; it holds {bodies}") from None
        return tuple(self.messages)


def read_json(raw: bytes) -> Any:
    """The parsed JSON, or the text where it is none, or none that could be shown."""
    try:
        return decoded(raw)
    except ApiError:
        return raw.decode(errors="replace")


def read_slack(raw: bytes, content_type: str) -> Any:
    """A hook's payload: the JSON body, or the `payload` field of a form."""
    if content_type == "application/x-www-form-urlencoded":
        raw = parse_qs(raw.decode(errors="replace")).get("payload", [""])[0].encode()
    return read_json(raw)
