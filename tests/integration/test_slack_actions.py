"""Buttons from end to end: the real daemon, the simulated API, a workspace and the people in it, on one clock."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from slack_sdk.signature import SignatureVerifier

from tests.fakes import FakeClock, fake_env
from watcher import app, config
from watcher.app.serving import answering
from watcher.metrics import Metrics
from watcher.ports import Env
from watcher.redact import Redactor
from watcher.simulator import Simulator, serve
from watcher.sinks.slack_buttons import Press
from watcher.web.server import MOST

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
HOUR, MINUTE = 3_600_000, 60_000
CONFIG = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "watcher"
client_secret = "any will do"
api_url = "{url}"
auth_url = "{url}"
poll_interval = "30s"
blind_after = "3h"
connectors = {{ watch = false }}

[route]
receiver = "team"
group_by = {group_by}
group_wait = "0s"
group_interval = "0s"
repeat_interval = "20m"

[[receivers]]
name = "team"
slack = [{{ token = "xoxb-1-2-3", channel = "#deploys", api_url = "{url}/slack/api", actions = true }}]

[slack]
app_token = "xapp-1-canary"
signing_secret = "{secret}"
allowed_users = ["U0ADA"]
allowed_groups = ["S0OPS"]
api_url = "{url}/slack/api"

[web]
listen = "127.0.0.1:0"

[egress]
allow = ["127.0.0.0/8"]

[store]
url = "sqlite:///{path}"
"""


@dataclass
class Stage:
    """A simulator, and a daemon that is driven by hand but for its connection to Slack."""

    simulator: Simulator
    clock: FakeClock
    path: Path
    shop: str
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    web: str = ""
    group_by: str = '["project", "deployment"]'
    made: app.Daemon = field(init=False, repr=False)

    @asynccontextmanager
    async def daemon(self, env: Env | None = None) -> AsyncIterator[app.Daemon]:
        text = CONFIG.format(url=self.simulator.url, path=self.path, secret=SECRET, group_by=self.group_by)
        loaded = config.loads(text, {})
        assert loaded.warnings == ()
        metrics = Metrics(self.registry, version="0")
        redactor = Redactor(loaded.secrets)
        async with (
            app.daemon(loaded.settings, env=env or fake_env(self.clock), metrics=metrics, redactor=redactor) as made,
            answering(made, loaded.settings.web.listen, bool) as self.web,
        ):
            self.made = made
            yield made

    @asynccontextmanager
    async def failed(self) -> AsyncIterator[app.Daemon]:
        """The shop has failed, the card is there, and Slack is connected."""
        async with self.daemon() as made:
            await made.deliverer.recover()
            assert made.buttons is not None
            assert made.buttons.socket is not None
            task = asyncio.create_task(made.buttons.socket.run())
            try:
                await self.simulator.sockets.wait(1, 5)
                await self.see()
                await self.see("Failed")
                yield made
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def see(self, status: str = "", *, after: int = 30_000) -> None:
        """Let time pass, perhaps the shop enter a status, and everything be told that follows."""
        if status:
            self.simulator.update(self.shop, status=status)
        self.clock.at += after
        for observer in self.made.observers:
            await observer.poll()
        while await self.made.judge.run_once():
            pass
        for _ in range(100):
            started = await self.made.deliverer.run_once()
            await self.made.deliverer.drain()
            due = await self.made.deliverer.next_due()
            if not started and due is None:
                return
            self.clock.at = max(self.clock.at, due or 0)
        raise AssertionError("what is told never ends")

    async def press(self, action: Press, *, user: str = "U0ADA", name: str = "ada") -> None:
        assert await self.simulator.press(action, user=user, name=name)
        await self.acted()

    async def acted(self) -> None:
        assert self.made.buttons is not None
        await self.made.buttons.presses.close()

    def body(self, action: Press, *, user: str = "U0ADA") -> str:
        """What Slack posts of a press."""
        payload = self.simulator.people.press(self.simulator.url, action, user=user, name="ada")
        return urlencode({"payload": json.dumps(payload)})

    async def post(self, body: str, *, secret: str = SECRET, age: int = 0) -> int:
        """Post a press, signed by Slack's own library; the status that it is answered with."""
        at = str(self.clock.now() // 1000 - age)
        signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=body) or ""
        headers = {
            "X-Slack-Signature": signature,
            "X-Slack-Request-Timestamp": at,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"{self.web}/slack/actions", data=body, headers=headers) as answer,
        ):
            return answer.status

    def card(self) -> Any:
        """The card of the failure."""
        (found,) = [post for post in self.simulator.slack.channel("deploys").roots() if "DeploymentFailed" in post.text]
        return found

    def thread(self) -> list[str]:
        return [post.text for post in self.simulator.slack.channel("deploys").thread(self.card().ts)]

    def told(self) -> int:
        """How many messages the channel has, those in threads too."""
        return len(self.simulator.slack.channel("deploys").posts)

    async def audit(self) -> list[tuple[str, str, str]]:
        found = await self.made.store.load_audit(10)
        return [(each.action, each.actor, each.detail) for each in found]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = FakeClock()
    async with serve(clock=clock) as simulator:
        simulator.slack.groups = {"S0OPS": ["U0EVE"]}
        (made,) = simulator.create("my-shop", key="shop", status="Deployed")
        yield Stage(simulator=simulator, clock=clock, path=tmp_path / "watcher.db", shop=made["id"])


async def test_what_nobody_has_taken_on_is_told_again(stage: Stage) -> None:
    async with stage.failed():
        before = stage.told()
        await stage.see(after=25 * MINUTE)
        assert stage.told() == before + 1


@pytest.mark.parametrize("way", ["socket", "http"])
async def test_acknowledge(stage: Stage, way: str) -> None:
    async with stage.failed():
        if way == "http":
            assert await stage.post(stage.body(Press.ACKNOWLEDGE)) == 200
            await stage.acted()
        else:
            await stage.press(Press.ACKNOWLEDGE)
        assert stage.thread() == ["👀 Acknowledged by <@U0ADA>: no reminders until something changes."]
        assert await stage.audit() == [("alert.acknowledged", "ada (Slack U0ADA)", "1 firing")]
        before = stage.told()
        for _ in range(5):
            await stage.see(after=25 * MINUTE)
        assert stage.told() == before
        assert stage.simulator.people.whispers == []
        await stage.see("Deployed")
        assert "RESOLVED" in stage.thread()[-1]


async def test_the_next_edit_of_the_card_says_who_has_taken_it_on(stage: Stage) -> None:
    stage.group_by = '["project"]'
    async with stage.failed():
        await stage.press(Press.ACKNOWLEDGE)
        stage.simulator.create("my-shop", key="other", status="Failed")
        await stage.see()
        assert "acknowledged by ada" in str(stage.card().content)


async def test_silence_for_an_hour(stage: Stage) -> None:
    async with stage.failed() as made:
        await stage.press(Press.SILENCE_HOUR)
        (said,) = stage.thread()
        assert said.startswith("🔕 Silenced by <@U0ADA> until one hour from now")
        ((action, actor, _),) = await stage.audit()
        assert (action, actor) == ("silence.added", "ada (Slack U0ADA)")
        (silence,) = await made.live.operating.silences()
        assert silence.ends_at == stage.clock.at + HOUR
        before = stage.told()
        await stage.see(after=25 * MINUTE)
        await stage.see(after=25 * MINUTE)
        assert stage.told() == before
        await stage.see(after=15 * MINUTE)  # past the end
        await stage.see(after=15 * MINUTE)  # past the next reminder
        assert stage.told() > before


async def test_silence_until_the_next_deployment(stage: Stage) -> None:
    async with stage.failed() as made:
        await stage.press(Press.SILENCE_DEPLOYMENT)
        (silence,) = await made.live.operating.silences()
        assert silence.until_deployment
        assert stage.thread()[0].startswith("🔕 Silenced by <@U0ADA> until the next deployment")


@pytest.mark.parametrize("how", [{"secret": "0" * 32}, {"age": 301}, {"age": -301}])
async def test_what_is_forged_or_old_is_unauthorized_and_does_nothing(stage: Stage, how: dict[str, Any]) -> None:
    async with stage.failed():
        assert await stage.post(stage.body(Press.ACKNOWLEDGE), **how) == 401
        await stage.acted()
        assert await stage.audit() == []
        before = stage.told()
        await stage.see(after=25 * MINUTE)
        assert stage.told() == before + 1


async def test_who_hangs_up_in_the_middle_is_not_in_the_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can, as often as they like."""
    async with stage.daemon():
        host, port = stage.web.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /slack/actions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npayload=")
        writer.write_eof()
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        assert await stage.post("payload=x", secret="0" * 32) == 401
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_those_who_are_sent_away_before_they_have_said_it_all_are_not_in_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage.daemon():
        host, port = stage.web.removeprefix("http://").split(":")
        head = b"POST /slack/actions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        slow = []
        for _ in range(MOST):
            reader, writer = await asyncio.open_connection(host, int(port))
            slow.append((reader, writer))
            writer.write(head)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"a")
        async with asyncio.timeout(2):
            assert await stage.post("payload=x") == 200
            assert await slow[0][0].read() == b""
        for _, writer in slow:
            writer.transport.abort()
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_what_is_replayed_is_unauthorized(stage: Stage) -> None:
    async with stage.failed():
        body = stage.body(Press.SILENCE_HOUR)
        assert [await stage.post(body) for _ in range(2)] == [200, 401]
        await stage.acted()
        assert len(await stage.audit()) == 1


@pytest.mark.parametrize("way", ["socket", "http"])
async def test_who_may_not_is_told_so_alone_and_on_record(stage: Stage, way: str) -> None:
    async with stage.failed() as made:
        before = stage.told()
        if way == "http":
            assert await stage.post(stage.body(Press.SILENCE_HOUR, user="U0BOB")) == 200
            await stage.acted()
        else:
            await stage.press(Press.SILENCE_HOUR, user="U0BOB", name="ada")
        (whisper,) = stage.simulator.people.whispers
        assert (whisper.user, whisper.text[:22]) == ("U0BOB", "You may not do that he")
        assert await stage.audit() == [("act.refused", "ada (Slack U0BOB)", Press.SILENCE_HOUR)]
        assert await made.live.operating.silences() == []
        assert stage.told() == before


async def test_members_of_a_group_may_while_slack_says_who_they_are(stage: Stage) -> None:
    async with stage.failed():
        stage.simulator.slack.scopes = {"chat:write"}
        await stage.press(Press.ACKNOWLEDGE, user="U0EVE", name="eve")
        stage.simulator.slack.scopes.add("usergroups:read")
        stage.clock.at += MINUTE
        await stage.press(Press.ACKNOWLEDGE, user="U0EVE", name="eve")
        assert [action for action, _, _ in await stage.audit()] == ["alert.acknowledged", "act.refused"]


async def test_the_connection_starts_and_stops_with_the_daemon_and_is_measured(stage: Stage) -> None:
    def measured() -> float | None:
        return stage.registry.get_sample_value("connect_watcher_slack_socket_connected")

    async with stage.daemon(app.system_env()) as made:
        assert measured() == 0
        async with app.running(made):
            await stage.simulator.sockets.wait(1, 5)
            stage.simulator.slack.put(stage.simulator.slack.channel("deploys"), {"text": "x", "blocks": BLOCKS})
            assert await stage.simulator.press(Press.ACKNOWLEDGE, user="U0ADA")
            assert measured() == 1
        await stage.simulator.sockets.wait(0, 5)
        assert measured() == 0


BLOCKS = [
    {
        "type": "actions",
        "elements": [{"type": "button", "action_id": Press.ACKNOWLEDGE.value, "value": '{"group":"none"}'}],
    }
]
