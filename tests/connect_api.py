"""A small Connect API and auth service on loopback, scripted request by request. It shares nothing with the client."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.connect_records import CANARY, api_error, connector_record, draft_record, record
from tests.fakes import FakeClock, fake_env
from tests.loopback import web_server
from watcher.connect import ListClient, ProjectAccess, PublishedConnectors, Session, auth, deployments, drafts
from watcher.core.snapshot import ConnectorStaged, Deployment, Record
from watcher.errors import SourceError
from watcher.http import CAP, Http

PROJECT = "my-shop"
HTML = f"<html><body>{CANARY}</body></html>"

Answer = Callable[[web.Request], web.StreamResponse]


# ── the server ───────────────────────────────────────────────────────────────


@dataclass
class ConnectApi:
    """What exists, which tokens are good, and the answers that come before the usual ones to what begins with `at`."""

    deployments: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[dict[str, Any]] = field(default_factory=list)
    connectors: list[dict[str, Any]] = field(default_factory=list)
    unlisted: set[str] = field(default_factory=set)
    """Connectors that a search leaves out."""
    tokens: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    expires_in: Any = 172_800
    total: int | None = -1
    cap: int = 500
    at: str = ""
    scripted: list[Answer] = field(default_factory=list)
    scripted_auth: list[Answer] = field(default_factory=list)
    before: Callable[[web.Request], None] = lambda _: None
    requests: list[str] = field(default_factory=list)
    correlations: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.correlations.append(request.headers["X-Correlation-ID"])
        if request.path == "/oauth/token":
            return await self._grant(request)
        self.requests.append(request.path_qs)
        self.before(request)
        if self.scripted and request.path.startswith(self.at):
            return self.scripted.pop(0)(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens or token in self.revoked:
            return web.json_response(api_error(401, "invalid_token"), status=401)
        return self._found(request)

    def _found(self, request: web.Request) -> web.Response:
        for place, stock in self._places():
            if request.path == place:
                return self._page(stock, int(request.query["offset"]), int(request.query["limit"]))
            if request.path.startswith(f"{place}/"):
                return _one(stock, request.path.removeprefix(f"{place}/"))
        if request.path == "/connectors/search":
            wanted = set(request.query.getall("id", [])) - self.unlisted
            return self._page(
                [each for each in self.connectors if each["id"] in wanted], 0, int(request.query["limit"])
            )
        return _one(self.connectors, request.path.removeprefix("/connectors/"))

    def _places(self) -> tuple[tuple[str, list[dict[str, Any]]], ...]:
        return (f"/{PROJECT}/deployments", self.deployments), ("/connectors/drafts", self.drafts)

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append({**form, "authorization": request.headers.get("Authorization", "")})
        if self.scripted_auth:
            return self.scripted_auth.pop(0)(request)
        self.tokens.append(f"{CANARY}-{len(self.tokens)}")
        return web.json_response({"access_token": self.tokens[-1], "expires_in": self.expires_in, "scope": "x"})

    def _page(self, stock: list[dict[str, Any]], offset: int, limit: int) -> web.Response:
        results = stock[offset : offset + min(limit, self.cap)]
        page: dict[str, Any] = {"offset": offset, "limit": limit, "count": len(results), "results": results}
        if self.total is not None:
            page["total"] = len(stock) if self.total < 0 else self.total
        return web.json_response(page)

    @property
    def calls(self) -> Counter[str]:
        return Counter(each.partition("?")[0] for each in self.requests)

    def revoke(self) -> None:
        self.revoked.update(self.tokens)


def _one(stock: list[dict[str, Any]], record_id: str) -> web.Response:
    for each in stock:
        if each["id"] == record_id:
            return web.json_response(each)
    return web.json_response(api_error(404, "ResourceNotFound"), status=404)


def answer(
    status: int, body: bytes | str | dict[str, Any] = b"", *, content_type: str = "application/json", **headers: str
) -> Answer:
    """An answer for `scripted`; `Retry_After="3"` sets a header."""
    raw = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, body=raw, content_type=content_type, headers=named)


# ── its clients ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Everything that reads as one API client."""

    session: Session
    deployments: ListClient[Deployment]
    drafts: ListClient[ConnectorStaged]
    published: PublishedConnectors


def access_to(url: str, **access: Any) -> ProjectAccess:
    given = {"key": PROJECT, "region": "europe-west1.gcp", "client_id": "id", "client_secret": CANARY}
    return ProjectAccess(**{**given, "api_url": url, "auth_url": f"{url}/", **access})


@asynccontextmanager
async def reading(
    api: ConnectApi,
    clock: FakeClock | None = None,
    clean: Callable[[str], str] = str,
    door: Callable[[], Http] = Http,
    **access: Any,
) -> AsyncIterator[Clients]:
    """An API client of that API, or of another with the same auth service where `api_url` is given."""
    async with web_server(api.handle) as url, door() as http:
        project = access_to(url, **access)
        session = Session(project, http=http, env=fake_env(clock))
        yield Clients(
            session=session,
            deployments=deployments(project, session, clean),
            drafts=drafts(project, session, clean),
            published=PublishedConnectors(project.connectors_url, session, clean),
        )


@asynccontextmanager
async def connected(api: ConnectApi, clock: FakeClock | None = None, **options: Any) -> AsyncIterator[ListClient[Any]]:
    """A client of that API's Deployments."""
    async with reading(api, clock, **options) as clients:
        yield clients.deployments


# ── what can be asked of it ──────────────────────────────────────────────────

Found = Mapping[str, Record]

GRANTED = "granted"
"""The token in an answer that grants one."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint, asked for the record `a`. `stock` is where the API keeps it; `whole` says that it lists all.

    One that `grants` is asked for a token, on the way to the record.
    """

    name: str
    path: str
    scope: str
    stock: str
    make: Callable[..., dict[str, Any]]
    ask: Callable[[Clients], Awaitable[Found]]
    is_page: bool = False
    whole: bool = False
    grants: bool = False
    unlisted: frozenset[str] = frozenset()

    @property
    def cap(self) -> int:
        """How many bytes of its answer are read."""
        return auth.CAP if self.grants else CAP

    def at(self, url: str) -> dict[str, Any]:
        """Access to an API that is at `url` as far as this endpoint is concerned."""
        return {"auth_url" if self.grants else "api_url": url}

    def api(self, *scripted: Answer, **fields: Any) -> ConnectApi:
        """An API that has the record, and answers as scripted to this endpoint first."""
        stock = {self.stock: [self.make("a")], "unlisted": set(self.unlisted), **fields}
        if self.grants:
            return ConnectApi(scripted_auth=list(scripted), tokens=[GRANTED], **stock)
        return ConnectApi(at=self.path, scripted=list(scripted), **stock)

    def asked(self, api: ConnectApi) -> int:
        """How often it was asked."""
        return len(api.forms) if self.grants else api.calls[self.path]

    def client(self, clients: Clients) -> ListClient[Any]:
        """The client of a list."""
        found: ListClient[Any] = getattr(clients, self.stock)
        return found

    def body(self, *records: str) -> bytes:
        """A good answer of this endpoint that has these records, as JSON texts; by default the record `a`."""
        if self.grants:
            return json.dumps({"access_token": GRANTED, "expires_in": 172_800}).encode()
        texts = records or (json.dumps(self.make("a")),)
        if not self.is_page:
            return texts[0].encode()
        return f'{{"results": [{", ".join(texts)}], "total": {len(texts)}}}'.encode()


async def _one_deployment(clients: Clients) -> Found:
    return _by_id(await clients.deployments.get("id-a"))


async def _one_draft(clients: Clients) -> Found:
    return _by_id(await clients.drafts.get("id-a"))


async def _deployments(clients: Clients) -> Found:
    return (await clients.deployments.list()).records


async def _drafts(clients: Clients) -> Found:
    return (await clients.drafts.list()).records


async def _connectors(clients: Clients) -> Found:
    return await clients.published.find(["id-a"])


def _by_id(found: Record | None) -> Found:
    return {found.id: found} if found else {}


_DEPLOYMENTS = f"/{PROJECT}/deployments"
ENDPOINTS = (
    Endpoint(
        name="list of deployments",
        path=_DEPLOYMENTS,
        scope="view_connectors_deployments",
        stock="deployments",
        make=record,
        ask=_deployments,
        is_page=True,
        whole=True,
    ),
    Endpoint(
        name="one deployment",
        path=f"{_DEPLOYMENTS}/id-a",
        scope="view_connectors_deployments",
        stock="deployments",
        make=record,
        ask=_one_deployment,
    ),
    Endpoint(
        name="list of drafts",
        path="/connectors/drafts",
        scope="view_connectors",
        stock="drafts",
        make=draft_record,
        ask=_drafts,
        is_page=True,
        whole=True,
    ),
    Endpoint(
        name="one draft",
        path="/connectors/drafts/id-a",
        scope="view_connectors",
        stock="drafts",
        make=draft_record,
        ask=_one_draft,
    ),
    Endpoint(
        name="search for connectors",
        path="/connectors/search",
        scope="view_connectors",
        stock="connectors",
        make=connector_record,
        ask=_connectors,
        is_page=True,
    ),
    Endpoint(
        name="one connector",
        path="/connectors/id-a",
        scope="view_connectors",
        stock="connectors",
        make=connector_record,
        ask=_connectors,
        unlisted=frozenset({"id-a"}),
    ),
)
"""Everything that is read of the API."""

TOKEN = Endpoint(
    name="token", path="/oauth/token", scope="", stock="deployments", make=record, ask=_deployments, grants=True
)
REQUESTS = (*ENDPOINTS, TOKEN)
"""Everything that is asked for."""

for_every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
for_every_request = pytest.mark.parametrize("endpoint", REQUESTS, ids=lambda each: each.name)
for_every_list = pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if each.whole], ids=lambda each: each.name
)


async def blind(asked: Awaitable[object]) -> SourceError:
    """The error of a call that must fail, and must show nothing of what came back or was sent."""
    with pytest.raises(SourceError) as caught:
        await asked
    error = caught.value
    links: list[BaseException | None] = [error, error.__cause__, error.__context__]
    assert CANARY not in " ".join(f"{each!s} {each!r}" for each in links)
    assert str(error).startswith(f"{PROJECT}: ")
    return error
