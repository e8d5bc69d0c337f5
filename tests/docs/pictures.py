"""Makes the pictures of the documentation anew: `python -m tests.docs.pictures`.

Neither Slack nor Grafana runs here. The card is the Block Kit that the program really sends of a failure in the simulator,
the dashboard the queries of the board that is shipped, answered by a real Prometheus that scrapes the program while the
simulator plays. Both are drawn as pages that look alike, and Chromium takes their picture.
"""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.process import environ, free_port
from tests.docs import board_page, slack_page
from tests.docs.pages import ROOT
from tests.peers.prometheus import prometheus
from watcher.simulator import Simulator, serve

PICTURES = ROOT / "docs" / "pictures"
BOARD = ROOT / "deploy" / "grafana" / "fleet.json"
RULES = ROOT / "deploy" / "prometheus" / "connect-watcher.rules.yml"
LARGEST = 200_000
"""Bytes of a picture: pages are read over slow lines, too."""
PATIENCE = 180.0
SPEED = 12.0
CONFIG = """
[[projects]]
key = "demo-shop"
region = "europe-west1.gcp"
client_id = "demo"
client_secret = "any-credential-will-do"
api_url = "{url}"
auth_url = "{url}"
poll_interval = "1s"
fast_poll_interval = "1s"
logs = {{ source = "poll", poll_interval = "5s" }}
[[receivers]]
name = "team"
slack = [{{ url = "{url}/slack/hook/team" }}]
[route]
receiver = "team"
group_wait = "2s"
group_interval = "5s"
[egress]
allow = ["127.0.0.0/8"]
[store]
url = "sqlite:///{folder}/state/watcher.db"
[web]
listen = "127.0.0.1:{port}"
"""


async def main() -> int:
    """Make both. Returns 1 where a picture is too large."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        await card(Path(folder) / "card")
        await dashboard(Path(folder) / "board")
    too_large = [each.name for each in PICTURES.glob("*.png") if each.stat().st_size > LARGEST]
    print(*(f"{each.name}: {each.stat().st_size:,} bytes" for each in sorted(PICTURES.glob("*.png"))), sep="\n")
    return 1 if too_large else 0


@asynccontextmanager
async def watching(simulator: Simulator, folder: Path) -> AsyncIterator[str]:
    """The program on a simulator; yields where its metrics are."""
    folder.mkdir()
    port = free_port()
    config = folder / "config.toml"
    config.write_text(CONFIG.format(url=simulator.url, folder=folder, port=port))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watcher", "run", "-c", str(config), "--log-level", "error"), cwd=ROOT, env=environ()
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        if await process.wait():
            raise RuntimeError(f"the program ended with {process.returncode}")


async def card(folder: Path) -> None:
    """The card of a failed build, with the decisive line of its log."""
    async with serve(scenario="failed-build", speed=20) as simulator, watching(simulator, folder):
        await simulator.wait_inbox(bool, PATIENCE)
        simulator.play()
        found = await simulator.wait_inbox(
            lambda inbox: any("DeploymentFailed" in str(each.body) for each in inbox), PATIENCE
        )
        message = next(each for each in found if "DeploymentFailed" in str(each.body))
    page = folder / "card.html"
    page.write_text(slack_page.page(message.body, message.at[11:16]), "utf-8")
    height = await height_of(page, slack_page.WIDTH)
    await browse(*shot("slack-card.png", slack_page.WIDTH, height), str(page))


async def dashboard(folder: Path) -> None:
    """The board of a fleet during a storm of redeploys."""
    folder.mkdir()
    async with (
        serve(scenario="redeploy-storm", speed=SPEED) as simulator,
        watching(simulator, folder / "watcher") as target,
        prometheus(folder / "prometheus", target, RULES, "127.0.0.1:9") as server,
    ):
        await simulator.wait_inbox(bool, PATIENCE)
        begin = float((await server.query("time()"))[1])  # type: ignore[arg-type]  # a scalar is a time and a value
        simulator.play()
        await simulator.wait_inbox(lambda inbox: "RESOLVED" in str([each.body for each in inbox]), PATIENCE)
        end = float((await server.query("time()"))[1])  # type: ignore[arg-type]  # as above
        text, height = await board_page.page(
            json.loads(BOARD.read_text("utf-8")), server.ask, board_page.Span(begin=begin, end=end)
        )
    page = folder / "board.html"
    page.write_text(text, "utf-8")
    await browse(*shot("dashboard.png", board_page.WIDTH, height), str(page))


async def height_of(page: Path, width: int) -> int:
    """How high the page is at a width: a copy of it says so in its title."""
    copy = page.with_name("measured.html")
    script = "<script>document.title = 'height ' + Math.ceil(document.body.getBoundingClientRect().height)</script>"
    copy.write_text(page.read_text("utf-8") + script, "utf-8")
    found = re.search(r"height (\d+)</title>", await browse("--dump-dom", f"--window-size={width},1000", str(copy)))
    if found is None:
        raise RuntimeError("Chromium does not say how high the page is")
    return int(found[1])


def shot(name: str, width: int, height: int) -> list[str]:
    """What makes Chromium take a picture."""
    return [f"--screenshot={PICTURES / name}", f"--window-size={width},{height}", "--hide-scrollbars"]


async def browse(*arguments: str) -> str:
    """What Chromium says of a page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--force-device-scale-factor=1")
    process = await asyncio.create_subprocess_exec(
        chromium, *quiet, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    if process.returncode:
        raise RuntimeError(f"{chromium} ended with {process.returncode}")
    return said.decode().strip()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
