"""Alerts in, webhooks out, beside the real Alertmanager in the same run; and what either still tells after `kill -9`.

`python -m tests.bench.alertmanager [--short]`. Both get one alert in each request, over the same connections, and tell
each alone and at once (`group_by = ["..."]`, `group_wait = "0s"`) to the same receiver. Ours is the daemon as a process,
fed with one log record per request: its answer comes after the commit (`synchronous=FULL`), Alertmanager's before
anything is kept. Both have one core; the sender and the receiver share another.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import time  # timing is what this file is for
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.bench.corpus import cores, describe_load, pinned
from tests.loopback import free_port
from tests.peers.debian import program, unpacked
from watcher.app import SystemClock
from watcher.simulator import serve

KEY = "key-of-a-benchmark"
CONNECTIONS = 16
PATIENCE = 60.0
MEBIBYTE = 2**20
_NAME = re.compile(rb'"deployment":"(d-\d+)"')
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


# ── who is told ──────────────────────────────────────────────────────────────


@dataclass
class Hook:
    """Takes webhooks and keeps when each alert was first heard of, and how many were told more than once."""

    port: int
    heard: dict[bytes, float] = field(default_factory=dict)
    again: int = 0
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _talks: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Listen; afterwards no connection is left over which anything could still be told."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            for each in list(self._talks):
                each.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                at = time.perf_counter()
                for name in set(_NAME.findall(body)):
                    self.again += name in self.heard
                    self.heard.setdefault(name, at)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                self._grown.set()
        self._talks.discard(writer)
        writer.close()

    async def wait(self, names: Iterable[bytes], seconds: float = PATIENCE) -> int:
        """Wait until all of these have been heard of, or long enough; how many were."""
        wanted = set(names)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not wanted <= self.heard.keys():
                    self._grown.clear()
                    await self._grown.wait()
        return len(wanted & self.heard.keys())


# ── who tells ────────────────────────────────────────────────────────────────


@dataclass
class Side:
    """One of the two: how it is started, where it takes alerts, and what a request is."""

    name: str
    command: Sequence[Path | str]
    folder: Path
    port: int
    path: str
    kind: str
    body: Callable[[int], bytes]
    hook: Hook
    process: asyncio.subprocess.Process | None = None
    bursts: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    singles: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    rss: float = 0.0
    survived: tuple[int, int] = (0, 0)

    async def start(self) -> None:
        """Start it on its core, and wait until it takes requests."""
        with pinned(0):
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=self.folder,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "GOMAXPROCS": "1"},
            )
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                assert self.process.returncode is None, f"{self.name} does not start"
                await asyncio.sleep(0.05)  # noqa: TID251  it cannot tell us

    async def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            await self.process.wait()

    async def send(self, numbers: Sequence[int], connections: int = CONNECTIONS) -> dict[bytes, float]:
        """Send these alerts, each once and until it is taken; when each was first sent."""
        waiting, began = iter(numbers), dict[bytes, float]()

        async def connection() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            for number in waiting:
                request = self._request(self.body(number))
                began[b"d-%d" % number] = time.perf_counter()
                writer.write(request)
                while (status := await _status(reader)) == 503:  # behind, and says so
                    await asyncio.sleep(0.01)  # noqa: TID251  the sender's own pause
                    writer.write(request)
                assert status == 200, (self.name, status)
            writer.close()

        await asyncio.gather(*(connection() for _ in range(connections)))
        return began

    def _request(self, body: bytes) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {self.kind}\r\n"
            f"x-connect-watcher-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def cpu(self) -> float:
        """Seconds of the processor so far, which other programs on the machine hardly change."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Mebibytes in memory, at most so far."""
        assert self.process is not None
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024 / MEBIBYTE


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(b" ", 2)[1])


def alert(number: int) -> bytes:
    """An alert as Prometheus would push it."""
    labels = {"alertname": "Seen", "project": "shop", "deployment": f"d-{number}", "severity": "warning"}
    return json.dumps([{"labels": labels, "annotations": {"summary": f"error of d-{number}"}}]).encode()


def record(ids: Sequence[str], number: int) -> bytes:
    """A log record as Platform Insights would push it."""
    request = ExportLogsServiceRequest()
    made = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=SystemClock().now() * 1_000_000)
    made.body.string_value = f"error of d-{number}"
    fields = {"type": "APPLICATION_TEXT", "deploymentId": ids[number], "applicationName": "a", "severity": "ERROR"}
    for name, value in fields.items():
        made.attributes.add(key=name).value.string_value = value
    body: bytes = request.SerializeToString()
    return body


def theirs(folder: Path, hook: Hook) -> Side:
    """Alertmanager, with nothing in its way."""
    route = {"receiver": "hook", "group_by": ["..."], "group_wait": "0s", "repeat_interval": "4h"}
    hooks = [{"url": f"http://127.0.0.1:{hook.port}/", "send_resolved": False}]
    made = {"global": {"resolve_timeout": "2h"}, "route": route}
    config, port = folder / "alertmanager.yml", free_port()
    config.write_text(json.dumps({**made, "receivers": [{"name": "hook", "webhook_configs": hooks}]}))
    command = (
        *(program("prometheus-alertmanager"), f"--config.file={config}", f"--storage.path={folder / 'state'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"),
    )
    where = unpacked() if unpacked().exists() else folder
    return Side("Alertmanager", command, where, port, "/api/v2/alerts", "application/json", alert, hook)


def ours(folder: Path, hook: Hook, url: str, ids: Sequence[str]) -> Side:
    """The daemon, with one rule that every record makes an alert of."""
    port, root = free_port(), Path(__file__).parents[2]
    (folder / "config.toml").write_text(f"""
rule_packs = []
[[projects]]
key = "shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "no secret"
api_url = "{url}"
auth_url = "{url}"
poll_interval = "10m"
connectors = {{ watch = false }}
logs = {{ source = "otlp", key = "{KEY}" }}
[[rules]]
name = "Seen"
on = "log"
matchers = ['level="ERROR"']
by = ["deployment"]
within = "2h"
labels = {{ severity = "warning" }}
annotations = {{ summary = "{{{{ message }}}}" }}
[route]
receiver = "hook"
group_by = ["..."]
group_wait = "0s"
[[receivers]]
name = "hook"
webhook = [{{ url = "http://127.0.0.1:{hook.port}/", send_resolved = false }}]
[egress]
allow = ["127.0.0.0/8"]
[store]
url = "sqlite:///{folder}/watcher.db"
[web]
listen = "127.0.0.1:{free_port()}"
[otlp]
listen = "127.0.0.1:{port}"
""")
    command = (sys.executable, "-m", "watcher", "run", "-c", str(folder / "config.toml"), "--log-level", "error")
    made = lambda number: record(ids, number)  # noqa: E731  one line, one use
    return Side("connect-watcher", command, root, port, "/v1/logs", "application/x-protobuf", made, hook)


# ── the race ─────────────────────────────────────────────────────────────────


async def burst(side: Side, numbers: Sequence[int]) -> None:
    """As many as it takes, until the last is told."""
    start, cpu = time.perf_counter(), side.cpu()
    began = await side.send(numbers)
    assert await side.hook.wait(began) == len(numbers), side.name
    side.costs.append((side.cpu() - cpu) / len(numbers))
    side.bursts.append(len(numbers) / (max(side.hook.heard[name] for name in began) - start))
    side.latencies += [side.hook.heard[name] - at for name, at in began.items()]


async def one_at_a_time(side: Side, numbers: Sequence[int]) -> None:
    """The next when the last has been told."""
    for number in numbers:
        began = await side.send([number], 1)
        assert await side.hook.wait(began) == 1, side.name
        side.singles += [side.hook.heard[name] - at for name, at in began.items()]


async def death(side: Side, numbers: Sequence[int]) -> None:
    """Taken while nobody listens, killed, and started again: how many are told?"""
    began = await side.send(numbers)
    await side.end()
    async with side.hook.up():
        await side.start()
        told = await side.hook.wait(began, 60)
    side.survived = told, len(numbers)


async def measured(count: int, singles: int, turns: int, dead: int) -> None:
    """Race, and print."""
    total = count * turns + singles + dead + 1
    with tempfile.TemporaryDirectory() as scratch, pinned(min(1, len(cores()) - 1)):
        async with serve() as simulator:
            ids = [simulator.create("shop", key=f"d-{number}")[0]["id"] for number in range(total)]
            folders = [Path(scratch) / name for name in ("ours", "theirs")]
            for folder in folders:
                folder.mkdir()
            sides = [
                ours(folders[0], Hook(free_port()), simulator.url, ids),
                theirs(folders[1], Hook(free_port())),
            ]
            print(f"{turns} bursts of {count:,}, {singles} one at a time; {describe_load()}", flush=True)
            try:
                await race(sides, [range(at * count, (at + 1) * count) for at in range(turns)], singles, dead)
            finally:
                for side in sides:
                    await side.end()
    report(sides)


async def race(sides: Sequence[Side], bursts: Sequence[range], singles: int, dead: int) -> None:
    """Turn by turn, so that what else the machine does falls on both."""
    first = bursts[-1].stop
    for side in sides:
        await side.start()
        async with side.hook.up():
            await one_at_a_time(side, [first])
    for numbers in bursts:
        for side in sides:
            async with side.hook.up():
                await burst(side, numbers)
    for side in sides:
        async with side.hook.up():
            await one_at_a_time(side, range(first + 1, first + singles))
        side.rss = side.memory()
    for side in sides:
        await death(side, range(first + singles, first + singles + dead))


def report(sides: Sequence[Side]) -> None:
    """Print both, and our ratio to theirs."""
    print(
        f"{'':<18}{'burst':>13}{'CPU each':>11}{'one by one':>12}{'p50':>10}{'p99 burst':>12}{'memory':>10}"
        f"{'after kill -9':>15}{'twice':>7}"
    )
    rows = []
    for side in sides:
        ordered, single = sorted(side.latencies), statistics.median(side.singles[1:])
        rate, cost, p99 = statistics.median(side.bursts), statistics.median(side.costs), ordered[-len(ordered) // 100]
        rows.append((rate, cost, 1 / single, p99, side.rss))
        survived = "{} of {}".format(*side.survived)
        print(
            f"{side.name:<18}{rate:>10,.0f} /s{cost * 1e6:>8,.0f} µs{1 / single:>10,.0f}/s{single * 1000:>7.1f} ms"
            f"{p99 * 1000:>9,.0f} ms{side.rss:>6.0f} MiB{survived:>15}{side.hook.again:>7}"
        )
    ratios = (mine / other for mine, other in zip(*rows, strict=True))
    print("{:<18}{:>11.2f} ×{:>9.2f} ×{:>11.2f}×{:>10}{:>10.2f} ×{:>8.2f} ×".format("ratio", *spaced(ratios)))


def spaced(ratios: Iterable[float]) -> Iterable[float | str]:
    """The ratios, with an empty column where none is shown."""
    rate, cost, single, *rest = ratios
    return (rate, cost, single, "", *rest)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    short = parser.parse_args().short
    asyncio.run(measured(*((300, 50, 1, 100) if short else (1_000, 200, 3, 500))))
