"""Deaths by SIGKILL at random moments under a stream of transitions: nothing lost, nothing told twice.

`make soak` dies a hundred times, `make test` a quarter as often (`KILLS` in the environment says how often in all).

A message may come twice only where its outcome was unknown when the process died, and then under the same id.
"""

import asyncio
import json
import os
import random  # noqa: TID251  seeded
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.process import Daemon, Setting
from tests.acceptance.test_timelines import Stage
from watcher.simulator import Simulator, serve

DAEMONS = 4
KILLS = int(os.environ.get("KILLS", "24")) // DAEMONS
DEPLOYMENTS = 8
SEED = 20261124
WORKING = 0.85


def told(simulator: Simulator, key: str) -> tuple[Counter[tuple[str, str]], int]:
    """How often each failure was told under different ids, and how many messages came twice under one id."""
    by_id: dict[str, list[tuple[str, str]]] = {}
    posts = 0
    for message in simulator.messages:
        if message.path == f"/inbox/{key}":
            posts += 1
            alerts = message.body["data"]["alerts"]
            by_id[message.headers["webhook-id"]] = [
                (each["labels"]["deployment"], each["annotations"]["error"])
                for each in alerts
                if each["fresh"] and each["status"] == "firing" and each["labels"]["alertname"] == "DeploymentFailed"
            ]
    return Counter(each for alerts in by_id.values() for each in alerts), posts - len(by_id)


def unknown_outcomes(daemon: Daemon) -> int:
    """How many sends the restarted processes found to have been under way."""
    lines = (json.loads(line) for line in daemon.log.splitlines() if line.startswith(b"{"))
    return sum(line["count"] for line in lines if line["event"] == "delivery.recovered")


async def fail_forever(stage: Stage, kills: list[int], expected: set[tuple[str, str]]) -> None:
    """Let one Deployment after the other fail with an error of its own, each visible for as long as it is not told."""
    number = 0
    while len(kills) < KILLS:
        name = f"d{number % DEPLOYMENTS}"
        error = f"failure {number}"
        stage.set(name, "Failed", f"b{number}", [{"type": "Error", "title": error}])
        expected.add((name, error))
        await stage.simulator.wait_inbox(lambda _: told(stage.simulator, stage.key)[0].keys() >= expected, 60)
        number += 1


async def die(daemon: Daemon, stage: Stage, kills: list[int], chance: random.Random) -> None:
    """Kill the daemon at random moments: mostly while it works, now and then while it is still starting."""
    for _ in range(KILLS):
        if chance.random() < WORKING:
            await stage.asked()
        assert daemon.process is not None
        await asyncio.wait({asyncio.create_task(daemon.process.wait())}, timeout=chance.uniform(0.0, 0.8))
        await daemon.kill()
        kills.append(1)
        await daemon.start()


async def run_one(simulator: Simulator, folder: Path, number: int) -> None:
    key = f"stream-{number}"
    folder.mkdir()
    made = Setting(simulator.url, folder, blind_after="30s")
    made.project(key)
    async with Daemon(made.write()) as daemon:
        stage = Stage(simulator, key)
        stage.create(*(f"d{n}" for n in range(DEPLOYMENTS)))
        kills: list[int] = []
        expected: set[tuple[str, str]] = set()
        await daemon.start()
        await simulator.wait_inbox(lambda found: any(each.path == f"/inbox/{key}" for each in found), 30)
        chance = random.Random(SEED + number)
        await asyncio.gather(fail_forever(stage, kills, expected), die(daemon, stage, kills, chance))
        assert await daemon.stop() == 0
    found, doubled = told(simulator, key)
    assert found == Counter(expected), f"seed {SEED}"
    assert doubled <= unknown_outcomes(daemon)
    assert len(kills) == KILLS
    assert len(expected) >= max(KILLS // 10, 2), "the stream stood still"


@pytest.mark.timeout(240)
async def test_kills_lose_nothing_and_double_nothing_but_the_unknown(tmp_path: Path) -> None:
    async with serve() as simulator:
        await asyncio.gather(*(run_one(simulator, tmp_path / str(n), n) for n in range(DAEMONS)))
