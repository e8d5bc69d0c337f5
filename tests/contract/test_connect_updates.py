"""The simulated Connect API against a table of its official description: bodies and update actions."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.facts.broken import broken
from tests.facts.caller import Caller
from tests.facts.stage import DEPLOYMENTS, DRAFTS, GCP, NOBODY, Stage, draft_body
from tests.facts.table import SPARED, TABLE

VALUES: dict[str, Any] = {
    "certification": False,
    "comment": "Please look at this",
    "creatorCompany": "Another Ltd",
    "creatorEmail": "other@example.com",
    "creatorName": "Another Creator",
    "creatorNoOfContributors": 41,
    "creatorSupportUrl": "https://example.org/support",
    "creatorTitle": "Prof",
    "description": "Other words",
    "documentationUrl": "https://example.org/documentation",
    "integrationTypes": ["tax", "psp"],
    "logoUrl": "https://example.org/logo.png",
    "name": "Another name",
    "privateProject": f"{GCP}:gamma",
    "regions": ["us-central1.gcp", "eu-central-1.aws"],
    "tag": "2.0.0",
    "url": "https://github.com/acme/another",
}
"""A value for every field of every update action of a ConnectorStaged."""

PLACES: dict[str, tuple[str, ...]] = {
    "setCreatorCompany": ("creator", "company"),
    "setCreatorEmail": ("creator", "email"),
    "setCreatorLogo": ("creator", "logoUrl"),
    "setCreatorName": ("creator", "name"),
    "setCreatorNoOfContributors": ("creator", "noOfContributors"),
    "setCreatorSupportUrl": ("creator", "supportUrl"),
    "setCreatorTitle": ("creator", "title"),
    "setDescription": ("description",),
    "setDocumentationUrl": ("documentationUrl",),
    "setIntegrationTypes": ("integrationTypes",),
    "setName": ("name",),
    "setSupportedRegions": ("supportedRegions",),
}
"""Where the value of an action can be read afterwards, for those that replace one field."""

ACTIONS = TABLE.actions["ConnectorUpdate"]


def action_of(name: str) -> dict[str, Any]:
    """An update action with everything it needs."""
    return {"action": name, **{field: VALUES[field] for field in ACTIONS[name]}}


async def before(stage: Stage, name: str) -> dict[str, Any]:
    """A ConnectorStaged in a state in which the action is allowed."""
    if name == "addCertificationComment":
        return await stage.certifying("subject")
    if name == "unlist":
        await stage.published("subject", certification=True)
        assert (await stage.staged("subject"))["alreadyListed"] is True
    else:
        await stage.draft(
            "subject", privateProjects=[f"{GCP}:alpha", *([f"{GCP}:gamma"] * (name == "removePrivateProject"))]
        )
    return await stage.staged("subject")


@pytest.mark.parametrize("name", sorted(ACTIONS))
async def test_an_update_action_is_accepted_and_shows(stage: Stage, name: str) -> None:
    was = await before(stage, name)
    now = await stage.change("subject", **action_of(name))
    assert now["version"] > was["version"]
    assert now == await stage.staged("subject")
    if name in PLACES:
        (value,) = (VALUES[field] for field in ACTIONS[name])
        inner: Any = now
        for place in PLACES[name]:
            inner = inner[place]
        assert inner == value
    else:
        assert effect(name, now)


def effect(name: str, now: dict[str, Any]) -> bool:
    """What an action does that replaces no field."""
    effects: dict[str, Callable[[], bool]] = {
        "addCertificationComment": lambda: now["certificationInfo"]["comments"][-1]["comment"] == VALUES["comment"],
        "addPrivateProject": lambda: f"{GCP}:gamma" in now["privateProjects"],
        "publish": lambda: now["status"] == "Processing",
        "removePrivateProject": lambda: f"{GCP}:gamma" not in now["privateProjects"],
        "setRepository": lambda: now["repository"] == {"url": VALUES["url"], "tag": VALUES["tag"]},
        "unlist": lambda: now["alreadyListed"] is False,
        "updatePreviewable": lambda: now["isPreviewable"] == "pending",
    }
    return effects[name]()


@pytest.mark.parametrize("name", sorted(ACTIONS))
async def test_an_update_action_is_refused_when_one_field_is_wrong(stage: Stage, name: str) -> None:
    was = await before(stage, name)
    right = action_of(name)
    fields = {field: replace(facts, optional=(name, field) in SPARED) for field, facts in ACTIONS[name].items()}
    for wrong in [*broken(fields, right), {**right, "action": 7}]:
        await refused(stage, f"POST {DRAFTS}/{{ID}}", {"version": was["version"], "actions": [wrong]}, was["id"])
    assert await stage.staged("subject") == was


async def refused(stage: Stage, endpoint: str, body: Any, found: str = NOBODY) -> None:
    """It is no JSON of the documented form."""
    answer = await stage.caller.ask(endpoint, body, ID=found)
    assert answer.code == "InvalidJsonInput", (body, answer)


@pytest.mark.parametrize("update", ["ConnectorUpdate", "DeploymentUpdate"])
async def test_an_update_is_refused_when_its_envelope_is_wrong(stage: Stage, update: str) -> None:
    await stage.published("subject")
    if update == "ConnectorUpdate":
        was, endpoint, action = await stage.staged("subject"), f"POST {DRAFTS}/{{ID}}", action_of("setName")
    else:
        was, endpoint, action = (
            await stage.deployed("subject", "x1"),
            f"POST {DEPLOYMENTS}/{{ID}}",
            {"action": "redeploy"},
        )
    right = {"version": was["version"], "actions": [action]}
    wrong_actions: list[Any] = [
        [{}],
        [{"action": "unheardOf"}],
        ["setName"],
        [action, {"action": "unheardOf"}],
        None,
        "x",
        {"action": "x"},
    ]
    for actions in wrong_actions:
        await refused(stage, endpoint, {**right, "actions": actions}, was["id"])
    for wrong in broken({"version": TABLE.types[update]["version"]}, right):
        await refused(stage, endpoint, wrong, was["id"])
    now = await stage.caller.good(endpoint.replace("POST", "GET"), ID=was["id"])
    assert now == was


async def test_a_redeploy_is_accepted_with_each_of_its_fields(stage: Stage) -> None:
    await stage.published("subject", specified=True)
    was = await stage.deployed("subject", "again")
    configurations = (await stage.deployment_body("subject", "x1"))["configurations"]
    configurations[0]["standardConfiguration"][0]["value"] = "changed"
    configurations[2]["schedule"] = "0 4 * * *"
    given = {
        "skipScripts": True,
        "configurationValues": configurations,
        "globalConfiguration": (await stage.deployment_body("subject", "x2"))["globalConfiguration"],
        "updateConnector": True,
    }
    assert set(given) == set(TABLE.actions["DeploymentUpdate"]["redeploy"])
    for name, value in given.items():
        body = {"version": was["version"], "actions": [{"action": "redeploy", name: value}]}
        queued = await stage.caller.good(f"POST {DEPLOYMENTS}/{{ID}}", body, ID=was["id"])
        assert queued["version"] > was["version"]
        await stage.pass_time()
        was = await stage.caller.good(f"GET {DEPLOYMENTS}/{{ID}}", ID=was["id"])
        assert was["status"] == "Deployed"
    applications = {one["applicationName"]: one for one in was["applications"]}
    assert applications["nightly"]["schedule"] == "0 4 * * *"
    assert applications["service"]["standardConfiguration"][0]["value"] == "changed"


async def test_a_redeploy_is_refused_when_one_field_is_wrong(stage: Stage) -> None:
    await stage.published("subject")
    was = await stage.deployed("subject", "again")
    for wrong in broken(TABLE.actions["DeploymentUpdate"]["redeploy"], {"action": "redeploy"}):
        await refused(stage, f"POST {DEPLOYMENTS}/{{ID}}", {"version": was["version"], "actions": [wrong]}, was["id"])
    assert await stage.caller.good(f"GET {DEPLOYMENTS}/{{ID}}", ID=was["id"]) == was


async def test_drafts_are_refused_when_one_field_is_wrong(stage: Stage) -> None:
    await stage.published("subject")
    bodies = {
        "ConnectorStagedDraft": draft_body("fresh"),
        "DeploymentDraft": await stage.deployment_body("subject", "fresh"),
    }
    for kind, right in bodies.items():
        endpoint = f"POST {DRAFTS if kind == 'ConnectorStagedDraft' else DEPLOYMENTS}"
        for wrong in broken(TABLE.types[kind], right):
            await refused(stage, endpoint, wrong)
    for name in ("creator", "repository"):
        kind = TABLE.types["ConnectorStagedDraft"][name].type
        for inner in broken(TABLE.types[kind], draft_body("fresh")[name]):
            await refused(stage, f"POST {DRAFTS}", {**draft_body("fresh"), name: inner})
    assert (await stage.caller.good(f"GET {DEPLOYMENTS}"))["total"] == 0
    assert [one["key"] for one in (await stage.caller.good(f"GET {DRAFTS}"))["results"]] == ["subject"]


@pytest.mark.parametrize(
    "optional", [name for name, field in TABLE.types["ConnectorStagedDraft"].items() if field.optional]
)
async def test_a_draft_can_do_without_what_is_optional(caller: Caller, optional: str) -> None:
    body = {name: value for name, value in draft_body("fresh").items() if name != optional}
    made = await caller.good(f"POST {DRAFTS}", body)
    assert body.items() <= made.items()


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', json.dumps([1]).encode("utf-16")])
async def test_bodies_that_are_no_json_object_are_refused(stage: Stage, raw: bytes) -> None:
    made = await stage.draft("subject")
    for endpoint in (f"POST {DRAFTS}", f"POST {DRAFTS}/{{ID}}", f"POST {DEPLOYMENTS}"):
        answer = await stage.caller.ask(endpoint, raw=raw, ID=made["id"])
        assert answer.code == "InvalidJsonInput"
