"""A deployment run on a live card: the real daemon, the simulated API and a workspace as strict as Slack, on one clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import FakeClock, fake_env
from tests.slack_world import outline
from watcher import app, config
from watcher.core.delivery import DeliveryState
from watcher.metrics import Metrics
from watcher.redact import Redactor
from watcher.simulator import Simulator, serve

CONFIG = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "watcher"
client_secret = "any will do"
api_url = "{url}"
auth_url = "{url}"
poll_interval = "30s"

[[rules]]
name = "Queued"
on = "deployment"
matchers = ['status="Queued"']
resolve = ['status!="Queued"']
labels = {{ severity = "info" }}

[[rules]]
name = "Deploying"
on = "deployment"
matchers = ['status="Deploying"']
resolve = ['status!="Deploying"']
labels = {{ severity = "info" }}

[route]
receiver = "team"
group_by = ["project", "deployment"]
group_wait = "0s"
group_interval = "0s"

[[receivers]]
name = "team"
slack = [{{ token = "xoxb-1-2-3", channel = "#deploys", api_url = "{url}/slack/api" }}]

[egress]
allow = ["127.0.0.0/8"]

[store]
url = "sqlite:///{path}"
"""


@dataclass
class Stage:
    """A simulator that lives through the test, and the daemon of the moment."""

    simulator: Simulator
    clock: FakeClock
    path: Path
    ids: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[app.Daemon]:
        loaded = config.loads(CONFIG.format(url=self.simulator.url, path=self.path), {})
        metrics = Metrics(CollectorRegistry(), version="0")
        async with app.daemon(
            loaded.settings, env=fake_env(self.clock), metrics=metrics, redactor=Redactor(loaded.secrets)
        ) as made:
            await made.deliverer.recover()
            yield made

    async def see(self, daemon: app.Daemon, status: str = "", *, watch: Callable[[], None] = lambda: None) -> None:
        """Let the Deployment enter a status, and everything be told that follows."""
        if status:
            self.simulator.update(self.ids["shop"], status=status)
        self.clock.at += 30_000
        for observer in daemon.observers:
            await observer.poll()
        while await daemon.judge.run_once():
            pass
        for _ in range(100):
            watch()
            started = await daemon.deliverer.run_once()
            await daemon.deliverer.drain()
            due = await daemon.deliverer.next_due()
            if not started and due is None:
                return
            if not started and due is not None:
                self.clock.at = max(self.clock.at, due)
        raise AssertionError("what is told never ends")

    def cards(self) -> list[Any]:
        return outline(self.simulator.slack.channel("deploys"))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = FakeClock()
    async with serve(clock=clock) as simulator:
        (made,) = simulator.create("my-shop", key="shop", status="Deployed")
        yield Stage(simulator=simulator, clock=clock, path=tmp_path / "watcher.db", ids={"shop": made["id"]})


RUN = ("✅ RESOLVED", ["1 firing", "! 1 firing", "✅ RESOLVED"])


def runs(stage: Stage) -> list[Any]:
    """The cards but for the one that says what is watched."""
    return [card for card in stage.cards() if "NOTICE" not in card[0]]


async def test_a_run_is_one_card_with_its_history_a_broadcast_failure_and_a_recovery_in_the_thread(
    stage: Stage,
) -> None:
    async with stage.daemon() as daemon:
        await stage.see(daemon)
        for status in ("Queued", "Deploying", "Failed", "Deployed"):
            await stage.see(daemon, status)
        rows = (await daemon.store.outbox()).rows
    assert {state for state, count in rows.items() if count} == {DeliveryState.DELIVERED}
    ((card, thread),) = runs(stage)
    assert (card, [reply.split()[0] for reply in thread]) == ("✅ RESOLVED", ["🔵", "!", "✅"])
    assert "🔴" in thread[1]
    assert stage.simulator.slack.hammered == 0


async def test_a_card_goes_on_after_a_restart(stage: Stage) -> None:
    async with stage.daemon() as daemon:
        await stage.see(daemon)
        await stage.see(daemon, "Failed")
    async with stage.daemon() as daemon:
        await stage.see(daemon, "Deployed")
    assert runs(stage) == [("✅ RESOLVED", ["✅ RESOLVED"])]


async def test_a_card_that_was_deleted_is_posted_afresh(stage: Stage) -> None:
    async with stage.daemon() as daemon:
        await stage.see(daemon)
        await stage.see(daemon, "Failed")
        (failed,) = [post for post in stage.simulator.slack.channel("deploys").roots() if "🔴" in post.text]
        stage.simulator.slack.delete(failed.ts)
        await stage.see(daemon, "Deployed")
    assert runs(stage) == [("✅ RESOLVED", [])]


@pytest.mark.parametrize("method", ["chat.update", "chat.postMessage"])
async def test_a_wish_to_be_left_alone_is_followed_and_nothing_is_told_twice(stage: Stage, method: str) -> None:
    team = stage.simulator.slack
    async with stage.daemon() as daemon:
        await stage.see(daemon)
        await stage.see(daemon, "Failed")
        stage.simulator.fault(f"/slack/api/{method}", status=429, retry_after=7, count=1)
        before = len(stage.simulator.requests)
        asked = stage.clock.at
        await stage.see(daemon, "Deployed")
    assert stage.clock.at - asked >= 37_000
    assert runs(stage) == [("✅ RESOLVED", ["✅ RESOLVED"])]
    calls = [entry.path for entry in list(stage.simulator.requests)[before:] if entry.path.startswith("/slack/")]
    assert sorted(calls) == sorted(["/slack/api/chat.update", "/slack/api/chat.postMessage", f"/slack/api/{method}"])
    assert team.hammered == 0
