"""Is the simulator fast enough to measure a watcher on? Both in processes of their own, over the loopback.

The anchor is `/oauth/token`-and-pages by a client that throws every byte away: what the simulator alone costs.
"""

import asyncio
import sys
import time  # timing is what this file is for
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import aiohttp

from tests.fakes import fake_env
from watcher.connect import ListClient, ProjectAccess, Session, deployments
from watcher.core.snapshot import Deployment
from watcher.http import Http

COUNT, PAGE = 10_000, 500
FLEET, PROJECTS = 100_000, 1_000


@asynccontextmanager
async def simulator() -> AsyncIterator[str]:
    """A simulator as a process; its URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watcher", "simulate", "--listen", "127.0.0.1:0"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.terminate()
        await process.wait()


async def load(client: aiohttp.ClientSession, count: int, projects: list[str]) -> float:
    """Seconds to make that many Deployments."""
    start = time.perf_counter()
    async with client.post("/_sim/deployments", json={"count": count, "projects": projects}) as answer:
        await answer.read()
        assert answer.status == 201
    return time.perf_counter() - start


async def drain(client: aiohttp.ClientSession) -> None:
    """Fetch every page of the one project and look at none."""
    form, basic = {"grant_type": "client_credentials"}, {"Authorization": aiohttp.encode_basic_auth("i", "s")}
    async with client.post("/oauth/token", data=form, headers=basic) as answer:
        token = (await answer.json())["access_token"]
    for offset in range(0, COUNT, PAGE):
        headers = {"Authorization": f"Bearer {token}"}
        async with client.get(f"/bench/deployments?limit={PAGE}&offset={offset}", headers=headers) as page:
            await page.read()


def watcher(url: str, http: Http) -> ListClient[Deployment]:
    """The watcher's own client, as a new process would begin."""
    access = ProjectAccess(key="bench", region="r", client_id="i", client_secret="s", api_url=url, auth_url=url)
    return deployments(access, Session(access, http=http, env=fake_env()), lambda text: text)


async def measured() -> dict[str, float]:
    """Seconds by what took them."""
    allow = (ip_network("127.0.0.0/8"),)
    async with simulator() as url, aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(120)) as client:
        found = {"make": await load(client, COUNT, ["bench"])}
        async with Http(allow=allow) as http:
            for name, times in (("drain", 3), ("first poll", 3)):
                spent = []
                for _ in range(times):
                    start = time.perf_counter()
                    await (drain(client) if name == "drain" else watcher(url, http).list())
                    spent.append(time.perf_counter() - start)
                found[name] = min(spent)
        found["fleet"] = await load(client, FLEET, [f"p{n}" for n in range(PROJECTS)])
    return found
