"""A live card: what is remembered of it, what a notification wants of it, and what is to be done. Pure.

A card is one message at the root of a thread, for one group at one sink. It shows how the group stands now; its thread
holds how it came to that. It begins with the first thing told of a group and ends when nothing of it stands any more:
all has ended, or it was only of facts, which never end. What is told after that begins a new card, so that a trouble of
today is not hidden in a message of last week. Where ends are not told (`send_resolved = false`), a notification that says
it is the first does. A digest is a message of its own: nothing will ever be said of just what it tells of. A group that
moves to another name, since routes have changed, ends its card, and begins another one without calling anybody.

What a person must hear. A message that is edited makes no sound, and a reply only to those who follow the thread. So:
a failure, a failure anew and a reminder of one are broadcast into the channel; an end, and news of severity `info`, stand
in the thread and on the card. Without threads the loud ones are posted as messages of their own, and the others are on
the card alone. Without edits the card goes on saying what it said at first, so the end is broadcast too.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from watcher import render
from watcher.core.delivery import Delivery
from watcher.core.notification import Notification, NotifyReason
from watcher.sinks import slack_message
from watcher.sinks.slack_answer import Posted
from watcher.sinks.slack_buttons import buttons
from watcher.sinks.slack_message import Block, escape, fenced, mrkdwn, section

EARLIER = 5
"""Earlier states that a card shows."""
MAX_EARLIER = 120
MAX_BEGINNING = 500
SPARE = 2_500
"""Characters of the budget that are left for what is added when a message is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A notification, rendered: the bytes that are frozen are these fields as JSON.

    `line` is what later states of the card show of it, `beginning` what the thread shows of a card that began with it.
    `counts` says that it counts what silences held back, which no other message does; `aside` that it holds no news, so
    that it is on the card alone.
    """

    message: dict[str, Any]
    buttons: list[Block]
    call: str
    line: str
    beginning: str
    first: bool
    firing: bool
    stands: bool
    loud: bool
    counts: bool = False
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is remembered of a lane. `seq` is the newest delivery that was told, `over` whether it left nothing standing.

    `beginning` is owed to the thread: the root is edited, and how it began would be lost. `edited` and `replied` are the
    last deliveries whose edit and whose reply took place, so that an attempt that comes after half a success does the
    other half.
    """

    channel: str
    ts: str
    seq: int
    over: bool
    beginning: str = ""
    lines: tuple[str, ...] = ()
    edited: str = ""
    replied: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Where and how a sink tells: whether it edits its cards, whether it has threads, whether these speak to the channel."""

    channel: str
    edits: bool = True
    threads: bool = True
    broadcast: bool = True
    mention: str = ""
    actions: bool = False

    @property
    def owes_beginning(self) -> bool:
        """Whether a card forgets how it began, and has a thread that can tell."""
        return self.edits and self.threads


# ── from a notification ──────────────────────────────────────────────────────


def sheet(notification: Notification, manner: Manner) -> Sheet:
    """What a notification wants of a card."""
    moved = notification.reason is NotifyReason.MOVED
    wanted = buttons(notification) if manner.actions and not moved else []
    spare = SPARE + slack_message.size(wanted) + len(manner.mention)
    message = slack_message.payload(notification, spare=spare)
    firing = [alert for alert in notification.alerts if not render.is_over(alert)]
    return Sheet(
        message=message,
        buttons=wanted,
        call=manner.mention if slack_message.calls(notification) else "",
        line=_line(notification),
        beginning=_beginning(notification),
        first=notification.reason in {NotifyReason.FIRST, NotifyReason.DIGEST},
        firing=bool(firing) and not moved,
        stands=any(not alert.fact for alert in firing) and not moved and notification.reason is not NotifyReason.DIGEST,
        loud=_is_loud(notification),
        counts=bool(notification.held_back),
        aside=notification.reason in slack_message.ASIDE,
    )


def _is_loud(notification: Notification) -> bool:
    """Whether a person has to hear it: a failure that is news, or a reminder of one. What has no severity counts as one."""
    if notification.reason in slack_message.QUIET:
        return False
    firing = [alert for alert in notification.alerts if not render.is_over(alert) and not alert.silenced]
    reminder = notification.reason is NotifyReason.REPEAT
    news = (alert for alert in firing if alert.fresh or (reminder and not alert.acknowledged_by))
    return any(alert.labels.get("severity", "") != "info" for alert in news)


def _line(notification: Notification) -> str:
    emoji, _ = slack_message.signs(notification)
    title = escape(slack_message.headline(notification), MAX_EARLIER)
    return f"{render.to_the_second(notification.at)} {emoji} {title}"


def _beginning(notification: Notification) -> str:
    error = slack_message.news_of(render.ranked(notification.alerts))
    return "\n".join([_line(notification), *([fenced(error, MAX_BEGINNING)] if error else [])])


def frozen(told: Sheet) -> bytes:
    """The sheet as the body of a delivery."""
    return slack_message.encoded(asdict(told))


def read_sheet(body: bytes) -> Sheet:
    """The sheet in a frozen body. Raises ValueError for what is none."""
    return msgspec.json.decode(body, type=Sheet)


# ── what is remembered ───────────────────────────────────────────────────────


def card_in(memo: str) -> Card | None:
    """The card that a memo holds; `None` where it holds none that can be read, and then a new one is begun."""
    try:
        return msgspec.json.decode(memo, type=Card) if memo else None
    except ValueError:
        return None


def memo_of(card: Card) -> str:
    """The card as text."""
    return json.dumps(asdict(card), ensure_ascii=False, separators=(",", ":"))


# ── what is to be done ───────────────────────────────────────────────────────


def is_late(card: Card, delivery: Delivery) -> bool:
    """Whether something newer has been told already, as after the replay of a dead letter: the card shows better."""
    return delivery.seq < card.seq


def begins(card: Card, told: Sheet, delivery: Delivery) -> bool:
    """Whether a notification begins a new card beside one that there was."""
    return delivery.seq > card.seq and (told.first or (card.over and told.firing))


def is_to_edit(card: Card, told: Sheet, delivery: Delivery, manner: Manner) -> bool:
    """Whether the root is to be edited. What is superseded leaves that to what follows, but for an end.

    What follows an end begins a new card, and this one would say for ever that it still burns.
    """
    skipped = is_late(card, delivery) or (delivery.superseded and told.stands)
    return manner.edits and not skipped and card.edited != delivery.id


def is_to_reply(card: Card, told: Sheet, delivery: Delivery, manner: Manner) -> bool:
    """Whether a message is to be posted beside the card: also where the card never shows what only this one counts."""
    unseen = is_late(card, delivery) or (told.counts and delivery.superseded)
    return (manner.threads or told.loud or unseen) and not told.aside and card.replied != delivery.id


def is_to_broadcast(told: Sheet, manner: Manner) -> bool:
    """Whether a reply is shown in the channel too."""
    return manner.threads and manner.broadcast and (told.loud or not (manner.edits or told.stands))


def begun(at: Posted, told: Sheet, delivery: Delivery, before: tuple[str, ...], manner: Manner) -> Card:
    """A card that a delivery has just begun, or begun afresh."""
    return Card(
        channel=at.channel,
        ts=at.ts,
        seq=delivery.seq,
        over=not told.stands,
        beginning=told.beginning if manner.owes_beginning else "",
        lines=(*before, told.line),
        edited=delivery.id,
        replied=delivery.id,
    )


def after(card: Card, told: Sheet, delivery: Delivery) -> Card:
    """The card once a notification has been told, all steps aside."""
    if is_late(card, delivery):
        return card
    lines = card.lines if card.seq == delivery.seq else (*card.lines, told.line)
    return replace(card, seq=delivery.seq, over=not told.stands, lines=lines[-EARLIER - 1 :])


def earlier(card: Card, delivery: Delivery) -> tuple[str, ...]:
    """The states before this delivery's, oldest first."""
    known = card.lines[:-1] if card.seq == delivery.seq else card.lines
    return known[-EARLIER:]


# ── messages ─────────────────────────────────────────────────────────────────


def root(told: Sheet, before: tuple[str, ...], *, call: bool) -> dict[str, Any]:
    """The card itself: how the group stands now, what came before, what can be done."""
    states: list[Block] = [{"type": "context", "elements": [mrkdwn("\n".join(before))]}] if before else []
    return slack_message.inserted(_called(told) if call else told.message, [*states, *told.buttons])


def reply(told: Sheet, beginning: str) -> dict[str, Any]:
    """A message beside the card. The first tells how the card began."""
    began = [section(f"*This began with*\n{beginning}")] if beginning else []
    return slack_message.inserted(_called(told), began)


def _called(told: Sheet) -> dict[str, Any]:
    """The message with a call in front: an edit calls nobody, so that it is not part of every message."""
    if not told.call:
        return told.message
    blocks = [*told.message["blocks"], section(told.call)]
    return {**told.message, "text": f"{told.call} {told.message['text']}", "blocks": blocks}
