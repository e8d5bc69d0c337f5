"""Deaths by SIGKILL under a stream of failures: nothing lost, nothing told twice but where nobody knows what became of it.

`make soak` dies two hundred times, `make test` an eighth as often (`KILLS` in the environment says how often in all).
The daemon dies while it starts, at some moment of a poll, its commit and what follows, and the moment a receiver has
taken a message: then it cannot have recorded that yet. Each failure is told to a webhook and to a card in Slack.

What a receiver got is held to what the database says of each message: at most one copy more than there were attempts
with an unknown outcome, always under the same id, and in Slack, where people do not see ids, with a word about it.
"""

import asyncio
import json
import os
import random  # noqa: TID251  seeded
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conservation import Books, Row, books, database_of
from tests.acceptance.process import Daemon, Setting
from tests.acceptance.test_timelines import Stage
from watcher.simulator import Simulator, serve
from watcher.simulator.slack_team import Post

DAEMONS = 4
ALL = int(os.environ.get("KILLS", "24"))
KILLS = ALL // DAEMONS
DEPLOYMENTS = 8
SEED = 20261124
STARTING, TAKEN = 0.15, 0.6
"""Of all deaths: how many come while the daemon is starting, and up to which share those at the moment of a send."""
MARK = "possible duplicate"


class Stream:
    """One daemon's failures, and what its two receivers have heard of them."""

    def __init__(self, simulator: Simulator, key: str) -> None:
        self.stage = Stage(simulator, key)
        self.simulator = simulator
        self.key = key
        self.expected: list[tuple[str, str]] = []
        self.kills: Counter[str] = Counter()

    def hooks(self) -> Iterator[tuple[str, Any]]:
        """The webhook's messages, with their ids."""
        for message in self.simulator.messages:
            if message.path == f"/inbox/{self.key}":
                yield message.headers["webhook-id"], message.body["data"]

    def posts(self) -> list[Post]:
        return list(self.simulator.slack.channel(self.key).posts.values())

    def arrived(self) -> int:
        return sum(1 for _ in self.hooks()) + len(self.posts())

    def has_more(self, before: int) -> bool:
        return self.arrived() > before

    def has_told(self, error: str) -> bool:
        """Whether both receivers have heard of it."""
        slack = any(error in json.dumps(first(post)) for post in self.posts())
        return slack and any(error in json.dumps(body) for _, body in self.hooks())

    async def fail_forever(self) -> None:
        """Let one Deployment after the other fail with an error of its own, each visible for as long as it is not told."""
        while self.kills.total() < KILLS:
            number = len(self.expected)
            name, error = f"d{number % DEPLOYMENTS}", f"failure {number:04}"
            self.stage.set(name, "Failed", f"b{number}", [{"type": "Error", "title": error}])
            self.expected.append((name, error))
            await self.until(lambda: self.has_told(self.expected[-1][1]))

    def stale(self) -> list[tuple[str, str]]:
        """The last failures that the card of their Deployment does not show, the copy of it that has a thread."""
        posts = self.posts()
        threads = {each.thread_ts for each in posts if each.thread_ts}
        found = []
        for name, error in dict(self.expected).items():
            cards = [each for each in posts if not each.thread_ts and f"/ {name}" in each.text]
            card = next((each for each in cards if each.ts in threads), cards[-1])
            if error not in json.dumps(card.content):
                found.append((name, error))
        return found

    async def die(self, daemon: Daemon, chance: random.Random) -> None:
        """Kill the daemon at random moments of all three kinds."""
        for _ in range(KILLS):
            draw = chance.random()
            if draw < STARTING:
                await self.passes(daemon, chance.uniform(0.0, 0.8))
                when = "starting"
            elif draw < TAKEN:
                await self.until(partial(self.has_more, self.arrived()))
                when = "sending"
            else:
                await self.stage.asked()
                await self.passes(daemon, chance.uniform(0.0, 0.8))
                when = "polling"
            await daemon.kill()
            self.kills[when] += 1
            await daemon.start()

    async def until(self, so: Callable[[], bool]) -> None:
        await self.simulator.wait_inbox(lambda _: so(), 60)

    async def passes(self, daemon: Daemon, seconds: float) -> None:
        assert daemon.process is not None
        await asyncio.wait({asyncio.create_task(daemon.process.wait())}, timeout=seconds)


def first(post: Post) -> dict[str, Any]:
    """A message as it was posted."""
    return post.earlier[0] if post.earlier else post.content


def about(post: Post) -> str:
    """The delivery that it is of."""
    return str(post.metadata["event_payload"]["id"])


def news(row: Row) -> list[tuple[str, str]]:
    """The failures that a message tells for the first time."""
    return [
        (each.labels["deployment"], each.annotations["error"])
        for each in row.message.alerts
        if each.fresh and each.state == "firing" and each.labels["alertname"] == "DeploymentFailed"
    ]


def verify_copies(rows: list[Row], copies: Counter[str]) -> None:
    """Each message came, and oftener than once only where an outcome is unknown."""
    assert copies.keys() == {each.id for each in rows}
    assert not [each for each in rows if copies[each.id] > 1 + each.unknown], f"seed {SEED}"


def verify_hooks(stream: Stream, found: Books) -> None:
    rows = found.of("/webhook/0")
    verify_copies(rows, Counter(name for name, _ in stream.hooks()))
    assert Counter(each for row in rows for each in news(row)) == Counter(stream.expected), f"seed {SEED}"
    bodies: dict[str, Any] = {}
    assert all(bodies.setdefault(name, body) == body for name, body in stream.hooks())


def verify_slack(stream: Stream, found: Books) -> None:
    """Each failure is one post, more than that only with a mark; each Deployment has one card, which shows its last failure."""
    rows = found.of("/slack/0")
    posts = stream.posts()
    verify_copies(rows, Counter(about(each) for each in posts))
    assert Counter(each for row in rows for each in news(row)) == Counter(stream.expected), f"seed {SEED}"
    for name in {about(each) for each in posts}:
        unmarked = [each for each in posts if about(each) == name and MARK not in json.dumps(first(each))]
        assert len(unmarked) <= 1
    for name in dict(stream.expected):
        assert len({about(each) for each in posts if not each.thread_ts and f"/ {name}" in each.text}) == 1
    assert stream.stale() == []


def waiting(database: Path) -> int:
    """How many messages are not settled; what was refused for now is tried again after a while."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM outbox WHERE settled_at IS NULL").fetchone()[0])


async def run_one(simulator: Simulator, folder: Path, number: int) -> tuple[Counter[str], int, int]:
    """One daemon until it has died often enough; how, how many outcomes were unknown, how many copies came of that."""
    stream = Stream(simulator, f"stream-{number}")
    folder.mkdir()
    made = Setting(simulator.url, folder, blind_after="30s")
    made.project(stream.key)
    bot = f'slack = [{{ token = "xoxb-1-{number}-canary", channel = "#{stream.key}", api_url = "{simulator.url}/slack/api" }}]'
    made.receivers[-1] += f"{bot}\n"
    config = made.write()
    async with Daemon(config) as daemon:
        stream.stage.create(*(f"d{n}" for n in range(DEPLOYMENTS)))
        await daemon.start()
        await simulator.wait_inbox(lambda _: bool(stream.posts()) and any(True for _ in stream.hooks()), 30)
        await asyncio.gather(stream.fail_forever(), stream.die(daemon, random.Random(SEED + number)))
        await stream.until(lambda: not stream.stale())  # an edit that was refused for now comes after its reply
        while waiting(database_of(config)):
            await stream.stage.asked()
        assert await daemon.stop() == 0
    found = books(database_of(config))
    verify_hooks(stream, found)
    verify_slack(stream, found)
    assert stream.kills.total() == KILLS
    assert len(stream.expected) >= max(KILLS // 10, 2), "the stream stood still"
    copies = stream.arrived() - len(found.rows)
    return stream.kills, sum(each.unknown for each in found.rows), copies


@pytest.mark.timeout(max(240, 6 * ALL))
async def test_kills_lose_nothing_and_double_nothing_but_the_unknown(tmp_path: Path) -> None:
    async with serve() as simulator:
        each = await asyncio.gather(*(run_one(simulator, tmp_path / str(n), n) for n in range(DAEMONS)))
    kills = sum((found for found, _, _ in each), Counter[str]())
    unknown, copies = sum(found for _, found, _ in each), sum(found for _, _, found in each)
    print(f"{dict(kills)}; {unknown} unknown outcomes, {copies} copies, 0 lost")
    assert min(kills[when] for when in ("starting", "polling", "sending")) > 0
    assert 0 < copies <= unknown, "no death fell between a send and its mark"
