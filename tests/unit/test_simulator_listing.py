"""Paging, sorting and selecting."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.unit.simulated import HandClock, codes, world_of
from watcher.simulator import ApiError
from watcher.simulator.listing import Query, page, read_draft_query, read_query, read_search
from watcher.simulator.state import World


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def world(clock: HandClock) -> World:
    return world_of(clock)


def ids(encoded: bytes) -> list[str]:
    return [found["id"] for found in msgspec.json.decode(encoded)["results"]]


def keys(encoded: bytes) -> list[str]:
    return [found["key"] for found in msgspec.json.decode(encoded)["results"]]


# ── Deployments ──────────────────────────────────────────────────────────────


def test_paging_covers_everything_once_in_order_of_creation(world: World) -> None:
    made = [one.id for one in world.create(["a"], 45, {})]
    pages = [page(world.deployments("a"), Query(limit=20, offset=offset)) for offset in (0, 20, 40, 60)]
    assert [found for encoded in pages for found in ids(encoded)] == made
    assert msgspec.json.decode(pages[2]) | {"results": None} == {
        "offset": 40, "limit": 20, "total": 45, "count": 5, "results": None,
    }  # fmt: skip


def test_filters_and_sorting_work_together(world: World, clock: HandClock) -> None:
    tax = world.create(["a"], 1, {"connector": "tax-calculation", "type": "sandbox"})[0].id
    clock.at += 5
    erp = world.create(["a"], 1, {"connector": "order-export"})[0].id
    clock.at += 5
    gift = world.create(["a"], 1, {"connector": "gift-cards"})[0].id
    clock.at += 5
    world.update(tax, {"status": "Failed"})
    found = world.deployments("a")
    for parameters, expected in (
        ([("sort", "createdAt desc")], [gift, erp, tax]),
        ([("sort", "lastModifiedAt")], [erp, gift, tax]),
        ([("sort", "type asc"), ("sort", "createdAt desc")], [gift, erp, tax]),
        ([("sort", "version desc"), ("sort", "id")], [tax, *sorted([erp, gift])]),
        ([("deploymentType", "sandbox")], [tax]),
        ([("integrationTypes", "tax"), ("integrationTypes", "erp")], [tax, erp]),
        ([("integrationTypes", "psp")], []),
        ([("somethingElse", "1")], [tax, erp, gift]),
    ):
        assert ids(page(found, read_query(parameters))) == expected, parameters


@pytest.mark.parametrize("name", ["id", "key", "name", "status", "type", "version", "createdAt", "lastModifiedAt"])
def test_whatever_a_field_holds_it_can_be_sorted_by(world: World, name: str) -> None:
    for fields in ({}, {name: "x"}, {name: ["x"]}, {name: 7}):
        made = world.create(["a"], 1, {})[0]
        if name not in {"id", "key"}:
            world.update(made.id, fields)
    assert len(ids(page(world.deployments("a"), read_query([("sort", f"{name} desc")])))) == 4


READERS: list[Callable[[list[tuple[str, str]]], Query]] = [read_query, read_draft_query, read_search]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "501"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", ""),
        ("limit", "²"),
        ("offset", "10001"),
        ("offset", "1.5"),
        ("sort", "nope asc"),
        ("sort", "id sideways"),
        ("integrationTypes", "blockchain"),
    ],
)
def test_a_query_out_of_bounds_is_refused(read: Callable[[Any], Query], name: str, value: str) -> None:
    with pytest.raises(ApiError) as refused:
        read([(name, value)])
    assert (refused.value.status, codes(refused)) == (400, ["InvalidQueryParam"])


@pytest.mark.parametrize(
    ("read", "name", "value"),
    [
        (read_query, "deploymentType", "live"),
        (read_draft_query, "isPrivate", "yes"),
        (read_search, "private", "1"),
    ],
)
def test_a_value_that_is_none_is_refused(read: Callable[[Any], Query], name: str, value: str) -> None:
    with pytest.raises(ApiError) as refused:
        read([(name, value)])
    assert codes(refused) == ["InvalidQueryParam"]


@pytest.mark.parametrize("read", READERS)
def test_the_bounds_themselves_are_allowed(read: Callable[[Any], Query]) -> None:
    assert read([]) == Query(limit=20, offset=0)
    assert read([("limit", "0"), ("offset", "10000")]) == Query(limit=0, offset=10_000)
    assert read([("limit", "500")]).limit == 500


# ── ConnectorStaged and Connectors ───────────────────────────────────────────


def test_drafts_are_selected_by_privacy_and_integration_type(world: World) -> None:
    world.create_drafts(1, {"key": "tax", "connector": "tax-calculation", "private": False})
    world.create_drafts(1, {"key": "erp", "connector": "order-export"})
    world.create_drafts(1, {"key": "bad", "integrationTypes": "tax", "private": None})
    for parameters, expected in (
        ([], ["tax", "erp", "bad"]),
        ([("isPrivate", "true")], ["erp"]),
        ([("isPrivate", "false")], ["tax", "bad"]),
        ([("integrationTypes", "tax")], ["tax"]),
        ([("sort", "name"), ("limit", "1"), ("offset", "1")], ["bad"]),
    ):
        assert keys(page(world.drafts(), read_draft_query(parameters))) == expected, parameters


def test_connectors_are_searched_by_every_parameter(world: World) -> None:
    other = world.create_connectors(1, {"key": "other", "connector": "gift-cards", "creator": {"company": "Other"}})[0]
    found = world.connectors()
    for parameters, expected in (
        ([("text", "gift CARDS"), ("sort", "createdAt")], ["gift-cards", "other"]),
        ([("text", "mailing platform")], ["email-campaigns"]),
        ([("text", "gift-cards")], []),  # a key is not searched
        ([("creator.company", "Other")], ["other"]),
        ([("private", "true")], ["order-export", "loyalty-points"]),
        ([("private", "false"), ("integrationTypes", "erp")], ["order-export"]),
        ([("id", other.id), ("id", "nobody")], ["other"]),
        ([("key", "other"), ("key", "gift-cards")], ["gift-cards", "other"]),
        ([("key", "other"), ("text", "tax")], []),
        ([("limit", "2"), ("offset", "1")], ["order-export", "product-search"]),
    ):
        assert keys(page(found, read_search(parameters))) == expected, parameters
    assert len(keys(page(found, read_search([("private", "false")])))) == 9
