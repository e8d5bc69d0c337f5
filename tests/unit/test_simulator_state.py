from uuid import UUID

import msgspec
import pytest
from multidict import MultiDict

from tests.unit.simulated import HandClock, codes
from watcher.simulator import ApiError
from watcher.simulator.auth import Access, Client, Tokens, credentials, grant
from watcher.simulator.chance import Chance
from watcher.simulator.lifecycle import Move
from watcher.simulator.listing import Query, page
from watcher.simulator.state import World


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def world(clock: HandClock) -> World:
    return World(chance=Chance(7), clock=clock)


def ids(encoded: bytes) -> list[str]:
    return [found["id"] for found in msgspec.json.decode(encoded)["results"]]


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
        assert codes(refused) == ["DuplicateField"]
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


def test_deployments_are_chosen_by_what_they_are(world: World) -> None:
    aws = {"deployedRegion": "us-east-2.aws", "connector": "gift-cards"}
    world.create(["a", "b"], 2, aws)
    world.create(["a"], 1, {"connector": "gift-cards", "type": "preview"})
    world.create(["a"], 1, {"connector": "tax-calculation", "status": "Failed"})
    for where, expected in (
        ({"deployedRegion": "us-east-2.aws"}, 2),
        ({"project": "a"}, 3),
        ({"project": "a", "connector": "gift-cards"}, 2),
        ({"type": "preview"}, 1),
        ({"status": "Failed", "connector": "gift-cards"}, 0),
    ):
        assert len([*world.where(where)]) == expected, where
    with pytest.raises(ApiError, match="400"):
        world.where({"color": "red"})


def test_a_course_makes_no_move_that_is_not_lawful(world: World) -> None:
    (made,) = world.create(["a"], 1, {"status": "Draft"})
    draft = world.create_drafts(1, {"key": "mine"})[0]
    world.progress.begin(
        ("deployment", made.id), [Move(after=0, changes={"status": "Deployed"}), Move(after=0, gone=True)]
    )
    world.progress.begin(("publish", draft.id), [Move(after=0, changes={"status": "Published"})])
    world.progress.begin(("preview", draft.id), [Move(after=0, changes={"isPreviewable": "true"})])
    world.catch_up()
    assert (world.by_id(made.id), world.draft_by_key("mine")) == (made, draft)


def test_a_failed_deployment_does_not_keep_a_draft_from_being_deleted(world: World) -> None:
    draft = world.create_drafts(1, {"key": "mine", "status": "Published"})[0]
    (made,) = world.create(["a"], 1, {"connector": "mine"})
    with pytest.raises(ApiError, match="400"):
        world.request_draft_delete(("id", draft.id))
    world.update(made.id, {"status": "Failed"})
    world.request_draft_delete(("id", draft.id))
    assert draft.id not in world.connectors()


def test_a_field_can_be_there_and_be_null(world: World) -> None:
    draft = world.create_drafts(1, {"key": "mine", "nulls": ["publishingReport"]})[0]
    assert draft.payload["publishingReport"] is None
    changed = world.update_draft(draft.id, {"name": "New", "nulls": ["previewableReport"]}).payload
    assert (changed["publishingReport"], changed["previewableReport"]) == (None, None)
    update = {"version": changed["version"], "actions": [{"action": "setName", "name": "Newer"}]}
    asked = world.request_draft_update(("id", draft.id), update).payload
    assert (asked["name"], asked["publishingReport"]) == ("Newer", None)
    assert "publishingReport" not in world.update_draft(draft.id, {"publishingReport": None}).payload
    connector = world.create_connectors(1, {"key": "theirs", "nulls": ["supportedRegions"]})[0]
    assert connector.payload["supportedRegions"] is None
    assert world.update_connector(connector.id, {"nulls": ["certified"]}).payload["certified"] is None
    (made,) = world.create(["a"], 1, {"connector": "theirs", "nulls": ["details", "key", "deployedRegion"]})
    assert (made.payload["details"], made.payload["key"], made.key) == (None, None, None)
    assert world.update(made.id, {"nulls": ["status"]}).payload["status"] is None
    for wrong in (["status", "id"], "status", [1], ["name"]):
        with pytest.raises(ApiError, match="400"):
            world.update_draft(draft.id, {"name": "x", "nulls": wrong})


def test_raw_deployments_run_what_is_published_by_then(world: World) -> None:
    draft = world.create_drafts(1, {"key": "gift-cards", "connector": "gift-cards"})[0]
    world.update_draft(draft.id, {"status": "Published", "name": "Newer"})
    made = world.create(["a"], 1, {"connector": "gift-cards"})[0].payload["connector"]
    assert (made["id"], made["version"], made["name"]) == (draft.id, 6, "Newer")
    world.create_drafts(1, {"key": "mine", "connector": "order-export"})
    preview = world.create(["a"], 1, {"connector": "mine", "type": "preview"})[0].payload
    assert [one["applicationName"] for one in preview["applications"]] == ["order-listener", "nightly-reconciliation"]
    world.delete_draft(draft.id)
    assert world.create(["a"], 1, {"connector": "gift-cards"})[0].payload["connector"]["version"] == 5


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


@pytest.mark.parametrize("header", [None, "", "Basic x", "Token x"])
def test_without_a_token_nobody_is_known(clock: HandClock, header: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        Tokens(chance=Chance(1), clock=clock).require(header)
    assert refused.value.body == {
        "statusCode": 401,
        "message": "Bad credentials or Client ID is not defined",
        "errors": [{"code": "AuthenticationError", "message": "Bad credentials or Client ID is not defined"}],
    }


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "bearer  "])
def test_a_token_that_was_never_issued_is_not_good(clock: HandClock, header: str) -> None:
    with pytest.raises(ApiError) as refused:
        Tokens(chance=Chance(1), clock=clock).require(header)
    assert refused.value.body == {
        "statusCode": 401,
        "message": "invalid_token",
        "errors": [{"code": "invalid_token", "message": "invalid_token"}],
        "error": "invalid_token",
    }


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic aWQ6c2VjcmV0", ("id", "secret")),
        ("basic aWQ6czpl", ("id", "s:e")),
        ("Basic aWQ6", None),  # id:
        ("Basic OnNlY3JldA==", None),  # :secret
        ("Basic IDog", None),  # blanks
        ("Basic !!!", None),
        ("Basic /w==", None),  # not UTF-8
        ("Bearer x", None),
        (None, None),
    ],
)
def test_client_credentials_are_there_or_not(header: str | None, found: tuple[str, str] | None) -> None:
    assert credentials(header) == found


BELIEVED = Access()
CLIENTS = Access(
    clients=(Client(id="id", secret="secret", scopes=("view_connectors:shop", "manage_connectors_deployments:shop")),)
)
PROJECTS = Access(projects=frozenset({"shop"}))


@pytest.mark.parametrize(
    ("access", "wanted", "scope"),
    [
        (BELIEVED, "", "manage_project:shop"),
        (BELIEVED, "view_connectors:x", "view_connectors:x"),
        (CLIENTS, "", "view_connectors:shop manage_connectors_deployments:shop"),
        (CLIENTS, "view_connectors:shop manage_project:shop", "view_connectors:shop"),
    ],
)
def test_a_token_tells_its_scope(clock: HandClock, access: Access, wanted: str, scope: str) -> None:
    tokens = Tokens(chance=Chance(1), clock=clock, access=access)
    form = MultiDict({"grant_type": "client_credentials", "scope": wanted})
    assert grant(tokens, "Basic aWQ6c2VjcmV0", form, ["shop"])["scope"] == scope


def test_many_projects_are_not_named(clock: HandClock) -> None:
    tokens = Tokens(chance=Chance(1), clock=clock)
    form = MultiDict({"grant_type": "client_credentials"})
    scope = grant(tokens, "Basic aWQ6c2VjcmV0", form, [f"p{n}" for n in range(1000)])["scope"]
    assert scope == "view_connectors_deployments:*"


@pytest.mark.parametrize(
    ("header", "wanted", "status", "error"),
    [
        ("Basic aWQ6d3Jvbmc=", "", 401, "invalid_client"),  # id:wrong
        ("Basic b3RoZXI6c2VjcmV0", "", 401, "invalid_client"),  # other:secret
        ("Basic aWQ6c2VjcmV0", "manage_project:shop", 400, "invalid_scope"),
    ],
)
def test_a_policy_knows_its_clients(clock: HandClock, header: str, wanted: str, status: int, error: str) -> None:
    tokens = Tokens(chance=Chance(1), clock=clock, access=CLIENTS)
    with pytest.raises(ApiError) as refused:
        grant(tokens, header, MultiDict({"grant_type": "client_credentials", "scope": wanted}))
    assert (refused.value.status, refused.value.body["error"]) == (status, error)


@pytest.mark.parametrize(
    ("access", "wanted", "need", "project", "allowed"),
    [
        (BELIEVED, "", "manage_connectors", None, True),
        (BELIEVED, "", "manage_connectors_deployments", "anything", True),
        (BELIEVED, "view_connectors:x", "view_connectors", "another", True),
        (BELIEVED, "view_connectors:x", "manage_connectors", None, False),
        (BELIEVED, "manage_connectors:x", "view_connectors", None, True),
        (BELIEVED, "manage_connectors:x", "view_connectors_deployments", "x", False),
        (BELIEVED, "manage_project:x", "manage_connectors_deployments", "x", True),
        (CLIENTS, "", "view_connectors", None, True),
        (CLIENTS, "", "manage_connectors", None, False),
        (CLIENTS, "", "view_connectors_deployments", "shop", True),
        (CLIENTS, "", "view_connectors_deployments", "other", False),
        (PROJECTS, "", "view_connectors_deployments", "shop", True),
        (PROJECTS, "", "view_connectors_deployments", "other", False),
        (PROJECTS, "", "view_connectors", None, True),
    ],
)
def test_a_token_is_good_for_its_scopes(
    clock: HandClock, access: Access, wanted: str, need: str, project: str | None, allowed: bool
) -> None:
    tokens = Tokens(chance=Chance(1), clock=clock, access=access)
    form = MultiDict({"grant_type": "client_credentials", "scope": wanted})
    granted = tokens.require(f"Bearer {grant(tokens, 'Basic aWQ6c2VjcmV0', form)['access_token']}")
    if allowed:
        tokens.permit(granted, need, project)
        return
    with pytest.raises(ApiError) as refused:
        tokens.permit(granted, need, project)
    assert (refused.value.status, codes(refused), refused.value.body["message"]) == (
        403,
        ["AuthorizationError"],
        "Access denied",
    )
