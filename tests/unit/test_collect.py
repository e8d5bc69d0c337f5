"""When logs are looked at, what refusals lead to, and what a person hears of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import FakeClock, deployment, fake_env
from watcher.connect.log_wire import LogPage
from watcher.connect.logs import Answered, LogError, Mark, Refusal
from watcher.core import removal
from watcher.core.event import Event
from watcher.core.logrecord import LogRecord
from watcher.core.reading import LogCursor, Query
from watcher.core.sight import SourceState
from watcher.core.snapshot import Application, Deployment
from watcher.errors import Blindness, SourceError
from watcher.metrics import Metrics
from watcher.pipeline.collect import Collector, LogTarget
from watcher.pipeline.logpages import Budget
from watcher.ports import LogBatch

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


@dataclass
class Pages:
    """An endpoint as a script; by itself it has no logs."""

    clock: FakeClock
    asked: list[tuple[int, str, str]] = field(default_factory=list)
    answer: Callable[[str, str, Query], LogPage] = lambda *_: LogPage([], "", 0)

    async def page(self, deployment_id: str, application: str, query: Query, known: Mark | None = None) -> Answered:
        self.asked.append((self.clock.at, deployment_id, application))
        page = self.answer(deployment_id, application, query)
        mark = (hash(str(page)), 1)
        return Answered(None if mark == known else page, mark, 0, "")

    def moments(self, name: str) -> list[int]:
        return [at for at, deployment_id, _ in self.asked if deployment_id == f"id-{name}"]


@dataclass
class Desk:
    batches: list[LogBatch] = field(default_factory=list)
    source: SourceState | None = None
    cursors: Sequence[LogCursor] = ()

    async def take(self, batch: LogBatch) -> None:
        self.batches.append(batch)
        self.source = batch.source or self.source

    async def load_source(self, project: str, source: str) -> SourceState | None:
        return self.source

    async def load_cursors(self, project: str) -> Sequence[LogCursor]:
        return self.cursors

    @property
    def events(self) -> list[Event]:
        return [each for batch in self.batches for each in batch.events]


class World:
    def __init__(self, *listed: Deployment, budget: Budget | None = None) -> None:
        self.clock = FakeClock(at=removal.LAST_MIDNIGHT - 100 * removal.DAY)
        self.pages = Pages(self.clock)
        self.desk = Desk()
        self.listed = {each.id: each for each in listed}
        target = LogTarget(
            project="my-shop",
            region="europe-west1.gcp",
            pages=self.pages,
            deployments=lambda: self.listed,
            blind_after=150 * SECOND,
            budget=budget or Budget(rate=1000),
        )
        self.metrics = Metrics(CollectorRegistry(), version="0")
        desk: Any = self.desk
        self.collector = Collector(target, store=desk, intake=desk, env=fake_env(self.clock), metrics=self.metrics)

    async def run(self, length: int) -> None:
        end = self.clock.at + length
        while self.clock.at < end:
            self.clock.at = min(self.clock.at + await self.collector.round(), end)
            assert self.collector.error == ""

    def set(self, name: str, **fields: Any) -> None:
        self.listed[f"id-{name}"] = replace(self.listed[f"id-{name}"], **fields)

    def told(self) -> list[str]:
        return [each.type.value for each in self.desk.events]


def pauses(moments: list[int]) -> list[int]:
    return [round((after - before) / SECOND) for before, after in pairwise(moments)]


# ── when ─────────────────────────────────────────────────────────────────────


async def test_what_is_silent_is_looked_at_ever_more_seldom_and_what_is_under_way_is_not() -> None:
    world = World(deployment("idle"), deployment("busy", "Deploying"))
    await world.run(10 * MINUTE)
    assert pauses(world.pages.moments("idle"))[:5] == [15, 30, 60, 120, 120]
    assert set(pauses(world.pages.moments("busy"))) == {15}


async def test_what_changes_is_looked_at_at_once_and_for_a_while() -> None:
    world = World(deployment("shop"))
    await world.run(10 * MINUTE)
    changed = world.clock.at
    world.set("shop", build="b2")
    await world.run(20 * MINUTE)
    moments = [at - changed for at in world.pages.moments("shop") if at >= changed]
    assert moments[0] <= 15 * SECOND
    assert set(pauses(moments)[:30]) == {15}
    assert pauses(moments)[-1] == 120


async def test_what_has_failed_is_looked_at_often_for_an_hour() -> None:
    world = World(deployment("shop"))
    await world.run(MINUTE)
    world.set("shop", status="Failed")
    await world.run(50 * MINUTE)
    assert pauses(world.pages.moments("shop"))[-1] == 15
    await world.run(HOUR)
    assert pauses(world.pages.moments("shop"))[-1] == 120


async def test_what_talks_is_looked_at_often() -> None:
    world = World(deployment("shop"))

    def talk(deployment_id: str, application: str, query: Query) -> LogPage:
        at = query.end - query.end % MINUTE
        return LogPage([LogRecord(deployment_id, "a", "T", "", "INFO", at, "x")], "", 0)

    world.pages.answer = talk
    await world.run(10 * MINUTE)
    assert set(pauses(world.pages.moments("shop"))) == {15}


async def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    world = World(*(deployment(f"d{n}") for n in range(20)))

    def refuse(*_: object) -> LogPage:
        raise SourceError("429", Blindness.RATE_LIMITED, retry_after=5 * MINUTE)

    world.pages.answer = refuse
    begun = world.clock.at
    await world.run(4 * MINUTE)
    assert len(world.pages.asked) <= world.collector.target.budget.concurrency
    assert {at - begun < SECOND for at, *_ in world.pages.asked} == {True}
    assert world.told() == ["blind"]


# ── refusals ─────────────────────────────────────────────────────────────────


def refusing(refusal: Refusal, kind: Blindness = Blindness.UNREADABLE) -> LogError:
    return LogError(SourceError("refused", kind), refusal)


async def test_where_applications_must_be_named_they_are() -> None:
    names = (Application(id="1", name="service"), Application(id="2", name="worker"))
    world = World(deployment("shop", applications=names))

    def answer(deployment_id: str, application: str, query: Query) -> LogPage:
        if not application:
            raise refusing(Refusal.UNNAMED)
        return LogPage([], "", 0)

    world.pages.answer = answer
    await world.run(MINUTE)
    asked = [application for _, _, application in world.pages.asked]
    assert asked[:3] == ["", "service", "worker"]
    assert asked.count("") == 1
    assert world.told() == []


async def test_an_application_that_is_not_there_blinds_nobody() -> None:
    world = World(deployment("shop"), deployment("two"))

    def answer(deployment_id: str, application: str, query: Query) -> LogPage:
        if deployment_id == "id-two":
            raise refusing(Refusal.APPLICATION)
        return LogPage([], "", 0)

    world.pages.answer = answer
    await world.run(HOUR)
    assert world.told() == []


async def test_one_deployment_that_cannot_be_read_is_a_blindness_of_the_project() -> None:
    world = World(deployment("shop"), deployment("two"))

    def answer(deployment_id: str, application: str, query: Query) -> LogPage:
        if deployment_id == "id-two":
            raise SourceError("500", Blindness.SERVER)
        return LogPage([], "", 0)

    await world.run(MINUTE)
    world.pages.answer = answer
    await world.run(HOUR)
    assert world.told() == ["blind"]
    world.pages.answer = lambda *_: LogPage([], "", 0)
    await world.run(10 * MINUTE)
    assert world.told() == ["blind", "sighted"]


async def test_tokens_that_are_never_any_good_are_heard_of() -> None:
    world = World(deployment("shop"))

    def answer(deployment_id: str, application: str, query: Query) -> LogPage:
        if query.token:
            raise refusing(Refusal.TOKEN)
        return LogPage([LogRecord(deployment_id, "a", "T", "", "INFO", query.start + 1, "x")], "t", 0)

    world.pages.answer = answer
    await world.run(10 * MINUTE)
    assert world.told() == ["blind"]
    assert sum(len(each.records) for each in world.desk.batches) == 1


async def test_a_window_that_is_refused_is_asked_for_otherwise_once() -> None:
    world = World(deployment("shop"))

    def answer(deployment_id: str, application: str, query: Query) -> LogPage:
        raise refusing(Refusal.DATE)

    world.pages.answer = answer
    await world.run(10 * MINUTE)
    assert world.told() == ["blind"]


async def test_logs_of_one_deployment_alone_must_be_gone_for_a_while() -> None:
    world = World(deployment("shop"))
    await world.run(MINUTE)
    since = world.clock.at

    def answer(*_: object) -> LogPage:
        raise refusing(Refusal.GONE, Blindness.NOT_FOUND)

    world.pages.answer = answer
    await world.run(2 * MINUTE)
    assert world.told() == []
    await world.run(HOUR)
    assert world.told() == ["blind"]
    (event,) = world.desk.events
    assert event.fields["removed"] == "true"
    assert event.at - since >= 150 * SECOND
    assert world.desk.source is not None
    assert removal.is_removed(world.desk.source)


async def test_where_the_last_deployment_was_removed_nobody_says_that_all_logs_are() -> None:
    world = World(deployment("shop"))
    await world.run(MINUTE)

    def answer(*_: object) -> LogPage:
        raise refusing(Refusal.GONE, Blindness.NOT_FOUND)

    world.listed, world.pages.answer = {}, answer
    await world.run(HOUR)
    assert world.told() == []
    assert [each.dropped for each in world.desk.batches if each.dropped] == [(("id-shop", ""),)]
    assert world.desk.source is not None
    assert world.clock.at - world.desk.source.last_ok <= MINUTE


async def test_logs_that_are_gone_do_not_come_back_because_there_is_nothing_to_ask_for() -> None:
    world = World()
    state = SourceState(project="my-shop", source="logs", since=1, last_ok=1, baselined=True)
    world.desk.source, _ = removal.removed(state, world.clock.at, "404")
    await world.run(HOUR)
    assert world.told() == []
    assert removal.is_removed(world.desk.source)


# ── what there is ────────────────────────────────────────────────────────────


async def test_the_cursor_of_what_is_gone_is_dropped_but_an_empty_list_drops_nothing() -> None:
    world = World(deployment("shop"), deployment("two"))
    await world.run(MINUTE)
    listed, world.listed = world.listed, {}
    await world.run(10 * MINUTE)
    assert not any(each.dropped for each in world.desk.batches)
    world.listed = {"id-shop": listed["id-shop"]}
    await world.run(MINUTE)
    assert [each.dropped for each in world.desk.batches if each.dropped] == [(("id-two", ""),)]


async def test_a_round_in_which_nothing_is_due_asks_and_writes_nothing() -> None:
    world = World(deployment("shop"))
    await world.run(10 * MINUTE)
    asked, batches = len(world.pages.asked), len(world.desk.batches)
    await world.collector.round()
    assert (len(world.pages.asked), len(world.desk.batches)) in {(asked, batches), (asked + 1, batches + 1)}
    await world.collector.round()
    assert len(world.pages.asked) <= asked + 1


# ── the end ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("left", "days"), [(61, None), (60, "60"), (45.5, "46"), (2, "2"), (0.5, "1"), (0, None), (-3, None)]
)
def test_the_countdown_says_how_many_days_are_left(left: float, days: str | None) -> None:
    state = SourceState(project="shop", source="logs")
    now = removal.LAST_MIDNIGHT - int(left * removal.DAY)
    state, events = removal.endings(state, now)
    assert [each.fields["days"] for each in events] == ([days] if days else [])
    assert removal.endings(state, now) == (state, [])
