"""Taking in what is pushed: whose it is, and that it is committed before anybody is told so."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, deployment, fake_env
from watcher.core.event import EventType
from watcher.core.listening import DEAF, PAUSE, RESENT, STRANGE_FOR
from watcher.core.logrecord import Hit, LogRecord, Matched, Place, Tally
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment
from watcher.errors import BehindError, StoreError
from watcher.metrics import Metrics
from watcher.pipeline.ingest import MAX_WAITING, Ingest, Sighted
from watcher.ports import LogBatch, LogWrite, Pushed, Receipt, Store

SHOP = deployment("shop")


class Counting:
    """Matching that counts, and takes what is an error."""

    def match(
        self, project: str, region: str, records: Sequence[LogRecord], deployments: Mapping[str, Deployment]
    ) -> Matched:
        hits = [
            Hit(rule="R", deployment_id="d", application="a", at=each.at, last=each.at)
            for each in records
            if each.level == "ERROR"
        ]
        return Matched(hits, {Place(project, "d", "a", 1): Tally(records=len(records))})


@dataclass
class Slow:
    """A store whose commits wait to be let through."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    commits: list[Sequence[LogWrite]] = field(default_factory=list)
    failing: bool = False
    known: set[bytes] = field(default_factory=set)
    sources: dict[str, SourceState] = field(default_factory=dict)

    async def commit_logs(self, writes: Sequence[LogWrite]) -> Sequence[bool]:
        await self.gate.wait()
        if self.failing:
            raise StoreError("no")
        self.commits.append(writes)
        fresh = [each.digest not in self.known for each in writes]
        self.known |= {each.digest for each in writes}
        self.sources |= {each.project: each.source for each in writes if each.source}
        return fresh

    async def load_source(self, project: str, _source: str) -> SourceState | None:
        return self.sources.get(project)

    async def load_cursors(self, project: str) -> Sequence[LogCursor]:
        return [LogCursor(project=project, deployment_id="d", application="a")]


@dataclass
class Stage:
    clock: FakeClock = field(default_factory=FakeClock)
    store: Slow = field(default_factory=Slow)
    shown: dict[str, dict[str, Deployment]] = field(default_factory=lambda: {"my-shop": {SHOP.id: SHOP}, "other": {}})
    listed: dict[str, int] = field(default_factory=lambda: {"my-shop": START, "other": START})

    def __post_init__(self) -> None:
        self.store.gate.set()
        projects = {
            key: Sighted(
                region="r",
                deployments=partial(self.shown.__getitem__, key),
                listed_at=partial(self.listed.__getitem__, key),
            )
            for key in self.shown
        }
        self.ingest = Ingest(
            Counting(),
            projects,
            store=cast("Store", self.store),
            env=fake_env(self.clock),
            metrics=Metrics(CollectorRegistry(), version="0"),
            changed=lambda: None,
        )

    async def push(
        self, *ids: str, project: str = "", of: Sequence[str] = ("my-shop",), digest: bytes = b"1"
    ) -> Receipt:
        records = [
            LogRecord(each, "a", "APPLICATION_TEXT", "DEFAULT", "INFO", START, "m", project=project) for each in ids
        ]
        return await self.ingest.push(Pushed(records, 0, 0, digest), frozenset(of))


async def test_records_go_to_the_project_whose_deployment_wrote_them() -> None:
    stage = Stage()
    stage.shown["other"] = {"id-x": deployment("x")}
    receipt = await stage.push(SHOP.id, "id-x", of=("my-shop", "other"))
    assert (receipt.accepted, receipt.rejected) == (2, 0)
    assert [each.project for each in stage.store.commits[0]] == ["my-shop", "other"]


@pytest.mark.parametrize("project", ["other", "nobody's"])
async def test_a_sender_speaks_only_for_the_projects_of_its_key(project: str) -> None:
    receipt = await Stage().push(SHOP.id, project=project)
    assert (receipt.accepted, receipt.rejected) == (0, 1)
    assert "not watched" in receipt.reason


async def test_a_deployment_that_was_just_created_is_waited_for_until_a_list_has_it() -> None:
    stage = Stage()
    with pytest.raises(BehindError):
        await stage.push("id-new")
    stage.clock.at += 1_000
    with pytest.raises(BehindError):
        await stage.push("id-new", SHOP.id)
    assert stage.store.commits == []
    stage.listed["my-shop"] = stage.clock.at
    stage.shown["my-shop"]["id-new"] = deployment("new")
    assert (await stage.push("id-new")).accepted == 1


async def test_a_deployment_that_no_list_has_is_refused_and_at_once_the_next_time() -> None:
    stage = Stage()
    with pytest.raises(BehindError):
        await stage.push("id-strange")
    stage.clock.at += 1_000
    stage.listed["my-shop"] = stage.clock.at
    for _ in range(2):
        receipt = await stage.push("id-strange", SHOP.id)
        assert (receipt.accepted, receipt.rejected) == (1, 1)


async def test_while_nothing_can_be_listed_the_only_project_of_a_key_is_believed_in_the_end() -> None:
    stage = Stage()
    with pytest.raises(BehindError):
        await stage.push("id-strange")
    stage.clock.at += STRANGE_FOR
    assert (await stage.push("id-strange")).accepted == 1
    with pytest.raises(BehindError):
        await stage.push("id-stranger", of=("my-shop", "other"))
    stage.clock.at += STRANGE_FOR
    assert (await stage.push("id-stranger", of=("my-shop", "other"))).rejected == 1


async def test_an_answer_waits_for_the_commit_and_requests_of_one_moment_share_one() -> None:
    stage = Stage()
    stage.store.gate.clear()
    first = asyncio.ensure_future(stage.push(SHOP.id))
    await asyncio.wait({first}, timeout=0.01)
    others = [asyncio.ensure_future(stage.push(SHOP.id, digest=bytes([n]))) for n in range(5)]
    done, _ = await asyncio.wait({first, *others}, timeout=0.01)
    assert not done
    stage.store.gate.set()
    await asyncio.gather(first, *others)
    assert [len(each) for each in stage.store.commits] == [1, 5]


async def test_a_failed_commit_is_a_failure_for_everybody_who_waited_for_it_and_for_nobody_after() -> None:
    stage = Stage()
    stage.store.failing = True
    found = await asyncio.gather(stage.push(SHOP.id), stage.push(SHOP.id, digest=b"2"), return_exceptions=True)
    assert [type(each) for each in found] == [StoreError, StoreError]
    stage.store.failing = False
    assert (await stage.push(SHOP.id)).accepted == 1


async def test_more_than_can_be_committed_is_to_come_again() -> None:
    stage = Stage()
    stage.store.gate.clear()
    waiting = asyncio.ensure_future(stage.push(*([SHOP.id] * (MAX_WAITING // 2 + 1))))
    await asyncio.wait({waiting}, timeout=0.05)
    with pytest.raises(BehindError) as refused:
        await stage.push(*([SHOP.id] * (MAX_WAITING // 2 + 1)))
    assert refused.value.retry_after > 0
    stage.store.gate.set()
    await waiting


async def test_what_was_so_at_the_first_sight_is_known_and_what_came_after_is_news() -> None:
    stage = Stage()
    records = [LogRecord(SHOP.id, "a", "T", "", "ERROR", START + at, "m") for at in (0, 999, 1_000, 5_000)]
    await stage.ingest.take(LogBatch(project="my-shop", records=records, fresh_from=START + 1_000))
    ((write,),) = stage.store.commits
    assert [each.baseline for each in write.events] == [True, True, False, False]


async def test_whoever_listens_has_seen_everything_so_far_and_needs_no_cursors() -> None:
    stage = Stage()
    await stage.ingest.listen(["my-shop"])
    stage.clock.at += 30_000
    await stage.ingest.listen(["my-shop"])
    state = stage.store.sources["my-shop"]
    assert (state.since, state.last_ok, state.seen_to) == (START, START + 30_000, START + 30_000)
    assert stage.store.commits[0][0].dropped == [("d", "a")]


async def test_a_blindness_from_when_logs_were_polled_ends_when_they_are_listened_to() -> None:
    stage = Stage()
    stage.store.sources["my-shop"] = SourceState(project="my-shop", source="logs", last_ok=START - 1_000, blind=True)
    await stage.ingest.listen(["my-shop"])
    assert [each.type for each in stage.store.commits[0][0].events] == [EventType.SIGHTED]
    assert not stage.store.sources["my-shop"].blind


@pytest.mark.parametrize(("away", "since", "waits"), [(PAUSE, 5, False), (PAUSE + 1, 5, True), (DEAF, START, True)])
async def test_after_a_pause_senders_have_a_while_and_after_a_long_one_silence_counts_anew(
    away: int, since: int, waits: bool
) -> None:
    stage = Stage()
    before = START - away
    stage.store.sources["my-shop"] = SourceState(project="my-shop", source="logs", since=5, last_ok=before)
    await stage.ingest.listen(["my-shop"])
    assert stage.store.sources["my-shop"].last_ok == (before if waits else START)
    assert stage.store.sources["my-shop"].since == since
    stage.clock.at += RESENT
    await stage.ingest.listen(["my-shop"])
    assert stage.store.sources["my-shop"].last_ok == START + RESENT
