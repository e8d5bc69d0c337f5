"""Random requests, legal and not, against the simulator, judged by a model made from the description of the API."""

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.facts.caller import Answer, caller_of
from tests.facts.stage import DEPLOYMENTS, DRAFTS, draft_body
from tests.integration.connect_model import (
    DEPLOYMENT_COURSE,
    GONE,
    PREVIEW_COURSE,
    Deployed,
    Draft,
    Model,
    Verdict,
    latest,
    on_create,
    on_delete,
    on_deploy,
    on_redeploy,
    on_undeploy,
    on_update,
    reachable,
)
from tests.integration.connect_nonsense import Nonsense
from tests.integration.connect_wishes import (
    BY,
    CHANGES,
    KEYS,
    PASSING,
    PLANS,
    UNKNOWN,
    VERSIONS,
    WHICH,
    configured,
    deployment_body,
    picked,
)
from watcher.simulator import serve

PROJECTS: Final = ("alpha", "beta")
FULL: Final = {"limit": "500"}

reached: Counter[tuple[str, str]] = Counter()
"""How often a request came to a code, "" for a success."""

WELL_TRODDEN: Final = {
    ("create draft", ""),
    ("create draft", "DuplicateField"),
    ("deploy", ""),
    ("publish", ""),
    ("undeploy", ""),
    ("undeploy", "DeploymentInvalidStatusTransition"),
    ("updatePreviewable", ""),
}
"""Requests and what they come to without which a run would have shown little."""

SOAK: Final = os.environ.get("SOAK") == "1"
"""Whether to look for something new; otherwise every run asks the same, so that what it reaches is no luck."""


class Lifecycle(Nonsense, RuleBasedStateMachine):
    """Scenario time stands still but for `pass_time`, so that between two observations nothing may move by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.ids: set[str] = set()
        self.left_behind: set[str] = set()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.runner.run(self.start())

    async def start(self) -> None:
        simulator = await self.stack.enter_async_context(serve(seed=5, speed=0))
        session = await self.stack.enter_async_context(aiohttp.ClientSession(simulator.url))
        self.caller = await caller_of(session)

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def draft(self, which: int) -> Draft:
        """One of those that are there, rarely one that is not."""
        return picked(
            [one for one in self.model.drafts if not one.gone], [one for one in self.model.drafts if one.gone], which
        )

    def deployment(self, which: int) -> Deployed:
        alive = [one for one in self.model.deployments if not one.gone]
        return picked(alive, [one for one in self.model.deployments if one.gone], which)

    def ask(self, endpoint: str, body: Any = None, **rest: Any) -> Answer:
        answer = self.runner.run(self.caller.ask(endpoint, body, **rest))
        assert answer.status < 500, (endpoint, body, rest, answer)
        return answer

    def judged(self, name: str, verdict: Verdict, endpoint: str, body: Any = None, **rest: Any) -> Answer:
        answer = self.ask(endpoint, body, **rest)
        reached[name, answer.code] += 1
        assert verdict.allows(answer.code), (verdict, endpoint, body, rest, answer)
        return answer

    def listed(self, endpoint: str, **path: str) -> dict[str, dict[str, Any]]:
        page = self.ask(f"GET {endpoint}", query=FULL, **path).body
        assert page["count"] == page["total"] == len(page["results"])
        found = {one["id"]: one for one in page["results"]}
        assert len(found) == page["count"]
        return found

    # ── drafts ───────────────────────────────────────────────────────────────

    @initialize()
    def something_of_everything(self) -> None:
        made = [self.make_draft(key) for key in ("previewed", "published", "unused", "certifying")]
        previewed, published, unused, certifying = (draft for draft in made if draft)
        self.plan(("publish", "InCertification"), 1)
        self.change(certifying, {"action": "publish", "certification": True})
        self.change(previewed, {"action": "updatePreviewable"})
        for draft in (published, unused):
            self.change(draft, {"action": "publish", "certification": False})
        self.pass_time("1h")
        self.deploy(previewed, staged=True)
        self.deploy(published, kind="production")
        self.pass_time("1h")

    @rule(key=KEYS)
    def create_a_draft(self, key: str) -> None:
        self.make_draft(key)

    def make_draft(self, key: str) -> Draft | None:
        body = draft_body(key)
        answer = self.judged("create draft", on_create(self.model, body), f"POST {DRAFTS}", body)
        if answer.code:
            return None
        assert (answer.body["status"], answer.body["isPreviewable"]) == ("Draft", "none")
        assert body.items() <= answer.body.items()
        self.be_new(answer.body["id"])
        made = Draft(payload=answer.body)
        self.model.drafts.append(made)
        return made

    def be_new(self, found: str) -> None:
        assert found not in self.ids
        self.ids.add(found)

    @rule(which=WHICH, action=CHANGES, off=VERSIONS, by=BY)
    def change_a_draft(self, which: int, action: dict[str, Any], off: int, by: str) -> None:
        self.change(self.draft(which), action, off, by)

    @rule(which=WHICH, tag=st.sampled_from(["1.0.0", "2.0.0"]))
    def change_the_source(self, which: int, tag: str) -> None:
        draft = self.draft(which)
        self.change(draft, {"action": "setRepository", **draft.payload["repository"], "tag": tag})

    @rule(which=WHICH, off=VERSIONS, certification=st.booleans())
    def publish(self, which: int, off: int, certification: bool) -> None:
        self.change(self.draft(which), {"action": "publish", "certification": certification}, off)

    @rule(which=WHICH, off=VERSIONS)
    def request_a_preview(self, which: int, off: int) -> None:
        self.change(self.draft(which), {"action": "updatePreviewable"}, off)

    def change(self, draft: Draft, action: dict[str, Any], off: int = 0, by: str = "{ID}") -> None:
        if draft.gone and by != "{ID}":
            return  # its key may be another's by now
        before = draft.payload
        version = before["version"] + off
        body = {"version": version, "actions": [action]}
        verdict = on_update(draft, version, action)
        answer = self.judged(action["action"], verdict, f"POST {DRAFTS}/{by}", body, ID=draft.id, key=draft.key)
        if answer.code:
            return
        after = answer.body
        assert after["version"] > before["version"]
        if action["action"] == "publish":
            assert after["status"] == "Processing"
            draft.certifying = action["certification"]
        else:
            assert after["status"] in {before["status"], "Draft"}
        moved = after["repository"] != before["repository"]
        expected = (
            "none" if moved else "pending" if action["action"] == "updatePreviewable" else before["isPreviewable"]
        )
        assert after["isPreviewable"] == expected
        if moved:
            assert after["status"] == "Draft"
            assert not after.get("publishingReport")
            assert not after.get("previewableReport")
        draft.payload = after

    @rule(which=WHICH, by=BY)
    def delete_a_draft(self, which: int, by: str) -> None:
        draft = self.draft(which)
        if draft.gone and by != "{ID}":
            return
        answer = self.judged(
            "delete draft", on_delete(self.model, draft), f"DELETE {DRAFTS}/{by}", ID=draft.id, key=draft.key
        )
        if not answer.code:
            draft.gone = True
            self.left_behind |= {one.id for one in self.model.users(draft) if one.status in {"Draft", "Failed"}}
        if draft.gone and draft.connector:
            where = {"ID": draft.connector["id"], "key": draft.key}
            draft.connector = None
            for found in ("{ID}", "key={key}"):
                assert self.ask(f"GET /connectors/{found}", **where).code == "ResourceNotFound"

    # ── Deployments ──────────────────────────────────────────────────────────

    @rule(
        which=WHICH,
        project=st.sampled_from(PROJECTS),
        staged=st.booleans(),
        kind=st.sampled_from([None, None, "preview", "sandbox", "production"]),
        flaw=st.sampled_from(["", "", "", "", "", "region", "version", "taken key", "no application", *UNKNOWN]),
    )
    def create_a_deployment(self, which: int, **wish: Any) -> None:
        self.deploy(self.draft(which), **wish)

    def deploy(
        self, draft: Draft, *, project: str = PROJECTS[0], staged: bool = False, kind: str | None = None, flaw: str = ""
    ) -> None:
        taken = [*self.model.alive(project).values()] if flaw == "taken key" else []
        key = taken[0].key if taken else f"deployment-{len(self.ids)}"
        body = deployment_body(draft, key, staged=staged, kind=kind, flaw=flaw)
        answer = self.judged(
            "deploy", on_deploy(self.model, project, draft, body), f"POST {DEPLOYMENTS}", body, projectKey=project
        )
        if answer.code:
            return
        made = answer.body
        assert (made["status"], made["key"], made["deployedRegion"]) == ("Queued", body["key"], body["region"])
        assert made["type"] == (kind or ("preview" if staged else "sandbox"))
        assert made["preview"] is (made["type"] == "preview")
        source = draft.payload if staged else draft.connector
        assert source is not None
        assert (made["connector"]["key"], made["connector"]["version"]) == (source["key"], source["version"])
        self.be_new(made["id"])
        self.model.deployments.append(Deployed(project=project, payload=made, draft=draft))

    @rule(
        which=WHICH,
        off=VERSIONS,
        by=BY,
        update=st.booleans(),
        given=st.sampled_from(["", "", "all", "no application", *UNKNOWN]),
    )
    def redeploy(self, which: int, off: int, by: str, update: bool, given: str) -> None:
        one = self.deployment(which)
        if one.gone and by != "{ID}":
            return
        action = {"action": "redeploy", "updateConnector": update}
        if given:
            action["configurationValues"] = configured(one.payload["connector"], given)
        version = one.payload["version"] + off
        where = {"projectKey": one.project, "ID": one.id, "key": one.key}
        body = {"version": version, "actions": [action]}
        answer = self.judged("redeploy", on_redeploy(one, version, action), f"POST {DEPLOYMENTS}/{by}", body, **where)
        if not answer.code:
            assert answer.body["version"] > one.payload["version"]
            assert answer.body["status"] == "Queued"
            assert answer.body["type"] == one.payload["type"]
            source = latest(one) if update else one.payload["connector"]
            assert source
            assert answer.body["connector"]["version"] == source["version"]
            one.payload = answer.body

    @rule(which=WHICH, by=BY)
    def delete_a_deployment(self, which: int, by: str) -> None:
        one = self.deployment(which)
        if one.gone and by != "{ID}":
            return
        where = {"projectKey": one.project, "ID": one.id, "key": one.key}
        answer = self.judged("undeploy", on_undeploy(one), f"DELETE {DEPLOYMENTS}/{by}", **where)
        if not answer.code:
            assert answer.body["status"] == "Undeploying"
            assert answer.body["version"] >= one.payload["version"]
            one.payload = answer.body

    @rule(which=WHICH)
    def look_in_another_project(self, which: int) -> None:
        one = self.deployment(which)
        other = next(project for project in PROJECTS if project != one.project)
        answer = self.ask(f"GET {DEPLOYMENTS}/{{ID}}", projectKey=other, ID=one.id)
        assert answer.code == "ResourceNotFound"

    @rule(which=WHICH, application=st.sampled_from([None, "nobody"]), token=st.sampled_from([None, "", "x"]))
    def read_logs(self, which: int, **query: str | None) -> None:
        one = self.deployment(which)
        names = {"application": "applicationName", "token": "pageToken"}
        given = {names[name]: value for name, value in query.items() if value is not None}
        self.ask(f"GET {DEPLOYMENTS}/{{ID}}/logs", query=given, projectKey=one.project, ID=one.id)

    # ── time ─────────────────────────────────────────────────────────────────

    @rule(wanted=PLANS, count=st.integers(1, 3))
    def expect_trouble(self, wanted: tuple[str, str], count: int) -> None:
        self.plan(wanted, count)

    def plan(self, plan: tuple[str, str], count: int) -> None:
        kind, result = plan
        self.runner.run(
            self.caller.control("POST", "/plan", {"kind": kind, "key": "*", "result": result, "count": count})
        )

    @rule(length=PASSING)
    def let_time_pass(self, length: str) -> None:
        self.pass_time(length)

    def pass_time(self, length: str) -> None:
        self.runner.run(self.caller.control("POST", "/clock", {"advance": length}))
        for project in PROJECTS:
            listed = self.listed(DEPLOYMENTS, projectKey=project)
            for one in self.model.alive(project).values():
                now = listed.get(one.id)
                assert (now["status"] if now else GONE) in reachable(DEPLOYMENT_COURSE, one.status)
                assert now is None or now["version"] >= one.payload["version"]
                one.gone, one.payload = now is None, now or one.payload
        listed = self.listed(DRAFTS)
        for draft in self.model.staged().values():
            self.move(draft, listed[draft.id])

    def move(self, draft: Draft, now: dict[str, Any]) -> None:
        assert now["status"] in reachable(draft.course, draft.status)
        assert now["isPreviewable"] in reachable(PREVIEW_COURSE, draft.preview)
        assert now["version"] >= draft.payload["version"]
        published = now["status"] == "Published" != draft.status
        draft.payload = now
        answer = self.ask("GET /connectors/key={key}", key=draft.key)
        assert bool(answer.code) is (draft.connector is None and not published)
        if published:
            assert (answer.body["name"], answer.body["repository"]) == (now["name"], now["repository"])
            assert answer.body["certified"] is draft.certifying
        elif draft.connector is not None:
            assert answer.body == draft.connector
        draft.connector = None if answer.code else answer.body

    # ── what always holds ────────────────────────────────────────────────────

    @invariant()
    def everything_is_there_and_nothing_else(self) -> None:
        for project in PROJECTS:
            assert self.listed(DEPLOYMENTS, projectKey=project) == {
                id_: one.payload for id_, one in self.model.alive(project).items()
            }
        assert self.listed(DRAFTS) == {id_: one.payload for id_, one in self.model.staged().items()}

    @invariant()
    def what_runs_has_something_to_run(self) -> None:
        for one in self.model.deployments:
            if not one.gone and one.payload["type"] != "preview":
                assert one.draft.connector is not None or one.id in self.left_behind
            assert one.gone or not one.draft.gone or one.id in self.left_behind


@pytest.mark.timeout(360)  # a failure is made small for up to five minutes; a success takes seconds
def test_random_requests_never_break_a_rule() -> None:
    reached.clear()
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=150 if SOAK else 15,
            stateful_step_count=40,
            derandomize=not SOAK,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert WELL_TRODDEN - reached.keys() == set()
