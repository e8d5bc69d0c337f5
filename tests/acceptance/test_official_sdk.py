"""The official SDK against the simulator: every method and update action it has, and the types it declares."""

from pathlib import Path
from typing import Any

from tests.peers.sdk import Sdk, Step, actions, declared, misfits, sdk
from tests.peers.shop import PROJECT, hurried
from tests.peers.steps import (
    APPLICATIONS,
    DEPLOYMENTS,
    DRAFT,
    DRAFTS,
    GET,
    URL,
    by_id,
    by_key,
    deployment,
    post,
    query,
    update,
    values,
)
from watcher.simulator import Simulator
from watcher.simulator.clock import iso

# ── every method ─────────────────────────────────────────────────────────────


async def test_every_method_of_the_sdk() -> None:
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        await work_with_drafts(call)
        await work_with_connectors(call)
        await work_with_deployments(call)
        await read_logs(simulator, call)
        await delete_deployments(call)
    assert call.exercised == declared()


async def work_with_drafts(call: Sdk) -> None:
    """Created, found in every way, made previewable, published."""
    made = await call(*DRAFTS, post(**DRAFT))
    assert made.status == 201
    assert made.body == {**made.body, **DRAFT, "version": 1, "status": "Draft", "isPreviewable": "none"}
    draft = by_id(made.body["id"])
    assert (await call(*DRAFTS, draft, GET)).body == made.body
    assert (await call(*DRAFTS, by_key("mailing"), GET)).body == made.body
    other = await call(*DRAFTS, post(**{**DRAFT, "key": "taxes", "integrationTypes": ["tax"]}))
    listed = await call(*DRAFTS, query(integrationTypes=["email", "psp"], isPrivate=True, limit=5, offset=0))
    assert listed.body == {"limit": 5, "offset": 0, "count": 1, "total": 1, "results": [made.body]}
    assert await listed_keys(call, *DRAFTS, sort=["createdAt desc"]) == ["taxes", "mailing"]
    assert await listed_keys(call, *DRAFTS, sort="createdAt asc", limit=1) == ["mailing"]

    previewed = await call(*DRAFTS, by_key("mailing"), update(made.body, "updatePreviewable"))
    assert (previewed.status, previewed.body["isPreviewable"]) == (201, "pending")
    previewable = (await call(*DRAFTS, draft, GET)).body
    assert previewable["isPreviewable"] == "true"
    assert previewable["previewableReport"]["entries"]
    publishing = await call(*DRAFTS, draft, update(previewable, "publish", certification=False))
    assert (publishing.status, publishing.body["status"]) == (201, "Processing")
    assert (await call(*DRAFTS, draft, GET)).body["status"] == "Published"
    assert (await call(*DRAFTS, by_id(other.body["id"]), GET)).body["status"] == "Draft"


async def work_with_connectors(call: Sdk) -> None:
    """Found by key, by id and by every parameter of the search."""
    found = (await call("connectors", by_key("mailing"), GET)).body
    expected = {name: value for name, value in DRAFT.items() if name != "privateProjects"}
    assert found == {**found, **expected, "private": True, "certified": False}
    assert (await call("connectors", by_id(found["id"]), GET)).body == found
    search: tuple[Step, ...] = ("connectors", "search")
    assert await listed_keys(call, *search, key=["mailing", "tax-calculation"], sort="key asc") == [
        "mailing",
        "tax-calculation",
    ]
    assert await listed_keys(call, *search, id=found["id"]) == ["mailing"]
    assert await listed_keys(call, *search, text="feeds the mailing platform", private=True) == ["mailing"]
    assert "mailing" not in await listed_keys(call, *search, integrationTypes=["tax", "psp"], private=False)
    assert await listed_keys(call, *search, **{"creator.company": "no such company"}) == []


async def work_with_deployments(call: Sdk) -> None:
    """Created, found in every way, redeployed."""
    made = await call(*DEPLOYMENTS, deployment("mail"))
    assert (made.status, made.body["status"], made.body["type"]) == (201, "Queued", "sandbox")
    first = (await call(*DEPLOYMENTS, by_id(made.body["id"]), GET)).body
    assert first["status"] == "Deployed"
    assert [one["applicationName"] for one in first["applications"]] == list(APPLICATIONS)
    production = await call(*DEPLOYMENTS, deployment("mail-live", type="production", region="us-central1.gcp"))
    assert production.body["deployedRegion"] == "us-central1.gcp"
    assert await listed_keys(call, *DEPLOYMENTS, deploymentType="sandbox", integrationTypes="email") == ["mail"]
    assert await listed_keys(call, *DEPLOYMENTS, sort=["createdAt desc"], limit=2) == ["mail-live", "mail"]

    configured = [values("profile-sync", LOG_LEVEL="debug"), values("daily-segments")]
    again = await call(
        *DEPLOYMENTS, by_id(first["id"]), update(first, "redeploy", configurationValues=configured, skipScripts=True)
    )
    assert (again.status, again.body["status"]) == (201, "Queued")
    assert again.body["version"] > first["version"]
    second = (await call(*DEPLOYMENTS, by_key("mail"), GET)).body
    assert second["status"] == "Deployed"
    assert second["details"]["build"]["id"] != first["details"]["build"]["id"]
    assert [one.get("url") for one in second["applications"]] == [one.get("url") for one in first["applications"]]
    assert {"key": "LOG_LEVEL", "value": "debug"} in second["applications"][0]["standardConfiguration"]
    third = await call(*DEPLOYMENTS, by_key("mail"), update(second, "redeploy", updateConnector=True))
    assert (third.status, third.body["status"]) == (201, "Queued")


async def read_logs(simulator: Simulator, call: Sdk) -> None:
    """By id and by key, over three pages and through every parameter."""
    payload = (await call(*DEPLOYMENTS, by_key("mail"), GET)).body
    simulator.logbook.forget(payload["id"])
    now = simulator.clock.now()
    simulator.logbook.burst(payload, "profile-sync", "info", 120, now - 60_000, 50_000)
    simulator.logbook.burst(payload, "daily-segments", "info", 3, now - 60_000, 50_000)
    for reference in (by_id(payload["id"]), by_key("mail")):
        sizes, token = [], None
        while token != "":
            page = await call(*DEPLOYMENTS, reference, "logs", query(applicationName="profile-sync", pageToken=token))
            assert {record["applicationName"] for record in page.body["data"]} == {"profile-sync"}
            sizes.append(len(page.body["data"]))
            token = page.body["next"]
        assert sizes == [50, 50, 20]
    nothing = query(startDate=iso(now - 120_000), endDate=iso(now - 60_001))
    assert (await call(*DEPLOYMENTS, by_key("mail"), "logs", nothing)).body == {"data": [], "next": ""}


async def delete_deployments(call: Sdk) -> None:
    """By id and by key."""
    for reference in (by_id((await call(*DEPLOYMENTS, by_key("mail"), GET)).body["id"]), by_key("mail-live")):
        going = await call(*DEPLOYMENTS, reference, ("delete", {}))
        assert (going.status, going.body["status"]) == (202, "Undeploying")
        assert (await call(*DEPLOYMENTS, reference, GET)).status == 404


async def listed_keys(call: Sdk, *chain: Step, **arguments: Any) -> list[str]:
    """The keys on one page."""
    page = (await call(*chain, query(**arguments))).body
    assert page["count"] == len(page["results"])
    return [one["key"] for one in page["results"]]


# ── every update action ──────────────────────────────────────────────────────

DOCS = "https://example.com/docs"
OTHER = "us-central1.gcp:other-shop"
OWN = f"europe-west1.gcp:{PROJECT}"
CHANGES: dict[str, tuple[dict[str, Any], str, Any]] = {
    "setName": ({"name": "Mails"}, "name", "Mails"),
    "setDescription": ({"description": "All mails."}, "description", "All mails."),
    "setDocumentationUrl": ({"documentationUrl": DOCS}, "documentationUrl", DOCS),
    "setIntegrationTypes": ({"integrationTypes": ["crm", "email"]}, "integrationTypes", ["crm", "email"]),
    "setSupportedRegions": ({"regions": ["eu-central-1.aws"]}, "supportedRegions", ["eu-central-1.aws"]),
    "setCreatorName": ({"creatorName": "Jo"}, "creator.name", "Jo"),
    "setCreatorTitle": ({"creatorTitle": "Dr"}, "creator.title", "Dr"),
    "setCreatorEmail": ({"creatorEmail": "jo@example.com"}, "creator.email", "jo@example.com"),
    "setCreatorCompany": ({"creatorCompany": "Acme"}, "creator.company", "Acme"),
    "setCreatorLogo": ({"logoUrl": f"{DOCS}/logo.png"}, "creator.logoUrl", f"{DOCS}/logo.png"),
    "setCreatorSupportUrl": ({"creatorSupportUrl": DOCS}, "creator.supportUrl", DOCS),
    "setCreatorNoOfContributors": ({"creatorNoOfContributors": 7}, "creator.noOfContributors", 7),
    "addPrivateProject": ({"privateProject": OTHER}, "privateProjects", [OWN, OTHER]),
    "removePrivateProject": ({"privateProject": OWN}, "privateProjects", [OTHER]),
    "updatePreviewable": ({}, "isPreviewable", "pending"),
    "publish": ({"certification": True}, "status", "Processing"),
    "addCertificationComment": ({"comment": "Why so?"}, "certificationInfo.comments.0.comment", "Why so?"),
    "unlist": ({}, "alreadyListed", False),
    "setRepository": ({"url": URL, "tag": "v1.1.0"}, "repository", {"url": URL, "tag": "v1.1.0"}),
}
"""For each action its arguments, where its effect shows, and what it is there. One draft goes through all of them."""


async def test_every_update_action_of_the_sdk() -> None:
    assert CHANGES.keys() == actions("connector")
    assert actions("deployment") == {"redeploy"}
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        draft = by_id((await call(*DRAFTS, post(**DRAFT))).body["id"])
        for action, (arguments, place, expected) in CHANGES.items():
            before = (await call(*DRAFTS, draft, GET)).body
            assert at(before, place) != expected, action
            after = await call(*DRAFTS, draft, update(before, action, **arguments))
            assert (action, after.status, at(after.body, place)) == (action, 201, expected)
            assert after.body["version"] > before["version"]
        last = (await call(*DRAFTS, draft, GET)).body
    assert (last["status"], last["isPreviewable"], last["alreadyListed"]) == ("Draft", "none", False)
    assert not {"publishingReport", "previewableReport"} & last.keys()


async def test_several_actions_are_one_update_of_the_sdk() -> None:
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        draft = (await call(*DRAFTS, post(**DRAFT))).body
        renamed = {"action": "setName", "name": "Mails"}
        wrong = {"action": "addPrivateProject", "privateProject": OWN}
        refused = await call(*DRAFTS, by_key("mailing"), post(version=draft["version"], actions=[renamed, wrong]))
        assert refused.codes == ["DuplicateField"]
        assert (await call(*DRAFTS, by_key("mailing"), GET)).body == draft
        both = [renamed, {"action": "setDescription", "description": "All mails."}]
        done = await call(*DRAFTS, by_key("mailing"), post(version=draft["version"], actions=both))
        assert (done.body["name"], done.body["description"]) == ("Mails", "All mails.")


def at(body: Any, place: str) -> Any:
    """What stands at a place like `creator.name`; None where there is no such place."""
    for part in place.split("."):
        inside = dict(enumerate(body)) if isinstance(body, list) else body or {}
        body = inside.get(int(part) if part.isdigit() else part)
    return body


# ── its types ────────────────────────────────────────────────────────────────


async def test_answers_are_of_the_types_the_sdk_declares(tmp_path: Path) -> None:
    async with hurried() as simulator, sdk(simulator.url, PROJECT) as call:
        simulator.create(PROJECT, count=16)
        simulator.world.create_drafts(8, {})
        draft = (await call(*DRAFTS, post(**DRAFT))).body
        least = {name: DRAFT[name] for name in ("name", "creator", "repository")}
        answers = [
            ("ConnectorStaged", (await call(*DRAFTS, post(**least))).body),
            ("ConnectorStaged", draft),
            ("ConnectorStaged", (await call(*DRAFTS, by_id(draft["id"]), update(draft, "updatePreviewable"))).body),
            *[("ConnectorStaged", one) for one in await published(call, draft["id"])],
            ("ConnectorStagedPagedQueryResponse", (await call(*DRAFTS, GET)).body),
            ("Connector", (await call("connectors", by_key("mailing"), GET)).body),
            ("ConnectorSearchPagedQueryResponse", (await call("connectors", "search", GET)).body),
            ("Deployment", (await call(*DEPLOYMENTS, deployment("mail"))).body),
            ("Deployment", (await call(*DEPLOYMENTS, by_key("mail"), GET)).body),
            ("DeploymentPagedQueryResponse", (await call(*DEPLOYMENTS, GET)).body),
            ("DeploymentLogCursorPagedQueryResponse", (await call(*DEPLOYMENTS, by_key("mail"), "logs", GET)).body),
            ("ErrorResponse", (await call(*DEPLOYMENTS, by_key("gone"), GET)).body),
        ]
    assert misfits(tmp_path, answers) == ""


async def published(call: Sdk, draft: str) -> list[Any]:
    """The states of a draft on its way through certification, with a comment."""
    states = []
    for action, arguments in (
        ("publish", {"certification": True}),
        ("addCertificationComment", {"comment": "Looks good."}),
    ):
        before = (await call(*DRAFTS, by_id(draft), GET)).body
        states += [before, (await call(*DRAFTS, by_id(draft), update(before, action, **arguments))).body]
    return [*states, (await call(*DRAFTS, by_id(draft), GET)).body]


def test_the_compiler_tells_a_misfit(tmp_path: Path) -> None:
    """Or it would say nothing of any answer."""
    assert "TS2322" in misfits(tmp_path, [("Repository", {"url": 1, "tag": "v1"})])
    assert "invented" in misfits(tmp_path, [("Repository", {"url": URL, "tag": "v1", "invented": True})])
