"""The endpoints of the Connect API over HTTP: their paths, statuses, bodies and refusals."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from watcher.simulator import Simulator, serve
from watcher.simulator.auth import Access, Client
from watcher.simulator.errors import OFFICIAL

NOBODY = "00000000-0000-4000-8000-000000000000"
DRAFT = {
    "key": "mine",
    "name": "My Connector",
    "creator": {"email": "dev@example.com"},
    "repository": {"url": "git@github.com:example/order-export.git", "tag": "1.0.0"},
}
DEPLOYMENT = {
    "key": "k1",
    "connector": {"key": "gift-cards"},
    "region": "europe-west1.gcp",
    "configurations": [{"applicationName": "gift-card-service"}],
}
REDEPLOY = {"action": "redeploy"}


class Shop:
    """A client of a simulation whose scenario time moves by `advance` only."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession, token: str) -> None:
        self.simulator, self.session, self.token = simulator, session, token

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        given = {"json": body} if body is not None else {}
        async with self.session.request(method, path, headers=headers, **given, **more) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()

    async def good(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        status, answer = await self.ask(method, path, body, **more)
        assert status < 300, answer
        return answer

    async def change(self, key: str, **action: Any) -> Any:
        version = (await self.good("GET", f"/connectors/drafts/key={key}"))["version"]
        body = {"version": version, "actions": [action]}
        return await self.good("POST", f"/connectors/drafts/key={key}", body)

    async def token_for(self, form: dict[str, str] | None = None, secret: str = "secret") -> dict[str, Any]:
        headers = {"Authorization": aiohttp.encode_basic_auth("id", secret)}
        data = {"grant_type": "client_credentials", **(form or {})}
        async with self.session.post("/oauth/token", data=data, headers=headers) as response:
            granted: dict[str, Any] = await response.json()
            return granted

    def wait(self) -> None:
        self.simulator.timeline.advance(300_000)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with serve(seed=3, speed=0) as simulator, aiohttp.ClientSession(simulator.url) as session:
        made = Shop(simulator, session, "")
        made.token = (await made.token_for())["access_token"]
        yield made


# ── the life of things ───────────────────────────────────────────────────────


async def test_a_deployment_from_beginning_to_end(shop: Shop) -> None:
    status, made = await shop.ask("POST", "/shop/deployments", DEPLOYMENT)
    assert (status, made["status"], made["type"]) == (201, "Queued", "sandbox")
    shop.wait()
    path = f"/shop/deployments/{made['id']}"
    deployed = await shop.good("GET", path)
    assert (deployed["status"], await shop.good("GET", "/shop/deployments/key=k1")) == ("Deployed", deployed)
    update = {"version": deployed["version"], "actions": [REDEPLOY]}
    status, again = await shop.ask("POST", "/shop/deployments/key=k1", update)
    assert (status, again["status"]) == (201, "Queued")
    assert (await shop.ask("POST", path, update))[0] == 409
    shop.wait()
    assert (await shop.ask("DELETE", f"{path}?version=1"))[0] == 409
    assert (await shop.ask("DELETE", f"{path}?version=x"))[1]["errors"][0]["code"] == "InvalidQueryParam"
    status, leaving = await shop.ask("DELETE", "/shop/deployments/key=k1")
    assert (status, leaving["id"], leaving["status"]) == (202, made["id"], "Undeploying")
    assert (await shop.good("GET", path))["status"] == "Undeploying"
    shop.wait()
    for method in ("GET", "DELETE"):
        assert (await shop.ask(method, path))[0] == 404
    assert (await shop.good("GET", "/shop/deployments"))["total"] == 0


async def test_a_connector_from_beginning_to_end(shop: Shop) -> None:
    status, made = await shop.ask("POST", "/connectors/drafts", DRAFT)
    assert (status, made["status"], made["isPreviewable"]) == (201, "Draft", "none")
    by_id, by_key = f"/connectors/drafts/{made['id']}", "/connectors/drafts/key=mine"
    assert await shop.good("GET", by_id) == await shop.good("GET", by_key) == made
    assert (await shop.good("GET", "/connectors/drafts?isPrivate=true"))["results"] == [made]
    assert (await shop.good("GET", "/connectors/drafts?isPrivate=false"))["results"] == []
    assert (await shop.ask("GET", f"/connectors/{made['id']}"))[0] == 404
    status, named = await shop.ask("POST", by_id, {"version": 1, "actions": [{"action": "setName", "name": "x"}]})
    assert (status, named["name"], named["version"]) == (201, "x", 2)
    await shop.change("mine", action="publish", certification=True)
    shop.wait()
    connector = await shop.good("GET", "/connectors/key=mine")
    assert (connector["id"], connector["certified"], connector["name"]) == (made["id"], True, "x")
    assert await shop.good("GET", f"/connectors/{made['id']}") == connector
    assert (await shop.good("GET", "/connectors/search?key=mine&text=X"))["results"] == [connector]
    assert (await shop.change("mine", action="unlist"))["alreadyListed"] is False
    assert (await shop.good("GET", "/connectors/search?key=mine"))["results"] == []
    assert await shop.good("GET", "/connectors/key=mine") == connector
    status, gone = await shop.ask("DELETE", by_key)
    assert (status, gone["id"]) == (200, made["id"])
    for path in (by_id, by_key, f"/connectors/{made['id']}", "/connectors/key=mine"):
        status, refused = await shop.ask("GET", path)
        what = "ConnectorStaged" if "drafts" in path else "Connector"
        assert (status, refused["message"].split(" with ")[0]) == (404, what)


async def test_revisions_are_listed_newest_first(shop: Shop) -> None:
    made = await shop.good("POST", "/shop/deployments", DEPLOYMENT)
    path = f"/shop/deployments/{made['id']}/revisions"
    assert (await shop.good("GET", path))["results"] == []
    shop.wait()
    version = (await shop.good("GET", "/shop/deployments/key=k1"))["version"]
    await shop.good("POST", "/shop/deployments/key=k1", {"version": version, "actions": [REDEPLOY]})
    shop.wait()
    page = await shop.good("GET", path)
    assert (page["limit"], page["offset"], page["count"], page["total"]) == (20, 0, 2, 2)
    assert [one["revision"] for one in page["results"]] == [6, 3]
    assert (await shop.good("GET", f"{path}?limit=1&offset=1"))["results"] == page["results"][1:]
    assert await shop.good("GET", "/shop/deployments/key=k1/revisions/3") == page["results"][1]
    assert [(await shop.ask("GET", f"{path}/{number}"))[0] for number in ("4", "x")] == [404, 400]
    assert (await shop.ask("GET", f"/shop/deployments/{NOBODY}/revisions"))[0] == 404


# ── refusals ─────────────────────────────────────────────────────────────────

ONE_DRAFT = "/connectors/drafts/key=mine"
ONE_DEPLOYMENT = "/shop/deployments/key=k1"


@pytest.mark.parametrize(
    "path", [f"/shop/deployments/{NOBODY}", f"/connectors/drafts/{NOBODY}", f"/connectors/{NOBODY}"]
)
async def test_what_is_not_there(shop: Shop, path: str) -> None:
    for given in (path, path.replace(NOBODY, "key=nobody")):
        status, body = await shop.ask("GET", given)
        assert (status, body["errors"][0]["code"]) == (404, "ResourceNotFound")
        assert body["message"].endswith(
            f" with {given.rpartition('/')[2] if 'key' in given else f'id={NOBODY}'} does not exist"
        )
    for wrong in (path.replace(NOBODY, "not-an-id"), path.replace(NOBODY, "key=%20")):
        status, body = await shop.ask("GET", wrong)
        assert (status, body["errors"][0]["code"]) == (400, "InvalidPathParam")


@pytest.mark.parametrize("path", ["/shop/deployments", "/connectors/drafts", ONE_DRAFT, ONE_DEPLOYMENT])
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"7", b'"x"', b"null", b"\xff", b"{}"])
async def test_a_body_that_is_none(shop: Shop, path: str, raw: bytes) -> None:
    await shop.good("POST", "/connectors/drafts", DRAFT)
    await shop.good("POST", "/shop/deployments", DEPLOYMENT)
    status, body = await shop.ask("POST", path, data=raw)
    assert (status, body["errors"][0]["code"]) == (400, "InvalidJsonInput")
    assert body["errors"][0]["detailedErrorMessage"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/shop/deployments"),
        ("DELETE", "/connectors/drafts"),
        ("POST", f"/connectors/{NOBODY}"),
        ("POST", "/shop/deployments/key=k1/revisions/1"),
        ("POST", "/shop/deployments/key=k1/rollback"),  # how a rollback is asked for is not public
    ],
)
async def test_what_is_no_endpoint(shop: Shop, method: str, path: str) -> None:
    assert (await shop.ask(method, path, {}))[0] in {404, 405}


ODD: list[Any] = [None, 5, "x", [], {}, ["x"], {"a": []}]


@pytest.mark.parametrize(
    "name", ["connector", "applications", "details", "status", "version", "globalConfiguration", "deployedRegion"]
)
async def test_no_raw_change_of_a_deployment_makes_an_endpoint_fail(shop: Shop, name: str) -> None:
    world, path = shop.simulator.world, "/shop/deployments/key=odd"
    for value in ODD:
        made = world.create(["shop"], 1, {"key": "odd"})[0]
        world.update(made.id, {"version": 1, name: value})
        for update_connector in (True, False):
            update = {"version": 1, "actions": [{**REDEPLOY, "updateConnector": update_connector}]}
            assert (await shop.ask("POST", path, update))[0] in {201, 400, 409}
        shop.wait()
        assert (await shop.ask("GET", f"{path}/revisions"))[0] == 200
        assert (await shop.ask("GET", "/shop/deployments?sort=version&integrationTypes=tax"))[0] == 200
        assert (await shop.ask("DELETE", path))[0] in {202, 400}
        world.delete(made.id)


@pytest.mark.parametrize(
    "name",
    [
        *("certificationInfo", "configurations", "creator", "globalConfiguration", "isPreviewable", "name", "private"),
        *("privateProjects", "publishingReport", "repository", "status", "supportedRegions", "version", "apiClient"),
    ],
)
async def test_no_raw_change_of_a_draft_makes_an_endpoint_fail(shop: Shop, name: str) -> None:
    world, path = shop.simulator.world, "/connectors/drafts/key=odd"
    for value in ODD:
        made = world.create_drafts(1, {"key": "odd", "isPreviewable": "true"})[0]
        world.update_draft(made.id, {"status": "Published", "version": 1, name: value})
        for staged in (True, False):
            body = {**DEPLOYMENT, "connector": {"key": "odd", "staged": staged}}
            assert (await shop.ask("POST", "/shop/deployments", body))[0] in {201, 400}
        for action in (
            {"action": "addCertificationComment", "comment": "x"},
            {"action": "addPrivateProject", "privateProject": "eu:x"},
            {"action": "setConfigurations", "configurations": []},
            {"action": "setCreatorName", "creatorName": "x"},
            {"action": "setRepository", "tag": "2"},
            {"action": "updatePreviewable"},
        ):
            version = world.draft_by_key("odd").payload.get("version")
            answer = await shop.ask("POST", path, {"version": version, "actions": [action]})
            assert answer[0] in {201, 400}, (value, action, answer)
        assert (await shop.ask("GET", "/connectors/drafts?sort=name&isPrivate=true"))[0] == 200
        assert (await shop.ask("GET", "/connectors/search?text=x&creator.company=x&sort=version"))[0] == 200
        shop.wait()
        for found in list(world.deployments("shop")):
            world.delete(found)
        assert (await shop.ask("DELETE", path))[0] == 200


# ── who may do what ──────────────────────────────────────────────────────────


async def test_a_policy_is_kept(shop: Shop) -> None:
    shop.simulator.world.create_drafts(1, {"key": "mine", "status": "Published", "privateProjects": ["eu:other"]})
    shop.simulator.tokens.access = Access(
        clients=(
            Client(id="id", secret="secret", scopes=("view_connectors_deployments:shop", "view_connectors:shop")),
        ),
        projects=frozenset({"shop"}),
    )
    assert (await shop.token_for(secret="wrong"))["error"] == "invalid_client"
    granted = await shop.token_for()
    assert granted["scope"] == "view_connectors_deployments:shop view_connectors:shop"
    shop.token = granted["access_token"]
    for method, path, expected in (
        ("GET", "/shop/deployments", 200),
        ("GET", "/other/deployments", 403),
        ("POST", "/shop/deployments", 403),
        ("DELETE", ONE_DEPLOYMENT, 403),
        ("GET", "/connectors/drafts", 200),
        ("POST", "/connectors/drafts", 403),
        ("POST", ONE_DRAFT, 403),
        ("DELETE", ONE_DRAFT, 403),
        ("GET", "/connectors/search", 200),
        ("GET", "/connectors/key=mine", 404),  # it is for another Project
    ):
        status, body = await shop.ask(method, path, {} if method == "POST" else None)
        assert status == expected, (method, path)
        if status == 403:
            assert body == {
                "statusCode": 403,
                "message": "Access denied",
                "errors": [{"code": "AuthorizationError", "message": "Access denied"}],
            }
    assert len((await shop.good("GET", "/connectors/search"))["results"]) == 8
    shop.simulator.world.update_draft(shop.simulator.world.draft_by_key("mine").id, {"privateProjects": ["eu:shop"]})
    assert (await shop.good("GET", "/connectors/key=mine"))["key"] == "mine"


async def test_who_has_an_api_client_made_needs_the_scope_for_it(shop: Shop) -> None:
    fields: dict[str, Any] = {
        "configurations": [{"applicationName": "web", "applicationType": "service"}],
        "globalConfiguration": None,
    }
    shop.simulator.create_connectors(key="asks", apiClient={"scopes": ["view_orders"]}, **fields)
    shop.simulator.create_connectors(key="does-not", apiClient=None, **fields)
    for scopes, key, expected in (
        ("manage_project:shop", "does-not", 201),
        ("manage_project:shop", "asks", 403),
        ("manage_project:shop manage_api_clients:other", "asks", 403),
        ("manage_project:shop manage_api_clients:shop", "asks", 201),
    ):
        client = Client(id="id", secret="secret", scopes=tuple(scopes.split()))
        shop.simulator.tokens.access = Access(clients=(client,))
        shop.token = (await shop.token_for())["access_token"]
        wanted = {"connector": {"key": key}, "configurations": [{"applicationName": "web"}], "region": "us-east-2.aws"}
        status, body = await shop.ask("POST", "/shop/deployments", wanted)
        assert (status, "apiClient" in body) == (expected, (key, status) == ("asks", 201)), scopes


async def test_a_draft_can_be_for_some_clients_only(shop: Shop) -> None:
    world = shop.simulator.world
    await shop.good("POST", "/_sim/drafts", {"key": "theirs", "visible_to": ["other"]})
    await shop.good("POST", "/_sim/drafts", {"key": "mine", "visible_to": ["id"]})
    await shop.good("POST", "/_sim/drafts", {"key": "ours"})
    theirs = world.draft_by_key("theirs")
    shop.token = (await shop.token_for())["access_token"]

    async def listed() -> list[str]:
        return [one["key"] for one in (await shop.good("GET", "/connectors/drafts"))["results"]]

    assert await listed() == ["mine", "ours"]
    update = {"version": 1, "actions": [{"action": "setName", "name": "x"}]}
    for path in ("/connectors/drafts/key=theirs", f"/connectors/drafts/{theirs.id}"):
        for method, body in (("GET", None), ("POST", update), ("DELETE", None)):
            assert (await shop.ask(method, path, body))[0] == 404, method
    assert (await shop.good("GET", "/connectors/drafts/key=mine"))["key"] == "mine"
    await shop.good("POST", f"/_sim/drafts/{theirs.id}", {"visible_to": []})
    assert await listed() == ["theirs", "mine", "ours"]
    assert world.draft_by_key("theirs") == theirs, "it was made known, not changed"
    assert (await shop.ask("DELETE", "/connectors/drafts/key=theirs"))[0] == 200
    for wrong in ("id", [1]):
        status, _ = await shop.ask("POST", "/_sim/drafts", {"visible_to": wrong})
        assert status == 400


async def test_the_codes_that_no_request_leads_to_are_answers_of_faults(shop: Shop) -> None:
    for code in ("General", "BadGateway"):
        status = OFFICIAL[code].status
        shop.simulator.fault("/shop/deployments", status=status, count=1)
        answer = await shop.ask("GET", "/shop/deployments")
        assert answer == (
            status,
            {
                "statusCode": status,
                "message": OFFICIAL[code].message,
                "errors": [{"code": code, "message": OFFICIAL[code].message}],
            },
        )
    async with shop.session.get("/shop/deployments") as response:
        body = await response.json()
        assert (response.status, body["errors"][0]["code"]) == (401, "AuthenticationError")
