"""Names that last, lanes in order, changed routes: nothing is told twice and nothing is forgotten."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import (
    HOUR,
    MINUTE,
    SECOND,
    matchers,
    quick,
    said,
)
from tests.unit.office import (
    DAYS,
    INTERVAL,
    ONE,
    REPEAT,
    TWO,
    WAIT,
    Office,
    alert,
    paced,
)
from watcher.core import route
from watcher.core.alert import Alert
from watcher.core.dispatch import Flush, SinkRef
from watcher.core.route import Node

# ── names ────────────────────────────────────────────────────────────────────


def end_both(office: Office, at: int) -> None:
    office.end(alert("a", episode=2), at)
    office.end(alert("b"), at)


def story(office: Office, *, die_after: int = -1) -> list[str]:
    """Start, company, failure anew, end, and a second life of the group; the process may die after one of the steps."""
    steps: list[Callable[[], object]] = [
        lambda: office.add(alert("a"), 0),
        lambda: office.until(WAIT),
        lambda: office.add(alert("b"), MINUTE),
        lambda: office.until(HOUR),
        lambda: office.add(alert("a", episode=2), HOUR + MINUTE),
        lambda: office.until(2 * HOUR),
        lambda: end_both(office, 3 * HOUR),
        lambda: office.until(4 * HOUR),
        lambda: office.until(5 * HOUR),
        lambda: office.add(alert("a"), 6 * HOUR),
        lambda: office.until(7 * HOUR),
    ]
    for number, step in enumerate(steps):
        step()
        if number == die_after:
            office.until(-HOUR)
            office.restart()
    return list(office.outbox)


def test_every_message_has_a_name_of_its_own() -> None:
    office = Office()
    assert len(story(office)) == len(office.decided) == 5


@pytest.mark.parametrize("die_after", range(10))
def test_a_message_has_the_same_name_whenever_the_process_dies(die_after: int) -> None:
    assert story(Office(), die_after=die_after) == story(Office())


def test_a_judgement_that_was_not_committed_repeats_its_names_later() -> None:
    first, later = Office(), Office()
    for office, late in ((first, 0), (later, HOUR)):
        office.add(alert("a"), 0)
        office.until(WAIT + late)
    assert list(first.outbox) == list(later.outbox)


def test_a_second_life_of_a_group_in_the_same_millisecond_has_other_names() -> None:
    """With no pace at all a group is forgotten with its flush; what comes in the same millisecond must not be taken for it."""
    office = Office(paced(wait=0, interval=0))
    office.add(alert("a", fact=True), 0)
    office.until(0)
    office.add(alert("b", fact=True), 0)
    office.until(0)
    assert office.heard == ["+a", "+b"]


def test_a_lane_is_in_order() -> None:
    office = Office(paced(wait=0, interval=0), TWO)
    for n in range(5):
        office.add(alert(f"a{n}"), n * SECOND)
        office.until(n * SECOND)
    for sink in ("team/slack/0", "team/webhook/0"):
        lane = [each for each in office.decided if each.sink == sink]
        assert {each.lane for each in lane} == {lane[0].lane}
        assert [each.notification.firing for each in lane] == [1, 2, 3, 4, 5]


# ── changed routes ───────────────────────────────────────────────────────────


def renamed(receiver: str, *group_by: str, interval: int = INTERVAL) -> dict[str, object]:
    pace = {"group_wait": WAIT, "group_interval": interval, "repeat_interval": REPEAT}
    root = route.build(Node(receiver=receiver, group_by=group_by or ("project",), **pace))  # type: ignore[arg-type]  # by name
    return {"root": root, "receivers": {receiver: (SinkRef(id=f"{receiver}/slack/0"),)}}


def told_then(**change: object) -> Office:
    """An alert that was told, and then another configuration."""
    office = Office()
    office.add(alert("a", deployment="shop"), 0)
    office.until(WAIT)
    office.restart(**change)
    return office


def test_an_unchanged_configuration_changes_nothing() -> None:
    office = told_then()
    assert office.until(HOUR) == []
    assert office.dispatch.changed == set()


def test_a_new_receiver_is_not_told_again_what_the_old_one_heard() -> None:
    office = told_then(**renamed("ops"))
    assert office.until(HOUR) == []
    assert len(office.rows) == 1


def test_a_new_receiver_hears_what_was_still_to_be_said() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(SECOND)
    office.restart(**renamed("ops"))
    office.until(HOUR)
    assert [(each.notification.receiver, said(each)) for each in office.decided] == [
        ("ops", "first_notification: +a (1 firing)")
    ]


def test_a_new_receiver_hears_a_recovery_that_was_still_to_be_said() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.end(alert("a"), MINUTE)
    office.until(MINUTE)
    office.restart(**renamed("ops"))
    office.until(HOUR)
    assert office.heard == ["+a", "-a"]


def test_a_new_receiver_hears_a_recovery_at_the_usual_pace() -> None:
    office = told_then(**renamed("ops"))
    office.until(MINUTE)
    office.end(alert("a", deployment="shop"), 10 * MINUTE)
    office.until(10 * MINUTE + INTERVAL)
    assert office.heard == ["+a", "-a"]


def test_a_new_receiver_hears_another_alert_at_the_usual_pace() -> None:
    office = told_then(**renamed("ops"))
    office.until(MINUTE)
    office.add(alert("b"), 10 * MINUTE)
    office.until(10 * MINUTE + INTERVAL)
    assert office.heard == ["+a", "+b"]


def test_a_new_receiver_is_reminded_of_what_stands() -> None:
    office = told_then(**renamed("ops"))
    found = [line for hours in range(1, 11) for line in office.until(hours * HOUR)]
    assert found[:1] == ["repeat_interval: nothing (1 firing)"]
    assert len(found) == 2


def test_a_configuration_that_was_taken_back_loses_no_message() -> None:
    """The group of the old route comes back to life: its next message must not have the name of its first."""
    office = told_then(**renamed("ops"))
    office.until(MINUTE)
    office.restart(root=paced(), receivers=ONE)
    office.until(2 * MINUTE)
    office.end(alert("a", deployment="shop"), HOUR)
    office.until(DAYS)
    assert office.heard == ["+a", "-a"]


@pytest.mark.parametrize("again", [False, True], ids=["recovered", "failed again and recovered"])
def test_another_group_by_does_not_tell_the_same_receiver_twice(again: bool) -> None:
    office = told_then(root=paced("project", "deployment"))
    last = alert("a", deployment="shop")
    if again:
        last = alert("a", episode=2, deployment="shop")
        office.add(last, HOUR)
        office.until(2 * HOUR)
    office.end(last, 3 * HOUR)
    office.until(3 * HOUR + 2 * INTERVAL)
    assert office.heard == ["+a", *(["+a"] if again else []), "-a"]


def test_a_route_put_before_another_leaves_its_groups_as_they_are() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    root = Node(
        receiver="team",
        group_by=("project",),
        group_wait=WAIT,
        group_interval=INTERVAL,
        routes=(Node(receiver="ops", matchers=matchers('severity="critical"')),),
    )
    office.restart(root=route.build(root), receivers={**ONE, "ops": (SinkRef(id="ops/slack/0"),)})
    office.end(alert("a"), HOUR)
    office.until(2 * HOUR)
    assert office.heard == ["+a", "-a"]


Move = tuple[str, str, int]
moves = st.lists(
    st.tuples(
        st.sampled_from(["start", "again", "end", "fact", "wait", "restart"]),
        st.sampled_from("ab"),
        st.sampled_from([0, 1, SECOND, MINUTE, INTERVAL, REPEAT]),
    ),
    max_size=30,
)
paces = st.tuples(st.sampled_from([0, WAIT]), st.sampled_from([0, INTERVAL]), st.sampled_from([MINUTE, REPEAT]))


def told_of(flushes: Iterable[Flush], key: str) -> list[tuple[int, bool]]:
    """What was news of one alert: which episode, and whether it was its end."""
    views = [view for each in flushes for view in each.notification.alerts if view.fresh and view.fingerprint == key]
    return [(view.attempts, view.state == "resolved") for view in views]


@quick
@given(moves, paces)
def test_nothing_is_told_twice_and_nothing_is_forgotten(script: list[Move], pace: tuple[int, int, int]) -> None:
    """Episodes only grow here, as they do while a group remembers an alert; a fact happens once."""
    wait, interval, repeat = pace
    office = Office(paced(wait=wait, interval=interval, repeat=repeat))
    now, live, facts, latest = 0, dict[str, Alert](), list[str](), dict[str, tuple[int, bool]]()
    for verb, key, length in script:
        now += length
        office.until(now)
        if verb == "start" and key not in live:
            live[key] = alert(key, episode=latest.get(key, (0, False))[0] + 1)
            office.add(live[key], now)
        elif verb == "again" and key in live:
            live[key] = alert(key, episode=live[key].episode + 1)
            office.add(live[key], now)
        elif verb == "end" and key in live:
            latest[key] = (live[key].episode, True)
            office.end(live.pop(key), now)
        elif verb == "fact":
            facts.append(f"fact{len(facts)}")
            office.add(alert(facts[-1], fact=True), now)
        elif verb == "restart":
            office.restart()
        latest |= {name: (each.episode, False) for name, each in live.items()}
    office.until(now + 2 * INTERVAL)
    for key, last in latest.items():
        told = told_of(office.decided, key)
        assert told == sorted(set(told)), "told twice, or out of order"
        assert told[-1] == last, "the last word is not the truth"
    for key in facts:
        assert told_of(office.decided, key) == [(1, False)]
    for each in office.decided:
        message = each.notification
        assert message.fresh or message.reason == "repeat_interval"
        assert message.firing + message.resolved == len(message.alerts)
        assert (message.status == "firing") == bool(message.firing)
