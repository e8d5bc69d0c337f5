"""What a rule answers to an event, and what makes up the identity of its alert."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, connector, deployment, draft
from tests.unit.builders import PROJECT, event, failed, pack, quick, rule, stuck, warned
from watcher.core import diff
from watcher.core.alert import fingerprint
from watcher.core.event import Event, EventType, about
from watcher.core.rule import Evaluation, Rule
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment, Record, ReportEntry
from watcher.rules import make
from watcher.rules.compile import LogText, RuleText, compile_log, compile_rule, nested
from watcher.rules.subject import decisive_error

SOURCE_EVENTS = frozenset(
    {
        EventType.BASELINE,
        EventType.BLIND,
        EventType.SIGHTED,
        EventType.GAP,
        EventType.SUSPICIOUS,
        EventType.UNKNOWN,
        EventType.TRUNCATED,
        EventType.FORBIDDEN,
        EventType.ANNOUNCED,
        EventType.DEAD_LETTER,
        EventType.REFUSING,
        EventType.ACCEPTING,
    }
)

BUILTIN = {each.name: each for each in pack("builtin")}
ERROR = ReportEntry(type="Error", title="Build failed", message="exit 1", application="service")
SKIPPED = ReportEntry(type="Error", title="Image security check skipped", application="service")


def answer(name: str, of: Deployment, kind: str = "status") -> str:
    """What a state rule of the built-in pack says: `holds`, `ended`, `removed`, or nothing."""
    found = BUILTIN[name].evaluate(event(kind, of=of))
    if found.holds:
        return "holds"
    return "removed" if found.removed else "ended" if found.ended else ""


# ── state rules ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "status", "found"),
    [
        ("DeploymentFailed", "Failed", "holds"),
        ("DeploymentFailed", "Deployed", "ended"),
        ("DeploymentFailed", "Queued", ""),
        ("DeploymentFailed", "Deploying", ""),
        ("DeploymentFailed", "Undeploying", ""),
        ("DeploymentFailed", "UndeployFailed", ""),
        ("DeploymentFailed", "Hibernating", ""),
        ("UndeployFailed", "UndeployFailed", "holds"),
        ("UndeployFailed", "Undeploying", ""),
        ("UndeployFailed", "Failed", ""),
        ("UndeployFailed", "Deployed", "ended"),
        ("DeploymentStuck", "Queued", "holds"),
        ("DeploymentStuck", "Deploying", "holds"),
        ("DeploymentStuck", "Undeploying", "holds"),
        ("DeploymentStuck", "Deployed", "ended"),
        ("DeploymentStuck", "Failed", "ended"),
        ("DeploymentStuck", "Hibernating", "ended"),
        ("DeploymentStuckCritical", "Deploying", "holds"),
        ("DeploymentStuckCritical", "UndeployFailed", "ended"),
    ],
)
def test_what_the_status_means_to_the_built_in_rules(name: str, status: str, found: str) -> None:
    """Between its matchers and its `resolve` a rule keeps firing, so `Failed → Queued` is no recovery."""
    assert answer(name, deployment(status=status)) == found


@pytest.mark.parametrize("name", ["DeploymentFailed", "UndeployFailed", "DeploymentStuck", "DeploymentWarning"])
@pytest.mark.parametrize("status", ["Failed", "Deployed", "Undeploying"])
def test_removal_ends_every_condition_and_says_so(name: str, status: str) -> None:
    assert answer(name, deployment(status=status, entries=(warned(),)), "gone") == "removed"


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("production", ["DeploymentFailed"]),
        ("sandbox", ["DeploymentFailed"]),
        ("preview", ["PreviewFailed"]),
        ("", ["DeploymentFailed"]),
        ("staging", ["DeploymentFailed"]),
    ],
)
def test_exactly_one_rule_tells_of_a_failure_whatever_the_type(kind: str, rules: list[str]) -> None:
    of = deployment(status="Failed", type=kind, entries=(ERROR,))
    held = [each.name for each in BUILTIN.values() if not each.fact and each.concerns(event(of=of))]
    assert [name for name in held if answer(name, of) == "holds"] == rules


def test_a_rule_on_deployments_is_not_asked_about_sources_and_the_other_way_round() -> None:
    about_source = [event(kind.value) for kind in SOURCE_EVENTS]
    about_deployment = [event(kind.value, of=deployment()) for kind in EventType if kind not in SOURCE_EVENTS]
    for asked, own, other in (
        (failed(), about_deployment, about_source),
        (rule("R", on="report"), about_deployment, about_source),
        (rule("R", on="source"), about_source, about_deployment),
    ):
        assert all(asked.concerns(each) for each in own)
        assert not any(asked.concerns(each) for each in other)


@pytest.mark.parametrize(
    ("kind", "holds", "ended"),
    [("blind", True, False), ("sighted", False, True), ("gap", False, True), ("unknown", False, True)],
)
def test_a_source_is_blind_until_it_is_seen(kind: str, holds: bool, ended: bool) -> None:
    found = BUILTIN["SourceBlind"].evaluate(event(kind, fields={"from": str(START)}))
    assert (bool(found.holds), found.ended) == (holds, ended)


def test_no_matchers_match_everything() -> None:
    assert rule("Any").evaluate(event(of=deployment())).holds


def test_a_missing_label_is_an_empty_one() -> None:
    assert rule("Keyless", 'connector=""').evaluate(event(of=deployment(connector_key="", connector_id=""))).holds


@pytest.mark.parametrize(
    ("fields", "name", "connector"),
    [
        ({}, "shop", "stripe"),
        ({"key": ""}, "id-shop", "stripe"),
        ({"connector_key": "", "connector_name": "Stripe"}, "shop", "Stripe"),
        ({"connector_key": ""}, "shop", "c1"),
    ],
)
def test_a_subject_goes_by_its_key_else_by_what_there_is(fields: dict[str, str], name: str, connector: str) -> None:
    (found,) = failed().evaluate(event(of=deployment(status="Failed", **fields))).holds
    assert (found.labels["deployment"], found.labels["connector"]) == (name, connector)


# ── report rules ─────────────────────────────────────────────────────────────


def held(of: Deployment) -> list[str]:
    """The applications that the warning rule complains of, with the title that it shows."""
    found = BUILTIN["DeploymentWarning"].evaluate(event("report", of=of))
    return [f"{each.labels.get('application', '')}: {each.values['title']}" for each in found.holds]


@pytest.mark.parametrize(
    ("status", "entries", "found"),
    [
        ("Deployed", (warned("w"),), ["service: w"]),
        ("Deployed", (warned("w"), warned("v")), ["service: w"]),
        ("Deployed", (warned("w"), warned("v", "job")), ["service: w", "job: v"]),
        ("Deployed", (ERROR,), ["service: Build failed"]),
        ("Deployed", (SKIPPED,), []),
        ("Deployed", (SKIPPED, warned("w")), ["service: w"]),
        ("Deployed", (ReportEntry(type="Information", title="built"),), []),
        ("Deployed", (ReportEntry(type="Warning", title="w"),), [": w"]),
        ("Deployed", (), []),
        ("Deploying", (warned("w"),), []),
        ("Failed", (warned("w"), ERROR), []),
    ],
    ids=[
        "row 9: a postDeploy warning",
        "two for one application are one condition",
        "each application is a condition",
        "an error in a deployment that claims success",
        "row 15: a skipped check is no error",
        "a skipped check hides no warning",
        "information",
        "an entry of no application",
        "a clean report",
        "not finished yet",
        "a failure has its own rule",
    ],
)
def test_deployed_is_not_success(status: str, entries: tuple[ReportEntry, ...], found: list[str]) -> None:
    assert held(deployment(status=status, entries=entries)) == found


@pytest.mark.parametrize(("status", "ended"), [("Deployed", True), ("Queued", False), ("Failed", False)])
def test_a_warning_ends_with_a_deployment_that_has_none(status: str, ended: bool) -> None:
    found = BUILTIN["DeploymentWarning"].evaluate(event("status", of=deployment(status=status)))
    assert found == Evaluation(ended=ended)


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ((), ""),
        ((ERROR,), "Build failed: exit 1"),
        ((SKIPPED, ERROR), "Build failed: exit 1"),
        ((SKIPPED,), ""),
        ((warned(),), ""),
        ((ReportEntry(type="Error", title="Broken"), ERROR), "Broken"),
    ],
)
def test_a_failure_is_explained_by_its_first_decisive_entry(entries: tuple[ReportEntry, ...], error: str) -> None:
    assert decisive_error(entries) == error


def test_a_deployment_that_has_not_failed_has_no_error_to_show() -> None:
    (found,) = rule("Any").evaluate(event(of=deployment(entries=(ERROR,)))).holds
    assert found.values["error"] == ""


# ── fact rules ───────────────────────────────────────────────────────────────

STATE = SourceState(project=PROJECT, last_ok=START, baselined=True)


def observed(old: Deployment | None, new: Deployment) -> tuple[Event, ...]:
    return diff.diff({old.id: old} if old else {}, [new], STATE, START + 1).events


def told(asked: Rule, events: tuple[Event, ...]) -> int:
    return sum(len(asked.facts(each)) for each in events if asked.concerns(each))


@pytest.mark.parametrize(
    ("old", "new", "times"),
    [
        (deployment(status="Deploying"), deployment(), 1),
        (deployment(status="Deploying"), deployment(build="b2"), 1),
        (deployment(), deployment(build="b2"), 1),
        (deployment(build=""), deployment(build="b1"), 0),
        (deployment(), deployment(version=2, entries=(warned(),)), 0),
        (deployment(), deployment(status="Queued"), 0),
        (None, deployment(), 1),
        (None, deployment(status="Queued"), 0),
    ],
    ids=[
        "finished",
        "finished, with its build",
        "row 7: the middle unseen",
        "a build that appears late is no deployment",
        "something else changed",
        "begun",
        "new and finished",
        "new",
    ],
)
def test_the_opt_in_notice_tells_each_finished_deployment_once(
    old: Deployment | None, new: Deployment, times: int
) -> None:
    (notice,) = pack("deployed")
    assert told(notice, observed(old, new)) == times


@pytest.mark.parametrize(
    ("old", "new", "times"),
    [
        ("Deployed", "Failed", 1),
        ("Deploying", "Failed", 0),
        ("Deployed", "Queued", 0),
        ("Failed", "Failed", 0),
    ],
)
def test_from_and_to_are_a_transition(old: str, new: str, times: int) -> None:
    asked = rule("Dropped", from_="Deployed", to="Failed")
    assert told(asked, observed(deployment(status=old), deployment(status=new))) == times


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"announced": "false", "mass": "false"}, ["DeploymentVanished"]),
        ({"announced": "true", "mass": "false"}, []),
        ({"announced": "false", "mass": "true"}, []),
    ],
)
def test_row_10_only_what_nobody_announced_has_vanished(fields: dict[str, str], name: list[str]) -> None:
    found = event("gone", of=deployment(), fields=fields)
    assert [each.name for each in BUILTIN.values() if each.fact and each.concerns(found) and each.facts(found)] == name


@pytest.mark.parametrize("kind", ["gap", "baseline", "suspicious", "unknown", "truncated", "dead_letter"])
def test_each_fact_about_a_source_has_exactly_one_rule(kind: str) -> None:
    found = event(kind)
    assert sum(bool(each.facts(found)) for each in BUILTIN.values() if each.fact and each.concerns(found)) == 1


def test_what_was_so_at_first_sight_is_told_by_no_fact_rule() -> None:
    found = event("created", of=deployment(status="Failed"), baseline=True)
    asked = [*pack("builtin", "changes", "deployed"), rule("Created", events=["created"])]
    assert not any(each.concerns(found) for each in asked if each.fact)


@pytest.mark.parametrize(
    ("new", "name"),
    [(deployment(connector_version=4), "ConnectorChanged"), (deployment(type="sandbox"), "ConnectorChanged")],
)
def test_the_opt_in_pack_tells_of_changes(new: Deployment, name: str) -> None:
    found = [each.name for each in pack("changes") for _ in range(told(each, observed(deployment(), new)))]
    assert found == [name]


# ── identity ─────────────────────────────────────────────────────────────────

NEVER = {"status", "build", "version", "connector_version", "message", "error", "title", "event", "entry_type"}
NEVER |= {"previous_status", "previous_build", "deployment_id", "changed", "announced", "mass", "from", "to", "blind"}

words = st.sampled_from(["", "b1", "boom"])
entries = st.lists(
    st.builds(ReportEntry, type=st.just("Warning"), title=words, message=words, application=st.just("service")),
    max_size=2,
)
events = st.builds(
    lambda kind, previous, build, fields, status, version, listed, entry, connector_version: event(
        kind,
        of=deployment(
            status=status, build=build, version=version, entries=tuple(listed), connector_version=connector_version
        ),
        previous_status=previous,
        previous_build=previous,
        fields=fields,
        added=() if entry is None else (entry,),
    ),
    st.sampled_from(["created", "status", "attempt", "report", "application", "connector"]),
    words,
    words,
    st.dictionaries(st.sampled_from(["changed", "announced", "mass", "from", "error", "count"]), words),
    st.sampled_from(["Queued", "Failed", "Deployed"]),
    st.integers(0, 9),
    entries,
    st.one_of(st.none(), st.builds(ReportEntry, type=words, title=words, message=words)),
    st.integers(0, 9),
)
ASKED = (rule("Any"), rule("AnyReport", on="report"), failed(), stuck())


@quick
@given(st.lists(events, min_size=2, max_size=5))
def test_one_subject_is_one_alert_whatever_the_event_says(found: list[Event]) -> None:
    for asked in ASKED:
        conditions = [each for one in found for each in asked.evaluate(one).holds]
        assert len({fingerprint(each.labels) for each in conditions}) <= 1
        assert not any(NEVER & each.labels.keys() for each in conditions)


CONNECTORS: list[tuple[str, Record]] = [
    *(("drafts", draft(status=status)) for status in ("Failed", "Processing", "InCertification")),
    *(("drafts", draft(previewable=value)) for value in ("false", "pending", "none")),
    ("connectors", connector(behind=("shop",))),
]


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_no_built_in_alert_is_known_by_what_changes(name: str) -> None:
    asked = BUILTIN[name]
    found = [
        replace(
            each,
            fields={"from": "1", "to": "2", "announced": "false", "mass": "false", "field": "status", "value": "X"},
        )
        for status in ("Failed", "UndeployFailed", "Deploying", "Deployed")
        for kind in EventType
        for type_ in ("preview", "production")
        for each in [
            event(kind.value)
            if kind in SOURCE_EVENTS
            else event(kind.value, of=deployment(status=status, type=type_, entries=(warned(),)), added=(warned(),))
        ]
    ]
    found += [
        replace(about(event(kind.value), each), source=source, fields=fields)
        for kind in EventType
        for source, each in CONNECTORS
        for fields in ({"previous_previewable": "pending", "edited": "false"},)
    ]
    found += [replace(about(event("comment"), draft()), source="drafts", added=(warned(),))]
    found += [replace(event("blind"), source="drafts")]
    held = [each for one in found if asked.concerns(one) for each in (*asked.evaluate(one).holds, *asked.facts(one))]
    assert held
    assert not any(NEVER & each.labels.keys() for each in held)


def test_two_subjects_are_two_alerts() -> None:
    subjects = [deployment("a"), deployment("b"), deployment(type="sandbox"), deployment(connector_key="adyen")]
    labels = [condition.labels for each in subjects for condition in rule("Any").evaluate(event(of=each)).holds]
    assert len({fingerprint(each) for each in labels}) == len(subjects)


def test_what_can_be_matched_on_can_be_shown() -> None:
    of = deployment(status="Failed", build="b2", version=4, entries=(ERROR,))
    (found,) = failed().evaluate(event(of=of, previous_status="Deployed", previous_build="b1")).holds
    shown = {"status": "Failed", "build": "b2", "version": "4", "error": "Build failed: exit 1", "previous_build": "b1"}
    assert shown.items() <= found.values.items()


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"a": "1"}, {"a": "1"}),
        ({"details.err.code": "1", "details.x": "2"}, {"details": {"err": {"code": "1"}, "x": "2"}}),
        ({"details.err": "1", "details.err.code": "2", "details": "3"}, {"details": {"err": {"code": "2"}}}),
    ],
)
def test_templates_see_fields_of_json_as_they_are_written(values: dict[str, object], seen: dict[str, object]) -> None:
    assert nested(values) == seen


def test_a_template_shows_a_field_of_json() -> None:
    text = RuleText(name="Declined", on="log", annotations={"summary": "{{ details.err.code }} in {{ deployment }}"})
    spec = compile_log(
        text, LogText(by=("details.err.code",)), template_failed=lambda rule, fault: pytest.fail(f"{rule}: {fault}")
    )
    told = spec.annotate({"details.err.code": "card_declined", "deployment": "shop"})
    assert told == {"summary": "card_declined in shop"}


def test_of_a_template_that_fails_the_rule_and_the_reason_are_said() -> None:
    said: list[tuple[str, str]] = []
    text = RuleText(
        name="Odd", on="deployment", matchers=('status="Failed"',), annotations={"summary": "{{ nothing }}"}
    )
    spec = compile_rule(text, template_failed=lambda *each: said.append(each))
    assert spec.annotate({"alertname": "Odd"})["summary"]
    assert said == [("Odd", "summary: 'nothing' is undefined")]


# ── what judging relies on, so that it asks less ─────────────────────────────


@given(
    st.sampled_from(pack("builtin", "changes", "deployed")),
    st.sampled_from(EventType),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["Failed", "Deployed", "Queued"]), st.sampled_from(["", "b0"])), min_size=2),
)
def test_whether_a_rule_is_concerned_is_the_same_for_all_events_of_a_kind(
    asked: Rule, kind: EventType, baseline: bool, seen: list[tuple[str, str]]
) -> None:
    found = [
        replace(event(kind.value, of=deployment(status=status), baseline=baseline), previous_build=build)
        for status, build in seen
    ]
    assert len({asked.concerns(each) for each in found}) == 1


def test_annotations_are_made_of_what_is_so_now_however_often_they_are_asked_for() -> None:
    written = {"summary": "{{ deployment }} {{ since | ago }}", "always": "the same"}
    asked = make(RuleText(name="R", on="deployment", annotations=written))
    values: dict[str, object] = {"deployment": "shop", "since": START, "now": START + 60_000}
    shown = [
        asked.annotate(each)["summary"]
        for each in (values, values, {**values, "deployment": "till"}, {**values, "now": START + 120_000}, values)
    ]
    assert shown == ["shop 1m", "shop 1m", "till 1m", "shop 2m", "shop 1m"]


def test_every_rendering_that_fails_is_heard_of_and_shows_its_own_alert() -> None:
    heard: list[str] = []
    text = RuleText(name="R", on="deployment", annotations={"summary": "{{ nobody_knows }}"})
    asked = make(text, template_failed=lambda rule, _: heard.append(rule))

    shown = [asked.annotate({"alertname": "R", "deployment": name})["summary"] for name in ("shop", "till")]

    assert ["shop" in shown[0], "till" in shown[1]] == [True, True]
    assert heard == ["R", "R"]
