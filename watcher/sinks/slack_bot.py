"""A Slack bot: live cards over the Web API.

One send is at most one message posted and one edited, because Slack takes one message a second in a channel and the
turn for that is taken outside. What is done of the two is remembered even where the other fails, so that the next
attempt does the other alone. An edit may be repeated without harm; only a post whose outcome is unknown can be seen
twice, and then says so. Each post carries the delivery's id as metadata, by which programs can tell.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from watcher.core.delivery import Delivery, Outcome
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError
from watcher.ports import Clock
from watcher.sinks import slack_card, slack_message
from watcher.sinks.base import Endpoint, Http, address, frozen_body
from watcher.sinks.outcome import Reply
from watcher.sinks.slack_answer import LostError, Posted, answered, is_unreadable, posted
from watcher.sinks.slack_card import Card, Manner, Sheet

POST, UPDATE = "chat.postMessage", "chat.update"
EVENT_TYPE = "connect_watcher_notification"
_JSON, _FORM = "application/json; charset=utf-8", "application/x-www-form-urlencoded"
_SOFT = frozenset({Outcome.REJECTED, Outcome.UNKNOWN, Outcome.MALFORMED})
"""What an edit may come to without keeping the message beside it from people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Slack's Web API, as far as a bot needs it. The token is read anew for each call."""

    http: Http
    clock: Clock
    url: str
    token: Callable[[], str]
    deadline: int

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Posted:
        """Call a method that posts or edits. Raises DeliveryError unless Slack says that it did."""
        return posted(await self._post(method, _JSON, slack_message.encoded(arguments)), method)

    async def ask(self, method: str, **arguments: str) -> Mapping[str, Any]:
        """Call a method that says something: such take no JSON. Raises DeliveryError unless Slack says that it did."""
        return answered(await self._post(method, _FORM, urlencode(arguments).encode()), method)

    async def _post(self, method: str, content_type: str, body: bytes) -> Reply:
        to = address(f"{self.url}/{method}")
        endpoint = Endpoint(http=self.http, clock=self.clock, read=lambda: to, deadline=self.deadline)
        return await endpoint.post({"authorization": f"Bearer {self.token()}", "content-type": content_type}, body)


def paces(api: Api, manner: Manner) -> tuple[Pace, ...]:
    """How fast Slack may be written to.

    One message a second in a channel; several hundred a minute in a workspace, of which 300 are taken; `chat.update` is
    of the third tier, 50 a minute: ten at once and 40 in the minute after. The names tell one app in one workspace from
    another by a digest of the token without its secret part.
    """
    token = api.token()
    parts = token.split("-")
    bearer = "-".join(parts[:3]) if len(parts) > 3 else token  # noqa: PLR2004  xoxb, the workspace, the bot, the secret
    app = hashlib.sha256(f"{api.url}\n{bearer}".encode()).hexdigest()[:12]
    place = hashlib.sha256(manner.channel.encode()).hexdigest()[:12]
    found = [
        Pace(name=f"slack/{app}/{place}", every=1_000),
        Pace(name=f"slack/{app}/{POST}", every=200, burst=5),
    ]
    return (*found, *([Pace(name=f"slack/{app}/{UPDATE}", every=1_500, burst=10)] if manner.edits else []))


class SlackBot:
    """Keeps one live card for each group in one channel."""

    def __init__(self, sink_id: str, api: Api, manner: Manner, *, send_resolved: bool = True) -> None:
        self.id = sink_id
        self.acknowledgements = self.keeps_open = manner.edits
        self.send_resolved = send_resolved
        self.paces = paces(api, manner)
        self._updates = frozenset(pace.name for pace in self.paces if pace.name.endswith(UPDATE))
        self._api = api
        self._manner = manner

    def render(self, notification: Notification) -> bytes:
        """The sheet as JSON."""
        return slack_card.frozen(slack_card.sheet(notification, self._manner))

    def idle(self, delivery: Delivery, body: bytes) -> frozenset[str]:
        """A card that is begun is not edited."""
        card = slack_card.card_in(delivery.memo)
        try:
            new = card is None or slack_card.begins(card, slack_card.read_sheet(body), delivery)
        except ValueError:  # a body of another version, which sending finds out about
            return frozenset()
        return self._updates if new else frozenset()

    async def send(self, delivery: Delivery) -> str | None:
        """Begin a card, or bring one up to date and tell beside it what is new; returns the card."""
        told = slack_card.read_sheet(frozen_body(delivery))
        if not (self._manner.edits or self._manner.threads):
            await self._alone(delivery, told)
            return None
        card = slack_card.card_in(delivery.memo)
        if card is None or slack_card.begins(card, told, delivery):
            return await self._begin(delivery, told, ())
        try:
            return await self._continue(card, delivery, told)
        except LostError:
            if slack_card.is_late(card, delivery):
                await self._alone(delivery, told)
                return None
            return await self._begin(delivery, told, slack_card.earlier(card, delivery))

    async def _alone(self, delivery: Delivery, told: Sheet) -> None:
        """Post a message that nothing will be done to any more."""
        await self._post(delivery, slack_card.root(told, (), call=True), {})

    async def _begin(self, delivery: Delivery, told: Sheet, before: tuple[str, ...]) -> str | None:
        """Post a new card. Where it stands is the memo; without that there is nothing to come back to."""
        at = await self._post(delivery, slack_card.root(told, before, call=True), {})
        return slack_card.memo_of(slack_card.begun(at, told, delivery, before, self._manner)) if at.ts else None

    async def _continue(self, card: Card, delivery: Delivery, told: Sheet) -> str | None:
        """Edit the card, then post beside it. Raises DeliveryError with the card as far as it came."""
        before, failed = slack_card.earlier(card, delivery), None
        if slack_card.is_to_edit(card, told, delivery, self._manner):
            failed = await self._edit(card, slack_card.root(told, before, call=False))
            edited = card.edited if failed else delivery.id
            card = replace(slack_card.after(card, told, delivery), edited=edited)
        if slack_card.is_to_reply(card, told, delivery, self._manner):
            try:
                await self._post(delivery, slack_card.reply(told, card.beginning), self._beside(card, told))
            except DeliveryError as error:
                error.memo = error.memo or slack_card.memo_of(card)
                raise
            card = replace(card, beginning="", replied=delivery.id)
        memo = slack_card.memo_of(slack_card.after(card, told, delivery))
        if failed:
            failed.memo = memo
            raise failed
        return memo

    def _beside(self, card: Card, told: Sheet) -> dict[str, Any]:
        """Where a message beside the card goes: into its thread, and into the channel where people must hear it."""
        if not self._manner.threads:
            return {"channel": card.channel}
        loud = slack_card.is_to_broadcast(told, self._manner)
        return {"channel": card.channel, "thread_ts": card.ts, **({"reply_broadcast": True} if loud else {})}

    async def _edit(self, card: Card, message: dict[str, Any]) -> DeliveryError | None:
        """Edit the card. Returns what kept it from being edited where people can be told nevertheless.

        Nobody has seen anything of an edit without an answer, and it can be made again: it is no doubt.
        """
        where = {"channel": card.channel, "ts": card.ts, "parse": "none"}
        try:
            await self._call(UPDATE, message, where)
        except LostError:
            raise
        except DeliveryError as error:
            if error.outcome not in _SOFT:
                raise
            if error.outcome is Outcome.UNKNOWN:
                error.outcome = Outcome.REJECTED
            return error
        return None

    async def _post(self, delivery: Delivery, message: dict[str, Any], where: dict[str, Any]) -> Posted:
        """Post a message; one that may be there already says so."""
        if delivery.unknown_outcomes:
            message = slack_message.marked(message, delivery.id)
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"id": delivery.id}}
        return await self._call(POST, message, {"channel": self._manner.channel, "metadata": metadata, **where})

    async def _call(self, method: str, message: dict[str, Any], where: dict[str, Any]) -> Posted:
        """Call a method; what Slack cannot read is sent once more as nothing but its text."""
        try:
            return await self._api.call(method, {**message, **where})
        except DeliveryError as error:
            if not is_unreadable(error):
                raise
        bare = {**slack_message.plain(message), "blocks": [], "attachments": []}
        kept = {name: value for name, value in where.items() if name != "metadata"}
        return await self._api.call(method, {**bare, **kept})


def app_token(text: str) -> str:
    """Read an app-level token. Raises ValueError, which does not show it."""
    if not text.startswith("xapp-") or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not an app-level token, which begins with xapp-")
    return text


def bot_token(text: str) -> str:
    """Read a bot token. Raises ValueError, which does not show it."""
    if text.startswith("xapp-"):
        raise ValueError("is an app-level token; messages need the bot token, which begins with xoxb-")
    if not text.startswith(("xoxb-", "xoxe.xoxb-")) or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not a bot token, which begins with xoxb-")
    return text
