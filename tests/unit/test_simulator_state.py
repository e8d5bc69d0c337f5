from dataclasses import dataclass
from uuid import UUID

import msgspec
import pytest

from watcher.simulator import ApiError
from watcher.simulator.auth import Tokens, has_client
from watcher.simulator.chance import Chance
from watcher.simulator.listing import Query, page, read_query
from watcher.simulator.state import World


@dataclass
class HandClock:
    at: int = 1_700_000_000_000

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.at += length


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def world(clock: HandClock) -> World:
    return World(chance=Chance(7), clock=clock)


def ids(encoded: bytes) -> list[str]:
    return [found["id"] for found in msgspec.json.decode(encoded)["results"]]


def code(error: pytest.ExceptionInfo[ApiError]) -> str:
    return str(error.value.body["errors"][0]["code"])


# ── Deployments ──────────────────────────────────────────────────────────────


def test_a_deployment_has_every_documented_field(world: World) -> None:
    payload = world.create(["shop"], 1, {"connector": "order-export"})[0].payload
    assert set(payload) == {
        "id", "key", "version", "type", "connector", "deployedRegion", "applications", "preview", "status", "details",
    }  # fmt: skip
    assert UUID(payload["id"]).version == 4
    assert payload["details"] == {"build": {"id": payload["details"]["build"]["id"], "report": {"entries": []}}}
    assert {"id", "key", "version", "name", "repository", "certified", "integrationTypes"} <= set(payload["connector"])
    listener, job = payload["applications"]
    assert listener["topic"].startswith("projects/")
    assert job["schedule"]
    assert {"id", "applicationName", "standardConfiguration", "securedConfiguration"} <= set(listener)


def test_a_service_has_a_url_in_its_region(world: World) -> None:
    fields = {"connector": "gift-cards", "deployedRegion": "us-central1.gcp"}
    assert (
        world.create(["shop"], 1, fields)[0]
        .payload["applications"][0]["url"]
        .endswith(".us-central1.gcp.commercetools.app")
    )


def test_a_failed_one_says_why_and_a_preview_one_says_that_it_is(world: World) -> None:
    failed, preview = world.create(["a"], 1, {"status": "Failed"})[0], world.create(["a"], 1, {"type": "preview"})[0]
    assert failed.payload["details"]["build"]["report"]["entries"][0]["type"] == "Error"
    assert preview.payload["preview"] is True


def test_the_same_seed_makes_the_same_world(clock: HandClock) -> None:
    one, two, other = (World(chance=Chance(seed), clock=clock).create(["a", "b"], 20, {}) for seed in (7, 7, 8))
    assert [made.encoded for made in one] == [made.encoded for made in two]
    assert not {made.id for made in one} & {made.id for made in other}


def test_projects_are_filled_in_turn_with_unique_keys(world: World) -> None:
    made = world.create(["a", "b", "c"], 7, {"keyPrefix": "load"})
    assert [len(world.deployments(project)) for project in "abc"] == [3, 2, 2]
    assert len({one.key for one in made}) == 7
    assert all(str(one.key).startswith("load-") for one in made)


def test_setting_fields_replaces_them_and_raises_the_version(world: World) -> None:
    made = world.create(["a"], 1, {})[0]
    payload = world.update(made.id, {"status": "Failed", "deployedRegion": None}).payload
    assert (payload["version"], payload["status"]) == (2, "Failed")
    assert "deployedRegion" not in payload
    assert world.update(made.id, {"version": 41}).payload["version"] == 41
    assert world.by_id(made.id).payload["status"] == "Failed"


def test_report_entries_are_dated_when_nobody_did(world: World) -> None:
    made = world.create(["a"], 1, {})[0]
    entries = [
        {"type": "Error", "title": "t"},
        {"type": "Error", "title": "t", "createdAt": "2026-01-01T00:00:00.000Z"},
    ]
    details = world.update(made.id, {"details": {"build": {"id": "b", "report": {"entries": entries}}}}).payload[
        "details"
    ]
    assert [entry["createdAt"] for entry in details["build"]["report"]["entries"]] == [
        "2023-11-14T22:13:20.000Z",
        "2026-01-01T00:00:00.000Z",
    ]


@pytest.mark.parametrize("details", [None, [], "x", {"build": None}, {"build": {"report": {"entries": ["x", 5]}}}])
def test_any_field_can_be_set_to_anything(world: World, details: object) -> None:
    made = world.create(["a"], 1, {})[0]
    world.update(made.id, {"details": details, "connector": 5, "type": ["x"], "status": None})
    assert ids(page(world.deployments("a"), Query(sort=(("status", False), ("type", True))))) == [made.id]


def test_only_changes_of_status_count_as_transitions(world: World) -> None:
    made = world.create(["a"], 1, {})[0]
    for fields in ({"status": "Queued"}, {"status": "Queued"}, {"type": "sandbox"}, {"status": "Deployed"}):
        world.update(made.id, fields)
    assert world.transitions == 2


def test_a_key_is_unique_in_its_project_and_free_again_after_removal(world: World) -> None:
    first = world.create(["a", "b"], 2, {"key": "same"})[0]
    for projects, count in ((["a"], 1), (["c"], 2)):
        with pytest.raises(ApiError) as refused:
            world.create(projects, count, {"key": "same"})
        assert code(refused) == "DuplicateField"
    assert world.deployments("c") == {}
    world.delete(first.id)
    again = world.create(["a"], 1, {"key": "same"})[0]
    assert world.by_key("a", "same").id == again.id != first.id
    world.update(again.id, {"key": None})
    with pytest.raises(ApiError) as missing:
        world.by_key("a", "same")
    assert missing.value.status == 404


def test_identity_cannot_be_chosen(world: World) -> None:
    made = world.create(["a"], 1, {})[0]
    for fields in ({"id": "other"}, {"projectKey": "b"}):
        with pytest.raises(ApiError):
            world.update(made.id, fields)
        with pytest.raises(ApiError):
            world.create(["a"], 1, fields)
    assert world.update(made.id, {"id": made.id, "projectKey": "a", "status": "Failed"}).status == "Failed"
    assert "projectKey" not in world.by_id(made.id).payload


def test_an_unknown_connector_is_refused(world: World) -> None:
    with pytest.raises(ApiError, match="400"):
        world.create(["a"], 1, {"connector": "nope"})


# ── paging ───────────────────────────────────────────────────────────────────


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
        ("deploymentType", "live"),
        ("integrationTypes", "blockchain"),
    ],
)
def test_a_query_out_of_bounds_is_refused(name: str, value: str) -> None:
    with pytest.raises(ApiError) as refused:
        read_query([(name, value)])
    assert (refused.value.status, code(refused)) == (400, "InvalidQueryParam")


def test_the_bounds_themselves_are_allowed() -> None:
    assert read_query([]) == Query(limit=20, offset=0)
    assert read_query([("limit", "0"), ("offset", "10000")]) == Query(limit=0, offset=10_000)
    assert read_query([("limit", "500")]).limit == 500


# ── tokens ───────────────────────────────────────────────────────────────────


def test_a_token_is_good_until_its_time_is_over(clock: HandClock) -> None:
    tokens = Tokens(chance=Chance(1), clock=clock, lifetime=1000)
    header = f"bearer {tokens.issue()}"
    clock.at += 999
    tokens.require(header)
    clock.at += 1
    with pytest.raises(ApiError, match="invalid_token"):
        tokens.require(header)


def test_a_new_token_does_not_end_the_others(clock: HandClock) -> None:
    tokens = Tokens(chance=Chance(1), clock=clock)
    first, second = tokens.issue(), tokens.issue()
    assert first != second
    tokens.require(f"Bearer {first}")
    assert tokens.revoke() == 2
    with pytest.raises(ApiError):
        tokens.require(f"Bearer {second}")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic x", "Token x"])
def test_anything_else_is_no_token(clock: HandClock, header: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        Tokens(chance=Chance(1), clock=clock).require(header)
    assert refused.value.body == {
        "statusCode": 401,
        "message": "invalid_token",
        "errors": [{"code": "invalid_token", "message": "invalid_token"}],
        "error": "invalid_token",
    }


@pytest.mark.parametrize(
    ("header", "there"),
    [
        ("Basic aWQ6c2VjcmV0", True),  # id:secret
        ("basic aWQ6cw==", True),  # id:s
        ("Basic aWQ6", False),  # id:
        ("Basic OnNlY3JldA==", False),  # :secret
        ("Basic IDog", False),  # blanks
        ("Basic !!!", False),
        ("Basic /w==", False),  # not UTF-8
        ("Bearer x", False),
        (None, False),
    ],
)
def test_client_credentials_are_there_or_not(header: str | None, there: bool) -> None:
    assert has_client(header) is there
