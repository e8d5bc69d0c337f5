"""The timelines of the product, for real: the daemon as a process, the simulator as Connect, messages counted in its inbox.

Every row is a project of its own with a receiver of its own, and all rows run at once. They run twice: in peace, and
while the daemon is killed and started again at random moments. Durations are shortened; nothing else is.
"""

import asyncio
import random  # noqa: TID251  seeded
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.process import Daemon, Setting
from watcher.simulator import Simulator, serve

PATIENCE = 60.0
STUCK = """
[[rules]]
name = "DeploymentStuck"
on = "deployment"
matchers = ['project="row-06"', 'status=~"Queued|Deploying|Undeploying"']
resolve = ['status!~"Queued|Deploying|Undeploying"']
for = "5s"
labels = { severity = "warning" }

[[rules]]
name = "DeploymentStuckCritical"
on = "deployment"
matchers = ['project="row-06"', 'status=~"Queued|Deploying|Undeploying"']
resolve = ['status!~"Queued|Deploying|Undeploying"']
for = "8s"
labels = { severity = "critical" }
"""


@dataclass
class Stage:
    """One row's project in the simulator, and the means to wait until the daemon has seen it."""

    simulator: Simulator
    key: str
    kills: list[int] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    def create(self, *names: str, **fields: Any) -> None:
        for name in names:
            made = self.simulator.create(self.key, key=name, **fields)
            self.ids[name] = made[0]["id"]

    def set(self, name: str, status: str, build: str = "", entries: Sequence[dict[str, str]] = ()) -> None:
        fields: dict[str, Any] = {"status": status}
        if build:
            fields["details"] = {"build": {"id": f"{self.key}-{build}", "report": {"entries": list(entries)}}}
        self.simulator.update(self.ids[name], **fields)

    def remove(self, name: str) -> None:
        self.simulator.delete(self.ids[name])

    async def seen(self, polls: int = 1) -> None:
        """Wait for `polls` more polls in a row by one process: when the last begins, those before it are committed."""
        journal = self.simulator.journal
        path = f"/{self.key}/deployments"
        start = len([None for entry in journal.entries if entry.path == path])
        killed = len(self.kills)

        def enough(entries: Sequence[Any]) -> bool:
            nonlocal start, killed
            count = sum(entry.path == path for entry in entries)
            if len(self.kills) != killed:
                start, killed = count, len(self.kills)
            return bool(count - start > polls)

        await self.simulator.wait_requests(enough, PATIENCE)

    async def asked(self) -> None:
        """Wait until the daemon asks for the project once more."""
        path = f"/{self.key}/deployments"
        before = sum(entry.path == path for entry in self.simulator.requests)
        await self.simulator.wait_requests(lambda found: sum(e.path == path for e in found) > before, PATIENCE)

    async def go(self, name: str, *statuses: str, build: str = "") -> None:
        for status in statuses:
            self.set(name, status, "" if status == "Queued" else build)
            await self.seen()


Play = Callable[[Stage], Awaitable[None]]


async def good(stage: Stage) -> None:
    await stage.go("shop", "Queued", "Deploying", "Deployed", build="b2")


async def failed(stage: Stage) -> None:
    await stage.go("shop", "Queued", "Deploying", "Failed", build="b2")


async def recovered(stage: Stage) -> None:
    await failed(stage)
    await stage.go("shop", "Queued", "Deploying", "Deployed", build="b3")


async def again(stage: Stage) -> None:
    await failed(stage)
    await stage.go("shop", "Queued", "Deploying", "Failed", build="b3")


async def stuck(stage: Stage) -> None:
    await stage.go("shop", "Deploying", build="b2")
    await heard(stage, 2)
    await stage.go("shop", "Deployed", build="b2")


async def unseen_good(stage: Stage) -> None:
    await stage.go("shop", "Deployed", build="b2")


async def unseen_failure(stage: Stage) -> None:
    await stage.go("shop", "Failed", build="b2")


async def warned(stage: Stage) -> None:
    entry = {"type": "Warning", "title": "Failed during the execution of 'postDeploy' script", "application": "service"}
    stage.set("shop", "Deployed", "b2", [entry])
    await stage.seen()
    await stage.go("shop", "Queued", "Deploying", "Deployed", build="b3")


async def undeployed(stage: Stage) -> None:
    await stage.go("shop", "Undeploying")
    stage.remove("shop")
    await stage.seen(2)


async def vanished(stage: Stage) -> None:
    stage.remove("shop")
    await heard(stage, 1)


async def outage(stage: Stage) -> None:
    fault = stage.simulator.fault(f"/{stage.key}/*", status=503)
    await heard(stage, 1)
    stage.set("shop", "Failed", "b2")
    stage.simulator.faults.drop(fault)
    await stage.seen()


def empty_list(stage: Stage) -> int:
    body = {"limit": 500, "offset": 0, "count": 0, "total": 0, "results": []}
    return stage.simulator.fault(f"/{stage.key}/deployments", body=body)


async def one_empty(stage: Stage) -> None:
    fault = empty_list(stage)
    path = f"/{stage.key}/deployments"
    await stage.simulator.wait_requests(lambda found: any(e.path == path and e.fault for e in found), PATIENCE)
    stage.simulator.faults.drop(fault)
    await stage.seen()


async def five_empty(stage: Stage) -> None:
    fault = empty_list(stage)
    await heard(stage, 1)
    await stage.seen()
    stage.simulator.faults.drop(fault)
    await stage.seen()


async def unknown(stage: Stage) -> None:
    await stage.go("shop", "Hibernating")
    await stage.go("other", "Hibernating")
    await stage.go("shop", "Deployed")


async def storm(stage: Stage) -> None:
    for name in stage.ids:
        stage.set(name, "Failed", f"b2-{name}")
    await stage.seen()
    await heard(stage, 1)


async def nothing(stage: Stage) -> None:
    await stage.seen()


@dataclass(frozen=True)
class Row:
    key: str
    play: Play
    heard: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ("shop", "other")


FAILED, RECOVERED = "firing DeploymentFailed", "resolved DeploymentFailed"
ROWS = (
    Row("row-01", nothing, deployments=tuple(f"d{n}" for n in range(300))),
    Row("row-02", good),
    Row("row-03", failed, (FAILED,)),
    Row("row-04", recovered, (FAILED, RECOVERED)),
    Row("row-05", again, (FAILED, f"{FAILED} again")),
    Row(
        "row-06",
        stuck,
        (
            "firing DeploymentStuck",
            "firing DeploymentStuckCritical",
            "resolved DeploymentStuck, DeploymentStuckCritical",
        ),
    ),
    Row("row-07", unseen_good),
    Row("row-08", unseen_failure, (FAILED,)),
    Row("row-09", warned, ("firing DeploymentWarning", "resolved DeploymentWarning")),
    Row("row-10a", undeployed),
    Row("row-10b", vanished, ("firing DeploymentVanished",)),
    Row("row-11", outage, ("firing SourceBlind", "resolved SourceBlind", FAILED)),
    Row("row-12a", one_empty),
    Row("row-12b", five_empty, ("firing MassDisappearance",)),
    Row("row-16", storm, (FAILED,), deployments=tuple(f"d{n}" for n in range(500))),
    Row("row-17", unknown, ("firing UnknownValue",)),
)


def told(simulator: Simulator, key: str) -> list[dict[str, Any]]:
    """What the row's receiver was told, in order; what came twice under one id counts once."""
    found: dict[str, dict[str, Any]] = {}
    for message in simulator.messages:
        if message.path == f"/inbox/{key}":
            found.setdefault(message.headers["webhook-id"], message.body)
    return [body["data"] for body in found.values()]


def summary(message: dict[str, Any]) -> str:
    names = sorted({each["labels"]["alertname"] for each in message["alerts"] if each["fresh"]})
    return f"{message['status']} {', '.join(names)}" + (" again" if message["reason"] == "new_attempt" else "")


async def heard(stage: Stage, count: int) -> None:
    """Wait until the row's receiver has been told `count` times, the first summary not counted."""
    await stage.simulator.wait_inbox(lambda _: len(told(stage.simulator, stage.key)) > count, PATIENCE)


async def play_all(simulator: Simulator, daemon: Daemon, kills: list[int]) -> None:
    stages = [Stage(simulator, row.key, kills) for row in ROWS]
    for row, stage in zip(ROWS, stages, strict=True):
        stage.create(*row.deployments)
    for name in ROWS[0].deployments[:40]:
        stages[0].set(name, "Failed")
    await daemon.start()
    await asyncio.gather(*(heard(stage, 0) for stage in stages))
    await asyncio.gather(*(row.play(stage) for row, stage in zip(ROWS, stages, strict=True)))
    await asyncio.gather(*(stage.seen() for stage in stages))


def setting(simulator: Simulator, folder: Path) -> Path:
    made = Setting(simulator.url, folder, extra=STUCK)
    for row in ROWS:
        if row.key == "row-16":
            made.project(row.key, group_by='["project"]', wait="2s", pause="6s")
        else:
            made.project(row.key)
    return made.write()


def verify(simulator: Simulator) -> None:
    found = {row.key: [summary(each) for each in told(simulator, row.key)] for row in ROWS}
    # between two groups of one receiver the order of sending is free, so each row is compared as a multiset
    assert {key: Counter(each) for key, each in found.items()} == {
        row.key: Counter(("firing NowWatching", *row.heard)) for row in ROWS
    }
    first = told(simulator, "row-01")[0]["alerts"][0]["annotations"]["summary"]
    assert first == "now watching 300 deployments of row-01, 40 failed"
    assert told(simulator, "row-16")[1]["counts"] == {"firing": 500, "resolved": 0, "fresh": 500, "heldBack": 0}


@pytest.mark.timeout(180)
async def test_each_row_is_heard_exactly_so(tmp_path: Path) -> None:
    async with serve() as simulator, Daemon(setting(simulator, tmp_path)) as daemon:
        await play_all(simulator, daemon, [])
        code = await daemon.stop()
        verify(simulator)
    assert code == 0, daemon.log.decode()[-2000:]
    assert b"canary-secret" not in daemon.log
    ids = [message.headers["webhook-id"] for message in simulator.messages]
    assert len(ids) == len(set(ids))


@pytest.mark.timeout(300)
async def test_row_18_killed_at_random_moments_the_same_is_heard(tmp_path: Path) -> None:
    seed = 20261124
    chance = random.Random(seed)
    kills: list[int] = []
    async with serve() as simulator, Daemon(setting(simulator, tmp_path)) as daemon:
        playing = asyncio.create_task(play_all(simulator, daemon, kills))
        while not playing.done():
            await asyncio.wait({playing}, timeout=chance.uniform(2.5, 5.0))
            if not playing.done() and daemon.process is not None:
                await daemon.kill()
                kills.append(daemon.started)
                await daemon.start()
        await playing
        await daemon.stop()
        verify(simulator)
    assert len(kills) >= 4, f"seed {seed}"


@pytest.mark.timeout(120)
async def test_row_13_a_daemon_that_was_down_says_so_and_what_it_missed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(serve())
        made = Setting(simulator.url, tmp_path, blind_after="2s")
        made.project("row-13")
        daemon = await stack.enter_async_context(Daemon(made.write()))
        stage = Stage(simulator, "row-13")
        stage.create("shop")
        await daemon.start()
        await heard(stage, 0)
        await stage.go("shop", "Deploying", build="b2")
        await daemon.stop()
        stage.set("shop", "Failed", "b2")
        await asyncio.wait({asyncio.create_task(asyncio.Event().wait())}, timeout=2.5)  # the daemon is down that long
        await daemon.start()
        await heard(stage, 2)
        await stage.seen()
        await daemon.stop()
        found = [summary(each) for each in told(simulator, "row-13")]
    assert sorted(found) == ["firing DeploymentFailed", "firing NowWatching", "firing WasBlind"]


@pytest.mark.timeout(120)
async def test_after_a_long_absence_no_reminder_is_of_what_is_over(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(serve())
        made = Setting(simulator.url, tmp_path, blind_after="30s")
        made.project("row-04")
        path = made.write()
        path.write_text(path.read_text().replace('receiver = "rest"', 'receiver = "rest"\nrepeat_interval = "2s"'))
        daemon = await stack.enter_async_context(Daemon(path))
        stage = Stage(simulator, "row-04")
        stage.create("shop")
        await daemon.start()
        await heard(stage, 0)
        await stage.go("shop", "Failed", build="b2")
        await heard(stage, 1)
        await daemon.kill()
        before = len(told(simulator, "row-04"))
        stage.set("shop", "Deployed", "b3")
        await asyncio.wait({asyncio.create_task(asyncio.Event().wait())}, timeout=2.5)  # a reminder has come due
        await daemon.start()
        await heard(stage, before)
        assert summary(told(simulator, "row-04")[before]) == "resolved DeploymentFailed"
