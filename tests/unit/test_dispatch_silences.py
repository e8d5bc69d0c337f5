"""What a silence holds back, who is told when it ends, and that everything held back is counted in something told."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.fakes import START
from tests.unit.builders import HOUR, MINUTE, SECOND, fullmatch, matchers, said
from tests.unit.office import DAYS, INTERVAL, REPEAT, TWO, WAIT, Office, alert, labelled, of_sink, paced
from watcher.core import dispatch, route
from watcher.core.dispatch import Flush, SinkRef
from watcher.core.matcher import Test
from watcher.core.route import Node
from watcher.core.silence import Stage
from watcher.core.silencing import Silences

A, B = 'alertname="a"', 'alertname="b"'


def counts(office: Office) -> list[tuple[str, int]]:
    """The messages and how much each says was held back."""
    return [(said(each), each.notification.held_back) for each in office.outbox.values()]


def last(office: Office) -> Flush:
    return list(office.outbox.values())[-1]


# ── what is held back ────────────────────────────────────────────────────────


def test_a_silenced_alert_is_not_told_and_told_once_when_the_silence_ends() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), MINUTE)
    assert office.until(HOUR - 1) == []
    assert office.until(HOUR) == ["first_notification: +a (1 firing)"]
    assert counts(office)[-1][1] == 1
    assert office.until(HOUR + REPEAT - 1) == []


def test_it_is_due_at_the_very_end_so_that_judging_wakes() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.until(0)
    assert office.dispatch.next_due() == START + HOUR


def test_what_began_and_ended_within_it_is_counted_in_a_note_and_not_told() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), MINUTE)
    office.end(alert("a"), 2 * MINUTE)
    office.until(HOUR)
    assert counts(office) == [("first_notification: +SilenceEnded (1 firing)", 1)]
    (view,) = last(office).notification.alerts
    assert (view.fact, view.labels["severity"]) == (True, "info")
    assert view.annotations["summary"] == 'the silence of ann on {alertname="a"} has ended (works)'


def test_a_silence_that_held_nothing_back_ends_without_a_word() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("b"), 0)
    assert office.until(WAIT) == ["first_notification: +b (1 firing)"]
    assert office.until(HOUR) == []
    assert counts(office)[0][1] == 0
    assert office.silences["s1"][1].stage is Stage.OVER


def test_a_failure_and_one_more_attempt_are_two() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 1)
    office.add(alert("a", episode=2), 2)
    office.until(HOUR)
    assert counts(office) == [("first_notification: +a (1 firing)", 2)]


def test_what_failed_recovered_and_failed_again_is_told_once_with_both_counted() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.end(alert("a"), MINUTE)
    office.until(2 * MINUTE)
    office.add(alert("a", at=3 * MINUTE), 3 * MINUTE)
    office.until(HOUR)
    assert counts(office) == [("first_notification: +a (1 firing)", 2)]


def test_a_fact_is_over_at_once_so_that_only_its_count_is_told() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a", fact=True), 1)
    office.until(HOUR)
    assert counts(office) == [("first_notification: +SilenceEnded (1 firing)", 1)]


def test_an_alert_that_waits_for_its_group_is_held_back_by_a_silence_that_begins_meanwhile() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.silence(SECOND, A, ends=HOUR)
    assert office.until(WAIT) == []
    office.until(HOUR)
    assert counts(office) == [("first_notification: +a (1 firing)", 1)]


def test_others_of_the_group_are_told_without_it() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.add(alert("b"), 0)
    assert office.until(WAIT) == ["first_notification: +b (1 firing)"]
    office.until(HOUR)
    assert counts(office)[1:] == [("new_alerts: +a (2 firing)", 1)]


def test_other_alerts_of_the_group_do_not_end_their_story_while_it_is_held_back() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.add(alert("b"), 0)
    office.until(WAIT)
    office.end(alert("b"), MINUTE)
    assert office.until(WAIT + INTERVAL) == ["all_resolved: -b (0 firing)"]


def test_what_has_been_counted_is_not_counted_again() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.until(HOUR)
    office.add(alert("a", episode=2), 2 * HOUR)
    office.until(2 * HOUR)
    assert counts(office) == [("first_notification: +a (1 firing)", 1), ("new_attempt: +a (1 firing)", 0)]


# ── what was told before ─────────────────────────────────────────────────────


def test_the_end_of_what_was_told_before_reaches_who_was_told_while_it_is_silenced() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    office.end(alert("a"), 10 * MINUTE)
    assert office.until(10 * MINUTE) == ["all_resolved: -a (0 firing)"]
    assert office.until(DAYS) == []


def test_what_is_known_and_unchanged_is_not_told_when_the_silence_ends() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    assert office.until(HOUR) == []
    assert office.until(WAIT + REPEAT) == ["repeat_interval: nothing (1 firing)"]


def test_nobody_is_reminded_within_a_silence_and_the_rhythm_goes_on_after_it() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=REPEAT + HOUR)
    assert office.until(REPEAT + HOUR) == []
    assert office.until(WAIT + 2 * REPEAT - 1) == []
    assert office.until(WAIT + 2 * REPEAT) == ["repeat_interval: nothing (1 firing)"]


def test_one_more_attempt_is_held_back_and_told_at_the_end() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    office.add(alert("a", episode=2), 20 * MINUTE)
    assert office.until(HOUR - 1) == []
    assert office.until(HOUR) == ["new_attempt: +a (1 firing)"]
    assert last(office).notification.held_back == 1


def test_an_attempt_that_was_held_back_and_is_over_is_counted_in_a_note() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    office.add(alert("a", episode=2), 20 * MINUTE)
    office.end(alert("a", episode=2), 30 * MINUTE)
    office.until(DAYS)
    assert counts(office)[1:] == [
        ("all_resolved: -a (0 firing)", 0),
        ("first_notification: +SilenceEnded (1 firing)", 1),
    ]


def test_a_message_shows_what_was_told_before_as_it_is_known() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    office.add(alert("a", episode=2), 20 * MINUTE)
    office.add(alert("b"), 20 * MINUTE)
    assert office.until(20 * MINUTE) == ["new_alerts: +b (2 firing)"]
    shown = {each.fingerprint: (each.fresh, each.silenced, each.attempts) for each in last(office).notification.alerts}
    assert shown == {"a": (False, True, 1), "b": (True, False, 1)}


def test_a_recovery_of_another_does_not_look_like_the_end_of_all() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.add(alert("b"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    office.end(alert("b"), 20 * MINUTE)
    assert office.until(20 * MINUTE) == ["new_resolved: -b (1 firing)"]
    assert last(office).notification.status == "firing"


# ── several silences, and their ends ─────────────────────────────────────────


def test_where_one_takes_over_from_another_nothing_is_told_between_them() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.silence(0, A, starts=HOUR, ends=2 * HOUR, name="s2")
    office.add(alert("a"), 1)
    assert office.until(HOUR) == ["first_notification: +SilenceEnded (1 firing)"]
    assert office.until(2 * HOUR - 1) == []
    assert office.until(2 * HOUR) == ["first_notification: +a (1 firing)"]
    assert [count for _, count in counts(office)] == [1, 0]


def test_a_silence_that_begins_later_holds_nothing_back_before() -> None:
    office = Office()
    office.silence(0, A, starts=HOUR, ends=2 * HOUR)
    office.add(alert("a"), 0)
    assert office.until(WAIT) == ["first_notification: +a (1 firing)"]
    office.add(alert("a", episode=2), HOUR)
    assert office.until(2 * HOUR - 1) == []
    assert office.until(2 * HOUR) == ["new_attempt: +a (1 firing)"]


def test_somebody_ends_it() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 1)
    office.until(MINUTE)
    office.dispatch.unsilence("s1", START + MINUTE)
    assert office.until(MINUTE) == ["first_notification: +a (1 firing)"]
    office.dispatch.unsilence("s1", START + 2 * MINUTE)
    office.dispatch.unsilence("nobody's", START + 2 * MINUTE)
    assert office.until(HOUR) == []


def test_one_that_is_ended_before_it_begins_never_does() -> None:
    office = Office()
    office.silence(0, A, starts=HOUR, ends=2 * HOUR)
    office.dispatch.unsilence("s1", START + 1)
    office.add(alert("a"), HOUR)
    assert office.until(HOUR + WAIT) == ["first_notification: +a (1 firing)"]
    assert office.silences["s1"][1].stage is Stage.OVER


def test_what_is_freed_and_silenced_again_before_it_is_told_is_counted_once() -> None:
    office = Office()
    office.add(alert("b"), 0)
    office.until(HOUR - MINUTE)
    office.silence(HOUR - MINUTE, A, ends=HOUR)
    office.add(alert("c", severity="info"), HOUR - MINUTE)
    office.until(HOUR - MINUTE)
    office.add(alert("a"), HOUR - 1)
    office.until(HOUR)  # freed, and to be told at the group's pace
    office.silence(HOUR + 1, A, ends=2 * HOUR, name="s2")
    office.until(2 * HOUR)
    assert sum(count for _, count in counts(office)) == 1
    assert office.dispatch.suppressed["silenced"] == 1


def test_the_pace_of_a_group_holds_when_a_silence_ends_unless_it_gets_worse() -> None:
    for severity, at in (("info", 55 * MINUTE + INTERVAL), ("critical", HOUR - MINUTE)):
        office = Office()
        office.silence(0, A, ends=HOUR - MINUTE)
        office.add(alert("b", severity="warning"), 0)
        office.until(WAIT)
        office.add(alert("c", severity="info"), 55 * MINUTE)
        office.add(alert("a", severity=severity), 55 * MINUTE)
        office.until(55 * MINUTE)
        assert office.until(at - 1) == []
        assert office.until(at) == ["new_alerts: +a (3 firing)"]


def test_a_count_waits_for_the_message_that_its_group_is_about_to_send() -> None:
    office = Office()
    office.add(alert("c", severity="critical"), 0)
    office.until(WAIT)
    office.add(alert("c", episode=2, severity="critical"), HOUR - MINUTE)
    office.until(HOUR - MINUTE)
    office.silence(HOUR - MINUTE, A, ends=HOUR)
    office.silence(HOUR - MINUTE, B, ends=HOUR + MINUTE, name="s2")
    office.add(alert("a"), HOUR - MINUTE)
    office.add(alert("b"), HOUR - MINUTE)
    office.end(alert("b"), HOUR - MINUTE)
    assert office.until(HOUR + MINUTE) == []
    assert office.until(HOUR - MINUTE + INTERVAL) == ["new_alerts: +a (2 firing)"]
    assert last(office).notification.held_back == 2
    assert office.until(HOUR + INTERVAL) == []


def test_every_receiver_has_its_own_count() -> None:
    office = Office(root=paced("alertname"), receivers=TWO)
    office.silence(0, 'project="my-shop"', ends=HOUR)
    office.add(alert("a"), 0)
    office.add(alert("b"), 0)
    office.end(alert("b"), MINUTE)
    office.until(HOUR)
    for sink in TWO["team"]:
        told = ["first_notification: +SilenceEnded (1 firing)", "first_notification: +a (1 firing)"]
        assert of_sink(office, sink.id) == told
    assert [each.notification.held_back for each in office.decided] == [1, 1, 1, 1]


def test_a_sink_that_wants_no_recoveries_hears_what_was_held_back() -> None:
    office = Office(receivers={"team": (SinkRef(id="quiet", send_resolved=False),)})
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    office.add(alert("a", episode=2), 20 * MINUTE)
    office.end(alert("a", episode=2), HOUR - 1)
    office.until(DAYS)
    assert counts(office)[1:] == [("first_notification: +SilenceEnded (1 firing)", 1)]


def test_the_count_of_an_idle_group_outlives_it() -> None:
    office = Office()
    office.silence(0, A, ends=DAYS)
    office.add(alert("a"), 0)
    office.end(alert("a"), 1)
    office.until(INTERVAL)
    assert office.rows == {}
    assert office.silences["s1"][1].held == {"team": 1}
    office.restart()
    office.until(DAYS)
    assert counts(office) == [("first_notification: +SilenceEnded (1 firing)", 1)]


def test_a_receiver_that_is_no_more_leaves_its_count_to_the_root() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.end(alert("a"), 1)
    office.until(INTERVAL)
    office.restart(root=replace(paced(), receiver="ops"), receivers={"ops": (SinkRef(id="ops/0"),)})
    office.until(HOUR)
    assert [(each.sink, each.notification.held_back) for each in office.decided] == [("ops/0", 1)]


def test_what_was_held_back_moves_to_other_routes_with_its_count() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.until(MINUTE)
    office.restart(root=paced("alertname"))
    office.until(HOUR)
    assert sum(count for _, count in counts(office)) == 1
    assert "first_notification: +a (1 firing)" in [line for line, _ in counts(office)]
    assert office.dispatch.suppressed["silenced"] == 0


def test_the_end_of_what_was_told_is_told_by_other_routes_though_it_is_silenced() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.silence(MINUTE, A, ends=HOUR)
    office.add(alert("a", episode=2), 2 * MINUTE)
    office.until(3 * MINUTE)
    office.restart(root=paced("alertname"))
    office.end(alert("a", episode=2), 10 * MINUTE)
    assert office.until(20 * MINUTE) == ["all_resolved: -a (0 firing)"]


def test_an_end_that_waited_when_routes_changed_is_told_though_a_silence_begins_before() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.end(alert("a"), MINUTE)
    office.until(MINUTE)
    office.restart(root=paced("alertname"))
    office.silence(2 * MINUTE, A, ends=HOUR)
    office.until(2 * HOUR)
    assert counts(office)[1:] == [("all_resolved: -a (0 firing)", 0)]


def test_an_end_that_waited_when_routes_changed_is_no_failure_to_who_wants_no_recoveries() -> None:
    office = Office(receivers=TWO)
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.end(alert("a"), MINUTE)
    office.until(MINUTE)
    office.restart(root=paced("alertname"))
    office.until(HOUR)
    assert of_sink(office, "team/webhook/0") == ["first_notification: +a (1 firing)"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_rule_that_is_no_more_takes_no_count_with_it(restart: bool) -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.add(alert("a"), 0)
    office.until(MINUTE)
    if restart:
        office.restart()
    office.dispatch.forget("a")
    office.until(DAYS)
    assert counts(office) == [("first_notification: +SilenceEnded (1 firing)", 1)]


def test_a_thousand_silenced_alerts_of_one_group_are_one_message() -> None:
    office = Office()
    office.silence(0, 'project="my-shop"', ends=HOUR)
    for n in range(1_000):
        office.add(alert(f"a{n}"), n)
    office.until(HOUR)
    ((line, count),) = counts(office)
    assert (line.endswith("(1000 firing)"), count) == (True, 1_000)


# ── acknowledged ─────────────────────────────────────────────────────────────


def acknowledged(office: Office, by: str = "ann") -> None:
    (key,) = office.dispatch.groups
    office.dispatch.acknowledge(key, by)


def test_nobody_is_reminded_of_what_somebody_has_taken_on() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    acknowledged(office)
    office.until(WAIT)
    office.restart()
    assert office.until(WAIT + 10 * REPEAT) == []
    office.end(alert("a"), 11 * REPEAT)
    assert office.until(11 * REPEAT + INTERVAL) == ["all_resolved: -a (0 firing)"]


def test_another_attempt_is_told_and_nagged_about_again() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    acknowledged(office)
    office.add(alert("a", episode=2), HOUR)
    assert office.until(HOUR) == ["new_attempt: +a (1 firing)"]
    assert office.until(HOUR + REPEAT) == ["repeat_interval: nothing (1 firing)"]


def test_another_alert_of_the_group_is_nagged_about_and_shows_who_has_taken_on_the_first() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    acknowledged(office)
    office.add(alert("b"), HOUR)
    office.until(HOUR)
    shown = {each.fingerprint: each.acknowledged_by for each in last(office).notification.alerts}
    assert shown == {"a": "ann", "b": ""}
    assert office.until(HOUR + REPEAT) == ["repeat_interval: nothing (2 firing)"]
    office.end(alert("b"), 6 * HOUR)
    office.until(7 * HOUR)
    assert office.until(DAYS) == []


def test_what_nobody_was_told_of_cannot_be_taken_on() -> None:
    office = Office()
    office.add(alert("a"), 0)
    acknowledged(office)
    assert office.until(WAIT) == ["first_notification: +a (1 firing)"]
    assert office.until(WAIT + REPEAT) == ["repeat_interval: nothing (1 firing)"]
    office.dispatch.acknowledge("nobody's", "ann")


def test_an_attempt_that_nobody_was_told_of_is_not_taken_on_with_the_first() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.add(alert("a", episode=2), MINUTE)
    acknowledged(office)
    assert office.until(WAIT + INTERVAL) == ["new_attempt: +a (1 firing)"]
    assert last(office).notification.alerts[0].acknowledged_by == ""
    assert office.until(WAIT + INTERVAL + REPEAT) == ["repeat_interval: nothing (1 firing)"]


def test_what_is_taken_on_is_so_for_every_receiver_that_was_told_of_it() -> None:
    everybody = Node(
        receiver="team",
        group_by=("project",),
        group_wait=0,
        group_interval=0,
        repeat_interval=REPEAT,
        routes=(
            Node(receiver="team", matchers=matchers('project="my-shop"'), continue_=True),
            Node(receiver="late", matchers=matchers('project="my-shop"'), continue_=True, group_wait=DAYS),
            Node(receiver="oncall", matchers=matchers('project="my-shop"')),
        ),
    )
    receivers = {name: (SinkRef(id=name),) for name in ("team", "late", "oncall")}
    office = Office(root=route.build(everybody), receivers=receivers)
    office.add(alert("a"), 0)
    office.until(0)
    asked = next(group for group in office.dispatch.groups.values() if group.receiver == "team")
    office.dispatch.acknowledge(asked.key, "ann")
    assert office.until(10 * REPEAT) == []
    office.until(DAYS)
    assert [each.sink for each in office.decided] == ["team", "oncall", "late"]
    assert last(office).notification.alerts[0].acknowledged_by == ""


def test_a_silence_is_asked_about_each_alert_twice_at_most() -> None:
    """When it is added and when the silence ends: twenty over a hundred thousand must not be asked for every decision."""
    asked = Counter[str]()

    def compile_pattern(text: str) -> Test:
        test = fullmatch(text)

        def count(value: str) -> bool:
            asked[text] += 1
            return test(value)

        return count

    office = Office()
    office.dispatch.silences = Silences(compile_pattern)
    for n in range(10):
        office.silence(0, f'alertname=~"a{n}.*|b.*"', ends=HOUR, name=f"s{n}")
    for n in range(100):
        office.add(alert(f"a{n:02}"), n)
        office.add(alert(f"b{n:02}"), n)
    for n in range(5):
        office.add(alert(f"c{n}"), MINUTE)
        office.until((n + 1) * 2 * INTERVAL)
    office.until(HOUR)
    assert [count for _, count in counts(office)] == [0, 0, 0, 0, 0, 200]
    assert max(asked.values()) <= 2 * (200 + 5)


def test_silences_that_end_together_are_one_message() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.silence(0, 'project="my-shop"', ends=HOUR, name="s2")
    office.add(alert("a"), 0)
    office.add(alert("c", fact=True), 1)
    office.until(HOUR)
    assert counts(office) == [("first_notification: +a (1 firing)", 2)]


def test_each_silence_that_ends_has_its_own_count_in_its_own_note() -> None:
    office = Office()
    office.silence(0, A, ends=HOUR)
    office.silence(0, B, ends=HOUR, name="s2")
    for n, name in enumerate("abb"):
        office.add(replace(alert(name, fact=True), key=f"{name}#{n}"), n)
    office.until(HOUR)
    assert counts(office) == [("first_notification: +SilenceEnded (1 firing)", n) for n in (1, 2)]


@pytest.mark.parametrize("dies", [False, True])
def test_what_was_held_back_is_counted_where_routes_change_and_all_is_told_in_parts(
    dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(paced("deployment", wait=0))
    office.add(labelled("a", {"deployment": "x"}), 0)
    office.until(0)
    office.silence(1_000, 'deployment="x"', ends=60_000)
    office.add(labelled("b", {"deployment": "x"}), 2_000)
    office.add(replace(labelled("f", {"deployment": "x"}), fact=True), 2_000)
    office.until(60_000)
    for number in range(5):
        office.add(labelled(f"c{number}", {"deployment": f"y{number}"}), 61_000)
    office.save()
    before = len(office.outbox)
    monkeypatch.setattr(dispatch, "MUCH", 2)
    office.restart(root=paced("project", "deployment", wait=0))
    parts = 0
    while office.dispatch.flush_until(START + 62_000, bounded=True):
        office.save()
        parts += 1
        if dies and parts == 1:
            office.restart()
    office.save()
    office.until(15 * MINUTE)
    assert parts
    assert sum(each.notification.held_back for each in list(office.outbox.values())[before:]) == 2
