"""Silences and acknowledgements through the whole pipeline, on virtual time: what a person hears.

As with the timelines, each course is played once and then once more for every point at which the process can die; what
is heard, and what is said to have been held back, must be the same.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.fakes import START, FakeClock, fake_env
from tests.integration.test_timelines import FAILED, RECOVERED, begin, statuses
from tests.world import DAY, HOUR, MINUTE, World, summary
from watcher.core.silence import SilenceText
from watcher.pipeline.operate import Operator
from watcher.store import inline, open_store

Play = Callable[["Person"], Awaitable[None]]

SHOP = ('deployment="shop"',)
ENDED = "firing SilenceEnded"
AGAIN = f"{FAILED} again"


class Person:
    """Somebody who watches a world and does things about it. Whoever is killed while they do it is asked once more."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.woken = 0
        self._env = fake_env(world.clock)

    @property
    def hands(self) -> Operator:
        return Operator(store=self.world.judge._store, env=self._env, changed=self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def silence(self, *texts: str, length: int = 0, until_deployment: bool = False, starts: int = 0) -> None:
        now = self.world.clock.at
        wanted = SilenceText(
            matchers=texts or SHOP,
            comment="works",
            starts_at=now + starts if starts else 0,
            ends_at=now + length if length else 0,
            until_deployment=until_deployment,
        )

        async def act() -> None:
            if not await self.hands.silences():
                await self.hands.silence(wanted, by="ann")

        await self.world.live(act)
        await self.world.live(self.world.settle)

    async def expire(self) -> None:
        async def act() -> None:
            for each in await self.hands.silences():
                await self.hands.expire(each.id, by="ben")

        await self.world.live(act)
        await self.world.live(self.world.settle)

    async def acknowledge(self) -> None:
        key = self.world.messages[-1].group_key

        async def act() -> None:
            assert await self.hands.acknowledge(key, by="ann") == 1

        await self.world.live(act)
        await self.world.live(self.world.settle)

    async def say(self, *steps: str, build: str | None = None) -> None:
        await statuses(self.world, *steps, build=build)


async def fail(person: Person, build: str = "b2") -> None:
    await person.say("Queued", "Deploying", "Failed", build=build)


# ── what happens ─────────────────────────────────────────────────────────────


async def failing_at_the_end(person: Person) -> None:
    await person.silence(length=HOUR)
    await fail(person)
    await person.world.run(2 * HOUR)


async def over_before_the_end(person: Person) -> None:
    await person.silence(length=HOUR)
    await fail(person)
    await person.say("Queued", "Deploying", "Deployed", build="b3")
    await person.world.run(2 * HOUR)


async def told_before(person: Person) -> None:
    await fail(person)
    await person.silence(length=HOUR)
    await person.say("Queued", "Deploying", "Deployed", build="b3")
    await person.world.run(2 * HOUR)


async def known_at_the_end(person: Person) -> None:
    await fail(person)
    await person.silence(length=HOUR)
    await person.world.run(2 * HOUR)


async def again_within(person: Person) -> None:
    await fail(person)
    await person.silence(length=HOUR)
    await fail(person, "b3")
    await person.world.run(2 * HOUR)


async def until_deployed(person: Person) -> None:
    await fail(person)
    await person.silence(until_deployment=True)
    await person.world.run(10 * HOUR)
    await fail(person, "b3")


async def until_deployed_unseen(person: Person) -> None:
    await fail(person)
    await person.silence(until_deployment=True)
    await person.say("Failed", build="b3")


async def until_deployed_within_the_attempt(person: Person) -> None:
    await person.say("Queued")
    await person.silence(until_deployment=True)
    await person.say("Deploying", "Failed", build="b2")
    await person.world.run(HOUR)
    await person.say("Queued")
    await person.say("Deploying", "Deployed", build="b3")


async def ended_by_somebody(person: Person) -> None:
    await person.silence(length=DAY)
    await fail(person)
    await person.world.run(HOUR)
    await person.expire()
    await person.world.run(HOUR)


async def taken_on(person: Person) -> None:
    await fail(person)
    await person.acknowledge()
    await person.world.run(9 * HOUR)
    await person.say("Queued", "Deploying", "Deployed", build="b3")


async def not_taken_on(person: Person) -> None:
    await fail(person)
    await person.world.run(9 * HOUR)
    await person.say("Queued", "Deploying", "Deployed", build="b3")


async def taken_on_and_failed_again(person: Person) -> None:
    await fail(person)
    await person.acknowledge()
    await person.world.run(HOUR)
    await fail(person, "b3")
    await person.world.run(5 * HOUR)


async def starting_later(person: Person) -> None:
    await person.silence(length=2 * HOUR, starts=HOUR)
    await fail(person)
    await person.world.run(HOUR)
    await fail(person, "b3")
    await person.world.run(2 * HOUR)


@dataclass(frozen=True)
class Row:
    name: str
    play: Play
    heard: list[tuple[str, int]]


NAGGED = "firing nothing"
ROWS = (
    Row("failing at its end: told then", failing_at_the_end, [(FAILED, 1)]),
    Row("over before its end: a note", over_before_the_end, [(ENDED, 1)]),
    Row("told before: its end is told within", told_before, [(FAILED, 0), (RECOVERED, 0)]),
    Row("known at its end: nothing more", known_at_the_end, [(FAILED, 0)]),
    Row("failed again within: told at its end", again_within, [(FAILED, 0), (AGAIN, 1)]),
    Row("until the next deployment", until_deployed, [(FAILED, 0), (AGAIN, 0)]),
    Row("until the next deployment, its middle unseen", until_deployed_unseen, [(FAILED, 0), (AGAIN, 0)]),
    Row(
        "until the deployment after the one that is under way",
        until_deployed_within_the_attempt,
        [(FAILED, 1), (RECOVERED, 0)],
    ),
    Row("ended by somebody", ended_by_somebody, [(FAILED, 1)]),
    Row("nobody has taken it on", not_taken_on, [(FAILED, 0), (NAGGED, 0), (NAGGED, 0), (RECOVERED, 0)]),
    Row("somebody has taken it on", taken_on, [(FAILED, 0), (RECOVERED, 0)]),
    Row("taken on, and failed again", taken_on_and_failed_again, [(FAILED, 0), (AGAIN, 0), (NAGGED, 0)]),
    Row("one that starts later", starting_later, [(FAILED, 0), (AGAIN, 1)]),
)


async def played(row: Row, crash_at: int = -1) -> World:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        world = World(store, interval=2 * MINUTE)
        await begin(world)
        world.crash_points.clear()
        world.crash_at = crash_at
        await row.play(Person(world))
        await world.poll()
    finally:
        await store.close()
    return world


def heard(world: World) -> list[tuple[str, int]]:
    return [(summary(each), each.held_back) for each in world.messages[1:]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_person_hears_exactly_this(row: Row) -> None:
    assert heard(await played(row)) == row.heard


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_killed_at_any_point_the_messages_are_the_same(row: Row) -> None:
    calm = await played(row)
    points = [at for at, point in enumerate(calm.crash_points) if "observation" not in point]
    for crash_at in points:
        world = await played(row, crash_at)
        assert heard(world) == row.heard, f"killed {calm.crash_points[crash_at]}, at crash point {crash_at}"


# ── what people are told of what they did ────────────────────────────────────


@pytest.fixture
async def person() -> Person:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    world = World(store)
    await begin(world)
    return Person(world)


async def test_a_silence_is_shown_and_on_record(person: Person) -> None:
    made = await person.hands.silence(
        SilenceText(matchers=SHOP, comment="works", ends_at=START + HOUR), by="ann\x1b[31m"
    )
    assert (made.creator, made.comment, made.starts_at, made.ends_at) == ("ann", "works", START, START + HOUR)
    (shown,) = await person.hands.silences()
    assert (shown.id, list(map(str, shown.matchers)), shown.expired_at) == (made.id, ['deployment="shop"'], 0)
    (row,) = await person.hands.audit()
    assert (row.at, row.actor, row.action, row.subject) == (START, "ann", "silence.added", made.id)
    assert row.detail == '{deployment="shop"} from 2027-01-15T08:00:00Z until 2027-01-15T09:00:00Z: works'
    assert person.woken == 1


async def test_what_is_wrong_with_a_silence_leaves_no_trace(person: Person) -> None:
    with pytest.raises(ValueError, match="at position"):
        await person.hands.silence(SilenceText(matchers=["deployment"], ends_at=START + HOUR), by="ann")
    with pytest.raises(ValueError, match="at position"):
        await person.hands.silence(SilenceText(matchers=['a=~"("'], ends_at=START + HOUR), by="ann")
    assert (await person.hands.silences(), await person.hands.audit(), person.woken) == ([], [], 0)


async def test_a_silence_is_ended_by_name(person: Person) -> None:
    made = await person.hands.silence(SilenceText(matchers=SHOP, ends_at=START + HOUR), by="ann")
    person.world.clock.at += MINUTE
    ended = await person.hands.expire(made.id, by="ben")
    assert ended is not None
    assert ended.expired_at == START + MINUTE
    person.world.clock.at += MINUTE
    assert await person.hands.expire(made.id, by="eve") == ended
    assert await person.hands.expire("nobody's", by="ben") is None
    assert await person.hands.silences() == []
    assert await person.hands.silences(ended=True) == [ended]
    assert [(each.actor, each.action) for each in await person.hands.audit()] == [
        ("ben", "silence.expired"),
        ("ann", "silence.added"),
    ]


async def test_one_that_a_deployment_ended_is_shown_as_ended_and_on_record(person: Person) -> None:
    await fail(person)
    await person.silence(until_deployment=True)
    await person.say("Queued")
    assert await person.hands.silences() == []
    (ended,) = await person.hands.silences(ended=True)
    assert ended.expired_at == person.world.clock.at
    (row, _) = await person.hands.audit()
    assert (row.actor, row.action, row.detail) == (
        "connect-watcher",
        "silence.ended",
        "the next deployment of shop began",
    )


async def test_there_are_not_more_silences_than_judging_can_ask(person: Person) -> None:
    store, clock = person.world.store, person.world.clock
    hands = Operator(store=store, env=fake_env(clock), changed=lambda: None, most=2)
    for _ in range(2):
        await hands.silence(SilenceText(matchers=SHOP, ends_at=START + HOUR), by="ann")
    with pytest.raises(ValueError, match="there are 2 silences already"):
        await hands.silence(SilenceText(matchers=SHOP, ends_at=START + HOUR), by="ann")
    clock.at += HOUR
    await hands.silence(SilenceText(matchers=SHOP, ends_at=START + 2 * HOUR), by="ann")


async def test_only_what_fires_and_was_told_can_be_acknowledged(person: Person) -> None:
    assert await person.hands.acknowledge("nobody's", by="ann") == 0
    await fail(person)
    key = person.world.messages[-1].group_key
    assert await person.hands.acknowledge(key, by="ann") == 1
    await person.say("Queued", "Deploying", "Deployed", build="b3")
    assert await person.hands.acknowledge(key, by="ann") == 0
    (row,) = await person.hands.audit()
    assert (row.actor, row.action, row.subject, row.detail) == ("ann", "alert.acknowledged", key, "1 firing")


@pytest.mark.parametrize("by", ["", "  ", "\u200b", "\x1b[31m", "\u2028"])
async def test_nobody_acts_without_a_name(person: Person, by: str) -> None:
    """What is acknowledged by nobody is not told again, and looks as if nobody had."""
    await fail(person)
    assert await person.hands.acknowledge(person.world.messages[-1].group_key, by=by) == 1
    with pytest.raises(ValueError, match="needs a creator"):
        await person.hands.silence(SilenceText(matchers=SHOP, ends_at=START + HOUR), by=by)
    await person.silence(length=HOUR)
    (made,) = await person.hands.silences()
    await person.hands.expire(made.id, by=by)
    await person.hands.refuse(by=by, action="a", subject="s")
    found = [(row.action, row.actor) for row in await person.hands.audit()]
    assert found[:2] == [("act.refused", "somebody"), ("silence.expired", "somebody")]
    assert found[-1] == ("alert.acknowledged", "somebody")
    await person.world.live(person.world.settle)
    group = await person.hands._store.load_group(person.world.messages[-1].group_key)
    assert group is not None
    assert {each.acknowledged_by for each in group.told.values()} == {"somebody"}


async def test_a_name_is_on_one_line(person: Person) -> None:
    made = await person.hands.silence(
        SilenceText(matchers=SHOP, ends_at=START + HOUR), by="ann\n2027 silence.ended \u202e"
    )
    assert made.creator == "ann 2027 silence.ended"


async def test_what_is_held_back_shows_in_the_metrics(person: Person) -> None:
    await person.silence(length=HOUR)
    await fail(person)
    metrics = person.world.judge._metrics
    assert metrics.registry.get_sample_value("connect_watcher_suppressed_total", {"reason": "silenced"}) == 1
