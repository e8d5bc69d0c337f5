"""Time and the scenario that it moves."""

from typing import Any

import msgspec
from aiohttp import web

from watcher.simulator.clock import iso
from watcher.simulator.control.reading import body_of
from watcher.simulator.duration import read_offset
from watcher.simulator.errors import json_response
from watcher.simulator.simulation import SIMULATOR, Simulator


class Hands(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`advance`: so much scenario time passes at once. `offset`: the wall clock is wrong by so much."""

    advance: int | float | str | None = None
    offset: int | float | str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where a length of time is none, or nothing is asked for."""
        if self.advance is None and self.offset is None:
            raise ValueError("say advance or offset")
        if self.advance is not None and read_offset(self.advance) < 0:
            raise ValueError("time does not pass backwards; offset sets the wall clock wrong")
        if self.offset is not None:
            read_offset(self.offset)


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.get("/clock", show_clock),
        web.post("/clock", set_clock),
        web.get("/scenario", show_scenario),
        web.post("/step", play_step),
    ]


async def show_clock(request: web.Request) -> web.Response:
    """GET /_sim/clock: what the service takes for the time, by how much that is wrong, and scenario time."""
    return json_response(clock_of(request.app[SIMULATOR]))


async def set_clock(request: web.Request) -> web.Response:
    """POST /_sim/clock: let time pass, or set the wall clock wrong (0: right)."""
    simulator, hands = request.app[SIMULATOR], await body_of(request, Hands)
    if hands.offset is not None:
        simulator.clock.offset = read_offset(hands.offset)
    if hands.advance is not None:
        simulator.advance(read_offset(hands.advance))
    return json_response(clock_of(simulator))


def clock_of(simulator: Simulator) -> dict[str, Any]:
    """The times of a simulation; lengths are in milliseconds."""
    return {
        "now": iso(simulator.clock.now()),
        "offset": simulator.clock.offset,
        "scenario": simulator.timeline.elapsed(),
        "speed": simulator.timeline.speed,
    }


async def show_scenario(request: web.Request) -> web.Response:
    """GET /_sim/scenario: how far it has been played, and the messages it expects. Moments are in milliseconds."""
    simulator = request.app[SIMULATOR]
    player = simulator.player
    return json_response(
        {
            "steps": len(player.scenario.steps),
            "done": player.done,
            "failures": player.failures,
            "transitions": simulator.transitions,
            "expect": [expected.model_dump() for expected in player.scenario.expect],
        }
    )


async def play_step(request: web.Request) -> web.Response:
    """POST /_sim/step: let time jump to the next step and play it; `at` is null when none was left."""
    player = request.app[SIMULATOR].player
    step = player.step()
    return json_response({"at": step and step.at, "left": len(player.scenario.steps) - player.done})
