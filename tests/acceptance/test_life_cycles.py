"""One incident from its beginning to its end, as each destination that has a life cycle of its own gets to see it.

The daemon is a process, and so is Alertmanager; mail goes to an SMTP server, webhooks are verified by the official
library, Slack is the simulator's workspace. A Deployment fails, people are reminded, somebody takes it on, it is
redeployed and fails again, it recovers. Each of the four must have been told just what it asks for, and nothing else.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tests.acceptance.process import Daemon, Setting
from tests.acceptance.test_timelines import Stage
from tests.loopback import web_server
from tests.mailserver import Mailroom, mail_server
from tests.peers.alertmanager import Running, alertmanager
from tests.slack_world import outline
from watcher.simulator import Simulator, serve

PATIENCE = 30.0
KEY = "whsec_YSBzaWduaW5nIGtleSBvZiAzMiBieXRlcywgcmVhZHk="
RULE = "DeploymentFailed"
REMINDED = "4s"
RECEIVER = """
[[receivers]]
name = "shop"
slack = [{{ token = "xoxb-1-2-canary", channel = "#shop", api_url = "{slack}/slack/api" }}]
webhook = [{{ url = "{hook}/hook", secret = "{key}" }}]
alertmanager = [{{ urls = ["{peer}"] }}]
email = [{{ host = "127.0.0.1", port = {port}, tls = "none", from = "watcher@example.com", to = ["team@example.com"] }}]
"""


@dataclass
class Hook:
    """A webhook's receiver that believes the official library only. `events` are those of the failed Deployment."""

    events: list[dict[str, Any]] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        event: dict[str, Any] = Webhook(KEY).verify(await request.read(), dict(request.headers))
        if is_ours(event["data"]["alerts"]):
            self.events.append(event)
            self.grown.set()
        return web.Response()

    @property
    def reasons(self) -> list[str]:
        return [each["data"]["reason"] for each in self.events]


@dataclass
class Scene:
    """Everybody who is told."""

    simulator: Simulator
    stage: Stage
    hook: Hook
    room: Mailroom
    peer: Running
    url: str

    async def until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not so():
                await self.stage.asked()

    async def told(self, count: int) -> None:
        """Wait until so much has been told to everybody."""
        await self.until(
            lambda: (
                len(self.hook.events) == len(self.mails()) == count and self.thread() == (1 if count else 0, count - 1)
            )
        )

    def thread(self) -> tuple[int, int]:
        """How many cards, and how many answers to them."""
        cards = self.cards()
        return len(cards), sum(len(replies) for _, replies in cards)

    def cards(self) -> list[Any]:
        return [each for each in outline(self.simulator.slack.channel("shop")) if "NOTICE" not in each[0]]

    def mails(self) -> Sequence[EmailMessage]:
        return [each for each in self.room.messages if RULE in str(each["subject"])]

    def passed_on(self) -> list[str]:
        """What Alertmanager has told its own receiver."""
        bodies = (each.body for each in self.simulator.messages if each.path.endswith("/alertmanager"))
        return [each["status"] for body in bodies for each in body["alerts"] if is_ours([each])]

    async def acknowledge(self) -> None:
        """Take it on, as a person does who has looked at the alerts."""
        async with aiohttp.ClientSession(self.url, raise_for_status=True) as session:
            async with session.get("/api/v1/alerts") as answer:
                (alert,) = [each for each in (await answer.json())["alerts"] if is_ours([each])]
            (group,) = alert["groups"]
            wanted = {"groupKey": group["groupKey"], "author": "ann"}
            async with session.post("/api/v1/acknowledge", json=wanted) as answer:
                assert (await answer.json())["alerts"] == 1


def is_ours(alerts: Sequence[Any]) -> bool:
    return any(each["labels"]["alertname"] == RULE for each in alerts)


async def play(scene: Scene) -> None:
    stage = scene.stage
    entry = {"type": "Error", "title": "npm ci exited with code 1"}
    stage.set("payment", "Failed", "b2", [entry])
    await scene.told(1)
    await scene.until(lambda: scene.passed_on() == ["firing"])
    await scene.told(2)
    await scene.acknowledge()
    await stage.seen(5)  # longer than until the next reminder
    assert scene.hook.reasons == ["first_notification", "repeat_interval"]
    await stage.go("payment", "Queued", "Failed", build="b3")
    await scene.told(3)
    (shown,) = [each for each in await scene.peer.alerts() if is_ours([each])]
    assert shown["status"]["state"] == "active"
    stage.set("payment", "Deployed", "b4")
    await scene.told(4)
    await scene.until(lambda: len(scene.passed_on()) > 1)


def verify(scene: Scene) -> None:
    """Each has seen what its life cycle asks for."""
    assert scene.hook.reasons == ["first_notification", "repeat_interval", "new_attempt", "all_resolved"]
    assert [each["type"].split(".")[-2] for each in scene.hook.events] == ["firing"] * 3 + ["resolved"]
    assert len({each["id"] for each in scene.hook.events}) == 4
    assert scene.cards() == [("✅ RESOLVED", ["! 🔴 still FIRING", "! 🔴 FIRING again", "✅ RESOLVED"])]
    assert scene.simulator.slack.hammered == 0
    assert scene.passed_on() == ["firing", "resolved"]
    verify_mails(scene.mails())


def verify_mails(mails: Sequence[EmailMessage]) -> None:
    """A thread: each mail is one of its own, and all answer the first."""
    told = [str(each["subject"]).partition(" · ")[0] for each in mails]
    assert told == ["FIRING", "still FIRING", "FIRING again", "RESOLVED"]
    assert len({str(each["message-id"]) for each in mails}) == 4
    begun, *others = mails
    assert {(str(each["in-reply-to"]), str(each["references"])) for each in others} == {(str(begun["message-id"]),) * 2}


@pytest.mark.timeout(90)
async def test_an_incident_is_told_to_each_destination_as_its_life_cycle_asks(tmp_path: Path) -> None:
    hook = Hook()
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(serve())
        peer = await stack.enter_async_context(alertmanager(tmp_path / "am", f"{simulator.url}/inbox/alertmanager"))
        room = await stack.enter_async_context(mail_server(Mailroom(), tls="none"))
        address = await stack.enter_async_context(web_server(hook.take))
        made = Setting(simulator.url, tmp_path, blind_after="30s")
        made.project("shop")
        made.routes[-1] += f'repeat_interval = "{REMINDED}"\n'
        made.receivers[-1] = RECEIVER.format(slack=simulator.url, hook=address, key=KEY, peer=peer.url, port=room.port)
        config = made.write()
        url = f"http://{config.read_text().rpartition('listen = ')[2].strip().strip(chr(34))}"
        daemon = await stack.enter_async_context(Daemon(config))
        stage = Stage(simulator, "shop")
        stage.create("payment")
        await daemon.start()
        await stage.seen(2)
        scene = Scene(simulator, stage, hook, room, peer, url)
        await play(scene)
        verify(scene)
        assert await daemon.stop() == 0
