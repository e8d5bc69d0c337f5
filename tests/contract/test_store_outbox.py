"""What every store must do for delivering: memos, priorities, what refuses or returns, dead letters, digests."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.test_store import (
    DEAD,
    DELIVERED,
    HOUR,
    SINK,
    URLS,
    claim,
    deliver,
    delivery,
    due,
    event,
    retry,
    settle,
    tell,
)
from tests.fakes import START, FakeClock
from watcher.core.breaker import FAILURES, WELL, Breaker
from watcher.core.delivery import BUDGET, Delivery, DeliveryState
from watcher.core.event import EventType
from watcher.errors import StoreError
from watcher.ports import Settled, Store
from watcher.store import open_store

DAY = 24 * HOUR
OWN = f"{SINK}|digest"


@pytest.fixture(params=URLS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(request.param.format(folder=tmp_path), clock=FakeClock())
    yield opened
    await opened.close()


def critical(name: str, lane: str = "a", **fields: object) -> Delivery:
    return delivery(name, lane, severity="critical", **fields)


async def dead(store: Store, *names: str, now: int = START) -> None:
    for name in names:
        assert [each.id for each in await claim(store, name, now=now)] == [name]
        await settle(store, name, DEAD, now, error="status 400")


async def states(store: Store) -> dict[str, int]:
    return {state.value: count for state, count in (await store.outbox()).rows.items() if count}


# ── memos ────────────────────────────────────────────────────────────────────


async def test_a_memo_is_there_for_the_next_of_its_lane_and_for_no_other(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"), delivery("b1", "b"), delivery("c1", sink="other"))
    (first,) = await claim(store, "a1")
    await settle(store, "a1", DELIVERED, memo="ts 1")
    (second,) = await claim(store, "a2")
    (lane,) = await claim(store, "b1")
    (sink,) = await claim(store, "c1")

    assert (first.memo, second.memo, lane.memo, sink.memo) == ("", "ts 1", "", "")


async def test_a_memo_is_kept_by_an_attempt_that_failed_and_by_one_that_says_nothing(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"))
    await claim(store, "a1")
    await settle(store, "a1", retry(START), memo="half done")
    (again,) = await claim(store, "a1")
    await settle(store, "a1", DELIVERED)
    (later,) = await claim(store, "a2")

    assert (again.memo, later.memo) == ("half done", "half done")


async def test_a_memo_can_be_forgotten(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"), delivery("a3"))
    for name, memo in (("a1", "ts 1"), ("a2", "")):
        await claim(store, name)
        await settle(store, name, DELIVERED, memo=memo)
    assert (await claim(store, "a3"))[0].memo == ""


async def test_a_memo_is_written_with_the_outcome_or_not_at_all(store: Store) -> None:
    await tell(store, delivery("a1"))
    await claim(store, "a1")
    with pytest.raises(StoreError):
        await store.settle(
            [Settled(delivery_id="a1", settlement=DELIVERED, memo="ts")], [event(project=None)], START, paces={"x": 1}
        )
    assert (await store.load_pacing()).paces == {}
    await store.recover_claims(START)
    assert (await claim(store, "a1"))[0].memo == ""


async def test_a_memo_lives_as_long_as_its_lane_is_used(store: Store) -> None:
    await tell(store, delivery("old"), delivery("used", "b"), delivery("waits", "c"))
    for name in ("old", "used", "waits"):
        await claim(store, name)
        await settle(store, name, DELIVERED, memo=name)
    await tell(store, delivery("used 2", "b"), delivery("waits 2", "c"))
    await deliver(store, "used 2", now=START + DAY)
    await store.purge(START + HOUR, 100)
    await tell(store, delivery("old 2"), delivery("used 3", "b"))

    found = await claim(store, "old 2", "used 3", "waits 2")

    assert [each.memo for each in found] == ["", "used", "waits"]


async def test_who_is_followed_by_another_in_its_lane_is_told_so(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("b1", "b"), delivery("a2"))

    assert [each.superseded for each in await claim(store, "a1", "b1")] == [True, False]
    await settle(store, "a1", DELIVERED)
    assert [each.superseded for each in await claim(store, "a2")] == [False]


# ── who comes first ──────────────────────────────────────────────────────────


async def test_what_is_critical_comes_first_and_the_newest_of_it(store: Store) -> None:
    await tell(store, *(delivery(f"w{n}", f"w{n}") for n in range(5)), critical("c1", "c1"), critical("c2", "c2"))

    assert await due(store, limit=3) == ["c2", "c1", "w0"]
    assert await due(store) == ["c2", "c1", "w0", "w1", "w2", "w3", "w4"]


async def test_what_stands_in_the_way_of_something_critical_comes_first_too(store: Store) -> None:
    await tell(store, *(delivery(f"w{n}", f"w{n}") for n in range(5)), delivery("a1", "w4x"), critical("a2", "w4x"))

    assert await due(store, limit=1) == ["a1"]
    await deliver(store, "a1")
    assert await due(store, limit=1) == ["a2"]


async def test_a_lane_with_many_critical_messages_is_one_lane(store: Store) -> None:
    await tell(store, delivery("w", "w"), critical("b", "b"), *(critical(f"a{n}") for n in range(4)))

    assert await due(store) == ["a0", "b", "w"]
    assert await due(store, limit=2) == ["a0", "b"]


async def test_something_critical_that_is_not_due_does_not_come_first(store: Store) -> None:
    await tell(store, critical("c", "c", due_at=START + 5), delivery("w", "w"))

    assert await due(store) == ["w"]
    assert await due(store, START + 5, limit=1) == ["c"]


# ── refusing and returning ───────────────────────────────────────────────────


async def test_what_waits_for_a_sink_that_refuses_is_held_and_due_when_it_is_back(store: Store) -> None:
    await tell(
        store, *(delivery(name, name, due_at=START + HOUR) for name in ("m1", "m2")), delivery("x", sink="other")
    )
    refused = Breaker(refusing=True, since=START, probe_at=START + HOUR)
    await store.settle([], (), START, breakers={SINK: refused})
    assert await states(store) == {"held": 2, "pending": 1}
    assert (await store.load_pacing()).breakers == {SINK: refused}

    await store.settle([], (), START + 7, breakers={SINK: WELL})

    assert await states(store) == {"pending": 3}
    assert await due(store, START + 6) == []
    assert await due(store, START + 7) == ["m1", "m2"]
    assert (await store.load_pacing()).breakers == {SINK: WELL}


async def test_a_sink_that_only_fails_holds_nothing_and_releases_nothing(store: Store) -> None:
    await tell(store, delivery("m1", due_at=START + HOUR))
    await store.settle([], (), START, breakers={SINK: Breaker(failures=FAILURES, since=START)})

    assert await states(store) == {"pending": 1}
    assert await due(store, START + HOUR - 1) == []


async def test_turns_that_were_taken_are_remembered_with_the_claim_and_the_outcome(store: Store) -> None:
    await tell(store, delivery("m1"))
    await store.claim({"m1": b"body"}, START, paces={"channel": START + 1_000})
    assert (await store.load_pacing()).paces == {"channel": START + 1_000}

    await store.settle([Settled(delivery_id="m1", settlement=DELIVERED)], (), START, paces={"channel": 9, "method": 8})
    assert (await store.load_pacing()).paces == {"channel": 9, "method": 8}


async def test_a_body_that_could_not_be_read_is_replaced(store: Store) -> None:
    await tell(store, delivery("m1"))
    await claim(store, "m1", body=b"rich")
    await settle(store, "m1", retry(START), malformed=True, body=b"plain")
    (again,) = await claim(store, "m1", body=b"rich")

    assert (again.body, again.malformed) == (b"plain", 1)


# ── dead letters ─────────────────────────────────────────────────────────────


async def test_dead_letters_are_listed_newest_first_in_pages(store: Store) -> None:
    await tell(store, *(delivery(f"m{n}", f"m{n}") for n in range(4)), delivery("x", sink="other"), delivery("w", "w"))
    await dead(store, "m0", "m2", "m1", "m3", "x")

    found = await store.dead_letters()
    page = await store.dead_letters(sink=SINK, limit=2)
    rest = await store.dead_letters(sink=SINK, limit=2, before=page[-1].seq)

    assert [each.id for each in found] == ["x", "m3", "m2", "m1", "m0"]
    assert [[each.id for each in part] for part in (page, rest)] == [["m3", "m2"], ["m1", "m0"]]
    assert {(each.state, each.last_error, each.attempts, each.body) for each in found} == {
        (DeliveryState.DEAD, "status 400", 1, b"body")
    }


async def test_a_dead_letter_is_found_by_its_id_and_nothing_else_is(store: Store) -> None:
    await tell(store, delivery("m1"), delivery("m2", "b"))
    await dead(store, "m1")
    found = await store.dead_letter("m1")

    assert found is not None
    assert found.notification == b"message m1"
    assert await store.dead_letter("m2") is None
    assert await store.dead_letter("unknown") is None


async def test_a_replayed_dead_letter_goes_out_once_under_its_id_with_its_body_and_in_order(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"), delivery("a3"))
    await dead(store, "a1", "a2")
    later = START + 4 * DAY

    assert list(await store.replay(["a2", "unknown", "a1", "a3", "a1"], later)) == ["a1", "a2"]
    assert list(await store.replay(["a1", "a2"], later)) == []

    sent = []
    while names := await due(store, later):
        (row,) = await claim(store, *names, body=b"anew", now=later)
        sent.append((row.id, row.body, row.attempts, row.queued_at))
        await settle(store, row.id, DELIVERED, later)
    assert sent == [
        ("a1", b"body", 1, later),
        ("a2", b"body", 1, later),
        ("a3", b"anew", 1, START),
    ]
    assert await store.dead_letters() == []


async def test_a_replayed_dead_letter_waits_for_what_is_being_sent_in_its_lane(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"))
    await dead(store, "a1")
    await claim(store, "a2")
    await store.replay(["a1"], START)

    assert await due(store) == []
    assert list(await claim(store, "a1")) == []
    await settle(store, "a2", DELIVERED)
    assert await due(store) == ["a1"]


async def test_what_waited_too_long_for_a_sink_that_is_down_is_given_up_and_told_as_one(store: Store) -> None:
    fresh = START + BUDGET
    await tell(
        store,
        *(delivery(f"old{n}", f"old{n}") for n in range(3)),
        critical("never", "n"),
        delivery("young", "y", created_at=START + 1),
        delivery("elsewhere", sink="other"),
    )
    assert await store.expire(SINK, fresh - 1) == 0
    assert await store.expire(SINK, fresh) == 3
    assert await store.expire(SINK, fresh) == 0

    (told,) = (await store.backlog(0, 10)).events
    assert (told.type, told.fields["count"], told.source) == (EventType.DEAD_LETTER, "3", SINK)
    assert sorted(each.id for each in await store.dead_letters()) == ["old0", "old1", "old2"]

    await store.replay(["old0"], fresh)
    assert await store.expire(SINK, fresh + HOUR) == 1  # young; what was replayed has its time before it
    assert await states(store) == {"pending": 3, "dead": 3}


# ── digests ──────────────────────────────────────────────────────────────────


def summary(name: str = "d", **fields: object) -> Delivery:
    return replace(delivery(name), lane=OWN, **fields)  # type: ignore[arg-type]  # by name


async def candidates(store: Store, limit: int = 100) -> list[str]:
    return [each.id for each in await store.digestible(SINK, OWN, limit)]


async def test_what_may_be_told_in_one(store: Store) -> None:
    await tell(store, delivery("carded", "card"))
    await claim(store, "carded")
    await settle(store, "carded", DELIVERED, memo="ts")
    await tell(
        store,
        *(delivery(name, "whole") for name in ("m1", "m2")),
        delivery("before", "urgent"),
        critical("critical", "urgent"),
        delivery("under way", "busy"),
        delivery("behind", "busy"),
        delivery("edit", "card"),
        summary("another digest"),
        delivery("elsewhere", sink="other"),
    )
    await claim(store, "under way")

    assert await candidates(store) == ["m1", "m2"]
    assert await candidates(store, 1) == ["m1"]


async def test_a_digest_stands_for_others_until_it_is_settled(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"), delivery("b1", "b"))
    await store.digest(summary(stands_for=2), ["a1", "b1"])

    assert await states(store) == {"digested": 2, "pending": 2}
    assert await due(store) == ["d"]
    assert list(await claim(store, "a1", "a2")) == []
    assert [each.stands_for for each in await claim(store, "d")] == [2]
    assert await store.next_due(SINK) is None

    await settle(store, "d", DELIVERED)

    assert await due(store) == ["a2"]
    assert await states(store) == {"digested": 2, "delivered": 1, "pending": 1}
    assert (await store.outbox()).oldest == START
    await deliver(store, "a2")
    assert (await store.outbox()).oldest is None
    assert await store.purge(START + 1, 100) == 4


async def test_a_digest_that_dies_takes_what_it_stands_for_along_and_comes_back_alone(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"))
    await store.digest(summary(stands_for=1), ["a1"])
    await dead(store, "d")

    assert await due(store) == ["a2"]
    assert [each.id for each in await store.dead_letters()] == ["d"]
    assert list(await store.replay(["d", "a1"], START)) == ["d"]
    assert sorted(await due(store)) == ["a2", "d"]


async def test_a_digest_in_the_way_of_something_critical_comes_first(store: Store) -> None:
    await tell(store, delivery("a1"), *(delivery(f"w{n}", f"w{n}", due_at=START - 9) for n in range(3)))
    await store.digest(summary(), ["a1"])
    await tell(store, critical("a2"))

    assert await due(store, limit=1) == ["d"]
    await deliver(store, "d")
    assert await due(store, limit=1) == ["a2"]


async def test_a_digest_of_what_no_longer_waits_is_no_digest(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("b1", "b"))
    await claim(store, "b1")
    with pytest.raises(StoreError):
        await store.digest(summary(), ["a1", "b1"])
    assert await states(store) == {"pending": 1, "sending": 1}


async def test_what_is_abandoned_is_counted_once(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("b1", "b"), delivery("c1", "c"))
    await store.digest(summary(stands_for=2), ["a1", "b1"])

    assert await store.abandon(["other"], START) == {SINK: 3}
    assert await states(store) == {"digested": 2, "dead": 2}
    assert (await store.outbox()).oldest is None
