"""The simulated Connect API against a table of its official description: every query parameter."""

from typing import Any

import pytest

from tests.facts.caller import PROJECT, Caller
from tests.facts.stage import AWS, DEPLOYMENTS, DRAFTS, GCP, Stage
from tests.facts.table import TABLE

PAGED = [endpoint for endpoint, facts in TABLE.endpoints.items() if "limit" in facts.query]
LISTS = {
    "GET /{projectKey}/deployments": "deployments",
    f"GET {DRAFTS}": "drafts",
    "GET /connectors/search": "connectors",
}
LOGS = [endpoint for endpoint in TABLE.endpoints if endpoint.endswith("/logs")]


async def fill(stage: Stage, endpoint: str, count: int, **fields: Any) -> None:
    """Some resources for a list to have."""
    more = {"projects": [PROJECT]} if endpoint == f"GET {DEPLOYMENTS}" else {}
    await stage.caller.control("POST", f"/{LISTS[endpoint]}", {"count": count, **more, **fields})


def test_there_are_three_lists() -> None:
    assert set(PAGED) == set(LISTS)


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("name", ["limit", "offset"])
async def test_bounds_of_a_page(stage: Stage, endpoint: str, name: str) -> None:
    facts = TABLE.endpoints[endpoint].query[name]
    assert facts.maximum is not None
    for value in (0, 1, facts.maximum):
        assert (await stage.caller.good(endpoint, query={name: value}))[name] == value
    for wrong in (facts.maximum + 1, -1, "abc", "1.5", "", "٣"):
        answer = await stage.caller.ask(endpoint, query={name: str(wrong)})
        assert (answer.status, answer.code) == (400, "InvalidQueryParam"), wrong
    assert (await stage.caller.good(endpoint))[name] == facts.default


@pytest.mark.parametrize("endpoint", PAGED)
async def test_pages_together_are_everything_once(stage: Stage, endpoint: str) -> None:
    await fill(stage, endpoint, 7)
    total = (await stage.caller.good(endpoint, query={"limit": 0}))["total"]
    assert total >= 7
    found = []
    for offset in range(0, total, 3):
        page = await stage.caller.good(endpoint, query={"limit": 3, "offset": offset})
        assert (page["limit"], page["offset"], page["total"]) == (3, offset, total)
        assert page["count"] == len(page["results"]) == min(3, total - offset)
        found += page["results"]
    assert len({one["id"] for one in found}) == total
    assert (await stage.caller.good(endpoint, query={"offset": total}))["results"] == []


@pytest.mark.parametrize("endpoint", PAGED)
async def test_lists_are_sorted_as_asked(stage: Stage, endpoint: str) -> None:
    await fill(stage, endpoint, 7)
    for words in ("id asc", "id desc", "id", "key desc"):
        name, _, way = words.partition(" ")
        page = await stage.caller.good(endpoint, query={"limit": 500, "sort": words})
        values = [one[name] for one in page["results"]]
        assert values == sorted(values, reverse=way == "desc"), words
    for words in ("createdAt desc", "lastModifiedAt asc"):
        assert (await stage.caller.good(endpoint, query={"limit": 500, "sort": words}))["count"] >= 7
    both = await stage.caller.good(endpoint, query=[("sort", "version asc"), ("sort", "id desc"), ("limit", "500")])
    order = [one["id"] for one in sorted(both["results"], key=lambda one: one["id"], reverse=True)]
    assert sorted(both["results"], key=lambda one: (one["version"], order.index(one["id"]))) == both["results"]
    answer = await stage.caller.ask(endpoint, query={"sort": "id sideways"})
    assert answer.code == "InvalidQueryParam"


@pytest.mark.parametrize("endpoint", PAGED)
async def test_integration_types_filter_lists(stage: Stage, endpoint: str) -> None:
    for key, types in (("one", ["tax"]), ("two", ["psp", "tax"]), ("three", ["giftcard"])):
        await stage.published(key, certification=True, integrationTypes=types)
        await stage.deploy(key, key)
    everything = (await stage.caller.good(endpoint, query={"limit": 500}))["results"]
    for asked in (["tax"], ["psp"], ["psp", "giftcard"], ["analytics"]):
        page = await stage.caller.good(
            endpoint, query=[("limit", "500"), *(("integrationTypes", one) for one in asked)]
        )
        fitting = [one["id"] for one in everything if set(types_of(one)) & set(asked)]
        assert sorted(one["id"] for one in page["results"]) == sorted(fitting), asked
        assert page["total"] == len(fitting)
    assert (await stage.caller.ask(endpoint, query={"integrationTypes": "nonsense"})).code == "InvalidQueryParam"


def types_of(one: dict[str, Any]) -> list[str]:
    """The integration types of a resource, or of the Connector it is of."""
    found: list[str] = one.get("connector", one).get("integrationTypes") or []
    return found


async def test_deployments_by_type(stage: Stage, caller: Caller) -> None:
    for kind in TABLE.enums["DeploymentType"]:
        await fill(stage, f"GET {DEPLOYMENTS}", 2, type=kind)
    for kind in TABLE.enums["DeploymentType"]:
        page = await caller.good(f"GET {DEPLOYMENTS}", query={"deploymentType": kind})
        assert (page["total"], {one["type"] for one in page["results"]}) == (2, {kind})
    assert (await caller.ask(f"GET {DEPLOYMENTS}", query={"deploymentType": "live"})).code == "InvalidQueryParam"


async def test_drafts_that_are_private_and_that_are_not(stage: Stage, caller: Caller) -> None:
    await stage.published("public", certification=True)
    await stage.draft("private")
    for asked, expected in (("true", {True}), ("false", {False})):
        page = await caller.good(f"GET {DRAFTS}", query={"isPrivate": asked, "limit": 500})
        assert {one["private"] for one in page["results"]} == expected
        assert ("private" in {one["key"] for one in page["results"]}) is (asked == "true")
    assert (await caller.ask(f"GET {DRAFTS}", query={"isPrivate": "maybe"})).code == "InvalidQueryParam"


async def test_connectors_are_searched_by_each_parameter(stage: Stage, caller: Caller) -> None:
    named = {"name": "Quokka Pay", "creator": {"email": "a@example.com", "company": "Quokka Ltd"}}
    made = await stage.published("quokka", certification=True, **named)
    other = await stage.published("wombat", certification=True, description="Unlike a numbat")
    queries: list[tuple[Any, dict[str, Any]]] = [
        ({"text": "quokka"}, made),
        ({"text": "numbat"}, other),
        ({"creator.company": "Quokka Ltd"}, made),
        ({"id": made["id"]}, made),
        ({"key": "wombat"}, other),
    ]
    for query, expected in queries:
        page = await caller.good("GET /connectors/search", query=query)
        assert [one["key"] for one in page["results"]] == [expected["key"]], query
    for name in ("id", "key"):
        page = await caller.good("GET /connectors/search", query=[(name, one[name]) for one in (made, other)])
        assert {one["key"] for one in page["results"]} == {"quokka", "wombat"}
    await stage.published("hidden")
    private = await caller.good("GET /connectors/search", query={"private": "true", "limit": 500})
    assert {one["private"] for one in private["results"]} == {True}
    everything = await caller.good("GET /connectors/search", query={"private": "false", "limit": 500})
    assert {"quokka", "wombat"} <= {one["key"] for one in everything["results"]}
    assert (await caller.ask("GET /connectors/search", query={"private": "maybe"})).code == "InvalidQueryParam"


async def test_connectors_are_found_by_all_that_is_asked_at_once(stage: Stage, caller: Caller) -> None:
    await stage.published("quokka", certification=True, name="Quokka Pay", integrationTypes=["psp"])
    for types, expected in (("psp", ["quokka"]), ("tax", [])):
        page = await caller.good("GET /connectors/search", query={"text": "quokka", "integrationTypes": types})
        assert [one["key"] for one in page["results"]] == expected


@pytest.mark.parametrize("endpoint", LOGS)
async def test_parameters_of_logs(stage: Stage, endpoint: str) -> None:
    await stage.published("fine", specified=True)
    made = await stage.deployed("fine", "logging")
    for application in ("service", "listener"):
        burst = {"project": PROJECT, "key": "logging", "application": application, "count": 3}
        await stage.caller.control("POST", "/logs", burst)
    where = {"ID": made["id"], "key": "logging"}
    page = await stage.caller.good(endpoint, query={"applicationName": "service"}, **where)
    assert {one["applicationName"] for one in page["data"]} == {"service"}
    moments = sorted(one["timestamp"] for one in (await stage.caller.good(endpoint, **where))["data"])
    for bounds in (
        {"startDate": moments[1]},
        {"endDate": moments[-2]},
        {"startDate": moments[0], "endDate": moments[-1]},
    ):
        found = await stage.caller.good(endpoint, query=bounds, **where)
        assert all(
            bounds.get("startDate", "") <= one["timestamp"] <= bounds.get("endDate", "9") for one in found["data"]
        )
    for wrong in (
        {"startDate": "yesterday"},
        {"endDate": "2026-13-01T00:00:00Z"},
        {"startDate": "2000-01-01T00:00:00Z"},
    ):
        assert (await stage.caller.ask(endpoint, query=wrong, **where)).code in {
            "DeploymentLogInvalidDate",
            "InvalidQueryParam",
        }


async def test_logs_in_an_aws_region_need_an_application_name(stage: Stage, caller: Caller) -> None:
    await stage.published("fine", specified=True)
    for key, region in (("on-aws", AWS), ("on-gcp", GCP)):
        await stage.deployed("fine", key, region=region)
        answer = await caller.ask(f"GET {DEPLOYMENTS}/key={{key}}/logs", key=key)
        assert answer.code == ("DeploymentLogMissingApplicationName" if region == AWS else "")
        await caller.good(f"GET {DEPLOYMENTS}/key={{key}}/logs", query={"applicationName": "service"}, key=key)
