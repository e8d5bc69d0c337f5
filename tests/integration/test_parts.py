"""What is told in parts: a backlog that is judged over several commits, killed between any two, is told as if at once."""

import random  # noqa: TID251  seeded
from collections.abc import Mapping

import pytest

from tests.fakes import FakeClock, deployment
from tests.world import MINUTE, SECOND, Killed, World, flat_route
from watcher.core import dispatch, shelf
from watcher.errors import StoreError
from watcher.ports import Judgement, Store
from watcher.store import inline, open_store

NAMES = [f"shop-{number}" for number in range(5)]


async def world() -> World:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    paced = flat_route("project", "deployment", group_wait=10 * SECOND, group_interval=20 * SECOND, repeat=10 * MINUTE)
    made = World(store, root=paced)
    await made.boot()
    made.api.put(*(deployment(name) for name in NAMES))
    await made.poll()
    return made


async def fall_behind(made: World, chance: random.Random) -> None:
    """Several observations that nobody has judged, with what is due between them."""
    for _ in range(6):
        made.clock.at += chance.choice([5, 15, 30]) * SECOND
        for name in NAMES:
            if chance.random() < 0.5:
                made.api.set(name, status=chance.choice(["Failed", "Deployed"]), build=str(chance.randint(1, 99)))
        await made.observer_poll()
    made.clock.at += chance.choice([1, 15, 40]) * SECOND


async def told(seed: int, crash_at: int = -1) -> tuple[list[str], int]:
    """What is told, and at how many points one could have died."""
    chance, points = random.Random(seed), 0
    made = await world()
    for _ in range(2):
        await fall_behind(made, chance)
        before = len(made.crash_points)
        made.crash_at = before + crash_at if crash_at >= 0 else -1
        await made.live(made.settle)
        made.crash_at, points = -1, max(points, len(made.crash_points) - before)
    await made.run(3 * MINUTE)
    found = [
        f"{each.id} {each.reason} "
        f"{sorted((view.labels['alertname'], view.labels.get('deployment', ''), view.state, view.fresh) for view in each.alerts)}"
        for each in made.messages
    ]
    await made.store.close()
    return sorted(found), points


@pytest.mark.parametrize("seed", range(2))
async def test_a_backlog_told_in_parts_and_killed_between_them_is_told_as_at_once(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "READY", 1)
    at_once, _ = await told(seed)
    monkeypatch.setattr(dispatch, "MUCH", 1)
    in_parts, points = await told(seed)
    assert in_parts == at_once
    assert points > 12
    for at in range(points):
        assert (await told(seed, at))[0] == at_once


class Failing:
    """A store of which the next commit of judge fails, and the process dies after the one that follows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.metas: list[Mapping[str, str]] = []
        self.failed = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def commit_judgement(self, judgement: Judgement) -> None:
        if not self.failed:
            self.failed = True
            raise StoreError("no space left")
        self.metas.append(dict(judgement.meta))
        await self._store.commit_judgement(judgement)
        raise Killed("after the first part")


async def test_that_rules_were_adopted_is_written_with_what_they_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "MUCH", 1)
    made = await world()
    for name in NAMES:
        made.api.set(name, status="Failed")
    made.clock.at += 30 * SECOND
    await made.observer_poll()
    while await made.judge.run_once():
        pass
    made.rules_digest = "2"
    await made.boot()
    failing = Failing(made.store)
    made.judge._store = failing  # type: ignore[assignment]  # forwards every verb
    with pytest.raises(StoreError):
        await made.judge.run_once()
    made.api.set(NAMES[0], status="Deployed")
    made.clock.at += 30 * SECOND
    await made.observer_poll()
    with pytest.raises(Killed):
        await made.judge.run_once()
    assert failing.metas == [{}]
    assert (await made.store.load_ledger()).meta["rules"] == "1"
    await made.store.close()
