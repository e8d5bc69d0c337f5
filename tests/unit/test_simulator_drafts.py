"""ConnectorStaged and their Connectors in a moving world."""

from typing import Any

import pytest

from tests.unit.simulated import DRAFT, Moved, codes, world_of
from tests.unit.simulated import HandClock as Clock
from watcher.simulator import ApiError
from watcher.simulator.catalogue import CONNECTORS


@pytest.fixture
def moved() -> Moved:
    clock = Clock()
    return Moved(world_of(clock), clock)


# ── creating ─────────────────────────────────────────────────────────────────


def test_a_new_draft_has_every_field_that_there_is_yet(moved: Moved) -> None:
    made = moved.draft(integrationTypes=["tax"], supportedRegions=["us-central1.gcp"], documentationUrl="https://x/y")
    assert made == {
        "id": made["id"],
        "key": "mine",
        "version": 1,
        "name": "My Connector",
        "description": "",
        "integrationTypes": ["tax"],
        "creator": DRAFT["creator"],
        "repository": DRAFT["repository"],
        "configurations": [
            {
                "applicationName": "service",
                "applicationType": "service",
                "standardConfiguration": [
                    {
                        "key": "LOG_LEVEL",
                        "description": "Least severity that is logged.",
                        "required": False,
                        "default": "info",
                    }
                ],
                "securedConfiguration": [
                    {"key": "API_KEY", "description": "Key of the API behind the application.", "required": False}
                ],
            }
        ],
        "private": True,
        "privateProjects": [],
        "supportedRegions": ["us-central1.gcp"],
        "hasChanges": True,
        "alreadyListed": False,
        "status": "Draft",
        "isPreviewable": "none",
        "documentationUrl": "https://x/y",
    }


@pytest.mark.parametrize("named_by", ["repository", "key"])
def test_connect_yaml_is_that_of_the_catalogue_where_it_is_named(moved: Moved, named_by: str) -> None:
    url = f"https://github.com/me/{'email-campaigns.git' if named_by == 'repository' else 'x'}"
    made = moved.draft("email-campaigns" if named_by == "key" else "own", repository={"url": url, "tag": "1"})
    kinds = [(one["applicationName"], one["applicationType"]) for one in made["configurations"]]
    assert kinds == [("profile-sync", "event"), ("daily-segments", "job")]
    required = {one["key"]: one["required"] for part in made["globalConfiguration"].values() for one in part}
    assert required == {"MAILING_ACCOUNT": True, "MAILING_SENDER": False, "MAILING_TOKEN": False}


def test_static_files_are_not_configured(moved: Moved) -> None:
    enabler = moved.draft("payment-gateway")["configurations"][0]
    assert (enabler["applicationType"], enabler["standardConfiguration"], enabler["securedConfiguration"]) == (
        "assets",
        [],
        [],
    )


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        ({}, "InvalidJsonInput"),
        ({**DRAFT, "name": None}, "InvalidJsonInput"),
        ({**DRAFT, "key": "a"}, "InvalidJsonInput"),
        ({**DRAFT, "key": "ab\n"}, "InvalidJsonInput"),
        ({**DRAFT, "creator": {}}, "InvalidJsonInput"),
        ({**DRAFT, "privateProjects": ["nowhere"]}, "InvalidJsonInput"),
        ({**DRAFT, "integrationTypes": ["blockchain"]}, "InvalidJsonInput"),
        ({**DRAFT, "repository": {"url": "https://x/unreachable", "tag": "1"}}, "GitRepositoryNotReachable"),
        ({**DRAFT, "repository": {"url": "https://x/y", "tag": "no-spec"}}, "ConnectorSpecificationFileNotFound"),
        ({**DRAFT, "repository": {"url": "https://x/y", "tag": "bad-spec"}}, "ConnectorSpecificationFileNotValid"),
        ({**DRAFT, "key": "taken"}, "DuplicateField"),
    ],
)
def test_a_draft_is_refused(moved: Moved, draft: dict[str, Any], code: str) -> None:
    moved.draft("taken")
    with pytest.raises(ApiError) as refused:
        moved.world.request_draft_create(draft)
    assert codes(refused) == [code]
    assert len(moved.world.drafts()) == 1


# ── publishing ───────────────────────────────────────────────────────────────


def seen(moved: Moved, key: str, *lengths: int) -> list[str | None]:
    found = []
    for length in lengths:
        moved.wait(length)
        found.append(moved.world.draft_by_key(key).status)
    return found


def test_a_private_publication_skips_certification(moved: Moved) -> None:
    draft = moved.draft(privateProjects=["eu:shop"])
    assert moved.change(action="publish", certification=False)["status"] == "Processing"
    assert seen(moved, "mine", 69, 1) == ["Processing", "Published"]
    after = moved.world.draft_by_key("mine").payload
    assert (after["hasChanges"], after["alreadyListed"], after["private"]) == (False, False, True)
    assert [entry["type"] for entry in after["publishingReport"]["entries"]] == ["Information"] * 3
    connector = moved.world.connector_by_key("mine").payload
    assert connector == {
        "id": draft["id"], "key": "mine", "version": 1,
        **{name: draft[name] for name in (
            "name", "description", "integrationTypes", "creator", "repository", "configurations", "supportedRegions",
        )},
        "private": True, "certified": False,
    }  # fmt: skip


def test_a_public_one_goes_through_certification_with_its_comments(moved: Moved) -> None:
    moved.plan("publish", "Published", key="mine", comments=("why console.log?",))
    moved.draft()
    moved.change(action="publish", certification=True)
    assert seen(moved, "mine", 70, 80) == ["ReadyForCertification", "InCertification"]
    moved.change(action="addCertificationComment", comment="removed")
    assert seen(moved, "mine", 89, 1) == ["InCertification", "Published"]
    after = moved.world.draft_by_key("mine").payload
    assert (after["alreadyListed"], after["private"]) == (True, False)
    assert after["certificationInfo"]["comments"] == [
        {"userId": "commercetools", "comment": "why console.log?", "datetime": "2023-11-14T22:13:20.150Z"},
        {"userId": "unknown", "comment": "removed", "datetime": "2023-11-14T22:13:20.150Z"},
    ]
    connector = moved.world.connector_by_key("mine").payload
    assert (connector["certified"], connector["private"]) == (True, False)


def test_reports_and_moves_are_dated_by_their_moment(moved: Moved) -> None:
    moved.draft()
    moved.change(action="updatePreviewable")
    moved.wait(1000)
    entry = moved.world.draft_by_key("mine").payload["previewableReport"]["entries"][0]
    assert entry["createdAt"] == "2023-11-14T22:13:20.040Z"
    assert moved.world.draft_by_key("mine").modified == moved.clock.at - 960


def test_nothing_can_be_done_while_it_is_processing(moved: Moved) -> None:
    version = moved.draft()["version"]
    moved.change(action="publish", certification=False)
    for action in ({"action": "setName", "name": "x"}, {"action": "publish", "certification": True}):
        with pytest.raises(ApiError) as refused:
            moved.change(**action)
        assert codes(refused) == ["InvalidJsonInput"]
        assert "being processed" in refused.value.body["errors"][0]["detailedErrorMessage"]
    with pytest.raises(ApiError) as refused:
        moved.world.request_draft_delete(("key", "mine"))
    assert codes(refused) == ["InvalidPathParam"]
    assert moved.world.draft_by_key("mine").payload["version"] == version + 1


@pytest.mark.parametrize(
    ("result", "certification", "code"),
    [
        ("ReadyForCertification", True, "ConnectorStagedInCertification"),
        ("InCertification", True, "ConnectorStagedInCertification"),
        ("Published", True, "ConnectorAlreadyCertified"),
        ("InCertification", False, None),
        ("Published", False, None),
        ("Rejected", True, None),
        ("Failed", True, None),
    ],
)
def test_a_second_publication(moved: Moved, result: str, certification: bool, code: str | None) -> None:
    moved.draft()
    moved.plan("publish", result, key="mine")
    moved.change(action="publish", certification=True)
    moved.wait(1000)
    if code is None:
        assert moved.change(action="publish", certification=certification)["status"] == "Processing"
        return
    with pytest.raises(ApiError) as refused:
        moved.change(action="publish", certification=certification)
    assert codes(refused) == [code]


def test_a_changed_one_can_be_certified_again_and_its_connector_moves_on(moved: Moved) -> None:
    first = moved.published(certification=True)
    assert moved.change(action="setName", name="Better")["hasChanges"] is True
    assert moved.world.connector_by_key("mine").payload == first  # until it is published
    moved.change(action="publish", certification=True)
    moved.wait(1000)
    second = moved.world.connector_by_key("mine").payload
    assert second == {**first, "name": "Better", "version": 2}
    assert moved.world.connector_by_key("mine").created < moved.world.connector_by_key("mine").modified


def test_changing_back_leaves_no_changes(moved: Moved) -> None:
    moved.published()
    assert moved.change(action="setName", name="Better")["hasChanges"] is True
    assert moved.change(action="setName", name="My Connector")["hasChanges"] is False


def test_another_tag_drops_both_reports_and_everything_under_way(moved: Moved) -> None:
    moved.draft()
    moved.plan("publish", "InCertification")
    moved.change(action="updatePreviewable")
    moved.change(action="publish", certification=True)
    moved.wait(1000)
    moved.change(action="updatePreviewable")
    after = moved.change(action="setRepository", url="git@github.com:example/mine.git", tag="2")
    assert (after["status"], after["isPreviewable"], after["repository"]["tag"]) == ("Draft", "none", "2")
    assert not {"publishingReport", "previewableReport"} & after.keys()
    moved.wait(1000)
    assert moved.world.draft_by_key("mine").payload == after


def test_the_same_repository_and_tag_interrupt_nothing(moved: Moved) -> None:
    moved.draft()
    moved.change(action="updatePreviewable")
    assert moved.change(action="setRepository", tag="1.0.0")["isPreviewable"] == "pending"
    moved.wait(1000)
    assert moved.world.draft_by_key("mine").payload["isPreviewable"] == "true"


def test_actions_of_one_update_count_together_or_not_at_all(moved: Moved) -> None:
    before = moved.draft()
    name = {"action": "setName", "name": "x"}
    with pytest.raises(ApiError) as refused:
        update = {"version": 1, "actions": [name, {"action": "removePrivateProject", "privateProject": "eu:nobody"}]}
        moved.world.request_draft_update(("key", "mine"), update)
    assert codes(refused) == ["FieldValueNotFound"]
    assert moved.world.draft_by_key("mine").payload == before
    update = {"version": 1, "actions": [name, {"action": "publish", "certification": False}]}
    after = moved.world.request_draft_update(("key", "mine"), update).payload
    assert (after["version"], after["name"], after["status"]) == (2, "x", "Processing")
    with pytest.raises(ApiError) as refused:
        moved.world.request_draft_update(("key", "mine"), {"version": 2, "actions": []})
    assert codes(refused) == ["InvalidJsonInput"]


def test_an_update_of_another_version_is_refused(moved: Moved) -> None:
    made = moved.draft()
    for ref, named in ((("key", "mine"), "key=mine"), (("id", made["id"]), f"id={made['id']}")):
        with pytest.raises(ApiError) as refused:
            moved.world.request_draft_update(ref, {"version": 9, "actions": [{"action": "unlist"}]})
        message = f"Object {named} has a different version than expected. Expected: 9 - Actual: 1)"
        assert (refused.value.status, refused.value.body["errors"]) == (
            409,
            [
                {
                    "code": "ConcurrentModification",
                    "message": message,
                    "expectedVersion": 9,
                    "currentVersion": 1,
                }
            ],
        )
    with pytest.raises(ApiError) as refused:
        moved.world.request_draft_delete(("key", "mine"), 9)
    assert codes(refused) == ["ConcurrentModification"]


def test_previews_are_asked_for_one_at_a_time(moved: Moved) -> None:
    moved.draft()
    for result in ("stuck", "true"):
        moved.plan("preview", result)
    assert moved.change(action="updatePreviewable")["isPreviewable"] == "pending"
    moved.wait(1000)
    with pytest.raises(ApiError) as refused:
        moved.change(action="updatePreviewable")
    assert codes(refused) == ["ConnectorStagedPreviewRequestUnderProcess"]
    moved.world.update_draft(moved.world.draft_by_key("mine").id, {"isPreviewable": "none"})
    moved.change(action="updatePreviewable")
    moved.wait(40)
    assert moved.world.draft_by_key("mine").payload["isPreviewable"] == "true"


# ── deleting ─────────────────────────────────────────────────────────────────


def test_a_draft_takes_its_connector_with_it_but_not_while_it_is_deployed(moved: Moved) -> None:
    connector = moved.published()
    moved.deploy(connector="mine")
    with pytest.raises(ApiError) as refused:
        moved.world.request_draft_delete(("id", connector["id"]))
    assert (refused.value.status, codes(refused)) == (400, ["InvalidPathParam"])
    moved.wait(1000)
    moved.world.request_undeploy("shop", ("key", "k1"))
    moved.wait(1000)
    assert moved.world.request_draft_delete(("key", "mine")).id == connector["id"]
    for gone in (moved.world.draft, moved.world.connector):
        with pytest.raises(ApiError, match="404"):
            gone(("id", connector["id"]))


# ── the catalogue, and raw moves ─────────────────────────────────────────────


def test_the_catalogue_is_published_by_somebody_else(moved: Moved) -> None:
    found = [one.payload for one in moved.world.connectors().values()]
    assert [(one["key"], one["version"], one["certified"]) for one in found] == [
        (one.key, one.version, one.certified) for one in CONNECTORS
    ]
    assert moved.world.drafts() == {}
    assert [one["key"] for one in found if "globalConfiguration" in one] == ["email-campaigns"]


def test_a_draft_with_the_key_of_the_catalogue_becomes_its(moved: Moved) -> None:
    connector = moved.world.connector_by_key("tax-calculation").payload
    draft = moved.draft("tax-calculation")
    assert (draft["id"], draft["alreadyListed"], draft["private"], draft["hasChanges"]) == (
        connector["id"],
        True,
        False,
        True,
    )
    moved.change("tax-calculation", action="publish", certification=True)
    moved.wait(1000)
    assert moved.world.connector_by_key("tax-calculation").payload["version"] == connector["version"] + 1


def test_raw_drafts_are_made_of_the_catalogue_and_may_be_anything(moved: Moved) -> None:
    made = moved.world.create_drafts(3, {"connector": "gift-cards", "status": "Processing", "keyPrefix": "x"})
    assert len({one.id for one in made}) == 3
    assert [one.key for one in made] == ["x-000001", "x-000002", "x-000003"]
    fields = {"status": ["odd"], "isPreviewable": None, "publishingReport": {"entries": [{"title": "t"}, 5]}}
    after = moved.world.update_draft(made[0].id, fields).payload
    assert (after["version"], after["status"], "isPreviewable" in after) == (2, ["odd"], False)
    for key, count in (("twice", 2), ("x-000002", 1)):
        with pytest.raises(ApiError) as refused:
            moved.world.create_drafts(count, {"key": key})
        assert codes(refused) == ["DuplicateField"]
    with pytest.raises(ApiError) as refused:
        moved.world.update_draft(made[0].id, {"key": "x-000002"})
    assert codes(refused) == ["DuplicateField"]
    for create in (moved.world.create_drafts, moved.world.create_connectors):
        with pytest.raises(ApiError, match="400"):
            create(1, {"connector": "nope"})


def test_a_raw_draft_that_is_published_has_a_connector(moved: Moved) -> None:
    first = moved.world.create_drafts(1, {"key": "one", "connector": "gift-cards", "status": "Published"})[0]
    assert moved.world.connector_by_key("one").id == first.id
    assert first.payload["hasChanges"] is False
    second = moved.world.create_drafts(1, {"key": "two"})[0]
    for version in (1, 2):
        moved.world.update_draft(second.id, {"status": "Processing"})
        moved.world.update_draft(second.id, {"status": "Published"})
        assert moved.world.connector_by_key("two").payload["version"] == version


def test_the_halves_of_a_connector_find_each_other_by_key(moved: Moved) -> None:
    connector = moved.world.create_connectors(1, {"key": "half", "version": 7})[0]
    draft = moved.world.create_drafts(1, {"key": "half"})[0]
    assert draft.id == connector.id
    assert moved.world.update_connector(connector.id, {"name": "n"}).payload["version"] == 8
    moved.world.update_draft(draft.id, {"key": "elsewhere"})
    assert moved.world.create_drafts(1, {"key": "half"})[0].id != connector.id  # it has its half
    moved.world.delete_connector(connector.id)
    assert moved.world.draft_by_key("elsewhere").id == connector.id
    moved.world.delete_draft(draft.id)
    with pytest.raises(ApiError, match="404"):
        moved.world.draft_by_key("elsewhere")


def test_a_raw_change_ends_the_course_it_interferes_with(moved: Moved) -> None:
    draft_id = moved.draft()["id"]
    moved.change(action="updatePreviewable")
    moved.change(action="publish", certification=False)
    moved.world.update_draft(draft_id, {"status": "Failed"})
    moved.wait(1000)
    after = moved.world.draft_by_key("mine").payload
    assert (after["status"], after["isPreviewable"]) == ("Failed", "true")
