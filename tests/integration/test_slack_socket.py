"""Socket Mode against the simulated workspace: kept, renewed, and known to be dead."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

from tests.fakes import FakeClock, fake_env
from tests.notifications import FAILED
from tests.unit.test_slack_press import Office, desk
from watcher.http import Http
from watcher.simulator import Simulator, serve
from watcher.sinks.slack_bot import Api
from watcher.sinks.slack_buttons import Press, buttons
from watcher.sinks.slack_press import MOST, Presses
from watcher.sinks.slack_socket import HELLO_SECONDS, REFUSED_PAUSE, SlackSocket

TOKEN = "xapp-1-canary"
LOOPBACK = [ip_network("127.0.0.0/8")]


@dataclass
class Patient(FakeClock):
    """A clock whose sleeps are noted, and end when the test lets them."""

    slept: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, length: int) -> None:
        self.slept.append(length)
        self.changed.set()
        await super().sleep(length)


@dataclass
class Side:
    """Our side of the connection, and what came of it."""

    simulator: Simulator
    clock: Patient = field(default_factory=Patient)
    office: Office = field(default_factory=Office)
    states: list[bool] = field(default_factory=list)
    token: str = TOKEN

    def __post_init__(self) -> None:
        self.presses = Presses(desk(self.office))
        self.simulator.slack.put(self.simulator.slack.channel("deploys"), {"text": "x", "blocks": buttons(FAILED)})

    @asynccontextmanager
    async def running(self, hello_seconds: float = HELLO_SECONDS) -> AsyncIterator[None]:
        async with Http(allow=LOOPBACK) as http:
            api = Api(
                http=http,
                clock=self.clock,
                url=f"{self.simulator.url}/slack/api",
                token=lambda: self.token,
                deadline=5_000,
            )
            socket = SlackSocket(
                api,
                door=http,
                presses=self.presses,
                env=fake_env(self.clock),
                connected=self.states.append,
                hello_seconds=hello_seconds,
            )
            task = asyncio.create_task(socket.run())
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                await self.presses.close()

    async def press(self, **how: Any) -> bool:
        taken = await self.simulator.press(Press.ACKNOWLEDGE, user="U1", name="ada", **how)
        await self.presses.close()
        return taken

    def opened(self) -> int:
        return sum(each.path.endswith("apps.connections.open") for each in self.simulator.requests)


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    async with serve() as simulator:
        yield Side(simulator)


async def until(true: Callable[[], bool], side: Side) -> None:
    async with asyncio.timeout(10):
        while not true():
            side.clock.changed.clear()
            await side.clock.changed.wait()


async def test_a_press_is_acknowledged_and_acted_on(side: Side) -> None:
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        assert await side.press()
        assert side.states == [True]
    assert side.office.done == [(FAILED.group_key, "ada (Slack U1)")]
    await side.simulator.sockets.wait(0, 5)
    assert side.states == [True, False]
    assert TOKEN not in repr(side.simulator.requests)


async def test_it_is_acknowledged_before_it_is_acted_on(side: Side) -> None:
    held = side.office.held = asyncio.Event()
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        assert await side.simulator.press(Press.ACKNOWLEDGE)
        assert (side.office.done, side.office.turned_away) == (
            [],
            [("person (Slack U0PERSON)", Press.ACKNOWLEDGE, FAILED.group_key)],
        )
        assert await side.simulator.press(Press.ACKNOWLEDGE, user="U1")
        assert side.office.done == []
        held.set()
    assert len(side.office.done) == 1


async def test_an_envelope_that_comes_twice_is_acknowledged_twice_and_acted_on_once(side: Side) -> None:
    payload = side.simulator.people.press(side.simulator.url, Press.ACKNOWLEDGE, user="U1", name="ada")
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        assert await side.simulator.sockets.send(payload, envelope_id="same")
        assert await side.simulator.sockets.send(payload, envelope_id="same")
    assert len(side.office.done) == 1


@pytest.mark.parametrize("payload", [{}, {"type": "view_submission"}, {"type": "block_actions", "actions": []}])
async def test_what_is_no_press_is_acknowledged_and_does_nothing(side: Side, payload: dict[str, Any]) -> None:
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        assert await side.simulator.sockets.send(payload)
    assert (side.office.done, side.office.said) == ([], [])


async def test_an_envelope_that_is_none_breaks_nothing(side: Side) -> None:
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        line = side.simulator.sockets.lines[-1]
        for text in ('{"type":"interactive","payload":' + "[" * 9_000, "[]", '{"envelope_id":5}', '"\\ud800"', ""):
            await line.socket.send_str(text)
        assert await side.press()
        assert side.states == [True]
    assert len(side.office.done) == 1


async def test_what_there_is_no_room_for_is_not_acknowledged(side: Side) -> None:
    held = side.office.held = asyncio.Event()
    payload = side.simulator.people.press(side.simulator.url, Press.ACKNOWLEDGE, user="U1", name="ada")
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        for _ in range(MOST):
            assert await side.simulator.sockets.send(payload)
        assert not await side.simulator.sockets.send(payload)
        held.set()
    assert len(side.office.done) == MOST


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "something new"])
async def test_before_one_ends_another_is_there(side: Side, reason: str) -> None:
    sockets = side.simulator.sockets
    async with side.running():
        await sockets.wait(1, 5)
        side.clock.at += 3_600_000
        (old,) = sockets.lines
        await sockets.disconnect(reason)
        async with asyncio.timeout(5):
            while old in sockets.lines or not sockets.lines:
                await sockets._changed.wait()
        assert await side.press()
    assert side.states == [True, True, True, False]
    assert len(side.office.done) == 1
    assert side.opened() == 2


async def test_one_that_is_cut_off_is_made_again_after_a_pause(side: Side) -> None:
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        await side.simulator.sockets.close()
        await until(lambda: bool(side.clock.slept), side)
        await side.simulator.sockets.wait(1, 5)
        assert await side.press()
    assert side.states == [True, False, True, False]
    assert 500 <= side.clock.slept[0] <= 1_000


async def test_pauses_grow_and_end(side: Side) -> None:
    side.simulator.fault("/slack/api/apps.connections.open", status=503, count=9)
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        assert await side.press()
    bounds = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]
    assert len(side.clock.slept) == 9
    assert all(most / 2 <= slept <= most for slept, most in zip(side.clock.slept, bounds, strict=True))
    assert side.states == [True, False]


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        ({"status": 429, "retry_after": 90}, 90_000),
        ({"body": {"ok": False, "error": "invalid_auth"}}, REFUSED_PAUSE),
        ({"body": {"ok": False, "error": "not_allowed_token_type"}}, REFUSED_PAUSE),
    ],
)
async def test_slack_is_left_alone_as_long_as_it_says_and_longer_where_only_a_person_can_help(
    side: Side, fault: dict[str, Any], least: int
) -> None:
    side.simulator.fault("/slack/api/apps.connections.open", count=1, **fault)
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
    assert side.clock.slept == [least]


async def test_where_socket_mode_is_turned_off_it_is_tried_rarely(side: Side) -> None:
    async with side.running():
        await side.simulator.sockets.wait(1, 5)
        side.clock.at += 3_600_000
        await side.simulator.sockets.disconnect("link_disabled")
        await until(lambda: bool(side.clock.slept), side)
    assert side.clock.slept == [REFUSED_PAUSE]


async def test_a_token_is_read_anew_for_each_try(side: Side) -> None:
    side.token = "xoxb-not-this-one"
    async with side.running():
        await until(lambda: bool(side.clock.slept), side)
        side.token = TOKEN
        await side.simulator.sockets.wait(1, 5)
        assert await side.press()


@pytest.mark.parametrize(
    "answer", [{"ok": True}, {"ok": True, "url": 1}, {"ok": True, "url": "ws://10.0.0.1/x"}, [], "x"]
)
async def test_an_address_that_is_none_or_not_to_be_reached_is_a_failure(side: Side, answer: Any) -> None:
    side.simulator.fault("/slack/api/apps.connections.open", body=answer, count=1)
    async with side.running():
        await until(lambda: bool(side.clock.slept), side)
        await side.simulator.sockets.wait(1, 5)
        assert await side.press()
    assert side.states[-2:] == [True, False]
    assert len(side.clock.slept) == 1


async def test_a_connection_that_is_not_greeted_is_given_up(side: Side) -> None:
    side.simulator.sockets.greets = False
    async with side.running(hello_seconds=0.1):
        await until(lambda: bool(side.clock.slept), side)
        assert True not in side.states
        side.simulator.sockets.greets = True
        await side.simulator.sockets.wait(1, 5)
        assert await side.press()
