"""`docs/adding-a-sink.md` is followed to the letter in a copy of the tree: its sink is held to the contract of all sinks."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, fake_env
from tests.loopback import web_server
from tests.notifications import FAILED
from watcher.core.delivery import Delivery, DeliveryState
from watcher.core.notification import Notification
from watcher.http import Http
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.ports import Judgement, Store
from watcher.sinks import Wiring
from watcher.store import inline, open_store

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-sink.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(MODULE, IMPORT), (EXAMPLE, ROW, VARIABLE) = (
    [text for kind, text in BLOCKS if kind == language] for language in ("python", "text")
)
(COMMANDS,) = [text.splitlines() for kind, text in BLOCKS if kind == "sh"]
LOOPBACK = (ip_network("127.0.0.0/8"),)


def put(file: Path, before: str, text: str) -> None:
    """Put a text in front of the first line that begins so."""
    content = file.read_text()
    assert f"\n{before}" in content
    file.write_text(content.replace(f"\n{before}", f"\n{text}{before}", 1))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree in which the page has been followed, up to the commands at its end."""
    leave = shutil.ignore_patterns("__pycache__", "peers", "acceptance", "bench", "fuzz")
    for each in ("watcher", "tests", "docs"):
        shutil.copytree(ROOT / each, tmp_path / each, ignore=leave)
    for each in ("config.example.toml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / each, tmp_path)
    (tmp_path / re.findall(r"^`(watcher/sinks/\w+\.py)`:$", PAGE, re.MULTILINE)[0]).write_text(MODULE)
    registry = tmp_path / "watcher" / "sinks" / "__init__.py"
    put(registry, "from watcher.sinks.email", IMPORT)
    put(registry, "    EmailConfig,", "    DiscordConfig,\n")
    put(tmp_path / "config.example.toml", "[[receivers.email]]", EXAMPLE)
    put(tmp_path / "tests" / "contract" / "test_sinks.py", '    "email": {', ROW)
    put(tmp_path / "tests" / "unit" / "configs.py", '    "SMTP_PASSWORD"', VARIABLE)
    return tmp_path


def run(tree: Path, *words: str, **environ: str) -> str:
    done = subprocess.run(words, cwd=tree, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-2_000:]
    return done.stdout


def test_who_follows_the_page_has_a_sink_that_keeps_the_contract(tree: Path) -> None:
    golden, both, docs = COMMANDS
    assert docs == "make docs"
    for line in (golden, both):
        words = shlex.split(line)
        environ = dict(each.split("=") for each in words if re.match(r"^[A-Z_]+=", each))
        asked = words[len(environ) + 1 :]
        assert words[len(environ)] == ".venv/bin/pytest"
        only = asked if "-k" in asked else [*asked, "-k", "discord or example or schema"]
        told = run(tree, sys.executable, "-m", "pytest", *only, **environ)
        assert int(re.findall(r"(\d+) passed", told)[0]) > (40 if line == golden else 45)
    shown = json.loads((tree / "tests" / "contract" / "golden" / "discord-failed.json").read_text())
    assert shown["content"].startswith(r"FIRING · DeploymentFailed · my\-shop / stripe\-prod")
    run(tree, sys.executable, "-m", "tests.docs.reference")
    assert "## `[[receivers.discord]]`" in (tree / "docs" / "configuration.md").read_text()


def test_its_style_is_that_of_the_tree(tree: Path) -> None:
    module = str(next((tree / "watcher" / "sinks").glob("discord.py")))
    run(tree, sys.executable, "-m", "ruff", "check", "--no-cache", module)
    run(tree, sys.executable, "-m", "ruff", "format", "--no-cache", "--check", module)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await open_store("sqlite://", clock=FakeClock(), run=inline)
    yield opened
    await opened.close()


def module() -> Any:
    made = ModuleType("discord")
    sys.modules["discord"] = made
    try:
        exec(MODULE, made.__dict__)
    finally:
        del sys.modules["discord"]
    return made


async def test_a_message_reaches_it_through_the_outbox(store: Store) -> None:
    """Refused first, it is tried again, with the same bytes."""
    arrived: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        arrived.append(json.loads(await request.read()))
        return web.Response(status=503 if len(arrived) == 1 else 204)

    clock = FakeClock()
    async with web_server(take) as url, Http(allow=LOOPBACK) as http:
        wiring = Wiring(http=http, env=fake_env(clock), read=str, stream=StringIO(), allow=LOOPBACK)
        config = module().DiscordConfig.model_validate({"url": f"{url}/api/webhooks/1/x"})
        deliverer = Deliverer(
            {"team/discord/0": config.build("team/discord/0", wiring)},
            store=store,
            env=fake_env(clock),
            metrics=Metrics(CollectorRegistry(), version="0"),
            decode=msgspec.json.Decoder(Notification).decode,
            changed=lambda: None,
        )
        row = Delivery(
            id=FAILED.id,
            sink="team/discord/0",
            lane="team/discord/0|g",
            seq=0,
            notification=msgspec.json.encode(FAILED),
            created_at=START,
            observed_at=START,
            severity=FAILED.severity,
            due_at=START,
        )
        await store.commit_judgement(Judgement(cursor=0, deliveries=[row]))
        for _ in range(2):
            await deliverer.run_once()
            await deliverer.drain()
            clock.at += 10_000

    first, second = arrived
    assert first == second
    assert first["content"].startswith(r"FIRING · DeploymentFailed · my\-shop / stripe\-prod")
    assert (await store.outbox()).rows[DeliveryState.PENDING] == 0
