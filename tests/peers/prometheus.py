"""The real Prometheus, started for a test, and its promtool."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.peers.debian import program

PATIENCE = 20.0
_LISTENING = re.compile(rb'msg="Listening on" address=127\.0\.0\.1:(\d+)')

_READY = b"Server is ready to receive web requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One that runs, at `url`, with a session to ask it in."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, path: str, params: Mapping[str, str]) -> Any:
        """What it answers under `/api/v1/`. A query that it refuses is a failure."""
        async with self.session.get(f"{self.url}/api/v1/{path}", params=params) as answer:
            found = await answer.json()
            assert found["status"] == "success", (path, params, found)
            return found["data"]

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that an expression comes to now."""
        found: list[dict[str, Any]] = (await self.ask("query", {"query": expr}))["result"]
        return found


@asynccontextmanager
async def prometheus(folder: Path, target: str, rules: Path, alertmanager: str) -> AsyncIterator[Running]:
    """Run one that scrapes `target` and evaluates `rules` every second, and tells Alertmanager of what fires."""
    folder.mkdir(exist_ok=True)
    config = folder / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(rules)],
                "scrape_configs": [{"job_name": "connect-watcher", "static_configs": [{"targets": [target]}]}],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            }
        )
    )
    process = await asyncio.create_subprocess_exec(
        program("prometheus"),
        *(f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"),
        "--rules.alert.resend-delay=2s",  # what fires before it has found Alertmanager is told again soon
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading: asyncio.Task[None] | None = None
    try:
        port = await asyncio.wait_for(_port(process.stderr), PATIENCE)
        reading = asyncio.create_task(_read(process.stderr))
        async with aiohttp.ClientSession() as session:
            yield Running(url=f"http://127.0.0.1:{port}", session=session)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


def promtool(*arguments: str, cwd: Path, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    command: Sequence[Path | str] = (program("promtool"), *arguments)
    return subprocess.run(command, cwd=cwd, input=told, capture_output=True, text=True, check=False, timeout=60)


async def _port(said: asyncio.StreamReader) -> int:
    """The port of one that answers."""
    lines, port = [], 0
    while line := await said.readline():
        lines.append(line)
        if found := _LISTENING.search(line):
            port = int(found[1])
        if _READY in line:
            return port
    raise AssertionError(f"Prometheus ended: {b''.join(lines[-3:]).decode()}")


async def _read(said: asyncio.StreamReader) -> None:
    while await said.readline():
        pass
