"""A destination that is down, dies with the daemon, comes back after long, and then asks to be called less often."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conservation import database_of
from tests.acceptance.process import Daemon, Setting
from tests.acceptance.test_timelines import Stage
from watcher.simulator import Simulator, serve

PATIENCE = 60.0
OUTAGE_MS = 3_600_000
WINDOW_S = 3
INBOX = "/inbox/shop"
NAMES = [f"app-{number}" for number in range(25)]
RULE = """
disable_rules = ["DeploymentFailed"]

[[rules]]
name = "Broken"
on = "deployment"
matchers = ['status="Failed"']
labels = { severity = "warning" }
annotations = { summary = "{{ deployment }} is broken" }
"""


def asked(simulator: Simulator) -> Sequence[Any]:
    return [each for each in simulator.requests if each.path == INBOX]


def bodies(simulator: Simulator) -> list[dict[str, Any]]:
    return [each.body for each in simulator.messages if each.path == INBOX]


def told(simulator: Simulator) -> list[tuple[str, list[str]]]:
    """Each message that was taken: why, and of which Deployments, "" for the digest's own alert."""
    return [
        (body["data"]["reason"], sorted(each["labels"].get("deployment", "") for each in body["data"]["alerts"]))
        for body in bodies(simulator)
    ]


def make_long(database: Path) -> None:
    """Let what is remembered of the outage have begun an hour before."""
    with closing(sqlite3.connect(database)) as connection, connection:
        ((sink, body),) = connection.execute("SELECT sink, body FROM breakers WHERE sink LIKE 'shop/%'").fetchall()
        found = json.loads(body)
        found["since"] -= OUTAGE_MS
        connection.execute("UPDATE breakers SET body = ? WHERE sink = ?", (json.dumps(found), sink))


async def go_down(stage: Stage, daemon: Daemon) -> None:
    """Everything fails while the destination does, until it is held to be down and each message was decided."""
    stage.simulator.fault(INBOX, status=503)
    for name in NAMES:
        stage.set(name, "Failed", f"b2-{name}")
    await stage.simulator.wait_requests(lambda _: len(asked(stage.simulator)) >= 5, PATIENCE)
    await stage.seen(2)
    while b"sink.went_down" not in daemon.log:
        await stage.asked()
    await stage.asked()  # and by now it is committed
    await daemon.kill()


def instant(entry: Any) -> float:
    return datetime.fromisoformat(entry.at).timestamp()


async def limit(stage: Stage) -> None:
    """Be told to wait, and be told the rest in time."""
    before = len(bodies(stage.simulator))
    stage.simulator.fault(INBOX, status=429, retry_after=WINDOW_S, count=1)
    for name in NAMES[:3]:
        stage.set(name, "Deployed", f"b3-{name}")
    await stage.simulator.wait_inbox(lambda _: len(bodies(stage.simulator)) >= before + 3, PATIENCE)
    calls = asked(stage.simulator)
    (refused,) = [at for at, each in enumerate(calls) if each.status == 429]
    # what was under way already when the answer came is nobody's fault
    later = [instant(each) - instant(calls[refused]) for each in calls[refused + 1 :]]
    assert all(age >= WINDOW_S or age < 0.5 for age in later), later
    assert max(later) >= WINDOW_S


@pytest.mark.timeout(120)
async def test_an_outage_is_told_in_one_and_a_wish_to_be_left_alone_is_obeyed(tmp_path: Path) -> None:
    async with serve() as simulator:
        made = Setting(simulator.url, tmp_path, blind_after="30s", extra=RULE)
        made.project("shop")
        config = made.write()
        async with Daemon(config) as daemon:
            stage = Stage(simulator, "shop")
            for name in NAMES:
                stage.create(name)
            await daemon.start()
            await stage.seen(2)
            await simulator.wait_inbox(lambda _: bool(bodies(simulator)), PATIENCE)
            await go_down(stage, daemon)
            make_long(database_of(config))
            simulator.faults.clear()
            await daemon.start()
            await simulator.wait_inbox(lambda _: any(why == "digest" for why, _ in told(simulator)), PATIENCE)
            await stage.seen(2)
            heard = [name for _, names in told(simulator) for name in names if name]
            assert sorted(heard) == sorted(NAMES)
            (digest,) = [names for why, names in told(simulator) if why == "digest"]
            assert len(digest) > 20
            await limit(stage)
            assert await daemon.stop() == 0
