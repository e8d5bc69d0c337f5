"""The simulated Connect API against a table of its official description: fields, enums, and who may do what."""

from collections import Counter
from typing import Any

import pytest

from tests.facts.caller import PROJECT, Caller
from tests.facts.judge import contradictions, refusal_contradictions
from tests.facts.stage import DEPLOYMENTS, DRAFTS, NOBODY, Stage
from tests.facts.table import ADDED, NULLABLE, SPARED, TABLE

RESOURCES = ("Deployment", "ConnectorStaged", "Connector", "DeploymentLogCursorPagedQueryResponse")


def test_every_exception_is_about_the_description() -> None:
    assert all(name not in TABLE.types[kind] for kind, name in ADDED)
    assert all(not TABLE.actions["ConnectorUpdate"][action][name].optional for action, name in SPARED)
    assert all(name in TABLE.types[kind] or (kind, name) in ADDED for kind, name in NULLABLE)


def parts_of(kind: str) -> set[str]:
    """A type and all that are in it."""
    found, fresh = {kind}, {kind}
    while fresh:
        inner = {field.type.removesuffix("[]") for each in fresh for field in TABLE.types[each].values()}
        fresh = (inner & TABLE.types.keys()) - found
        found |= fresh
    return found


async def test_every_endpoint_answers_as_described_and_every_field_is_seen(stage: Stage) -> None:
    await walk(stage)
    caller = stage.caller
    answered = {endpoint for endpoint, status in caller.answered if status < 400}
    assert answered == set(TABLE.endpoints)
    documented = {(kind, name) for root in RESOURCES for kind in parts_of(root) for name in TABLE.types[kind]}
    assert documented - caller.seen.keys() == set()
    assert {where for where in documented if not caller.seen[where]} == set()


async def test_every_documented_refusal_is_served(stage: Stage) -> None:
    await stage.published("busy")
    await stage.deployed("busy", "user")
    busy = {"ID": (await stage.staged("busy"))["id"], "key": "busy"}
    for endpoint, facts in TABLE.endpoints.items():
        update = {"version": 1, "actions": []} if facts.body else None
        asked = {404: (update, {"ID": NOBODY, "key": "nobody"}), 400: ({} if facts.body else None, busy)}
        for status in facts.refusals:
            body, where = asked[status]
            assert (await stage.caller.ask(endpoint, body, **where)).status == status, endpoint


async def walk(stage: Stage) -> None:
    """Every endpoint once with success, on resources that have everything a resource can have."""
    caller = stage.caller
    await stage.published("open", certification=True, specified=True)
    entry = {"type": "Information", "title": "Application build check succeeded", "message": "In two minutes"}
    await stage.plan("preview", "true", entries=[entry])
    await stage.previewed("staged", specified=True)
    comment = {"action": "addCertificationComment", "comment": "Please look at this"}
    await stage.certifying("commented")
    await stage.change("commented", **comment)
    await stage.plan("deploy", "Warning", count=2, cause="Command failed: npm run connector:post-deploy")
    made = [await stage.deployed("open", key, type="production") for key in ("first", "second")]
    await stage.deployed("staged", "third", staged=True)
    draft = await stage.staged("staged")
    await caller.good("GET /connectors/search")
    await caller.good("GET /connectors/{ID}", ID=(await caller.good("GET /connectors/key={key}", key="open"))["id"])
    await caller.good(f"GET {DRAFTS}")
    await caller.good(f"GET {DRAFTS}/{{ID}}", ID=draft["id"])
    renamed = {"version": draft["version"], "actions": [{"action": "setName", "name": "Another"}]}
    await caller.good(f"POST {DRAFTS}/{{ID}}", renamed, ID=draft["id"])
    await caller.good(f"GET {DEPLOYMENTS}")
    for which, deployment in zip(("{ID}", "key={key}"), made, strict=True):
        where = {"ID": deployment["id"], "key": deployment["key"]}
        await caller.good(f"GET {DEPLOYMENTS}/{which}", **where)
        await caller.good(f"GET {DEPLOYMENTS}/{which}/logs", **where)
        redeploy = {"version": deployment["version"], "actions": [{"action": "redeploy"}]}
        await caller.good(f"POST {DEPLOYMENTS}/{which}", redeploy, **where)
        await stage.pass_time()
        await caller.good(f"DELETE {DEPLOYMENTS}/{which}", **where)
    for which, key in (("{ID}", "gone"), ("key={key}", "gone-too")):
        await caller.good(f"DELETE {DRAFTS}/{which}", ID=(await stage.draft(key))["id"], key=key)


async def test_every_status_and_type_of_a_deployment_is_served(stage: Stage) -> None:
    for kind in ("DeploymentStatus", "DeploymentType", "Region"):
        name = {"DeploymentStatus": "status", "DeploymentType": "type", "Region": "deployedRegion"}[kind]
        for value in TABLE.enums[kind]:
            await stage.caller.control("POST", "/deployments", {"projects": [PROJECT], "count": 1, name: value})
    await stage.caller.good(f"GET {DEPLOYMENTS}", query={"limit": 500})
    assert unseen(stage, "DeploymentStatus", "DeploymentType", "Region") == set()


async def test_every_status_of_a_draft_and_of_its_preview_is_served(stage: Stage) -> None:
    for kind, name in (("ConnectorStatus", "status"), ("IsPreviewable", "isPreviewable")):
        for value in TABLE.enums[kind]:
            await stage.caller.control("POST", "/drafts", {"count": 1, name: value})
    for value in TABLE.enums["IntegrationType"]:
        await stage.draft(f"for-{value}", integrationTypes=[value])
    await stage.caller.good(f"GET {DRAFTS}", query={"limit": 500})
    assert unseen(stage, "ConnectorStatus", "IsPreviewable", "IntegrationType") == set()


async def test_every_type_of_report_entry_is_served(stage: Stage) -> None:
    types = TABLE.enums["ConnectorReportEntryType"]
    assert types == TABLE.enums["DeploymentReportEntryType"]
    entries = [{"type": kind, "title": f"{kind} of a check", "message": "Words"} for kind in types]
    for kind in ("publish", "preview"):
        await stage.plan(kind, {"publish": "Failed", "preview": "false"}[kind], entries=entries)
    await stage.draft("reported")
    await stage.change("reported", "updatePreviewable")
    await stage.pass_time()
    await stage.change("reported", "publish", certification=False)
    await stage.pass_time()
    report = await stage.staged("reported")
    for name in ("publishingReport", "previewableReport"):
        assert {entry["type"] for entry in report[name]["entries"]} >= set(types)
    await stage.plan("deploy", "Failed", entries=[{**entry, "application": "service"} for entry in entries])
    await stage.published("fine")
    await stage.deployed("fine", "failed")
    assert unseen(stage, "ConnectorReportEntryType", "DeploymentReportEntryType") == set()


async def test_every_type_and_severity_of_a_log_record_is_served(stage: Stage) -> None:
    await stage.published("fine", specified=True)
    made = await stage.deployed("fine", "logging")
    severities = [f"severity-{name.lower()}" for name in TABLE.enums["DeploymentLogSeverity"]]
    for shape in ("http-ok", "text", "json-error", *severities):
        await stage.caller.control("POST", "/logs", {"project": PROJECT, "key": made["key"], "shape": shape})
    await every_record(stage.caller, key=made["key"])
    assert unseen(stage, "DeploymentLog.type", "DeploymentLogSeverity") == set()


def unseen(stage: Stage, *enums: str) -> set[tuple[str, str]]:
    """Documented values that no answer had."""
    values = {**TABLE.enums, "DeploymentLog.type": TABLE.types["DeploymentLog"]["type"].enum}
    return {(enum, value) for enum in enums for value in values[enum]} - stage.caller.seen.keys()


async def every_record(caller: Caller, key: str, **query: str) -> list[dict[str, Any]]:
    """All pages of the logs of a Deployment."""
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = await caller.good(f"GET {DEPLOYMENTS}/key={{key}}/logs", query={**query, **token}, key=key)
        found += page["data"]
        if not page.get("next"):
            return found
        token = {"pageToken": page["next"]}


# ── the judge itself ─────────────────────────────────────────────────────────

LOG = {
    "type": "APPLICATION_TEXT",
    "deploymentId": NOBODY,
    "applicationName": "service",
    "severity": "DEFAULT",
    "timestamp": "2026-11-24T09:30:00.123Z",
    "details": {"message": "Words"},
}
APPLICATION = {"id": NOBODY, "applicationName": "service", "standardConfiguration": [], "securedConfiguration": []}
STALE = "Object id=x has a different version than expected. Expected: 1 - Actual: 2)"
CONFLICT = {"code": "ConcurrentModification", "message": STALE, "expectedVersion": 1, "currentVersion": 2}


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        *(("DeploymentLog", LOG, {name: None}) for name in LOG if name != "details"),
        ("DeploymentLog", LOG, {"type": "PROSE"}),
        ("DeploymentLog", LOG, {"severity": "error"}),
        ("DeploymentLog", LOG, {"timestamp": "2026-11-24 09:30"}),
        ("DeploymentLog", LOG, {"colour": "red"}),
        ("ApplicationDeployment", APPLICATION, {"applicationName": "a b"}),
        ("ApplicationDeployment", APPLICATION, {"applicationName": "a"}),
        ("ApplicationDeployment", APPLICATION, {"standardConfiguration": {}}),
        ("ApplicationDeployment", APPLICATION, {"standardConfiguration": [{"key": "X"}]}),
    ],
)
def test_the_judge_finds_what_is_wrong_with_a_payload(kind: str, right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert not [*contradictions(right, kind, Counter())]
    assert [*contradictions({**right, **wrong}, kind, Counter())]
    for name in wrong.keys() & right.keys():
        assert [*contradictions({key: value for key, value in right.items() if key != name}, kind, Counter())]


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (400, {}),
        (409, {"code": "Conflict"}),
        (409, {"message": "Somebody was faster"}),
        (409, {"expectedVersion": "1"}),
        (409, {"colour": "red"}),
    ],
)
def test_the_judge_finds_what_is_wrong_with_a_refusal(status: int, wrong: dict[str, Any]) -> None:
    def judged(status: int, error: dict[str, Any]) -> list[str]:
        body = {"statusCode": status, "message": error["message"], "errors": [error]}
        return [*refusal_contradictions(status, body, Counter())]

    assert not judged(409, CONFLICT)
    assert judged(status, {**CONFLICT, **wrong})
    assert judged(409, {name: value for name, value in CONFLICT.items() if name != "expectedVersion"})
    assert not judged(409, {name: value for name, value in CONFLICT.items() if name != "currentVersion"})


# ── who may do what ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("scope", sorted({scope for facts in TABLE.endpoints.values() for scope in facts.scopes}))
async def test_each_endpoint_needs_one_of_its_scopes(caller: Caller, scope: str) -> None:
    token = await caller.token_for(f"{scope}:{PROJECT}")
    for endpoint, facts in TABLE.endpoints.items():
        answer = await caller.ask(endpoint, {} if facts.body else None, token=token, ID=NOBODY, key="nobody")
        assert (answer.code != "AuthorizationError") is (scope in facts.scopes), endpoint


async def test_each_endpoint_needs_a_token(caller: Caller) -> None:
    for endpoint in TABLE.endpoints:
        assert (await caller.ask(endpoint, token="made-up", ID=NOBODY, key="nobody")).status == 401
