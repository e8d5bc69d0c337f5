"""What happened between two lists, as events; rows 2-9 of the timelines begin here."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, deployment
from tests.unit.builders import POLL, PROJECT, quick, warned
from watcher.core import diff
from watcher.core.event import Event, EventType
from watcher.core.sight import SourceState
from watcher.core.snapshot import Application, Deployment, ReportEntry

STATE = SourceState(project=PROJECT, region="europe-west1.gcp", last_ok=START, baselined=True)
AT = START + POLL
SKIPPED = ReportEntry(type="Error", title="Connector check skipped", application="service")


def changed(old: Deployment, **fields: object) -> list[Event]:
    new = replace(old, **fields)  # type: ignore[arg-type]  # fields by name
    return list(diff.diff({old.id: old}, [new], STATE, AT).events)


def kinds(events: list[Event]) -> list[str]:
    return [each.type.value for each in events]


def placed(name: str = "service", url: str = "", topic: str = "") -> Application:
    return Application(id=f"app-{name}", name=name, url=url, topic=topic)


CALM = deployment(applications=(placed(url="https://a"), placed("job"), placed("event", topic="t1")))


@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({}, []),
        ({"version": 9}, []),
        ({"status": "Queued"}, ["status"]),
        ({"status": "Failed"}, ["status"]),
        ({"build": "b2"}, ["attempt"]),
        ({"build": ""}, ["updated"]),
        ({"status": "Failed", "build": "b2"}, ["status", "attempt"]),
        ({"entries": (warned(),)}, ["report"]),
        ({"entries": (warned(), SKIPPED)}, ["report"]),
        ({"status": "Deployed", "build": "b2", "entries": (warned(),)}, ["attempt", "report"]),
        ({"connector_version": 4}, ["connector"]),
        ({"connector_id": "c2"}, ["connector"]),
        ({"type": "sandbox"}, ["connector"]),
        ({"connector_version": 4, "type": "sandbox", "connector_id": "c2"}, ["connector"]),
        ({"applications": (placed(url="https://b"), placed("job"), placed("event", topic="t1"))}, ["application"]),
        ({"applications": (placed(url="https://a"), placed("job"), placed("event", topic="t2"))}, ["application"]),
        (
            {"applications": (placed(url="https://a"), placed("job", url="https://new"), placed("event", topic="t1"))},
            ["updated"],
        ),
        ({"status": "Hibernating"}, ["status"]),
    ],
    ids=str,
)
def test_each_change_is_its_event_and_no_other(fields: dict[str, object], events: list[str]) -> None:
    assert kinds(changed(CALM, **fields)) == events


@pytest.mark.parametrize(
    "statuses",
    [
        ("Deployed", "Queued", "Deploying", "Deployed"),
        ("Deployed", "Failed"),
        ("Deployed", "Undeploying", "UndeployFailed"),
        ("Draft", "Deployed"),
        ("Failed", "Hibernating", "Deployed"),
    ],
)
def test_any_jump_between_statuses_is_accepted(statuses: tuple[str, ...]) -> None:
    for before, after in pairwise(statuses):
        (found,) = changed(deployment(status=before), status=after)
        assert (found.previous_status, found.deployment and found.deployment.status) == (before, after)


def test_an_event_says_what_was_what_is_and_how_far_one_could_see() -> None:
    found = changed(deployment(), status="Failed", build="b2")[1]
    assert found.type is EventType.ATTEMPT
    assert (found.previous_status, found.previous_build) == ("Deployed", "b1")
    assert found.deployment == deployment(status="Failed", build="b2")
    assert (found.at, found.sight, found.baseline) == (AT, START, False)
    assert (found.project, found.region, found.source) == (PROJECT, "europe-west1.gcp", "deployments")


def test_a_deployment_that_was_not_there_is_created_and_is_news() -> None:
    (found,) = diff.diff({}, [deployment(status="Failed")], STATE, AT).events
    assert (found.type, found.baseline, found.previous_status) == (EventType.CREATED, False, "")


def test_what_is_missing_from_the_list_is_for_others_to_judge() -> None:
    found = diff.diff({"id-shop": deployment(), "id-b": deployment("b")}, [deployment("b")], STATE, AT)
    assert found == diff.Changes(upserts=(), events=())


def test_a_change_of_the_version_alone_is_kept_but_is_no_news() -> None:
    """Design truth 1: `version` is only a change hint."""
    found = diff.diff({"id-shop": deployment()}, [deployment(version=7)], STATE, AT)
    assert found == diff.Changes(upserts=(deployment(version=7),), events=())


def test_a_warning_that_disappears_is_seen_for_the_alert_that_it_may_end() -> None:
    (found,) = changed(deployment(entries=(warned(),)), entries=())
    assert (found.type, found.added) == (EventType.REPORT, ())


def test_a_report_entry_that_is_replaced_is_told_once_as_the_new_one() -> None:
    (found,) = changed(deployment(entries=(warned("old"),)), entries=(warned("new"),))
    assert found.added == (warned("new"),)


def test_a_second_look_at_the_same_list_finds_nothing() -> None:
    listed = [deployment("a", "Failed"), deployment("b", build="b9", entries=(warned(),))]
    assert diff.diff({each.id: each for each in listed}, listed, STATE, AT) == diff.Changes(upserts=(), events=())


def test_an_application_that_moved_is_named() -> None:
    (found,) = changed(CALM, applications=(placed(url="https://b"), placed("job"), placed("event", topic="t2")))
    assert found.fields == {"changed": "service, event"}


def test_another_connector_version_is_named() -> None:
    (found,) = changed(CALM, connector_version=4)
    assert found.fields == {"changed": "version 3 → 4"}


# ── the first sight ──────────────────────────────────────────────────────────


def test_row_1_the_first_sight_is_one_summary_and_no_news() -> None:
    listed = [deployment(f"d{n}", "Failed" if n < 40 else "Deployed") for n in range(300)]
    found = diff.baseline(listed, replace(STATE, baselined=False, last_ok=0), AT)
    *single, summary = found.events
    assert found.upserts == tuple(listed)
    assert {(each.type, each.baseline) for each in single} == {(EventType.CREATED, True)}
    assert [each.deployment for each in single] == listed
    assert (summary.type, dict(summary.fields)) == (EventType.BASELINE, {"count": "300", "failed": "40"})
    assert summary.deployment is None


def test_the_first_sight_of_an_empty_project_says_so() -> None:
    (summary,) = diff.baseline([], STATE, AT).events
    assert summary.fields == {"count": "0", "failed": "0"}


def test_a_failed_undeployment_counts_as_failed_at_first_sight() -> None:
    *_, summary = diff.baseline([deployment(status="UndeployFailed")], STATE, AT).events
    assert summary.fields["failed"] == "1"


# ── what nobody has documented ───────────────────────────────────────────────


def test_row_17_an_unknown_status_is_told_once_for_ever() -> None:
    listed = [deployment("a", "Hibernating"), deployment("b", "Hibernating")]
    state, told = diff.unknown_values(listed, STATE, AT)
    assert [dict(each.fields) for each in told] == [{"field": "status", "value": "Hibernating", "example": "a"}]
    assert diff.unknown_values(listed, state, AT + POLL) == (state, [])


def test_a_type_is_an_open_word_as_well() -> None:
    _, told = diff.unknown_values([deployment(type="staging", status="Napping")], STATE, AT)
    assert [each.fields["field"] for each in told] == ["status", "type"]


@pytest.mark.parametrize(
    "status", ["Draft", "Queued", "Deploying", "Deployed", "Failed", "Undeploying", "UndeployFailed"]
)
def test_documented_values_are_no_event(status: str) -> None:
    assert diff.unknown_values([deployment(status=status, type="preview")], STATE, AT) == (STATE, [])


def test_a_server_that_invents_values_does_not_fill_the_store() -> None:
    state, told = diff.unknown_values([deployment(f"d{n}", f"Status{n}") for n in range(1_000)], STATE, AT)
    assert len(told) == len(state.unknown) == diff.MAX_UNKNOWN_VALUES


# ── properties ───────────────────────────────────────────────────────────────

entries = st.lists(st.sampled_from([warned(), warned("other"), SKIPPED, warned(application="job")]), max_size=3)
deployments = st.builds(
    deployment,
    name=st.sampled_from("abcd"),
    status=st.sampled_from(["Queued", "Deploying", "Deployed", "Failed", "Hibernating"]),
    build=st.sampled_from(["", "b1", "b2"]),
    version=st.integers(0, 2),
    entries=entries.map(tuple),
    connector_version=st.integers(0, 2),
    connector_key=st.sampled_from(["stripe", "adyen"]),
    applications=st.sampled_from([(), (placed(url="https://a"),), (placed(url="https://b"),)]),
)
lists = st.lists(deployments, max_size=3, unique_by=lambda each: each.id)


@quick
@given(lists, lists)
def test_what_is_to_be_written_makes_the_old_the_new(old: list[Deployment], new: list[Deployment]) -> None:
    known = {each.id: each for each in old}
    upserts = {each.id: each for each in diff.diff(known, new, STATE, AT).upserts}
    after = {**known, **upserts}
    assert all(after[each.id] == each for each in new)
    assert all(known.get(key) != each for key, each in upserts.items()), "what is as it was is not written"


@quick
@given(lists)
def test_a_list_does_not_differ_from_itself(listed: list[Deployment]) -> None:
    known = {each.id: each for each in listed}
    copies = [replace(each) for each in listed]
    assert diff.diff(known, copies, STATE, AT) == diff.Changes(upserts=(), events=())


@quick
@given(lists, lists)
def test_there_is_no_event_without_a_difference_and_no_silent_one(old: list[Deployment], new: list[Deployment]) -> None:
    known = {each.id: each for each in old}
    told = diff.diff(known, new, STATE, AT).events
    for each in new:
        before, found = known.get(each.id), [one for one in told if one.subject == each.id]
        types = {one.type for one in found}
        assert all(one.deployment == each for one in found)
        assert (EventType.CREATED in types) == (before is None)
        if before is None:
            assert len(found) == 1
            continue
        assert (EventType.STATUS in types) == (before.status != each.status)
        assert (EventType.ATTEMPT in types) == (bool(each.build) and before.build != each.build)
        assert (EventType.REPORT in types) == (before.entries != each.entries)
        assert {entry for one in found for entry in one.added} == set(each.entries) - set(before.entries)
        if before == each:
            assert not found
