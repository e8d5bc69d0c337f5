"""One simulation: the world, the services around it, and the scenario that moves it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from msgspec import convert

from watcher.simulator.auth import Tokens
from watcher.simulator.chance import Chance
from watcher.simulator.clock import Clock, SystemClock
from watcher.simulator.faults import Fault, Faults
from watcher.simulator.inbox import Inbox, Message
from watcher.simulator.journal import Entry, Journal
from watcher.simulator.player import Player
from watcher.simulator.scenario import Scenario
from watcher.simulator.state import World


class Simulator:
    """A simulated Connect API and its surroundings. What the control API can do, its parts do in the same process.

    `speed` is scenario time over real time; at 0 the scenario moves only when told to. Faults, tokens and everything
    else are in real time, which is `clock`'s.
    """

    def __init__(
        self, *, seed: int = 0, speed: float = 1.0, scenario: Scenario | None = None, clock: Clock | None = None
    ) -> None:
        self.url = ""
        self.clock: Clock = clock or SystemClock()
        self.wire = Chance(f"{seed}/wire")  # apart, so that resources do not depend on who asked what when
        self.world = World(chance=Chance(seed), clock=self.clock)
        self.tokens = Tokens(chance=self.wire, clock=self.clock)
        self.inbox = Inbox(clock=self.clock)
        self.journal = Journal(clock=self.clock)
        self.faults = Faults()
        self.player = Player(
            scenario=scenario or Scenario(), speed=speed, world=self.world, faults=self.faults, clock=self.clock
        )
        self._playing: asyncio.Task[None] | None = None

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

    def fault(self, path: str, **how: Any) -> int:
        """Make requests to `path` go wrong, in the words of `Fault`; the fault's id."""
        return self.faults.add(convert({"path": path, **how}, Fault))

    async def wait_inbox(self, predicate: Callable[[Sequence[Message]], bool], seconds: float) -> Sequence[Message]:
        """Wait until `predicate` likes the whole inbox; what it then holds. Raises TimeoutError."""
        return await self.inbox.wait(predicate, seconds)

    async def wait_requests(self, predicate: Callable[[Sequence[Entry]], bool], seconds: float) -> None:
        """Wait until `predicate` likes the requests noted so far. Raises TimeoutError."""
        await self.journal.wait(predicate, seconds)

    def play(self) -> None:
        """Start the scenario, unless it has been started. Its time counts from now."""
        if self._playing is None:
            self._playing = asyncio.get_running_loop().create_task(self.player.play(), name="scenario")

    async def played(self) -> None:
        """Wait for the end of a scenario that was started."""
        if self._playing is not None:
            await asyncio.shield(self._playing)

    async def close(self) -> None:
        """Stop the scenario."""
        if self._playing is not None:
            self._playing.cancel()
            with suppress(asyncio.CancelledError):
                await self._playing


SIMULATOR = web.AppKey("simulator", Simulator)
