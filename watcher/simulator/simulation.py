"""One simulation: the world, the services around it, and the scenario that moves it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from aiohttp import web
from msgspec import convert

from watcher.simulator.auth import Tokens
from watcher.simulator.chance import Chance
from watcher.simulator.clock import Adjustable, Clock, SystemClock
from watcher.simulator.faults import Fault, Faults
from watcher.simulator.inbox import Inbox, Message
from watcher.simulator.journal import Entry, Journal
from watcher.simulator.logbook import Logbook
from watcher.simulator.moves import Stage, plan, write
from watcher.simulator.player import Player
from watcher.simulator.pushing import ALWAYS, Exporter, Pushing, Report
from watcher.simulator.scenario import Scenario
from watcher.simulator.slack_people import People
from watcher.simulator.slack_socket import Sockets
from watcher.simulator.slack_team import Team
from watcher.simulator.state import World
from watcher.simulator.steps import Plan, Writing
from watcher.simulator.timeline import Timeline


class Simulator:
    """A simulated Connect API and its surroundings. What the control API can do, its parts do in the same process.

    `speed` is scenario time over real time; at 0 it moves only when told to. Builds and the like take scenario time, which
    begins with the scenario, or at once without one. Dates and the ends of tokens are of the simulated wall clock, delays of
    faults and the times in inbox and journal are real, which is `clock`'s.
    """

    def __init__(
        self, *, seed: int = 0, speed: float = 1.0, scenario: Scenario | None = None, clock: Clock | None = None
    ) -> None:
        self.url = ""
        base = clock or SystemClock()
        chosen = scenario or Scenario()
        self.clock = Adjustable(base=base)
        self.timeline = Timeline(self.clock, speed, begun=scenario is None)
        self.wire = Chance(f"{seed}/wire")  # apart, so that resources do not depend on who asked what when
        self.noise = Chance(f"{seed}/noise")
        self.logbook = Logbook(
            chance=Chance(f"{seed}/logs"),
            clock=self.timeline,
            manners=chosen.logs.build(),
            removed_status=chosen.logs.removed_status,
        )
        self.world = World(
            chance=Chance(seed),
            clock=self.timeline,
            tempo=self.timeline,
            durations=chosen.durations.build(),
            logbook=self.logbook,
            production_disabled=set(chosen.production_disabled),
        )
        self.tokens = Tokens(chance=self.wire, clock=self.clock, access=chosen.access.build())
        self.inbox = Inbox(clock=base)
        self.slack = Team(clock=base)
        self.people = People(team=self.slack)
        self.sockets = Sockets()
        self.journal = Journal(clock=base)
        self.faults = Faults()
        self.player = Player(
            scenario=chosen,
            stage=Stage(
                project=chosen.project,
                world=self.world,
                logbook=self.logbook,
                faults=self.faults,
                tokens=self.tokens,
                clock=self.clock,
                timeline=self.timeline,
            ),
        )
        self._removal = chosen.logs.removed_at
        self.exporter: Exporter | None = None
        self._playing: asyncio.Task[None] | None = None
        self._pushing: asyncio.Task[None] | None = None
        self.strangers = Chance(f"{seed}/push")

    @property
    def transitions(self) -> int:
        """How many status changes have been applied."""
        return self.world.transitions

    @property
    def messages(self) -> Sequence[Message]:
        """What the inboxes hold, in order of arrival."""
        return self.inbox.messages

    @property
    def requests(self) -> Sequence[Entry]:
        """What the simulated services were asked, oldest first."""
        return tuple(self.journal.entries)

    def create(self, projects: str | Sequence[str], *, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Add Deployments, round robin over the projects; their payloads. Raises ApiError as the control API answers."""
        chosen = [projects] if isinstance(projects, str) else projects
        return [made.payload for made in self.world.create(chosen, count, fields)]

    def update(self, deployment_id: str, **fields: Any) -> dict[str, Any]:
        """Set fields of a Deployment (`None` removes one); its payload. Raises ApiError as the control API answers."""
        return self.world.update(deployment_id, fields).payload

    def delete(self, deployment_id: str) -> None:
        """Remove a Deployment at once. Raises ApiError as the control API answers."""
        self.world.delete(deployment_id)

    def create_drafts(self, *, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Add ConnectorStaged; their payloads. Raises ApiError as the control API answers."""
        return [made.payload for made in self.world.create_drafts(count, fields)]

    def update_draft(self, draft_id: str, **fields: Any) -> dict[str, Any]:
        """Set fields of a ConnectorStaged (`None` removes one); its payload. Raises ApiError."""
        return self.world.update_draft(draft_id, fields).payload

    def delete_draft(self, draft_id: str) -> None:
        """Remove a ConnectorStaged at once. Raises ApiError."""
        self.world.delete_draft(draft_id)

    def create_connectors(self, *, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Add published Connectors; their payloads. Raises ApiError as the control API answers."""
        return [made.payload for made in self.world.create_connectors(count, fields)]

    def update_connector(self, connector_id: str, **fields: Any) -> dict[str, Any]:
        """Set fields of a Connector (`None` removes one); its payload. Raises ApiError."""
        return self.world.update_connector(connector_id, fields).payload

    def delete_connector(self, connector_id: str) -> None:
        """Remove a Connector at once. Raises ApiError."""
        self.world.delete_connector(connector_id)

    def plan(self, kind: str, key: str, **outcome: Any) -> None:
        """What the next requests of a kind come to, in the words of a scenario's `plan`. Raises pydantic's error."""
        plan(self.player.stage, Plan.model_validate({"kind": kind, "key": key, **outcome}))

    def log_burst(self, deployment_id: str, **written: Any) -> int:
        """Let a Deployment's application write, in the words of a scenario's `logs`; how many records that made."""
        return write(self.player.stage, self.world.by_id(deployment_id), Writing.model_validate(written))

    def remove_logs(self, after: int = 0, status: Literal[404, 410] = 404) -> None:
        """Let the logs endpoint be gone `after` milliseconds of scenario time from now."""
        self._removal = self.timeline.elapsed() + after
        self.logbook.removed_status = status
        self.catch_up()

    def keep_logs(self) -> None:
        """Take that back."""
        self._removal = self.logbook.removed = None

    def fault(self, path: str, **how: Any) -> int:
        """Make requests to `path` go wrong, in the words of `Fault`; the fault's id."""
        return self.faults.add(convert({"path": path, **how}, Fault))

    async def press(self, action: str, *, user: str = "U0PERSON", name: str = "person", ts: str = "") -> bool:
        """Press a button of a message, or of the newest that has it; whether the app took it in time. Raises PressError."""
        return await self.sockets.send(self.people.press(self.url, action, user=user, name=name, ts=ts))

    @property
    def pushed(self) -> Report | None:
        """What has come of pushing logs; `None` where they are not."""
        return None if self.exporter is None else self.exporter.report

    async def push_to(self, url: str, headers: Mapping[str, str] | None = None, **how: Any) -> None:
        """Push logs to an OTLP receiver from now on, in the words of a scenario's `push`. Raises pydantic's error."""
        wanted = Pushing.model_validate({"url": url, "headers": headers or {}, **how})
        await self.stop_push()
        self.begin_push(wanted)

    def begin_push(self, how: Pushing, at: int | None = None) -> Exporter:
        """Let forwarding begin at a moment of scenario time: now, unless one is given. At 0 it has always been there."""
        begun = self.timeline.elapsed() if at is None else at
        self.exporter = Exporter(
            how=how,
            begin=ALWAYS if at == 0 else self.timeline.wall(begun),
            begun=begun,
            project=self.player.stage.project,
            world=self.world,
            logbook=self.logbook,
            timeline=self.timeline,
            clock=self.clock,
            chance=self.strangers,
            catch_up=self.catch_up,
        )
        self._pushing = asyncio.get_running_loop().create_task(self.exporter.run(), name="push")
        return self.exporter

    async def stop_push(self) -> None:
        """Push no more."""
        self.exporter = self.logbook.tap = None
        pushing, self._pushing = self._pushing, None
        await ended(pushing)

    async def wait_pushed(self, seconds: float) -> None:
        """Wait until all records that have arrived by now are taken or given up. Raises TimeoutError."""
        if self.exporter is not None:
            await asyncio.wait_for(self.exporter.settled(), seconds)

    def catch_up(self) -> None:
        """Let everything happen whose time has come."""
        self.player.catch_up()
        if self._removal is not None:
            self.logbook.removed = self.timeline.wall(self._removal)

    def advance(self, length: int) -> None:
        """Let so many milliseconds of scenario time pass at once, and everything happen that falls into them."""
        self.timeline.advance(length)
        self.catch_up()

    async def wait_inbox(self, predicate: Callable[[Sequence[Message]], bool], seconds: float) -> Sequence[Message]:
        """Wait until `predicate` likes the whole inbox; what it then holds. Raises TimeoutError."""
        return await self.inbox.wait(predicate, seconds)

    async def wait_requests(self, predicate: Callable[[Sequence[Entry]], bool], seconds: float) -> None:
        """Wait until `predicate` likes the requests noted so far. Raises TimeoutError."""
        await self.journal.wait(predicate, seconds)

    def play(self) -> None:
        """Start the scenario, unless it has been started. Its time counts from now."""
        if self._playing is None:
            self.timeline.begin()
            if (push := self.player.scenario.push) is not None:
                self.begin_push(push, push.at)
            self._playing = asyncio.get_running_loop().create_task(self.player.play(), name="scenario")

    async def played(self) -> None:
        """Wait for the end of a scenario that was started."""
        if self._playing is not None:
            await asyncio.shield(self._playing)

    async def close(self) -> None:
        """Stop the scenario and the push, end connections."""
        await self.stop_push()
        await self.sockets.close()
        await ended(self._playing)


async def ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and see it end."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


SIMULATOR = web.AppKey("simulator", Simulator)
