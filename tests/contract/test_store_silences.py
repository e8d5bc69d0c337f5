"""What every store must do with silences and with what people did."""

from pathlib import Path

import pytest

from tests.contract.test_store import HOUR, URLS, alert, event, group
from tests.contract.test_store import store as store  # noqa: PLC0414  pytest finds a fixture by the name of its import
from tests.fakes import START, FakeClock
from tests.unit.builders import fullmatch, matchers
from watcher.core.alert import AlertState
from watcher.core.event import EventType
from watcher.core.group import Group, Told
from watcher.core.silence import Audit, Progress, Silence, Stage, read, written
from watcher.errors import StoreError
from watcher.ports import Act, Judgement, Store
from watcher.store import open_store

DAY = 24 * HOUR


def fields(name: str = "s1", *, ends: int = HOUR) -> dict[str, str]:
    return written(
        Silence(
            id=name,
            matchers=matchers('deployment="shop"', 'alertname=~"a|b"'),
            creator="ann",
            comment='a "works" \\ 🔧',
            starts_at=START,
            ends_at=START + ends,
            until_deployment=True,
        )
    )


def audit(action: str = "silence.added", *, at: int = 0, actor: str = "ann", subject: str = "s1") -> Audit:
    return Audit(at=START + at, actor=actor, action=action, subject=subject, detail="why")


async def silence(store: Store, name: str = "s1", *, at: int = 0, ends: int = HOUR) -> None:
    made = event(type=EventType.SILENCED, project="", at=START + at, fields=fields(name, ends=ends))
    act = Act(event=made, audit=audit(at=at, subject=name), silence=fields(name, ends=ends))
    assert await store.commit_act(act)


async def expire(store: Store, name: str = "s1", *, at: int = 1) -> bool:
    made = event(type=EventType.UNSILENCED, project="", at=START + at, fields={"silence": name})
    return await store.commit_act(Act(event=made, audit=audit("silence.expired", at=at, subject=name), expires=name))


async def judged(store: Store, **progress: Progress) -> None:
    await store.commit_judgement(Judgement(cursor=0, silences=progress))


async def known(store: Store, now: int = 0, *, ended: bool = False) -> list[str]:
    return [each.fields["silence"] for each in await store.load_silences(START + now, ended=ended)]


async def test_an_act_is_a_change_an_event_and_a_record_of_it(store: Store) -> None:
    await silence(store)

    found = await store.load_silence("s1")
    assert found is not None
    assert (found.fields, found.expired_at) == (fields(), 0)
    assert read(found.fields, fullmatch).matches({"deployment": "shop", "alertname": "b"})
    (told,) = (await store.backlog(0, 10)).events
    assert (told.type, told.fields) == (EventType.SILENCED, fields())
    assert list(await store.load_audit(10)) == [audit()]


@pytest.mark.parametrize("broken", ["silence", "event", "audit"])
async def test_an_act_that_fails_writes_nothing(store: Store, broken: str) -> None:
    await silence(store, "s0")
    made = event(type=EventType.SILENCED, project=None if broken == "event" else "", fields=fields())
    wrong = Audit(at=START, actor="ann", action="silence.added", subject=None)  # type: ignore[arg-type]  # on purpose
    act = Act(
        event=made,
        audit=wrong if broken == "audit" else audit(),
        silence=fields("s0" if broken == "silence" else "s1"),
    )

    with pytest.raises(StoreError):
        await store.commit_act(act)

    assert await store.load_silence("s1") is None
    assert len((await store.backlog(0, 10)).events) == 1
    assert len(await store.load_audit(10)) == 1


async def test_a_silence_is_ended_once(store: Store) -> None:
    await silence(store)

    assert await expire(store, at=5)
    assert not await expire(store, at=6)
    assert not await expire(store, "nobody's")

    found = await store.load_silence("s1")
    assert found is not None
    assert found.expired_at == START + 5
    assert [each.action for each in await store.load_audit(10)] == ["silence.expired", "silence.added"]
    assert len((await store.backlog(0, 10)).events) == 2


async def test_one_that_is_over_cannot_be_ended(store: Store) -> None:
    await silence(store, ends=HOUR)
    assert not await expire(store, at=HOUR)


async def test_silences_are_shown_newest_first_and_those_that_are_over_only_when_asked_for(store: Store) -> None:
    await silence(store, "old", ends=HOUR)
    await silence(store, "ended", at=1, ends=2 * HOUR)
    await silence(store, "new", at=2, ends=2 * HOUR)
    await expire(store, "ended", at=3)

    assert await known(store, 4) == ["new", "old"]
    assert await known(store, HOUR) == ["new"]
    assert await known(store, HOUR, ended=True) == ["new", "ended", "old"]


async def test_judge_goes_by_a_silence_once_it_has_met_its_event_and_until_it_has_met_its_end(store: Store) -> None:
    await silence(store)
    assert list((await store.load_ledger()).silences) == []

    await judged(store, s1=Progress(stage=Stage.ACTIVE, held={"team": 3}))
    await expire(store)
    assert list((await store.load_ledger()).silences) == [
        (fields(), Progress(stage=Stage.ACTIVE, held={"team": 3})),
    ]

    await judged(store, s1=Progress(stage=Stage.OVER, ended_at=START + 1))
    assert list((await store.load_ledger()).silences) == []
    found = await store.load_silence("s1")
    assert found is not None
    assert found.expired_at == START + 1


async def test_one_that_judge_ends_is_on_record_with_its_reason(store: Store) -> None:
    await silence(store)
    await silence(store, "s2")

    await judged(
        store,
        s1=Progress(stage=Stage.OVER, ended_at=START + 9, why="the next deployment of shop began"),
        s2=Progress(stage=Stage.OVER, ended_at=START + HOUR),
    )

    rows = {each.fields["silence"]: each.expired_at for each in await store.load_silences(START, ended=True)}
    assert rows == {"s1": START + 9, "s2": 0}
    ended = (await store.load_audit(1))[0]
    assert ended == Audit(
        at=START + 9,
        actor="connect-watcher",
        action="silence.ended",
        subject="s1",
        detail="the next deployment of shop began",
    )


async def test_a_group_can_be_looked_at(store: Store) -> None:
    made: Group = group(told={"f1": Told(episode=2, acknowledged_by="ann")}, held={"f2": 1}, held_back={"s1": 4})
    await store.commit_judgement(Judgement(cursor=0, groups={"g1": made}))

    assert await store.load_group("g1") == made
    assert await store.load_group("g2") is None


async def test_a_group_has_the_alerts_that_its_row_only_names_however_it_is_read(store: Store) -> None:
    firing = {key: alert(key, state=AlertState.FIRING) for key in ("f1", "f2")}
    ended = alert("f3", state=AlertState.RESOLVED)
    row = group(members={"f3": ended}, standing=("f1", "f2", "gone"))
    await store.commit_judgement(Judgement(cursor=0, alerts=firing, groups={"g1": row}))

    whole = group(members={**firing, "f3": ended})
    assert await store.load_group("g1") == whole
    assert list((await store.load_ledger()).groups) == [whole]
    assert list((await store.load_standing()).groups) == [whole]

    later = {"f1": alert("f1", state=AlertState.FIRING, episode=2)}
    await store.commit_judgement(Judgement(cursor=0, alerts=later))
    assert await store.load_group("g1") == group(members={**firing, **later, "f3": ended})


async def test_the_newest_acts_are_shown_first_and_no_more_than_asked_for(store: Store) -> None:
    for at in range(5):
        await silence(store, f"s{at}", at=at)
    assert [each.at - START for each in await store.load_audit(3)] == [4, 3, 2]


async def test_silences_that_are_over_and_judged_are_purged_and_acts_are_kept_longer(store: Store) -> None:
    await silence(store, "over", ends=HOUR)
    await silence(store, "unjudged", ends=HOUR)
    await silence(store, "holds", ends=90 * DAY)
    await judged(store, over=Progress(stage=Stage.OVER), holds=Progress(stage=Stage.ACTIVE))

    await store.purge(START + HOUR, 100)
    assert sorted(await known(store, ended=True)) == ["holds", "over", "unjudged"]
    await store.purge(START + HOUR + 1, 100)
    assert sorted(await known(store, ended=True)) == ["holds", "unjudged"]
    assert len(await store.load_audit(10)) == 3


async def test_acts_are_forgotten_after_more_than_a_year(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await open_store(URLS[0].format(folder=tmp_path), clock=clock)
    await silence(store)
    clock.at += 400 * DAY
    await store.purge(clock.at, 100)
    assert len(await store.load_audit(10)) == 1
    clock.at += 1
    await store.purge(clock.at, 100)
    assert list(await store.load_audit(10)) == []
    await store.close()
