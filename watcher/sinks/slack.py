"""Slack, in two forms under one name: an incoming webhook, which posts, and a bot token, which keeps live cards.

A webhook knows one channel and is told nothing about what it posted, so that each notification is a message of its own.
A bot (`token` and `channel`; it needs the scope `chat:write` and to be in the channel) edits and answers what it posted:
see `slack_card` for what is told where, and when a new card begins.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from watcher.core.delivery import Delivery
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.ports import Sink
from watcher.sinks.base import Endpoint, HttpSinkConfig, Wiring, address, checked, frozen_body, secret_like
from watcher.sinks.outcome import Reply
from watcher.sinks.slack_answer import is_unreadable, verdict
from watcher.sinks.slack_bot import Api, SlackBot, bot_token
from watcher.sinks.slack_card import Manner
from watcher.sinks.slack_message import encoded, marked, payload, plain

API_URL = "https://slack.com/api"

_MENTION = re.compile(r"<!(?:here|channel|everyone)>|<@[A-Z0-9]+>|<!subteam\^[A-Z0-9]+>")
_OF_BOTS = ("channel", "api_url", "update_message", "threads", "broadcast", "actions")


def _mentions(text: str) -> str:
    if not all(_MENTION.fullmatch(each) for each in text.split(" ") if text):
        raise ValueError("must be mentions as Slack writes them, with one space between: <!here> <@U…> <!subteam^S…>")
    return text


def _api_url(text: str) -> str:
    address(text)
    return text.rstrip("/")


class SlackConfig(HttpSinkConfig):
    """An incoming webhook of Slack, or a bot of it in a channel."""

    kind: ClassVar[str] = "slack"
    secrets: ClassVar[Mapping[str, bool]] = {"url": False, "token": False}

    token: Annotated[SecretStr, secret_like(bot_token)] | None = None
    """A bot's token, as `xoxb-…`, in place of `url`."""
    token_file: Path | None = None
    channel: str = Field(default="", pattern=r"^(#?[^\s#,<>&]{1,80})?$")
    """Where the bot posts: the channel's id, or its name."""
    api_url: Annotated[str, AfterValidator(_api_url)] = API_URL
    """Where Slack's Web API is."""
    mention: Annotated[str, AfterValidator(_mentions)] = ""
    """Whom to call when something critical fires: `<!here>`, `<@U…>`, `<!subteam^S…>`, one or several."""
    update_message: bool = True
    """Whether a bot edits the message of a group as the group changes; if not, each notification is another message."""
    threads: bool = True
    """Whether what changes stands in the message's thread too."""
    broadcast: bool = True
    """Whether failures in a thread are shown in the channel as well."""
    actions: bool = False
    """Whether a bot's messages have buttons."""

    @model_validator(mode="after")
    def _one_of_twins(self) -> Self:
        given = [each for each in ("url", "url_file", "token", "token_file") if getattr(self, each) is not None]
        if len(given) != 1:
            raise ValueError("give either url or url_file, which are a webhook's, or token or token_file, a bot's")
        webhook = given[0].startswith("url")
        if webhook and (foreign := [each for each in _OF_BOTS if each in self.model_fields_set]):
            raise ValueError(f"{', '.join(foreign)}: a webhook has no such thing; give token or token_file for a bot")
        if not webhook and not self.channel:
            raise ValueError("give the channel that the bot posts to")
        return self

    def build(self, sink_id: str, wiring: Wiring) -> Sink:
        """Make the sink."""
        if not self.is_bot:
            return Slack(sink_id, self, self.endpoint(sink_id, wiring))
        manner = Manner(
            channel=self.channel,
            edits=self.update_message,
            threads=self.threads,
            broadcast=self.broadcast,
            mention=self.mention,
            actions=self.actions,
        )
        return SlackBot(sink_id, self.api(sink_id, wiring), manner, send_resolved=self.send_resolved)

    @property
    def is_bot(self) -> bool:
        """Whether it is a bot rather than a webhook."""
        return self.token is not None or self.token_file is not None

    def api(self, sink_id: str, wiring: Wiring) -> Api:
        """What the bot calls. Raises ConfigError where its token cannot be read, or is a webhook's."""
        return Api(
            http=wiring.http,
            clock=wiring.env.clock,
            url=self.api_url,
            token=checked(f"{sink_id}: token", self.reader("token", wiring), bot_token),
            deadline=self.timeout,
        )


class Slack:
    """Posts to one incoming webhook."""

    paces: tuple[Pace, ...] = ()

    def __init__(self, sink_id: str, config: SlackConfig, endpoint: Endpoint) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.mention = config.mention
        self._endpoint = endpoint

    def render(self, notification: Notification) -> bytes:
        """The message as JSON."""
        return encoded(payload(notification, self.mention))

    async def send(self, delivery: Delivery) -> None:
        """Post the frozen body; where Slack cannot read it, once more as nothing but its text."""
        body = frozen_body(delivery)
        marking = marked(json.loads(body), delivery.id) if delivery.unknown_outcomes else None
        error = verdict(await self._post(encoded(marking) if marking else body))
        if error is not None and is_unreadable(error):
            error = verdict(await self._post(encoded(plain(json.loads(body)))))
        if error is not None:
            raise error

    async def _post(self, body: bytes) -> Reply:
        return await self._endpoint.post({"content-type": "application/json; charset=utf-8"}, body)
