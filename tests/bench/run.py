"""What a poll, a judgement and a delivery cost, each as a ratio to an anchor measured in the same run.

`make bench` prints a table. Numbers of different machines do not compare; ratios nearly do. Nothing here is a test.
"""

import asyncio
import json
import logging
import sqlite3
import tempfile
import time  # timing is what this file is for
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import structlog

from tests.bench import logs, otlp, scan, simulator
from tests.fakes import deployment, fake_env
from tests.world import World, flat_route
from watcher.app import SystemClock
from watcher.connect import ListClient, ProjectAccess, Session, deployments
from watcher.core.observation import Known, digest, look
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment, Listing
from watcher.http import Answer, Http, Request
from watcher.simulator import serve
from watcher.store import open_store

COUNT = 10_000
PAGE = 500
EVENTS = 5_000
REPEATS = 5


@dataclass
class Pages:
    """The answers of an API with `COUNT` Deployments, without a network between."""

    bodies: list[bytes]

    async def send(self, request: Request) -> Answer:
        if request.url.endswith("/oauth/token"):
            token = {"access_token": "t", "expires_in": 172_800, "token_type": "Bearer", "scope": "x"}
            return Answer(status=200, headers={}, body=json.dumps(token).encode())
        offset = int(request.url.split("offset=")[1].split("&")[0])
        return Answer(status=200, headers={}, body=self.bodies[offset // PAGE])


async def best(action: Callable[[], Awaitable[object]]) -> float:
    """Seconds of the fastest of a few runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        await action()
        times.append(time.perf_counter() - start)
    return min(times)


async def pages() -> list[bytes]:
    async with serve() as simulator:
        payloads = simulator.create("bench", count=COUNT)
    return [
        json.dumps(
            {
                "limit": PAGE,
                "offset": at,
                "count": PAGE,
                "total": COUNT,
                "results": payloads[at : at + PAGE],
            }
        ).encode()
        for at in range(0, COUNT, PAGE)
    ]


async def poll() -> None:
    bodies = await pages()

    async def anchor() -> None:
        for body in bodies:
            json.loads(body)

    def client() -> ListClient[Deployment]:
        access = ProjectAccess(key="bench", region="r", client_id="i", client_secret="s")
        session = Session(access, http=cast("Http", Pages(bodies)), env=fake_env())
        return deployments(access, session, lambda text: text)

    async def first() -> Listing[Deployment]:
        return await client().list()

    warm = client()
    listing = await warm.list()
    base = await best(anchor)
    report(f"json.loads of {COUNT} deployments ({sum(map(len, bodies)) / 1e6:.0f} MB)", base, base)
    report("first poll: fetch, decode", await best(first), base)
    report("unchanged poll: recognised from its bytes", await best(warm.list), base)
    state = SourceState(project="bench", last_ok=1, baselined=True)
    known = Known(state=state, records=listing.records)
    one = next(iter(listing.records))
    changed = {**listing.records, one: replace(listing.records[one], status="Failed")}

    async def compare() -> None:
        found = replace(listing, records=changed)
        digest(known, found, look(known, found), {}, 2, blind_after=1)

    report(f"compare {COUNT} deployments, one changed", await best(compare), base)


async def inserts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "anchor.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO rows (body) VALUES (?)", [("x" * 600,)] * EVENTS)
        connection.execute("COMMIT")
        connection.close()


async def judge() -> None:
    """All of them fail in one poll: observe, judge and deliver, durably, against bare inserts of as many rows."""

    base = await best(inserts)
    report(f"sqlite3: insert {EVENTS} rows, one commit", base, base)
    with tempfile.TemporaryDirectory() as folder:
        clock = SystemClock()
        store = await open_store(f"sqlite:///{folder}/bench.db", clock=clock)
        world = World(store, root=flat_route("project"))
        names = [f"d{n}" for n in range(EVENTS)]
        world.api.put(*(deployment(name) for name in names))
        await world.boot()
        await world.poll()
        for name in names:
            world.api.set(name, status="Failed", build="b2")
        world.clock.at += 30_000
        start = time.perf_counter()
        await world.observer_poll()
        report(f"observe {EVENTS} failures: diff, commit", time.perf_counter() - start, base)
        start = time.perf_counter()
        while await world.judge.run_once():
            pass
        report(f"judge {EVENTS} failures into one message", time.perf_counter() - start, base)
        await store.close()


async def rehearse() -> None:
    """The watcher must be what limits a benchmark on the simulator, not the simulator."""
    found = await simulator.measured()
    base = found["drain"]
    report(f"simulator alone: serve {COUNT} deployments in pages of {PAGE}", base, base)
    report("the watcher's first poll of them, same simulator", found["first poll"], base)
    report(f"simulator: load {simulator.FLEET} deployments over {simulator.PROJECTS} projects", found["fleet"], base)


def report(what: str, seconds: float, anchor: float) -> None:
    print(f"{what:<60}{seconds * 1000:>10.1f} ms{seconds / anchor:>9.2f} ×")


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print(f"{'':<60}{'best of 5':>13}{'anchor':>11}")
    asyncio.run(poll())
    asyncio.run(judge())
    asyncio.run(rehearse())
    for each in (logs, scan, otlp):
        print()
        each.main(["--short"])


if __name__ == "__main__":
    main()
