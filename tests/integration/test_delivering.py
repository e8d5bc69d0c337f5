"""Rate limits, priorities, breakers, digests and dead letters, on virtual time over a real store."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes import START, FakeClock
from tests.integration.delivering import (
    HOUR,
    MINUTE,
    SECOND,
    Office,
    Receiver,
    broken,
    decode,
    limited,
    name_of,
    refused,
    taken,
    unreadable,
)
from watcher.core.breaker import FAILURES, PROBES
from watcher.core.delivery import BUDGET, MALFORMED_ATTEMPTS, Delivery
from watcher.core.digest import LONG, MANY
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError, StoreError
from watcher.pipeline.places import PER_SINK, UNPACED
from watcher.ports import Store
from watcher.store import inline, open_store

SLACK, OTHER = "team/slack/0", "team/webhook/0"
CHANNEL = Pace(name="slack channel", every=SECOND)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await open_store("sqlite://", clock=FakeClock(), run=inline)
    yield opened
    await opened.close()


async def opened(store: Store, *sinks: str, paces: tuple[Pace, ...] = ()) -> Office:
    office = Office(store, *sinks, paces=paces)
    await office.open()
    return office


@dataclass
class Strict:
    """A receiver that takes one message a second, and punishes who comes in a window in which it asked to be left alone."""

    receiver: Receiver
    window: int = 7
    free_at: int = 0
    closed_until: int = 0
    offences: int = 0
    windows: int = 0
    every: int = 0

    def __call__(self, _: Delivery) -> DeliveryError | None:
        now = self.receiver.office.clock.at
        self.offences += now < self.closed_until
        busy = self.every and len(self.receiver.calls) % self.every == 0
        if now < self.free_at or busy:
            self.closed_until = now + self.window * SECOND
            self.windows += 1
            return limited(self.window)
        self.free_at = now + SECOND
        return None


# ── paces ────────────────────────────────────────────────────────────────────


async def test_a_storm_at_a_receiver_that_takes_one_a_second_loses_nothing_and_the_critical_one_is_told_at_once(
    store: Store,
) -> None:
    office = await opened(store, SLACK, paces=(CHANNEL,))
    slack = office.sinks[SLACK]
    slack.answer = strict = Strict(slack)
    for second in range(10):
        await office.tell(SLACK, *(f"m{second}-{n}" for n in range(30)))
        await office.run(second * SECOND + 900)
    await office.tell(SLACK, "critical", severity="critical")
    decided = office.clock.at
    await office.run(10 * MINUTE)

    (critical,) = [each for each in slack.calls if name_of(each.delivery) == "critical"]
    assert critical.ended - decided <= SECOND
    assert (len(slack.took), len(set(slack.took)), strict.windows, strict.offences) == (301, 301, 0, 0)
    assert slack.calls[-1].ended - START <= 301 * SECOND


async def test_what_a_message_does_not_need_it_neither_takes_nor_keeps_from_others(store: Store) -> None:
    edits = Pace(name="edits", every=3 * SECOND, burst=3)
    office = await opened(store, SLACK, paces=(CHANNEL, edits))
    slack = office.sinks[SLACK]
    slack.idle = lambda delivery, body: ["edits"] if body.startswith(b"new") else []  # type: ignore[attr-defined]
    await office.tell(SLACK, *(f"new {n}" for n in range(60)), "edit 1", "edit 2", "edit 3", "edit 4")
    await office.run(2 * MINUTE)
    began = {name_of(each.delivery): (each.began - START) // SECOND for each in slack.calls}
    assert [began[f"new {n}"] for n in range(60)] == list(range(60))
    assert [began[f"edit {n}"] for n in range(1, 5)] == [60, 61, 62, 63]


async def test_a_window_is_obeyed_to_the_millisecond_by_everything_that_shares_a_pace(store: Store) -> None:
    office = await opened(store, SLACK, "team/slack/1", OTHER)
    first, second, other = (office.sinks[name] for name in (SLACK, "team/slack/1", OTHER))
    workspace, mine = Pace(name="workspace", every=100, burst=5), Pace(name="channel", every=1_000)
    first.paces, second.paces = (workspace, mine), (workspace,)
    first.answer = strict = Strict(first, every=4)
    second.answer = lambda _: setattr(strict, "offences", strict.offences + (office.clock.at < strict.closed_until))
    for name in office.sinks:
        await office.tell(name, *(f"m{n}" for n in range(40)))
    await office.run(30 * MINUTE)

    assert [len(each.took) for each in (first, second, other)] == [40, 40, 40]
    assert strict.windows >= 9
    assert strict.offences == 0
    assert other.calls[-1].ended == START


async def test_a_window_is_obeyed_by_the_next_process_too(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.answer = lambda _: limited(50)
    await office.tell(SLACK, "a", "b")
    await office.run(0)
    slack.answer, before = taken, len(slack.calls)
    await office.kill()
    await office.tell(SLACK, "c", severity="critical")
    await office.run(49_999)
    assert len(slack.calls) == before
    await office.run(MINUTE)
    assert [each.began - START for each in slack.calls[before:]] == [50_000] * 3


async def test_turns_that_were_taken_are_not_given_again_by_the_next_process(store: Store) -> None:
    office = await opened(store, SLACK, paces=(Pace(name="slow", every=MINUTE),))
    await office.tell(SLACK, "a", "b")
    await office.run(0)
    await office.kill()
    await office.run(5 * MINUTE)
    assert [each.began - START for each in office.sinks[SLACK].calls] == [0, MINUTE]


async def test_of_sinks_that_share_a_pace_the_one_with_something_critical_is_served_first(store: Store) -> None:
    office = await opened(store, SLACK, "team/slack/1", paces=(CHANNEL,))
    await office.tell(SLACK, *(f"m{n}" for n in range(20)))
    await office.tell("team/slack/1", *(f"n{n}" for n in range(20)))
    await office.run(5 * SECOND - 1)
    await office.tell("team/slack/1", "critical", severity="critical")
    await office.run(5 * SECOND)
    assert office.sinks["team/slack/1"].calls[-1].delivery.severity == "critical"
    await office.run(MINUTE)
    assert [len(each.took) for each in office.sinks.values()] == [20, 21]


async def test_a_receiver_that_hangs_keeps_a_place_for_what_is_critical_and_delays_nobody_else(store: Store) -> None:
    office = await opened(store, SLACK, OTHER)
    slack, other = office.sinks[SLACK], office.sinks[OTHER]
    slack.takes = 15 * SECOND
    await office.tell(SLACK, *(f"m{n}" for n in range(200)))
    await office.run(SECOND, step=500)
    await office.tell(OTHER, *(f"n{n}" for n in range(20)))
    await office.tell(SLACK, "critical", severity="critical")
    await office.run(2 * SECOND, step=500)

    assert {each.ended - START for each in other.calls} == {SECOND}
    assert [name_of(each.delivery) for each in slack.calls if each.began > START] == ["critical"]
    assert len(slack.calls) == 5


async def test_claims_that_could_not_be_written_take_no_place_from_those_that_follow(store: Store) -> None:
    office = await opened(store, SLACK)
    await office.tell(SLACK, *(f"m{n}" for n in range(9)))
    sound = store.claim

    async def fail(*_: object, **__: object) -> Sequence[Delivery]:
        raise StoreError("no space left")

    store.claim = fail  # type: ignore[method-assign]  # a full disk
    for _ in range(5):
        with pytest.raises(StoreError):
            await office.deliverer.run_once()
    store.claim = sound  # type: ignore[method-assign]  # some space again
    await office.run(SECOND)
    assert len(office.sinks[SLACK].took) == 9


# ── many at once ─────────────────────────────────────────────────────────────


async def test_a_receiver_that_takes_what_it_gets_is_sent_more_at_once_until_it_does_not(store: Store) -> None:
    office = await opened(store, OTHER)
    other = office.sinks[OTHER]
    other.takes = SECOND
    await office.tell(OTHER, *(f"m{n}" for n in range(400)))
    await office.run(30 * SECOND)
    at_once = [sum(each.began <= at < (each.ended or at + 1) for each in other.calls) for at in moments(other)]

    assert len(other.took) == 400
    assert at_once[0] == PER_SINK - 1
    assert max(at_once) == UNPACED - 1

    other.answer = broken
    await office.tell(OTHER, "lost")
    await office.run(32 * SECOND)
    other.answer, known = taken, len(other.calls)
    await office.tell(OTHER, *(f"n{n}" for n in range(30)))
    await office.run(32 * SECOND + 1)
    assert len(other.calls) - known <= PER_SINK


def moments(receiver: Receiver) -> list[int]:
    """When something was begun."""
    return sorted({each.began for each in receiver.calls})


# ── breakers ─────────────────────────────────────────────────────────────────


async def test_two_hundred_rows_of_a_dead_sink_are_one_probe_at_a_time_and_delay_nobody(store: Store) -> None:
    office = await opened(store, SLACK, OTHER)
    slack, other = office.sinks[SLACK], office.sinks[OTHER]
    slack.answer = broken
    await office.tell(SLACK, *(f"m{n}" for n in range(200)))
    await office.run(SECOND)
    at_once = len(slack.calls)
    await office.tell(OTHER, *(f"n{n}" for n in range(20)))
    await office.run(HOUR)

    assert at_once <= FAILURES + 4
    assert len(slack.calls) - at_once <= HOUR // (PROBES[-1] // 2) + len(PROBES)
    assert {each.ended for each in other.calls} == {START + SECOND}
    assert office.metrics.registry.get_sample_value("connect_watcher_sink_down", {"sink": SLACK}) == 1


async def test_a_sink_that_is_back_gets_everything_at_once(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.answer = broken
    await office.tell(SLACK, *(f"m{n}" for n in range(15)))
    await office.run(MINUTE)
    slack.answer = taken
    await office.run(5 * MINUTE)

    assert sorted(slack.took) == sorted(f"m{n}" for n in range(15))
    assert slack.calls[-1].ended == slack.calls[-15].ended
    assert office.metrics.registry.get_sample_value("connect_watcher_sink_down", {"sink": SLACK}) == 0


async def test_a_sink_that_refuses_is_asked_hourly_and_its_rows_are_held(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.answer = refused
    await office.tell(SLACK, *(f"m{n}" for n in range(50)))
    await office.run(12 * HOUR)

    assert 12 <= len(slack.calls) <= 26 + 4
    assert await office.count() == {"held": 50}
    await office.kill()
    before = len(slack.calls)
    await office.run(12 * HOUR + MINUTE)
    assert len(slack.calls) <= before + 1


async def test_one_message_that_a_receiver_refuses_keeps_nobody_else_for_long(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.answer = lambda each: refused(each) if name_of(each) == "odd" else None
    await office.tell(SLACK, "odd", severity="critical")
    await office.run(0)
    await office.tell(SLACK, *(f"m{n}" for n in range(5)))
    await office.run(10 * MINUTE)
    assert sorted(slack.took) == [f"m{n}" for n in range(5)]


# ── what cannot be read ──────────────────────────────────────────────────────


@pytest.mark.parametrize("severity", ["critical", "warning"])
async def test_what_a_receiver_cannot_read_is_reduced_and_then_a_dead_letter_that_can_be_replayed(
    store: Store, severity: str
) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.answer = unreadable
    await office.tell(SLACK, "naïve", severity=severity)
    await office.tell(SLACK, "behind", lane="naïve")
    await office.run(HOUR)
    bodies = [each.delivery.body for each in slack.calls]
    assert bodies[:MALFORMED_ATTEMPTS] == ["naïve".encode(), *[b"na?ve"] * (MALFORMED_ATTEMPTS - 1)]
    assert await office.count() == {"dead": 2}

    slack.answer = taken
    dead = await store.dead_letters()
    assert [name_of(each) for each in dead] == ["behind", "naïve"]
    await store.replay([each.id for each in dead], office.clock.at)
    await office.run(2 * HOUR)
    assert slack.took == ["naïve", "behind"]
    assert [each.delivery.body for each in slack.calls][-2:] == [b"na?ve", b"behind"]
    assert await office.count() == {"delivered": 2}


async def test_something_critical_is_never_given_up_and_the_rest_is_in_one_word(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.answer = broken
    await office.tell(SLACK, "critical", severity="critical")
    await office.tell(SLACK, *(f"m{n}" for n in range(30)))
    await office.run(BUDGET + HOUR)

    assert await office.count() == {"dead": 30, "pending": 1}
    events = [each for each in (await store.backlog(0, 100)).events if each.type == "dead_letter"]
    assert sum(int(each.fields["count"]) for each in events) == 30
    assert len(events) <= 3


# ── after an outage ──────────────────────────────────────────────────────────


async def test_after_an_outage_the_newest_critical_come_first_and_the_rest_is_one_digest_with_exact_counts(
    store: Store,
) -> None:
    office = await opened(store, SLACK, paces=(CHANNEL,))
    slack = office.sinks[SLACK]
    slack.answer = broken
    await office.tell(SLACK, *(f"m{n}" for n in range(100)))
    await office.tell(SLACK, "c0", "c1", severity="critical")
    await office.run(LONG)
    await office.tell(SLACK, *(f"over{n}" for n in range(3)), lane="m7", resolved=True)
    await office.tell(SLACK, "c2", severity="critical")
    await office.run(2 * LONG)
    slack.answer = taken
    await office.run(3 * LONG)

    first, *rest = slack.took
    assert first in {"c0", "c1", "c2"} or first.startswith("m")
    assert rest == [*[name for name in ("c2", "c1", "c0") if name != first], "digest"]
    told = decode(slack.calls[-1].delivery.notification)
    waited = 103 - first.startswith("m")
    assert f"{waited} messages that could not be delivered" in told.alerts[0].annotations["summary"]
    assert (told.resolved, told.firing - 1) == (1, waited - 4)
    assert slack.calls[-1].delivery.stands_for == waited
    assert (await office.count())["digested"] == waited
    assert (
        office.metrics.registry.get_sample_value("connect_watcher_suppressed_total", {"reason": "digested"}) == waited
    )


async def test_a_short_outage_a_few_messages_and_a_sink_that_wants_each_are_told_one_by_one(store: Store) -> None:
    office = await opened(store, SLACK, OTHER, "team/pagerduty/0")
    office.sinks["team/pagerduty/0"].one_by_one = True
    counts = {SLACK: MANY - 1, OTHER: 50, "team/pagerduty/0": 50}
    for name, count in counts.items():
        office.sinks[name].answer = broken
        await office.tell(name, *(f"m{n}" for n in range(count)))
    await office.run(5 * MINUTE)
    office.sinks[OTHER].answer = taken
    await office.run(LONG + MINUTE)
    for each in office.sinks.values():
        each.answer = taken
    await office.run(HOUR)
    assert {name: len(each.took) for name, each in office.sinks.items()} == counts


async def test_a_lane_of_which_the_sink_remembers_something_is_never_put_into_a_digest(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.memo = "ts"
    await office.tell(SLACK, "card")
    await office.run(0)
    slack.memo, slack.answer = None, broken
    await office.tell(SLACK, *(f"m{n}" for n in range(50)))
    await office.tell(SLACK, "edit", lane="card")
    await office.run(HOUR)
    slack.answer = taken
    await office.run(2 * HOUR)
    assert "edit" in slack.took
    assert [each.delivery.memo for each in slack.calls if name_of(each.delivery) == "edit"][-1:] == ["ts"]
    assert slack.took.count("digest") == 1


async def test_what_is_decided_while_a_digest_waits_stays_behind_it(store: Store) -> None:
    office = await opened(store, SLACK, paces=(CHANNEL,))
    slack = office.sinks[SLACK]
    slack.answer = broken
    await office.tell(SLACK, *(f"m{n}" for n in range(60)))
    await office.tell(SLACK, *(f"c{n}" for n in range(9)), severity="critical")
    await office.run(HOUR)
    slack.answer = lambda each: broken(each) if name_of(each) == "digest" else None
    await office.run(HOUR + 6 * MINUTE)
    await office.tell(SLACK, "recovered", lane="m30", resolved=True)
    await office.tell(SLACK, "worse", lane="m31", severity="critical")
    await office.run(2 * HOUR)
    assert not {"recovered", "worse"} & set(slack.took)
    slack.answer = taken
    await office.run(4 * HOUR)
    assert slack.took.index("digest") < slack.took.index("worse")
    assert slack.took.index("digest") < slack.took.index("recovered")
    assert await office.left() == 0


# ── conservation ─────────────────────────────────────────────────────────────

ANSWERS = (taken, taken, broken, refused, unreadable, lambda _: limited(9))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from(["critical", "warning", "info"]), st.integers(1, 40)),
        st.tuples(st.just("answer"), st.integers(0, len(ANSWERS) - 1), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("kill"), st.just(0), st.just(0)),
        st.tuples(st.just("replay"), st.just(0), st.just(0)),
    ),
    max_size=12,
)
WAITS = (0, SECOND, 20 * SECOND, 3 * MINUTE, 2 * LONG, 5 * HOUR)


async def act(office: Office, step: tuple[object, object, object], decided: dict[str, list[str]], number: int) -> None:
    match step:
        case ("tell", str(severity), int(count)):
            for sink, ids in decided.items():
                for n in range(count):
                    name = f"{number}-{n}"
                    ids.append(f"{sink}|{name}")
                    await office.tell(sink, name, severity=severity, lane=f"l{n % 30}")
        case ("answer", int(which), int(sink)):
            list(office.sinks.values())[sink].answer = ANSWERS[which]
        case ("wait", int(which), _):
            await office.run(office.clock.at - START + WAITS[which])
        case ("kill", _, _):
            await office.kill()
        case _:
            await office.store.replay([each.id for each in await office.store.dead_letters()], office.clock.at)


@given(steps)
@example(
    [("answer", 2, 0), ("answer", 3, 1), *[("tell", "info", 40)] * 2, ("wait", 4, 0), ("answer", 0, 0), ("kill", 0, 0)]
)
@example([("answer", 2, 0), ("tell", "info", 40), ("wait", 4, 0), ("answer", 4, 0), ("wait", 4, 0), ("replay", 0, 0)])
@settings(max_examples=40, deadline=None)
async def test_whatever_happens_every_message_is_told_once_counted_in_a_digest_or_a_dead_letter(
    script: list[tuple[object, object, object]],
) -> None:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    office = await opened(store, SLACK, OTHER, paces=(Pace(name="shared", every=50, burst=3),))
    decided: dict[str, list[str]] = {name: [] for name in office.sinks}
    for number, step in enumerate(script):
        await act(office, step, decided, number)
    for each in office.sinks.values():
        each.answer = taken
    await office.run(office.clock.at - START + 6 * HOUR)

    assert await office.left() == 0
    dead = {each.id: each for each in await store.dead_letters(limit=10_000)}
    for name, sink in office.sinks.items():
        took = {each.delivery.id: each for each in sink.calls if each.ended and not each.error}
        singles = [each.delivery for each in took.values() if name_of(each.delivery) != "digest"]
        digests = [each.delivery for each in took.values() if name_of(each.delivery) == "digest"]
        given_up = [each for each in dead.values() if each.sink == name]
        told = len(singles) + sum(each.stands_for for each in (*digests, *given_up))
        assert told == len(decided[name])
        assert {each.id for each in singles} <= set(decided[name])
        for lane in {each.lane for each in singles}:
            replayed = any(each.replayed_at for each in singles)
            order = [each.seq for each in singles if each.lane == lane]
            assert replayed or order == sorted(order)
    await store.close()


async def test_an_outcome_that_nobody_knows_is_sent_again_under_its_id(store: Store) -> None:
    office = await opened(store, SLACK)
    slack = office.sinks[SLACK]
    slack.takes = MINUTE
    await office.tell(SLACK, "a")
    await office.run(SECOND)
    await office.kill()
    await office.run(5 * MINUTE)
    assert [(each.delivery.id, each.delivery.unknown_outcomes) for each in slack.calls] == [
        (f"{SLACK}|a", 0),
        (f"{SLACK}|a", 1),
    ]
    assert slack.took == ["a"]
