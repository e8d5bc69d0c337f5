"""A simulated Connect API of one's own, and the shortest ways to the states in which a request is of interest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.facts.caller import PROJECT, Caller, caller_of
from watcher.simulator import Scenario, serve

GCP: Final = "europe-west1.gcp"
AWS: Final = "us-east-2.aws"
DEPLOYMENTS: Final = "/{projectKey}/deployments"
DRAFTS: Final = "/connectors/drafts"
CLOSED: Final = "closed"
"""A project without production."""
NOBODY: Final = "00000000-0000-4000-8000-000000000000"
PARTS: Final = ("standardConfiguration", "securedConfiguration")

CREATOR: Final = {
    "name": "A Creator",
    "title": "Dr",
    "email": "creator@example.com",
    "company": "Acme",
    "logoUrl": "https://example.com/logo.png",
    "noOfContributors": 3,
    "supportUrl": "https://example.com/support",
}
APPLICATIONS: Final = [
    {
        "applicationName": name,
        "applicationType": kind,
        "standardConfiguration": [
            {"key": "LEVEL", "description": "How much to log", "default": "info", "required": False},
            {"key": "HOST", "description": "Where to send", "required": True},
        ],
        "securedConfiguration": [{"key": "PASSWORD", "description": "How to log in", "required": True}],
    }
    for name, kind in (("service", "service"), ("listener", "event"), ("nightly", "job"))
]
GLOBAL_KEYS: Final = {
    "standardConfiguration": [
        {"key": "TENANT", "description": "Whose data", "required": True},
        {"key": "MODE", "description": "How to run", "required": False},
    ],
    "securedConfiguration": [{"key": "TOKEN", "description": "A secret", "required": True}],
}
GLOBAL: Final = {
    "standardConfiguration": [{"key": "TENANT", "value": "acme"}],
    "securedConfiguration": [{"key": "TOKEN", "value": "s3cr3t"}],
}
SPECIFIED: Final = {
    "configurations": APPLICATIONS,
    "globalConfiguration": GLOBAL_KEYS,
    "apiClient": {"scopes": ["view_orders"]},
}
"""What the connect.yaml of a Connector may say: it is nowhere in a draft that a client sends."""


def draft_body(key: str, **fields: Any) -> dict[str, Any]:
    """A ConnectorStagedDraft with everything in it."""
    return {
        "key": key,
        "name": f"Connector {key}",
        "description": "Takes orders somewhere else",
        "integrationTypes": ["oms"],
        "creator": CREATOR,
        "repository": {"url": "https://github.com/acme/connector", "tag": "1.0.0"},
        "supportedRegions": [GCP, AWS],
        "privateProjects": [f"{region}:{project}" for region in (GCP, AWS) for project in (PROJECT, "beta")],
        "documentationUrl": "https://example.com/documentation",
        **fields,
    }


def fitting(connector: dict[str, Any]) -> list[dict[str, Any]]:
    """A value for everything the applications of a Connector can be given."""
    return [
        {
            "applicationName": application["applicationName"],
            **{part: [{"key": one["key"], "value": "x"} for one in application[part]] for part in PARTS},
        }
        for application in connector["configurations"]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The caller of a service in which scenario time stands still until a test lets it pass."""

    caller: Caller

    async def pass_time(self, length: str = "1h") -> None:
        """Everything under way comes to its end within an hour."""
        await self.caller.control("POST", "/clock", {"advance": length})

    async def plan(self, kind: str, result: str, **more: Any) -> None:
        """What the next such request comes to."""
        await self.caller.control("POST", "/plan", {"kind": kind, "key": "*", "result": result, **more})

    async def draft(self, key: str, *, specified: bool = False, **fields: Any) -> dict[str, Any]:
        """A new ConnectorStaged; `specified` gives it a connect.yaml that asks for something of everything."""
        made: dict[str, Any] = await self.caller.good(f"POST {DRAFTS}", draft_body(key, **fields))
        if specified:
            await self.caller.control("POST", f"/drafts/{made['id']}", SPECIFIED)
        return made

    async def change(self, key: str, action: str, **fields: Any) -> dict[str, Any]:
        """An update action that is accepted."""
        version = (await self.caller.good(f"GET {DRAFTS}/key={{key}}", key=key))["version"]
        body = {"version": version, "actions": [{"action": action, **fields}]}
        changed: dict[str, Any] = await self.caller.good(f"POST {DRAFTS}/key={{key}}", body, key=key)
        return changed

    async def previewed(self, key: str, **rest: Any) -> dict[str, Any]:
        """A ConnectorStaged that can be deployed."""
        await self.draft(key, **rest)
        await self.change(key, "updatePreviewable")
        await self.pass_time()
        return await self.staged(key)

    async def published(self, key: str, *, certification: bool = False, **rest: Any) -> dict[str, Any]:
        """A Connector that was published with or without certification."""
        await self.draft(key, **rest)
        await self.change(key, "publish", certification=certification)
        await self.pass_time()
        connector: dict[str, Any] = await self.caller.good("GET /connectors/key={key}", key=key)
        return connector

    async def certifying(self, key: str) -> dict[str, Any]:
        """A ConnectorStaged in the middle of its certification."""
        await self.plan("publish", "InCertification")
        await self.draft(key)
        await self.change(key, "publish", certification=True)
        await self.pass_time()
        found = await self.staged(key)
        assert found["status"] == "InCertification"
        return found

    async def staged(self, key: str) -> dict[str, Any]:
        """A ConnectorStaged as it is now."""
        found: dict[str, Any] = await self.caller.good(f"GET {DRAFTS}/key={{key}}", key=key)
        return found

    async def deployment_body(self, connector: str, key: str, **fields: Any) -> dict[str, Any]:
        """A DeploymentDraft for a published Connector, or with `staged` for a ConnectorStaged."""
        staged = fields.pop("staged", False)
        if staged:
            source = await self.staged(connector)
        else:
            source = await self.caller.good("GET /connectors/key={key}", key=connector)
        return {
            "key": key,
            "connector": {"key": connector, "version": source["version"], **({"staged": True} if staged else {})},
            "configurations": fitting(source),
            **({"globalConfiguration": GLOBAL} if source.get("globalConfiguration") else {}),
            "region": GCP,
            **fields,
        }

    async def deploy(self, connector: str, key: str, **fields: Any) -> dict[str, Any]:
        """A Deployment that was just queued."""
        body = await self.deployment_body(connector, key, **fields)
        made: dict[str, Any] = await self.caller.good(f"POST {DEPLOYMENTS}", body)
        return made

    async def deployed(self, connector: str, key: str, **fields: Any) -> dict[str, Any]:
        """A Deployment that has come to its end."""
        await self.deploy(connector, key, **fields)
        await self.pass_time()
        found: dict[str, Any] = await self.caller.good(f"GET {DEPLOYMENTS}/key={{key}}", key=key)
        return found


@asynccontextmanager
async def stage_of_one_s_own() -> AsyncIterator[Stage]:
    """A service with nothing in it."""
    scenario = Scenario(production_disabled=(CLOSED,))
    async with serve(seed=11, speed=0, scenario=scenario) as simulator, aiohttp.ClientSession(simulator.url) as session:
        yield Stage(caller=await caller_of(session))
