"""The simulator as a server: in a running event loop, or as a program of its own."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from watcher.simulator import api, hooks
from watcher.simulator.clock import Clock
from watcher.simulator.control import control_app
from watcher.simulator.door import door
from watcher.simulator.scenario import Scenario, load_scenario
from watcher.simulator.simulation import SIMULATOR, Simulator

MAX_BODY = 256 * 1024 * 1024
GRACE = 0.1
"""Seconds that answers under way get at the end; a fault may be holding them back for hours."""


def application(simulator: Simulator) -> web.Application:
    """Every endpoint of the simulation."""
    app = web.Application(middlewares=[door], client_max_size=MAX_BODY)
    app[SIMULATOR] = simulator
    control = control_app()
    control[SIMULATOR] = simulator
    app.add_subapp("/_sim", control)
    app.add_routes([*hooks.routes(), *api.routes()])
    return app


@asynccontextmanager
async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    seed: int = 0,
    speed: float = 1.0,
    scenario: Scenario | str | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Simulator]:
    """Serve a simulation as long as the context lasts; its `url` holds the real port where `port` is 0.

    The scenario's steps of moment 0 are played before anyone can connect; its time begins when `play` is called.

    Raises:
        ScenarioError: the scenario cannot be played.
        OSError: the address cannot be listened on.
    """
    chosen = load_scenario(scenario) if isinstance(scenario, str) else scenario
    simulator = Simulator(seed=seed, speed=speed, scenario=chosen, clock=clock)
    simulator.player.set_stage()
    runner = web.AppRunner(application(simulator), access_log=None, shutdown_timeout=GRACE)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        simulator.url = url_of(host, runner.addresses[0][1])
        yield simulator
    finally:
        await simulator.close()
        await runner.cleanup()


async def main_simulate(listen: str, scenario: str | None = None, seed: int = 0, speed: float = 1.0) -> int:
    """Serve until SIGTERM or SIGINT, having said where on standard output; the exit code.

    Raises:
        ValueError: `listen` is not HOST:PORT.
        ScenarioError: the scenario cannot be played.
        OSError: the address cannot be listened on.
    """
    host, port = read_listen(listen)
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with serve(host, port, seed=seed, speed=speed, scenario=scenario) as running:
        running.play()
        sys.stdout.write(f"listening on {running.url}\n")
        sys.stdout.flush()
        await stop.wait()
    return 0


def read_listen(listen: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPv6]:PORT` as its parts. Raises ValueError."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65_535):  # noqa: PLR2004  the last port
        raise ValueError(f"not an address to listen on: {listen!r}; write HOST:PORT, for example 127.0.0.1:8989")
    return host, int(port)


def url_of(host: str, port: int) -> str:
    """The base URL of an address; IPv6 hosts are bracketed."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
