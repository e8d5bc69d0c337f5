"""What a sink may do to delivering that it should not: what it says, how it ends, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import msgspec
import pytest

from tests.fakes import START, FakeClock
from tests.integration.delivering import HOUR, MINUTE, SECOND, Call, Office, broken, name_of, unreadable
from tests.notifications import alert, notification
from watcher.core.breaker import PROBES
from watcher.core.delivery import Delivery, Outcome
from watcher.core.event import EventType
from watcher.core.notification import AlertView
from watcher.errors import DeliveryError
from watcher.pipeline.places import UNPACED
from watcher.ports import Judgement, Store
from watcher.store import inline, open_store

SLACK, OTHER = "team/slack/0", "team/webhook/0"
NOT_TEXT = "\ud800"


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await open_store("sqlite://", clock=FakeClock(), run=inline)
    yield opened
    await opened.close()


async def opened(store: Store, *sinks: str) -> Office:
    office = Office(store, *sinks)
    await office.open()
    return office


async def test_a_send_that_something_within_the_sink_has_cancelled_is_made_again(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]

    def cancelled(_: Delivery) -> None:
        if len(slack.calls) == 1:
            raise asyncio.CancelledError

    slack.answer = cancelled
    await office.tell(SLACK, "m")
    await office.run(HOUR)

    assert [each.delivery.unknown_outcomes for each in slack.calls] == [0, 1]
    assert await office.count() == {"delivered": 1}


async def test_what_a_sink_says_that_is_no_text_keeps_no_outcome_from_being_written(store: Store) -> None:
    office = await opened(store, SLACK, OTHER)
    slack = office.sinks[SLACK]
    slack.memo = NOT_TEXT

    def strange(_: Delivery) -> DeliveryError | None:
        error = DeliveryError(NOT_TEXT, Outcome.REJECTED, reason="strange")
        error.memo = NOT_TEXT
        return error if len(slack.calls) == 1 else None

    slack.answer = strange
    await office.tell(SLACK, "m")
    await office.tell(OTHER, "n")
    await office.run(HOUR)

    assert [each.delivery.memo for each in slack.calls] == ["", "?"]
    assert await office.count() == {"delivered": 2}


async def test_a_message_that_a_sink_that_is_down_cannot_read_is_not_given_up_in_a_moment(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.answer = broken
    await office.tell(SLACK, "m")
    await office.run(10 * MINUTE)
    slack.answer = unreadable
    await office.run(HOUR)
    began = [each.began for each in slack.calls if each.error and each.error.outcome is Outcome.MALFORMED]

    assert [late - early for early, late in pairwise(began)] == [PROBES[0]] * 3
    assert await office.count() == {"dead": 1}


async def test_a_place_that_becomes_free_where_there_was_none_is_made_known_at_once(store: Store) -> None:
    office = await opened(store, OTHER)
    other, woken = office.sinks[OTHER], list[int]()
    await office.tell(OTHER, *(f"m{n}" for n in range(UNPACED)))
    await office.run(SECOND)
    office.deliverer._changed = lambda: woken.append(office.clock.at)

    async def hang(delivery: Delivery) -> None:
        other.calls.append(Call(office.clock.at, delivery))
        await office.passes(1 if name_of(delivery) == "quick" else MINUTE)

    other.send = hang  # type: ignore[method-assign]  # all but one hang
    await office.tell(OTHER, "quick", *(f"n{n}" for n in range(UNPACED)))
    await office.run(2 * SECOND)

    assert woken == [START + SECOND + 1]


def about(name: str, *, fresh: bool = True) -> AlertView:
    return alert(labels={"alertname": name}, fingerprint=name, fresh=fresh)


@pytest.mark.parametrize(
    ("views", "told"),
    [
        ([about("DeadLetter")], 0),
        ([about("DeadLetter"), about("Failed", fresh=False)], 0),
        ([about("DeadLetter"), about("Failed")], 1),
        ([about("Failed", fresh=False)], 1),
    ],
    ids=["a dead letter", "and what is known", "and a failure", "a reminder"],
)
async def test_a_message_that_is_given_up_is_told_unless_its_only_news_is_that_another_was(
    store: Store, views: list[AlertView], told: int
) -> None:
    office = await opened(store, SLACK)
    office.sinks[SLACK].answer = unreadable
    message = notification(*views, id="x", at=START, group_labels={"name": "x"})
    row = Delivery(
        id="x",
        sink=SLACK,
        lane="l",
        seq=0,
        notification=msgspec.json.encode(message),
        created_at=START,
        observed_at=START,
        due_at=START,
    )
    await store.commit_judgement(Judgement(cursor=0, deliveries=[row]))
    await office.run(HOUR)

    events = (await store.backlog(0, 100)).events
    assert await office.count() == {"dead": 1}
    assert [each.type for each in events] == [EventType.DEAD_LETTER] * told
