"""An announcement in a header of the simulated API reaches the listing, and an unchanged page does not hide it."""

from tests.fakes import fake_env
from watcher.connect import ProjectAccess, Session, deployments
from watcher.http import Http
from watcher.simulator import serve


async def test_headers_of_the_list_become_its_notice() -> None:
    async with serve() as simulator, Http() as http:
        simulator.create("my-shop", count=3)
        access = ProjectAccess(
            key="my-shop", region="r", client_id="i", client_secret="s", api_url=simulator.url, auth_url=simulator.url
        )
        client = deployments(access, Session(access, http=http, env=fake_env()), lambda text: text)
        assert (await client.list()).notice == ""
        simulator.fault("/my-shop/deployments", headers={"Sunset": "Sun, 31 Jan 2027 00:00:00 GMT"})
        found = await client.list()
        assert (found.notice, found.unchanged) == ("Sunset: Sun, 31 Jan 2027 00:00:00 GMT", True)
