"""What happened to a draft or a published Connector between two looks: every event with its exact fields."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, connector, deployment, draft
from tests.unit.builders import POLL, PROJECT, REGION, quick
from watcher.core import diff
from watcher.core.changes import changes, documented
from watcher.core.event import Event, EventType
from watcher.core.sight import SourceState, source_event
from watcher.core.snapshot import Comment, Connector, ConnectorStaged, Record, ReportEntry

STATE = SourceState(project=PROJECT, source="drafts", region=REGION, last_ok=START, baselined=True)
AT = START + POLL
TEMPLATE = source_event(STATE, EventType.CREATED, AT)
BUILD = ReportEntry(type="Error", title="Connector image build check failed")
SKIPPED = ReportEntry(type="Error", title="SAST and SCA analysis check skipped")
FIRST = Comment(at="2026-11-24T10:00:00Z", text="Please add tests.")
SECOND = Comment(at="2026-11-24T11:00:00Z", text="And a README.")
Told = tuple[str, Mapping[str, str]]


def changed(old: Record, **fields: Any) -> list[Event]:
    return list(changes(old, replace(old, **fields), TEMPLATE))


def told(events: list[Event]) -> list[Told]:
    return [(each.type.value, dict(each.fields)) for each in events]


# ── drafts ───────────────────────────────────────────────────────────────────

DRAFT = draft(display="Stripe", publishing=(SKIPPED,), preview=(SKIPPED,), comments=(FIRST,))


@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({}, []),
        ({"version": 361}, []),
        ({"status": "Processing"}, [("status", {})]),
        ({"status": "FEEDBACK_REQUIRED"}, [("status", {})]),
        ({"status": "Processing", "version": 9}, [("status", {})]),
        ({"previewable": "pending"}, [("preview", {"previous_previewable": "none", "edited": "false"})]),
        ({"previewable": ""}, [("preview", {"previous_previewable": "none", "edited": "false"})]),
        (
            {"previewable": "pending", "tag": "v2"},
            [
                ("preview", {"previous_previewable": "none", "edited": "true"}),
                ("connector", {"changed": "tag v1.0.0 → v2"}),
            ],
        ),
        (
            {"comments": (FIRST, SECOND)},
            [("comment", {})],
        ),
        (
            {"comments": (SECOND, FIRST)},
            [("comment", {})],
        ),
        (
            {"comments": (FIRST, SECOND, replace(SECOND, at="2026-11-24T12:00:00Z"))},
            [("comment", {})],
        ),
        (
            {"comments": (replace(FIRST, text="Please."),)},
            [("comment", {})],
        ),
        ({"comments": ()}, [("updated", {})]),
        ({"listed": True}, [("listed", {})]),
        ({"changed": True}, [("connector", {"changed": "changes False → True"})]),
        ({"tag": "v1.0.1"}, [("connector", {"changed": "tag v1.0.0 → v1.0.1"})]),
        ({"key": "adyen"}, [("connector", {"changed": "name stripe → adyen"})]),
        ({"display": "Adyen"}, [("updated", {})]),
        (
            {"key": "adyen", "tag": "v2", "changed": True},
            [("connector", {"changed": "name stripe → adyen, tag v1.0.0 → v2, changes False → True"})],
        ),
        ({"publishing": (SKIPPED, BUILD)}, [("report", {})]),
        ({"preview": (BUILD, SKIPPED)}, [("report", {})]),
        ({"publishing": (BUILD,), "preview": (replace(BUILD, message="x"),)}, [("report", {})]),
        ({"publishing": (), "preview": ()}, [("report", {})]),
        ({"preview": ()}, [("report", {})]),
        (
            {"status": "Draft", "previewable": "pending", "publishing": (), "preview": (), "comments": ()},
            [("preview", {"previous_previewable": "none", "edited": "false"}), ("report", {})],
        ),
        (
            {"status": "Failed", "previewable": "false", "publishing": (BUILD,), "listed": True, "version": 410},
            [
                ("status", {}),
                ("preview", {"previous_previewable": "none", "edited": "false"}),
                ("listed", {}),
                ("report", {}),
            ],
        ),
    ],
    ids=str,
)
def test_each_change_of_a_draft_is_its_event_and_no_other(fields: dict[str, Any], events: list[Told]) -> None:
    assert told(changed(DRAFT, **fields)) == events


def test_a_draft_without_a_key_is_called_by_its_name() -> None:
    nameless = replace(DRAFT, key="")
    assert told(changed(nameless, display="Adyen")) == [("connector", {"changed": "name Stripe → Adyen"})]


def test_an_event_of_a_draft_says_what_was_what_is_and_where_it_was_seen() -> None:
    after: dict[str, Any] = {
        "status": "Failed",
        "publishing": (SKIPPED, BUILD),
        "comments": (FIRST, SECOND),
        "version": 7,
    }
    for found in changed(DRAFT, **after):
        assert found.draft == found.record == replace(DRAFT, **after)
        assert (found.deployment, found.connector) == (None, None)
        assert (found.previous_status, found.previous_build) == ("Draft", "")
        assert (found.project, found.region, found.source, found.at, found.sight, found.baseline) == (
            PROJECT,
            REGION,
            "drafts",
            AT,
            START,
            False,
        )
        assert found.subject == "id-stripe"
        remark = ReportEntry(type="Comment", title="", message=SECOND.text, created_at=SECOND.at)
        assert found.added == {EventType.REPORT: (BUILD,), EventType.COMMENT: (remark,)}.get(found.type, ())


def test_all_new_entries_of_both_reports_are_one_event() -> None:
    other = replace(BUILD, title="Application Build")
    found = changed(DRAFT, publishing=(BUILD, SKIPPED), preview=(SKIPPED, other))
    assert [(each.type, each.added) for each in found] == [(EventType.REPORT, (BUILD, other))]


# ── published Connectors ─────────────────────────────────────────────────────

CONNECTOR = connector(display="Stripe", behind=("checkout",))


@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({}, []),
        ({"behind": ("checkout", "returns")}, [("drift", {})]),
        ({"behind": ("returns",)}, [("drift", {})]),
        ({"behind": ()}, [("drift", {})]),
        ({"version": 4}, [("connector", {"changed": "version 3 → 4"})]),
        ({"tag": "v1.1.0"}, [("connector", {"changed": "tag v1.0.0 → v1.1.0"})]),
        ({"key": "adyen"}, [("connector", {"changed": "name stripe → adyen"})]),
        ({"key": ""}, [("connector", {"changed": "name stripe → Stripe"})]),
        ({"display": "Adyen"}, [("updated", {})]),
        (
            {"version": 4, "tag": "v1.1.0", "behind": ("checkout", "returns")},
            [("drift", {}), ("connector", {"changed": "tag v1.0.0 → v1.1.0, version 3 → 4"})],
        ),
    ],
    ids=str,
)
def test_each_change_of_a_connector_is_its_event_and_no_other(fields: dict[str, Any], events: list[Told]) -> None:
    found = changed(CONNECTOR, **fields)
    assert told(found) == events
    for each in found:
        assert each.connector == each.record == replace(CONNECTOR, **fields)
        assert (each.draft, each.deployment, each.added) == (None, None, ())
        assert (each.previous_status, each.previous_build) == ("Published", "")


def test_a_version_that_was_not_known_before_has_only_become_visible() -> None:
    assert [each.type for each in changed(connector(version=0), version=4)] == [EventType.UPDATED]


@pytest.mark.parametrize("new", [draft(status="Failed"), connector(behind=("checkout",)), deployment("stripe")])
def test_what_was_not_there_is_created_and_nothing_else(new: Record) -> None:
    (found,) = changes(None, new, TEMPLATE)
    assert (found.type, found.record, found.previous_status) == (EventType.CREATED, new, "")
    assert found.fields == {}


# ── what nobody has documented ───────────────────────────────────────────────


def test_a_status_and_a_preview_that_nobody_has_documented_are_told_once() -> None:
    odd: list[Record] = [
        draft("a", "FEEDBACK_REQUIRED"),
        draft("b", "FEEDBACK_REQUIRED", previewable="maybe"),
        connector("c"),
    ]
    state, found = diff.unknown_values(odd, STATE, AT)
    assert [dict(each.fields) for each in found] == [
        {"field": "status", "value": "FEEDBACK_REQUIRED", "example": "a"},
        {"field": "isPreviewable", "value": "maybe", "example": "b"},
    ]
    assert diff.unknown_values(odd, state, AT) == (state, [])


@pytest.mark.parametrize(
    "status", ["Draft", "Processing", "ReadyForCertification", "InCertification", "Published", "Failed"]
)
@pytest.mark.parametrize("previewable", ["true", "false", "pending", "none", ""])
def test_documented_values_of_a_draft_are_no_event(status: str, previewable: str) -> None:
    assert diff.unknown_values([draft(status=status, previewable=previewable)], STATE, AT) == (STATE, [])


def test_a_connector_has_no_enumeration() -> None:
    assert documented(connector()) == ()


# ── properties ───────────────────────────────────────────────────────────────

reports = st.lists(st.sampled_from([BUILD, SKIPPED, replace(BUILD, application="x")]), max_size=2).map(tuple)
drafts = st.builds(
    ConnectorStaged,
    id=st.just("id-stripe"),
    project=st.just(PROJECT),
    status=st.sampled_from(["Draft", "Processing", "Published", "Failed", "FEEDBACK_REQUIRED"]),
    key=st.sampled_from(["", "stripe", "adyen"]),
    version=st.integers(0, 3),
    display=st.sampled_from(["", "Stripe", "Adyen"]),
    previewable=st.sampled_from(["", "none", "pending", "true", "false"]),
    listed=st.booleans(),
    changed=st.booleans(),
    # that a tag was not there before is no change of it: see the tables
    tag=st.sampled_from(["v1", "v2"]),
    publishing=reports,
    preview=reports,
    comments=st.lists(st.sampled_from([FIRST, SECOND]), max_size=2).map(tuple),
)
connectors = st.builds(
    Connector,
    id=st.just("id-stripe"),
    project=st.just(PROJECT),
    key=st.sampled_from(["", "stripe", "adyen"]),
    version=st.integers(1, 3),
    display=st.sampled_from(["", "Stripe", "Adyen"]),
    tag=st.sampled_from(["v1", "v2"]),
    behind=st.lists(st.sampled_from(["checkout", "returns"]), max_size=2, unique=True).map(tuple),
)


def between(old: Record, new: Record) -> list[Event]:
    return list(diff.diff({old.id: old}, [new], STATE, AT).events)


@quick
@given(drafts, drafts)
def test_no_change_of_a_draft_that_a_rule_can_match_goes_by_silently(
    old: ConnectorStaged, new: ConnectorStaged
) -> None:
    found = between(old, new)
    assert bool(found) == (replace(old, version=new.version) != new)
    types = [each.type for each in found]
    assert types.count(EventType.STATUS) == (old.status != new.status)
    assert types.count(EventType.PREVIEW) == (old.previewable != new.previewable)
    assert types.count(EventType.LISTED) == (old.listed != new.listed)
    assert (EventType.REPORT in types) == (old.entries != new.entries)
    added = {kind: {part for each in found if each.type is kind for part in each.added} for kind in EventType}
    assert added[EventType.REPORT] == set(new.entries) - set(old.entries)
    assert {each.message for each in added[EventType.COMMENT]} == {
        each.text for each in set(new.comments) - set(old.comments)
    }
    described = (old.name, old.tag, old.changed) != (new.name, new.tag, new.changed)
    assert types.count(EventType.CONNECTOR) == described
    assert all((each.draft, each.previous_status) == (new, old.status) for each in found)


@quick
@given(connectors, connectors)
def test_no_change_of_a_connector_that_a_rule_can_match_goes_by_silently(old: Connector, new: Connector) -> None:
    types = [each.type for each in between(old, new)]
    assert types.count(EventType.DRIFT) == (old.behind != new.behind)
    described = (old.name, old.tag, old.version) != (new.name, new.tag, new.version)
    assert types.count(EventType.CONNECTOR) == described
    assert bool(types) == (old != new)
    assert set(types) <= {EventType.DRIFT, EventType.CONNECTOR, EventType.UPDATED}


@quick
@given(drafts | connectors, st.integers(0, 3))
def test_there_is_no_event_without_a_difference(found: Record, version: int) -> None:
    assert diff.diff({found.id: found}, [replace(found)], STATE, AT) == diff.Changes(upserts=(), events=())
    if isinstance(found, ConnectorStaged):
        other = replace(found, version=version)
        upserts = () if version == found.version else (other,)
        assert diff.diff({found.id: found}, [other], STATE, AT) == diff.Changes(upserts=upserts, events=())


@quick
@given(st.tuples(drafts, drafts) | st.tuples(connectors, connectors))
def test_there_and_back_again_ends_where_it_began(pair: tuple[Record, Record]) -> None:
    old, new = pair
    there, back = between(old, new), between(new, old)
    assert {old.id: old} == {old.id: old} | {
        each.id: each for each in diff.diff({new.id: new}, [old], STATE, AT).upserts
    }
    lasting = [EventType.STATUS, EventType.PREVIEW, EventType.LISTED, EventType.CONNECTOR, EventType.DRIFT]
    for kind in lasting:
        assert [each.type is kind for each in there].count(True) == [each.type is kind for each in back].count(True)
    assert [_turned(each.fields["changed"]) for each in there if each.type is EventType.CONNECTOR] == [
        each.fields["changed"] for each in back if each.type is EventType.CONNECTOR
    ]


def _turned(text: str) -> str:
    """`tag v1 → v2` the other way round."""
    parts = [part.split(" ", 1) for part in text.split(", ")]
    return ", ".join(f"{name} {' → '.join(reversed(values.split(' → ')))}" for name, values in parts)
