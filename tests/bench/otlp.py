"""Pushed logs, from a gzipped request to the answer that they are committed, beside a listener that decodes nothing.

`python -m tests.bench.otlp [--short] [--layout NAME]`. First what decoding alone costs, for each place where the fields may
stand, beside decoding all of each record. Then end to end, with the fields in one place: one process listens, matches, commits durably and judges, all on one core; another
sends requests that it has encoded before, over eight connections. The anchor is the same listener on the same requests,
read and inflated and thrown away. Rates are shown by the clock on the wall and by the processor's time of the listening
process, which other programs on the machine hardly change.
"""

import argparse
import asyncio
import json
import logging
import re
import sqlite3
import statistics
import sys
import tempfile
import time  # timing is what this file is for
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from tests.bench.corpus import (
    PROJECT,
    RATED,
    REGION,
    cores,
    describe_load,
    directory,
    pinned,
    rules,
)
from tests.bench.requests import LAYOUTS, MOULDS, RECORDS, Layout, moulds
from tests.world import encode, flat_route
from watcher import scan
from watcher.app import SystemClock, settle_memory, system_env
from watcher.core.dispatch import SinkRef
from watcher.core.snapshot import Deployment
from watcher.metrics import Metrics, new_registry
from watcher.pipeline.ingest import Ingest, Sighted
from watcher.pipeline.judge import Judge, Policy
from watcher.pipeline.loop import Loop
from watcher.ports import Pushed
from watcher.redact import Redactor
from watcher.rules import LogMatcher, log_specs, pattern_table
from watcher.sources.otlp import protobuf
from watcher.store import open_store
from watcher.web import otlp as listener
from watcher.web.otlp_answer import PROTOBUF_TYPE

HEADER, KEY = "x-connect-watcher-key", "a key of a benchmark, which is no secret"
CONNECTIONS = 8
REPEATS = 5
DECODED = 4
"""Requests that are decoded to see what that costs."""
MEBIBYTE = 2**20


# ── the process that sends ───────────────────────────────────────────────────


class Sending(NamedTuple):
    """What came of sending requests."""

    seconds: float
    accepted: int
    hits: int
    latencies: list[float]


async def load(count: int, layout: Layout) -> None:
    """Make requests, then send those that are asked for on standard input, and say on standard output how it went."""
    made = moulds(layout)
    begin = SystemClock().now() - 60_000
    bodies = [made[each % MOULDS].cast(each, begin + 7 * each) for each in range(count)]
    hits = [made[each % MOULDS].hits for each in range(count)]
    say({"bytes": statistics.mean(map(len, bodies)), "plain": statistics.mean(len(each.body) for each in made)})
    async for line in heard():
        url, first, last = line["url"], line["first"], line["last"]
        found = await send(url, bodies[first:last])
        say(found._replace(hits=sum(hits[first:last]))._asdict())


async def send(url: str, bodies: Sequence[bytes]) -> Sending:
    """Each request as soon as one of the connections is free."""
    host, port = url.removeprefix("http://").split(":")
    waiting, latencies, accepted = iter(bodies), list[float](), 0

    async def connection() -> None:
        nonlocal accepted
        reader, writer = await asyncio.open_connection(host, int(port))
        for body in waiting:
            start = time.perf_counter()
            writer.write(head(len(body)))
            writer.write(body)
            status = await answered(reader)
            latencies.append(time.perf_counter() - start)
            assert status == 200, status
            accepted += RECORDS
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return Sending(time.perf_counter() - start, accepted, 0, latencies)


def head(length: int) -> bytes:
    return (
        f"POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n{HEADER}: {KEY}\r\nContent-Type: application/x-protobuf\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of an answer, of which nothing is left unread; one that is good is empty unless records were refused."""
    text = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = re.search(r"(?i)content-length: (\d+)", text)
    rest = await reader.readexactly(int(length[1]) if length else 0)
    assert not rest, rest
    return int(text.split(" ", 2)[1])


# ── the process that listens ─────────────────────────────────────────────────


async def listen(folder: Path, mode: str) -> None:
    """Listen until standard input ends; `idle` is answered once there is nothing left to judge."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if mode == "bare":
        listener._DECODERS[PROTOBUF_TYPE] = lambda body, now=0: Pushed([], 0, 0, b"")
    env, metrics, made = system_env(), Metrics(new_registry(), version="0"), rules(RATED)
    store = await open_store(f"sqlite:///{folder}/{mode}.db", clock=env.clock)
    settle_memory()
    judged = asyncio.Event()

    async def step() -> int | None:
        judged.clear()
        if await judge.run_once():
            return 0
        judged.set()
        return judge.next_due()

    judging = Loop("judge", step, env.clock)
    policy = Policy(
        rules=made,
        root=flat_route("project", "deployment", group_wait=10_000, group_interval=300_000),
        receivers={"team": (SinkRef(id="team/0"),)},
        rules_digest="1",
        sources={(PROJECT, "deployments"): Deployment, (PROJECT, "logs"): Deployment},
        encode=encode,
    )
    judge = Judge(policy, store=store, env=env, metrics=metrics, told=lambda: None)
    known, patterns = directory(), pattern_table(log_specs(made))
    scanner = scan.compile_batch(patterns) or scan.compile_set(patterns)
    ingest = Ingest(
        LogMatcher(log_specs(made), scanner, Redactor(()).clean),
        {PROJECT: Sighted(region=REGION, deployments=lambda: known)},
        store=store,
        env=env,
        metrics=metrics,
        changed=judging.wake.set,
    )
    await ingest.listen([PROJECT])
    settings = listener.Listening(header=HEADER, keys=[(KEY, frozenset({PROJECT}))])
    task = asyncio.create_task(judging.run())
    async with listener.serve_otlp(
        ("127.0.0.1", 0), settings, intake=ingest, env=env, metrics=metrics, refused=lambda reason: say({"not": reason})
    ) as url:
        say({"url": url})
        async for _ in heard():
            judged.clear()
            judging.wake.set()
            await judged.wait()
            say({"idle": True})
    judging.stop()
    await task
    await store.close()


# ── between the processes ────────────────────────────────────────────────────


def say(what: Any) -> None:
    print(json.dumps(what), flush=True)


async def heard() -> AsyncIterator[Any]:
    """What standard input says, line by line."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        yield json.loads(line)


@dataclass
class Other:
    """Another process of this module: what it is told it answers."""

    process: asyncio.subprocess.Process
    greeting: Any = None

    async def ask(self, what: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        return await self.answer()

    async def answer(self) -> Any:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, "the other process has ended"
        return json.loads(line)

    @property
    def rss(self) -> float:
        """Mebibytes in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024 / MEBIBYTE

    @property
    def cpu(self) -> float:
        """Seconds of the processor that its threads have taken; all of them live as long as it does."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


@asynccontextmanager
async def other(core: int, *arguments: str) -> AsyncIterator[Other]:
    """This module as a process of its own, on a core of its own."""
    with pinned(min(core, len(cores()) - 1)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.otlp", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
        )
    made = Other(process)
    try:
        made.greeting = await made.answer()
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


# ── the table ────────────────────────────────────────────────────────────────


@dataclass
class Series:
    """What one way of listening did, turn by turn."""

    name: str
    at: Other
    rates: list[float] = field(default_factory=list)
    per_cpu: list[float] = field(default_factory=list)
    sustained: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    records: int = 0
    hits: int = 0

    async def turn(self, loader: Other, first: int, last: int) -> None:
        """Let requests be sent, and judge what came of them; `sustained` is with the latter."""
        cpu = self.at.cpu
        found = Sending(**await loader.ask({"url": self.at.greeting["url"], "first": first, "last": last}))
        sent = self.at.cpu
        await self.at.ask("idle")
        self.rates.append(found.accepted / found.seconds)
        self.per_cpu.append(found.accepted / (sent - cpu))
        self.sustained.append(found.accepted / (self.at.cpu - cpu))
        self.latencies += found.latencies
        self.rss.append(self.at.rss)
        self.records += found.accepted
        self.hits += found.hits


def decoded() -> None:
    """Print what decoding a record costs, by where its fields stand."""
    now = SystemClock().now()
    print(f"{'decoding alone, by layout':<30}{'bytes':>7}{'µs':>8}{'in full':>9}{'ratio':>8}   {describe_load()}")
    for layout in LAYOUTS:
        bodies = [each.body for each in moulds(layout, DECODED)]
        turns = [[_spent(bodies, now, quickly=quickly) for quickly in (True, False)] for _ in range(1 + REPEATS)][1:]
        quick, full = (statistics.median(column) for column in zip(*turns, strict=True))
        ratio = statistics.median(each / one for one, each in turns)
        size = sum(map(len, bodies)) / DECODED / RECORDS
        print(f"{layout:<30}{size:>7.0f}{quick:>8.2f}{full:>9.2f}{ratio:>7.2f}×", flush=True)


def _spent(bodies: Sequence[bytes], now: int, *, quickly: bool) -> float:
    """Microseconds of the processor for each record."""
    start = time.process_time()
    for body in bodies:
        protobuf.read(body, now, quickly=quickly)
    return (time.process_time() - start) / len(bodies) / RECORDS * 1e6


async def measured(requests: int, layout: Layout) -> None:
    """Measure with so many requests in each turn, and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            other(1, "--load", str(requests * REPEATS), "--layout", layout) as loader,
            other(0, "--listen", folder, "whole") as whole,
            other(0, "--listen", folder, "bare") as bare,
        ):
            both = Series("decoded, matched, committed", whole), Series("read, inflated, thrown away", bare)
            await whole.ask("idle")
            before = whole.rss
            print(
                f"requests of {RECORDS:,} records ({layout}), {loader.greeting['plain'] / RECORDS:.0f} bytes each, "
                f"{loader.greeting['bytes'] / RECORDS:.0f} packed; {RATED} rules; {describe_load()}",
                flush=True,
            )
            for turn in range(REPEATS):
                for each in both:
                    await each.turn(loader, turn * requests, (turn + 1) * requests)
        report(both)
        print(f"memory of the first: {before:.0f} MiB, then {', '.join(f'{each:.0f}' for each in both[0].rss)} MiB")
        check(Path(folder) / "whole.db", both[0])


def report(both: Sequence[Series]) -> None:
    """Print the table: rates of the one that takes logs in, its ratio to the anchor by each measure."""
    print(f"{'records/s':<30}{'on the wall':>12}{'per CPU s':>11}{'(spread)':>9}{'judged too':>12}{'p50':>9}{'p99':>9}")
    for each in both:
        middle = statistics.median(each.per_cpu)
        spread = (max(each.per_cpu) - min(each.per_cpu)) / middle / 2
        ordered = sorted(each.latencies)
        p50, p99 = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
        print(
            f"{each.name:<30}{statistics.median(each.rates):>12,.0f}{middle:>11,.0f}{f'±{spread:.0%}':>9}"
            f"{statistics.median(each.sustained):>12,.0f}{p50:>6.1f} ms{p99:>6.1f} ms"
        )
    ratios = (
        statistics.median(one / anchor for one, anchor in zip(*pair, strict=True))
        for pair in zip(*([each.rates, each.per_cpu, each.sustained] for each in both), strict=True)
    )
    print("{:<30}{:>11.2f}×{:>10.2f}×{:>9}{:>11.2f}×".format("ratio", *spaced(ratios)))


def spaced(ratios: Iterator[float]) -> Iterator[float | str]:
    """The ratios, with an empty column before the last."""
    one, two, three = ratios
    yield from (one, two, "", three)


def check(database: Path, sent: Series) -> None:
    """Say whether what is in the database is what was sent."""
    connection = sqlite3.connect(database)
    records = connection.execute("SELECT SUM(records) FROM tallies").fetchone()[0]
    found = connection.execute("SELECT body FROM events WHERE type = 'hit'")
    hits = sum(json.loads(body)["hit"].get("count", 1) for (body,) in found)
    connection.close()
    same = "as sent" if (records, hits) == (sent.records, sent.hits) else "NOT AS SENT"
    print(f"in the database: {records:,} of {sent.records:,} records, {hits:,} of {sent.hits:,} hits: {same}")


# ── the command ──────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print; or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.otlp")
    parser.add_argument("--short", action="store_true", help="an eighth of the requests")
    parser.add_argument("--layout", choices=LAYOUTS, default="attributes", help="where the fields stand")
    parser.add_argument("--listen", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.listen:
        run(listen(Path(chosen.listen[0]), chosen.listen[1]))
    elif chosen.load:
        asyncio.run(load(chosen.load, chosen.layout))
    else:
        with pinned():
            decoded()
        asyncio.run(measured(50 if chosen.short else 400, chosen.layout))


def run(what: Any) -> None:
    """On uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(what)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(what)


if __name__ == "__main__":
    main(sys.argv[1:])
