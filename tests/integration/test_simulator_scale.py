"""A fleet as large as any that one would rehearse: everything is there once, on whatever page it is asked for."""

from collections.abc import Iterable
from typing import Any

import aiohttp
import pytest

from watcher.simulator import serve

PAGE = 500
MANY, PROJECTS = 20_000, [f"shop-{number}" for number in range(200)]
LARGE = 10_000


async def load(client: aiohttp.ClientSession, count: int, projects: Iterable[str]) -> dict[str, str]:
    """Make that many Deployments; the project of each by its id."""
    async with client.post("/_sim/deployments", json={"count": count, "projects": [*projects]}) as response:
        assert response.status == 201
        made = (await response.json())["deployments"]
    assert len(made) == count
    return {one["id"]: one["projectKey"] for one in made}


async def page(client: aiohttp.ClientSession, project: str, offset: int) -> Any:
    async with client.get(f"/{project}/deployments?limit={PAGE}&offset={offset}") as response:
        assert response.status == 200
        return await response.json()


async def bearer(client: aiohttp.ClientSession) -> str:
    basic = {"Authorization": aiohttp.encode_basic_auth("id", "secret")}
    async with client.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=basic) as response:
        return f"Bearer {(await response.json())['access_token']}"


@pytest.mark.timeout(60)  # it takes seconds; what grows with the square of the fleet would not end in time
async def test_a_large_fleet_is_served_whole() -> None:
    async with serve(seed=1) as simulator, aiohttp.ClientSession(simulator.url) as client:
        fleet = await load(client, MANY, PROJECTS)
        large = await load(client, LARGE, ["large"])
        assert len(fleet.keys() | large.keys()) == MANY + LARGE
        client.headers["Authorization"] = await bearer(client)

        found: list[str] = []
        for offset in range(0, LARGE, PAGE):
            body = await page(client, "large", offset)
            assert (body["offset"], body["count"], body["total"]) == (offset, PAGE, LARGE)
            found += [one["id"] for one in body["results"]]
        assert len(found) == LARGE
        assert set(found) == large.keys()
        assert (await page(client, "large", LARGE))["results"] == []

        served: dict[str, str] = {}
        for project in PROJECTS:
            body = await page(client, project, 0)
            assert body["count"] == body["total"] == MANY // len(PROJECTS)
            served |= {one["id"]: project for one in body["results"]}
        assert served == fleet
