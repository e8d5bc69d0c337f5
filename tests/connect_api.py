"""A small Connect API and auth service on loopback, scripted request by request. It shares nothing with the client."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes import FakeClock, fake_env
from tests.loopback import web_server
from watcher.connect import ListClient, ProjectAccess, Session, deployments
from watcher.core.snapshot import Deployment
from watcher.http import Http

CANARY = "c4n4ry-s3cr3t"
PROJECT = "my-shop"

Answer = Callable[[web.Request], web.StreamResponse]


def record(name: str, status: str = "Deployed", **fields: Any) -> dict[str, Any]:
    """A Deployment as the API sends it, configuration values included."""
    return {
        "id": f"id-{name}",
        "key": name,
        "version": 3,
        "type": "production",
        "status": status,
        "deployedRegion": "europe-west1.gcp",
        "globalConfiguration": {"securedConfiguration": [{"key": "TOKEN", "value": CANARY}]},
        "apiClient": {"secret": CANARY},
        "connector": {"id": "c1", "key": "stripe", "name": "Stripe", "version": 7, "creator": {"email": CANARY}},
        "applications": [
            {
                "id": "a1",
                "applicationName": "service",
                "url": "https://service.example",
                "standardConfiguration": [{"key": "MODE", "value": CANARY}],
                "securedConfiguration": [{"key": "API_KEY", "value": CANARY}],
            }
        ],
        "details": {
            "build": {
                "id": "b1",
                "report": {
                    "entries": [
                        {"type": "Warning", "title": "postDeploy", "message": None, "createdAt": "2026-11-23T10:00:00Z"}
                    ]
                },
            }
        },
        **fields,
    }


def api_error(status: int, code: str) -> dict[str, Any]:
    return {"statusCode": status, "message": CANARY, "errors": [{"code": code, "message": CANARY}]}


@dataclass
class ConnectApi:
    """What exists, which tokens are good, and the answers that come before the usual ones."""

    deployments: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    expires_in: Any = 172_800
    total: int | None = -1
    cap: int = 500
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
        if self.scripted:
            return self.scripted.pop(0)(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens or token in self.revoked:
            return web.json_response(api_error(401, "invalid_token"), status=401)
        if request.path == f"/{PROJECT}/deployments":
            return self._page(int(request.query["offset"]), int(request.query["limit"]))
        return self._one(request.path.removeprefix(f"/{PROJECT}/deployments/"))

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append({**form, "authorization": request.headers.get("Authorization", "")})
        if self.scripted_auth:
            return self.scripted_auth.pop(0)(request)
        self.tokens.append(f"{CANARY}-{len(self.tokens)}")
        return web.json_response({"access_token": self.tokens[-1], "expires_in": self.expires_in, "scope": "x"})

    def _page(self, offset: int, limit: int) -> web.Response:
        results = self.deployments[offset : offset + min(limit, self.cap)]
        page: dict[str, Any] = {"offset": offset, "limit": limit, "count": len(results), "results": results}
        if self.total is not None:
            page["total"] = len(self.deployments) if self.total < 0 else self.total
        return web.json_response(page)

    def _one(self, deployment_id: str) -> web.Response:
        for each in self.deployments:
            if each["id"] == deployment_id:
                return web.json_response(each)
        return web.json_response(api_error(404, "ResourceNotFound"), status=404)

    @property
    def calls(self) -> Counter[str]:
        return Counter(each.partition("?")[0] for each in self.requests)

    def revoke(self) -> None:
        self.revoked.update(self.tokens)


def answer(
    status: int, body: bytes | str | dict[str, Any] = b"", *, content_type: str = "application/json", **headers: str
) -> Answer:
    """An answer for `scripted`; `Retry_After="3"` sets a header."""
    raw = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, body=raw, content_type=content_type, headers=named)


@asynccontextmanager
async def connected(
    api: ConnectApi, clock: FakeClock | None = None, clean: Callable[[str], str] = str, **access: Any
) -> AsyncIterator[ListClient[Deployment]]:
    """A client of that API."""
    async with web_server(api.handle) as url, Http() as http:
        project = ProjectAccess(
            **{
                "key": PROJECT,
                "region": "europe-west1.gcp",
                "client_id": "id",
                "client_secret": CANARY,
                "api_url": url,
                "auth_url": f"{url}/",
                **access,
            }
        )
        yield deployments(project, Session(project, http=http, env=fake_env(clock)), clean)
