"""A hundred thousand Deployments fail within a minute: how long taking that in lasts, what it costs, what people hear.

`python -m tests.bench.storm [--short] [--group-by LABELS]`. Ten projects of 10,000 Deployments each, polled every five
seconds; in each of the twelve polls of the minute a twelfth of them has failed, each with an error of its own.

What is real: the daemon as it is wired from its configuration, its observers, the database on a disk with its syncs, the
judge, the deliverer, a Slack bot and its way out over HTTP. What is not: the lists do not come over HTTP, because what a
poll and its decoding cost is measured by `tests.bench.run` and would be most of this; and the clock is moved by hand, so
that ten minutes need not be waited for. Slack is the simulator's workspace, in this process, as strict as Slack. It is part
of the memory that is reported, with less than a mebibyte once it has answered. The lists add nothing to it: their records
are the very objects that the daemon goes on to know, and of a failed Deployment it has to know the report.

The built-in summary of a first sight is switched off, so that only the storm is heard. A failure that the poller sees
at once, without the Deploying before it, is three events: another status, another build, another report.

Taken in is what is committed as events; to judge and to tell comes after, and is shown beside it. Memory is the most
that was resident at once between the first failure and the end of the ten minutes, less what was before, with 100,000
Deployments known. What was heard is counted from the texts that stand in the channel at the end.
"""

import argparse
import asyncio
import logging
import re
import sys
import tempfile
import time  # timing is what this file is for
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from tests.bench.corpus import describe_load, pinned
from tests.fakes import FakeClock, deployment, fake_env
from watcher import app, config
from watcher.app.daemon import settle_memory
from watcher.core.snapshot import Deployment, Listing, ReportEntry
from watcher.metrics import Metrics
from watcher.redact import Redactor
from watcher.simulator import Simulator, serve

PROJECTS, COUNT = 10, 10_000
SECOND, MINUTE = 1_000, 60_000
POLLS, BETWEEN = 12, 5 * SECOND
LENGTH = 10 * MINUTE
CHANNEL = "storm"
INGESTED, RESIDENT, MESSAGES = 10, 64, 20
"""The goals: seconds, mebibytes, messages."""
_FIRING = re.compile(r"(\d+) firing")
CONFIG = """
disable_rules = ["NowWatching"]
{projects}
[route]
receiver = "team"
group_by = {group_by}

[[receivers]]
name = "team"
slack = [{{ token = "xoxb-1-2-storm", channel = "#storm", api_url = "{url}/slack/api" }}]

[egress]
allow = ["127.0.0.0/8"]

[store]
url = "sqlite:///{folder}/storm.db"
"""
PROJECT = """
[[projects]]
key = "{key}"
region = "europe-west1.gcp"
client_id = "watcher"
client_secret = "any will do"
api_url = "{url}"
auth_url = "{url}"
poll_interval = "5s"
"""


@dataclass
class Fleet:
    """The list of one project. A record that does not change is the same object in every list, as with unchanged pages."""

    project: str
    count: int
    records: dict[str, Deployment] = field(default_factory=dict)
    failed: int = 0

    def __post_init__(self) -> None:
        for number in range(self.count):
            name = f"{self.project}-{number}"
            self.records[f"id-{name}"] = deployment(name, project=self.project, build=f"b{number}")

    def fail(self, until: int) -> None:
        """Let the Deployments up to that number fail, each with a text of its own."""
        for number in range(self.failed, until):
            key = f"id-{self.project}-{number}"
            entry = ReportEntry(type="Error", title=f"build {number} failed: npm ci exited with code {number % 250}")
            self.records[key] = replace(self.records[key], status="Failed", build=f"c{number}", entries=(entry,))
        self.failed = until

    async def list(self) -> Listing[Deployment]:
        return Listing(records=dict(self.records), total=self.count)

    async def get(self, record_id: str) -> Deployment | None:
        return self.records.get(record_id)


@dataclass
class Spent:
    """Seconds by what took them; `cpu` those of the processor, which others on the machine do not lengthen."""

    by: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    async def on(self, what: str, action: Awaitable[Any]) -> Any:
        start, cpu = time.perf_counter(), time.process_time()
        try:
            return await action
        finally:
            self.by[what] += time.perf_counter() - start
            self.cpu[what] += time.process_time() - cpu


@dataclass(frozen=True)
class Found:
    """What a storm came to; `told` is how many failures the channel's messages speak of."""

    failed: int
    spent: Spent
    before: float
    most: float
    posts: int
    edits: int
    told: int
    hammered: int
    waiting: int


@dataclass
class Storm:
    """One daemon, its projects' lists, and time."""

    daemon: app.Daemon
    simulator: Simulator
    clock: FakeClock
    fleets: Sequence[Fleet]
    spent: Spent = field(default_factory=Spent)

    def __post_init__(self) -> None:
        by_project = {each.project: each for each in self.fleets}
        self.observers = [each for each in self.daemon.observers if not each.target.optional]
        for each in self.observers:
            each.target = replace(each.target, source=by_project[each.target.project])

    async def poll(self) -> None:
        for each in self.observers:
            await self.spent.on("observe", each.poll())

    async def judge(self) -> None:
        while await self.spent.on("judge", self.daemon.judge.run_once()):
            pass

    async def deliver(self, until: int) -> None:
        """Tell what can be told by then, at the pace of the channel, and judge whatever comes due meanwhile."""
        deliverer = self.daemon.deliverer
        while True:
            started = await self.spent.on("deliver", deliverer.run_once())
            await self.spent.on("deliver", deliverer.drain())
            if started:
                continue
            dues = [await deliverer.next_due(), self.daemon.judge.next_due()]
            at = min((max(each, self.clock.at) for each in dues if each is not None), default=until)
            if at >= until:
                break
            self.clock.at = max(at, self.clock.at + 1)
            await self.judge()
        self.clock.at = until

    async def blow(self) -> None:
        """A minute of failures, and the nine minutes after it."""
        begin = self.clock.at
        for number in range(1, POLLS + 1):
            for each in self.fleets:
                each.fail(each.count * number // POLLS)
            await self.poll()
            await self.judge()
            await self.deliver(begin + number * BETWEEN)
        for at in range(begin + MINUTE, begin + LENGTH + 1, MINUTE):
            await self.poll()
            await self.judge()
            await self.deliver(at)


async def storm(count: int, group_by: Sequence[str]) -> Found:
    """Blow, and look at what came of it."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        clock = FakeClock()
        simulator = await stack.enter_async_context(serve(clock=clock))
        fleets = [Fleet(f"shop-{number}", count) for number in range(PROJECTS)]
        daemon = await stack.enter_async_context(opened(simulator, Path(folder), clock, fleets, group_by))
        made = Storm(daemon, simulator, clock, fleets)
        await made.poll()
        await made.judge()
        clock.at += 60 * MINUTE
        await made.poll()
        await made.judge()
        settle_memory()
        made.spent = Spent()
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # what was resident at most is counted anew
        await made.blow()
        most = resident("VmHWM")
        return await found(made, before, most)


def opened(
    simulator: Simulator, folder: Path, clock: FakeClock, fleets: Sequence[Fleet], group_by: Sequence[str]
) -> Any:
    projects = "".join(PROJECT.format(key=each.project, url=simulator.url) for each in fleets)
    text = CONFIG.format(projects=projects, group_by=list(group_by), url=simulator.url, folder=folder)
    loaded = config.loads(text.replace("'", '"'), {})
    metrics = Metrics(CollectorRegistry(), version="0")
    return app.daemon(loaded.settings, env=fake_env(clock), metrics=metrics, redactor=Redactor(loaded.secrets))


async def found(made: Storm, before: float, most: float) -> Found:
    """Look at the channel and the outbox."""
    channel = made.simulator.slack.channel(CHANNEL)
    roots = channel.roots()
    stats = (await made.daemon.store.outbox()).rows
    return Found(
        failed=sum(each.failed for each in made.fleets),
        spent=made.spent,
        before=before,
        most=most,
        posts=len(channel.posts),
        edits=sum(len(each.earlier) for each in roots),
        told=sum(firing(each.text) for each in roots),
        hammered=made.simulator.slack.hammered,
        waiting=sum(count for state, count in stats.items() if state.value in {"pending", "held", "sending"}),
    )


def firing(text: str) -> int:
    """How many a message says are firing; one that names no number speaks of one."""
    said = _FIRING.search(text)
    return int(said[1]) if said else int("FIRING" in text)


def resident(name: str) -> float:
    """Mebibytes of this process that are, or at most were, resident."""
    status = Path("/proc/self/status").read_text()
    said = re.search(rf"{name}:\s+(\d+) kB", status)
    assert said is not None
    return int(said[1]) / 1024


def report(seen: Found) -> None:
    for what in ("observe", "judge", "deliver"):
        print(f"  {what:<10}{seen.spent.by[what]:>8.2f} s, {seen.spent.cpu[what]:.2f} s of the processor")
    print(f"  ingested  {seen.spent.by['observe']:>8.2f} s        goal {INGESTED} s")
    print(f"  resident  {seen.before:>8.1f} MiB + {seen.most - seen.before:.1f} MiB    goal + {RESIDENT} MiB")
    print(f"  messages  {seen.posts:>8} and {seen.edits} edits in {LENGTH // MINUTE} min    goal {MESSAGES}")
    print(f"  counts    {seen.told:>8} told of {seen.failed} failed")
    print(f"  waiting   {seen.waiting:>8} messages, {seen.hammered} calls within a Retry-After")


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.storm")
    parser.add_argument("--short", action="store_true", help="a tenth of the Deployments")
    parser.add_argument("--group-by", default="project", help="labels, with commas between")
    chosen = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    count = COUNT // 10 if chosen.short else COUNT
    print(f"{PROJECTS * count} Deployments of {PROJECTS} projects fail within a minute, {describe_load()}")
    with pinned():
        report(asyncio.run(storm(count, [each for each in chosen.group_by.split(",") if each])))


if __name__ == "__main__":
    main(sys.argv[1:])
