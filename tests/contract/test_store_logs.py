"""What every store must do with logs, whatever its engine: hits, tallies and how far was read are one commit."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import START, FakeClock
from watcher.core.event import Event, EventType
from watcher.core.history import Run
from watcher.core.logrecord import MINUTE, Hit, Place, Tally
from watcher.core.novelty import Memory
from watcher.core.picture import Activity
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.errors import StoreError
from watcher.ports import Judgement, LogWrite, Store
from watcher.store import open_store
from watcher.store.logs import PUSHED_FOR, TALLIES_FOR

URLS = ("sqlite:///{folder}/store/watcher.db", "sqlite://", *os.environ.get("STORE_URLS", "").split())
"""Every engine under test. `STORE_URLS` adds empty databases elsewhere."""
NOW = START // MINUTE
SPAN = (START, START + 5 * MINUTE)
ONE = Tally(records=10, errors=4, http=5, http_4xx=2, http_5xx=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(folder=tmp_path)


@pytest.fixture
async def store(url: str, clock: FakeClock) -> AsyncIterator[Store]:
    opened = await open_store(url, clock=clock)
    yield opened
    await opened.close()


def hit(at: int = 0, **fields: object) -> Event:
    """A hit that was read `at` milliseconds after the start."""
    found = Hit(
        rule="Burst",
        deployment_id="d1",
        application="service",
        at=START,
        last=START + 5,
        count=3,
        level="ERROR",
        message="boom ☂",
        template="0" * 16,
        labels={"deployment": "shop", "path": "/é"},
        key="1.2",
    )
    base = Event(type=EventType.HIT, project="shop", source="logs", at=START + at, sight=START, hit=found)
    return replace(base, **fields)  # type: ignore[arg-type]  # by name


def cursor(deployment_id: str = "d1", application: str = "", **fields: object) -> LogCursor:
    base = LogCursor(project="shop", deployment_id=deployment_id, application=application)
    return replace(base, **fields)  # type: ignore[arg-type]  # by name


def write(**fields: object) -> LogWrite:
    return replace(LogWrite(project="shop"), **fields)  # type: ignore[arg-type]  # by name


def place(minute: int = 0, deployment: str = "d1", application: str = "service", project: str = "shop") -> Place:
    return Place(project, deployment, application, NOW + minute)


def logs(project: str = "shop", **fields: object) -> SourceState:
    base = SourceState(project=project, source="logs", since=START)
    return replace(base, **fields)  # type: ignore[arg-type]  # by name


async def events(store: Store) -> list[Event]:
    return [replace(each, seq=0) for each in (await store.backlog(0, 1_000)).events]


# ── at first ─────────────────────────────────────────────────────────────────


async def test_a_new_store_knows_nothing_of_logs(store: Store) -> None:
    ledger = await store.load_ledger()

    assert list(await store.load_cursors("shop")) == []
    assert list(await store.load_hits(10, 0)) == []
    assert await store.load_tallies("shop", [SPAN]) == {SPAN: {}}
    assert await store.load_activity("shop") == {}
    assert (list(ledger.runs), list(ledger.memories)) == ([], [])


# ── one commit ───────────────────────────────────────────────────────────────


async def test_hits_tallies_how_far_was_read_and_the_source_are_one_commit(store: Store) -> None:
    state = logs(last_ok=START)
    done = await store.commit_logs(
        [
            write(
                events=[hit(), hit(1)], tallies={place(): ONE}, cursors=[cursor(newest=7, seen=b"\0\xff")], source=state
            )
        ]
    )

    assert list(done) == [True]
    assert await events(store) == [hit(), hit(1)]
    assert (await store.load_tallies("shop", [SPAN]))[SPAN] == {("d1", "service"): ONE}
    assert list(await store.load_cursors("shop")) == [cursor(newest=7, seen=b"\0\xff")]
    assert await store.load_source("shop", "logs") == state
    assert list((await store.backlog(0, 10)).sources) == [state]


async def test_an_empty_batch_is_a_batch(store: Store) -> None:
    assert list(await store.commit_logs([write(), write(digest=b"d")])) == [True, True]
    assert list(await store.commit_logs([])) == []


BROKEN: dict[str, dict[str, Any]] = {
    "event": {"events": [hit(), hit(project=None)]},
    "tally": {"tallies": {place(): ONE, Place("shop", "d1", None, NOW): ONE}},  # type: ignore[arg-type]  # on purpose
    "cursor": {"cursors": [cursor(), cursor(None)]},  # type: ignore[arg-type]  # on purpose
    "source": {"source": logs(project=None)},  # type: ignore[arg-type]  # on purpose
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_fails_writes_nothing_of_itself_nor_of_the_batches_beside_it(store: Store, broken: str) -> None:
    """Requests that are pushed at the same time share a commit; whoever is told that it failed sends again."""
    good = write(events=[hit()], tallies={place(): ONE}, cursors=[cursor()], digest=b"first", keys=["k"])
    bad = write(**{"tallies": {place(1): ONE}, "project": "shop" if broken != "source" else None, **BROKEN[broken]})

    with pytest.raises(StoreError):
        await store.commit_logs([good, bad])

    assert await events(store) == []
    assert (await store.load_tallies("shop", [SPAN]))[SPAN] == {}
    assert await store.load_activity("shop") == {}
    assert list(await store.load_cursors("shop")) == []
    assert list(await store.commit_logs([good])) == [True]
    assert await events(store) == [hit()]


async def test_what_is_committed_is_there_after_a_restart(url: str, store: Store, clock: FakeClock) -> None:
    await store.commit_logs(
        [write(events=[hit()], tallies={place(): ONE}, cursors=[cursor()], digest=b"d", keys=["k"])]
    )
    if url == "sqlite://":
        return
    await store.close()
    again = await open_store(url, clock=clock)
    try:
        assert await events(again) == [hit()]
        assert (await again.load_tallies("shop", [SPAN]))[SPAN] == {("d1", "service"): ONE}
        assert list(await again.load_cursors("shop")) == [cursor()]
        assert list(await again.commit_logs([write(events=[hit()], digest=b"d")])) == [False]
    finally:
        await again.close()


# ── what is sent again ───────────────────────────────────────────────────────


async def test_a_request_that_is_sent_again_adds_nothing(store: Store) -> None:
    pushed = write(events=[hit()], tallies={place(): ONE}, keys=["k"], digest=b"\0request", cursors=[cursor()])

    assert list(await store.commit_logs([pushed])) == [True]
    assert list(await store.commit_logs([replace(pushed, cursors=[cursor(newest=9)])])) == [False]
    assert list(await store.commit_logs([pushed, write(digest=b"other"), write(digest=b"other")])) == [
        False,
        True,
        False,
    ]

    assert await events(store) == [hit()]
    assert (await store.load_tallies("shop", [SPAN]))[SPAN] == {("d1", "service"): ONE}
    assert list(await store.load_cursors("shop")) == [cursor()]


async def test_a_hit_that_is_sent_again_in_another_request_is_there_once(store: Store) -> None:
    """A sender that was cut off makes new requests of what it still has."""
    first, second, third = hit(), hit(1), hit(2)
    await store.commit_logs([write(events=[first, second], keys=["a", "b"], digest=b"1")])
    await store.commit_logs([write(events=[second, third], keys=["b", "c"], digest=b"2")])
    await store.commit_logs([write(events=[third, third], keys=["c", "c"], digest=b"3")])

    assert await events(store) == [first, second, third]


async def test_hits_without_keys_are_all_different(store: Store) -> None:
    """What is polled is recognised by how far was read."""
    await store.commit_logs([write(events=[hit(), hit()])])
    await store.commit_logs([write(events=[hit()])])

    assert await events(store) == [hit()] * 3


# ── tallies ──────────────────────────────────────────────────────────────────


async def test_tallies_of_the_same_minute_add_up(store: Store) -> None:
    await store.commit_logs([write(tallies={place(): ONE}), write(tallies={place(): ONE, place(1): Tally(records=1)})])
    await store.commit_logs([write(tallies={place(): Tally(errors=1)})])

    found = (await store.load_tallies("shop", [SPAN, (START, START + MINUTE)])).values()
    assert [each["d1", "service"] for each in found] == [
        Tally(records=21, errors=9, http=10, http_4xx=4, http_5xx=2),
        Tally(records=20, errors=9, http=10, http_4xx=4, http_5xx=2),
    ]


async def test_a_span_ends_before_its_end(store: Store) -> None:
    await store.commit_logs([write(tallies={place(minute): Tally(records=10**minute) for minute in range(4)})])

    spans = [(START + MINUTE, START + 3 * MINUTE), (START, START + MINUTE), (START, START), (0, START)]
    found = await store.load_tallies("shop", spans)

    assert [sum(each.records for each in found[span].values()) for span in spans] == [110, 1, 0, 0]


async def test_applications_deployments_and_projects_are_tallied_apart(store: Store) -> None:
    places = [place(), place(application="events"), place(deployment="d2"), place(project="other")]
    await store.commit_logs([write(tallies={each: Tally(records=at) for at, each in enumerate(places, 1)})])

    assert {spot: each.records for spot, each in (await store.load_tallies("shop", [SPAN]))[SPAN].items()} == {
        ("d1", "service"): 1,
        ("d1", "events"): 2,
        ("d2", "service"): 3,
    }
    assert len((await store.load_tallies("other", [SPAN]))[SPAN]) == 1


async def test_when_an_application_was_heard_first_and_last_does_not_depend_on_the_order(store: Store) -> None:
    for minutes in ([5, 3], [9], [1, 4], [6]):
        await store.commit_logs([write(tallies={place(minute): ONE for minute in minutes})])
    await store.commit_logs([write(tallies={place(2, application="events"): ONE, place(7, project="other"): ONE})])

    assert await store.load_activity("shop") == {
        ("d1", "service"): Activity(START + MINUTE, START + 9 * MINUTE),
        ("d1", "events"): Activity(START + 2 * MINUTE, START + 2 * MINUTE),
    }


# ── how far was read ─────────────────────────────────────────────────────────


async def test_a_cursor_is_there_until_the_next_one_replaces_it_or_nobody_needs_it(store: Store) -> None:
    first = [cursor(), cursor("d1", "service", newest=1), cursor("d2")]
    await store.commit_logs(
        [write(cursors=first), LogWrite(project="other", cursors=[replace(cursor(), project="other")])]
    )
    await store.commit_logs([write(cursors=[cursor(newest=5)], dropped=[("d2", ""), ("unknown", "")])])

    assert list(await store.load_cursors("shop")) == [cursor(newest=5), cursor("d1", "service", newest=1)]
    assert list(await store.load_cursors("other")) == [replace(cursor(), project="other")]


# ── what judging reads ───────────────────────────────────────────────────────


async def test_the_last_hits_that_were_judged_can_be_read_again_oldest_first(store: Store) -> None:
    """However long ago that was: windows go on where they stood."""
    status = Event(type=EventType.STATUS, project="shop", at=START + 5)
    await store.commit_logs([write(events=[hit(9), status, hit(3), hit(5)])])
    await store.commit_logs([write(events=[hit(4)])])
    seqs = [each.seq for each in (await store.backlog(0, 10)).events]

    def times(found: object) -> list[int]:
        return [each.at - START for each in found]  # type: ignore[attr-defined]  # events

    assert times(await store.load_hits(seqs[-1], 6)) == [3, 4, 5, 9]
    assert times(await store.load_hits(seqs[-1], 5)) == [4, 5, 9]
    assert times(await store.load_hits(seqs[-1], 0)) == [9]
    assert times(await store.load_hits(seqs[2], MINUTE)) == [3, 9]
    assert times(await store.load_hits(0, MINUTE)) == []
    await store.commit_logs([LogWrite(project="other", events=[hit(MINUTE, project="other")])])
    assert times(await store.load_hits(100, 5)) == [4, 5, 9, MINUTE], "a busy project pushes out no other"
    (found,) = await store.load_hits(seqs[0], 0)
    assert found == replace(hit(9), seq=seqs[0])


async def test_histories_and_memories_are_judged_with_everything_else(store: Store) -> None:
    run = Run(project="shop", deployment_id="d1", good="b1", good_since=START, judged=frozenset({"Health"}))
    memory = Memory(
        rule="New", project="shop", deployment_id="d1", application="service", since=1, templates={"t": (1, 2)}
    )
    other = replace(memory, application="")
    await store.commit_judgement(
        Judgement(cursor=3, runs={run.key: run, "gone": run}, memories={memory.key: memory, other.key: other})
    )
    newer = replace(memory, templates={"t": (1, 9)})
    await store.commit_judgement(
        Judgement(cursor=4, runs={"gone": None}, memories={memory.key: newer, other.key: None, "never": None})
    )

    ledger = await store.load_ledger()
    assert list(ledger.runs) == [run]
    assert list(ledger.memories) == [newer]


# ── what is forgotten ────────────────────────────────────────────────────────


async def test_what_no_rule_and_no_sender_comes_back_to_is_purged(store: Store, clock: FakeClock) -> None:
    pushed = write(events=[hit()], keys=["k"], digest=b"d", tallies={place(): ONE})
    await store.commit_logs([pushed, write(cursors=[cursor()])])
    clock.at = START + PUSHED_FOR
    await store.purge(0, 100)
    assert list(await store.commit_logs([pushed])) == [False]

    clock.at = START + PUSHED_FOR + 1
    await store.purge(0, 100)
    assert list(await store.commit_logs([replace(pushed, tallies={})])) == [True]
    assert len(await events(store)) == 2

    clock.at = START + TALLIES_FOR
    await store.purge(0, 100)
    assert len((await store.load_tallies("shop", [SPAN]))[SPAN]) == 1
    clock.at += MINUTE
    await store.purge(0, 100)
    assert (await store.load_tallies("shop", [SPAN]))[SPAN] == {}
    assert len(await store.load_activity("shop")) == 1, "when it was last heard outlives how much it said"
    assert list(await store.load_cursors("shop")) == [cursor()]


async def test_hits_that_were_not_judged_are_never_purged(store: Store) -> None:
    await store.commit_logs([write(events=[hit(), hit(1)])])
    first = (await store.backlog(0, 1)).events[0].seq
    await store.commit_judgement(Judgement(cursor=first))

    assert await store.purge(START + TALLIES_FOR, 100) == 1
    assert await events(store) == [hit(1)]


async def test_logs_that_are_no_longer_read_leave_nothing_and_those_of_others_stay(store: Store) -> None:
    for name in ("shop", "other"):
        mine = replace(cursor(), project=name)
        await store.commit_logs(
            [LogWrite(project=name, tallies={place(project=name): ONE}, cursors=[mine], source=logs(name))]
        )

    assert list(await store.forget_sources([("other", "logs")])) == [("shop", "logs")]

    assert await store.load_source("shop", "logs") is None
    for name, count in (("shop", 0), ("other", 1)):
        assert len((await store.load_tallies(name, [SPAN]))[SPAN]) == count
        assert len(await store.load_activity(name)) == count
        assert len(await store.load_cursors(name)) == count


async def test_forgetting_another_source_forgets_no_logs(store: Store) -> None:
    drafts = LogWrite(project="shop", source=SourceState(project="shop", source="drafts"))
    await store.commit_logs([write(tallies={place(): ONE}, cursors=[cursor()], source=logs()), drafts])

    assert list(await store.forget_sources([("shop", "logs")])) == [("shop", "drafts")]
    assert len(await store.load_activity("shop")) == 1
    assert len(await store.load_cursors("shop")) == 1
