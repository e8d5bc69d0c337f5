"""What sinks ask to be told beside the news: refreshes, acknowledgements, and that a group has moved."""

from dataclasses import replace

import pytest

from tests.fakes import START
from tests.unit.builders import HOUR, MINUTE, SECOND, said
from tests.unit.office import INTERVAL, REPEAT, WAIT, Office, alert, ended, of_sink, paced
from watcher.core.aside import SinkRef
from watcher.core.dispatch import Flush
from watcher.core.group import rewound
from watcher.core.notification import NotifyReason

PLAIN = SinkRef(id="slack")
AM = SinkRef(id="am", refresh=HOUR)
PD = SinkRef(id="pd", acknowledgements=True, keeps_open=True)
FRESHENED = "refresh: nothing (1 firing)"


def office(*sinks: SinkRef, **root: int) -> Office:
    return Office(root=paced(**root), receivers={"team": (PLAIN, *sinks)})


def acknowledge(place: Office, by: str = "ann") -> None:
    (key,) = place.dispatch.groups
    place.dispatch.acknowledge(key, by)


def times(place: Office, sink: str) -> list[int]:
    return [each.notification.at - START for each in place.decided if each.sink == sink]


def last(place: Office, sink: str) -> Flush:
    return [each for each in place.decided if each.sink == sink][-1]


def live(place: Office, until: int, *, restarts: bool = False) -> None:
    """Judge whenever something is due, as the daemon does; with `restarts` a process lives no longer than that."""
    while (due := place.dispatch.next_due()) is not None and due <= START + until:
        place.until(due - START)
        if restarts:
            place.restart()
    place.until(until)


# ── refreshes ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("what", ["nothing", "acknowledged", "silenced"])
def test_what_fires_is_refreshed_whatever_people_do(what: str, restarts: bool) -> None:
    place = office(AM)
    place.add(alert("a"), 0)
    live(place, WAIT, restarts=restarts)
    if what == "acknowledged":
        acknowledge(place)
    if what == "silenced":
        place.silence(MINUTE, 'alertname="a"', ends=30 * HOUR)
    live(place, WAIT + 10 * HOUR, restarts=restarts)
    assert times(place, "am") == [WAIT + hour * HOUR for hour in range(11)]
    reminders = [] if what != "nothing" else [WAIT + REPEAT, WAIT + 2 * REPEAT]
    assert times(place, "slack") == [WAIT, *reminders]


def test_it_ends_with_what_fires() -> None:
    place = office(AM)
    place.add(alert("a"), 0)
    live(place, HOUR)
    place.end(alert("a"), HOUR)
    live(place, 30 * HOUR)
    assert of_sink(place, "am") == ["first_notification: +a (1 firing)", "all_resolved: -a (0 firing)"]
    assert place.rows == {}


def test_every_message_of_the_group_puts_it_off() -> None:
    place = office(AM)
    place.add(alert("a"), 0)
    live(place, WAIT)
    place.add(alert("b"), 50 * MINUTE)
    live(place, 2 * HOUR)
    assert times(place, "am") == [WAIT, 50 * MINUTE, 110 * MINUTE]


def test_it_moves_no_pace_and_reaches_nobody_else() -> None:
    told = []
    for sinks in ((), (AM,)):
        place = office(*sinks)
        place.add(alert("a"), 0)
        live(place, 3 * HOUR + WAIT)
        place.add(alert("b"), 3 * HOUR + 2 * WAIT)
        place.add(alert("c"), 3 * HOUR + 2 * WAIT + SECOND)
        live(place, 20 * HOUR)
        told.append([(said(each), each.notification.id, each.notification.at) for each in place.decided])
    assert told[0] == [each for each in told[1] if each in told[0]]
    assert "refresh" not in str(told[0])
    assert "refresh" in str(told[1])


def test_it_shows_nothing_that_was_not_told() -> None:
    place = office(AM, interval=5 * HOUR)
    place.add(alert("a"), 0)
    live(place, WAIT)
    acknowledge(place)
    place.add(alert("a", episode=2), MINUTE)
    place.add(alert("b"), MINUTE)
    live(place, WAIT + HOUR)
    message = last(place, "am").notification
    (view,) = message.alerts
    assert (message.reason, message.fresh, view.fingerprint, view.attempts) == (NotifyReason.REFRESH, 0, "a", 1)


def test_what_has_ended_is_not_said_to_fire_while_its_end_waits_to_be_told() -> None:
    place = office(AM, interval=5 * HOUR)
    for name in "ab":
        place.add(alert(name), 0)
    live(place, WAIT)
    place.end(alert("a"), MINUTE)
    live(place, WAIT + HOUR)
    assert [view.fingerprint for view in last(place, "am").notification.alerts] == ["b"]
    place.end(alert("b"), 2 * HOUR)
    live(place, 4 * HOUR)
    assert times(place, "am") == [WAIT, WAIT + HOUR]


def test_what_fires_again_before_its_end_was_told_and_is_silenced_goes_on() -> None:
    place = office(AM)
    place.add(alert("a"), 0)
    live(place, WAIT)
    place.silence(MINUTE, 'alertname="a"', ends=30 * HOUR)
    place.end(alert("a"), MINUTE)
    place.add(alert("a", episode=2, at=2 * MINUTE), 2 * MINUTE)
    live(place, 3 * HOUR)
    assert times(place, "am") == [WAIT, WAIT + HOUR, WAIT + 2 * HOUR]


def test_it_waits_until_it_is_known_what_stands() -> None:
    place = office(AM)
    place.add(alert("a"), 0)
    live(place, WAIT)
    place.dispatch.flush_until(START + 3 * HOUR, remind=False)
    assert place.dispatch.flushes == []
    place.dispatch.update(ended(alert("a"), 3 * HOUR), START + 3 * HOUR)
    assert place.until(3 * HOUR) == ["all_resolved: -a (0 firing)"] * 2


def test_after_a_long_absence_it_comes_once() -> None:
    place = office(AM)
    place.add(alert("a"), 0)
    live(place, WAIT)
    acknowledge(place)
    place.until(WAIT)
    place.restart()
    live(place, 50 * HOUR)
    assert times(place, "am")[-1] == 50 * HOUR - (50 * HOUR - WAIT) % HOUR
    place = office(AM)
    place.add(alert("a"), 0)
    place.until(WAIT)
    acknowledge(place)
    assert place.until(50 * HOUR) == [FRESHENED]


@pytest.mark.parametrize("before", [(), (replace(AM, refresh=9 * HOUR),)], ids=["without it", "slower"])
def test_a_changed_configuration_holds_at_once(before: tuple[SinkRef, ...]) -> None:
    place = office(*before)
    place.add(alert("a"), 0)
    live(place, WAIT)
    place.restart(receivers={"team": (PLAIN, AM)})
    live(place, WAIT + HOUR)
    assert times(place, "am")[-1] == WAIT + HOUR


def test_two_sinks_have_each_its_rhythm() -> None:
    place = office(AM, replace(AM, id="fast", refresh=25 * MINUTE))
    place.add(alert("a"), 0)
    live(place, WAIT + 2 * HOUR)
    assert times(place, "am") == [WAIT, WAIT + HOUR, WAIT + 2 * HOUR]
    assert times(place, "fast") == [WAIT + 25 * MINUTE * count for count in range(5)]


def test_every_message_has_a_name_of_its_own_whenever_the_process_dies() -> None:
    names = []
    for restarts in (False, True):
        place = office(AM, PD)
        place.add(alert("a"), 0)
        live(place, WAIT, restarts=restarts)
        for by in ("ann", "bob", "ann"):
            acknowledge(place, by)
            live(place, 5 * HOUR, restarts=restarts)
        place.end(alert("a"), 6 * HOUR)
        live(place, 9 * HOUR, restarts=restarts)
        names.append(list(place.outbox))
        assert len(place.outbox) == len(place.decided)
    assert names[0] == names[1]


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    place = office(AM)
    place.add(alert("a"), 0)
    live(place, WAIT)
    place.rows = {key: rewound(each, START - 5 * HOUR) for key, each in place.rows.items()}
    place.restart()
    live(place, -4 * HOUR)
    assert times(place, "am") == [WAIT, -4 * HOUR]


# ── acknowledgements ─────────────────────────────────────────────────────────


@pytest.mark.parametrize("restart", [False, True])
def test_an_acknowledgement_is_told_at_once_to_those_who_want_it(restart: bool) -> None:
    place = office(PD, AM)
    place.add(alert("a"), 0)
    live(place, WAIT)
    acknowledge(place)
    if restart:  # what was committed has the acknowledgement, and not yet a message of it
        place.rows = dict(place.dispatch.groups)
        place.restart()
    assert place.until(MINUTE) == ["acknowledged: nothing (1 firing)"]
    message = last(place, "pd").notification
    assert (message.at, message.alerts[0].acknowledged_by, message.held_back) == (START + MINUTE, "ann", 0)
    assert place.until(50 * MINUTE) == []


def test_who_does_it_twice_does_it_once() -> None:
    place = office(PD)
    place.add(alert("a"), 0)
    live(place, WAIT)
    acknowledge(place)
    place.until(MINUTE)
    acknowledge(place)
    assert place.until(2 * MINUTE) == []
    acknowledge(place, "bob")
    assert place.until(3 * MINUTE) == ["acknowledged: nothing (1 firing)"]


def test_nothing_is_said_of_what_nobody_was_told_of() -> None:
    place = office(PD)
    place.add(alert("a"), 0)
    acknowledge(place)
    assert place.until(WAIT) == ["first_notification: +a (1 firing)"] * 2


def test_it_moves_no_pace() -> None:
    place = office(PD)
    place.add(alert("a"), 0)
    live(place, WAIT)
    acknowledge(place)
    place.until(MINUTE)
    place.add(alert("b"), MINUTE)
    live(place, 10 * MINUTE)
    assert times(place, "slack") == [WAIT, WAIT + INTERVAL]


def test_a_message_shows_that_a_part_is_taken_on() -> None:
    place = office(PD, interval=0)
    place.add(alert("a"), 0)
    live(place, WAIT)
    place.add(alert("b"), MINUTE)
    live(place, MINUTE)
    place.add(alert("b", episode=2), 2 * MINUTE)
    acknowledge(place)
    place.until(2 * MINUTE)
    told = [each.notification for each in place.decided if each.notification.reason is NotifyReason.ACKNOWLEDGED]
    assert [{view.fingerprint: view.acknowledged_by for view in each.alerts} for each in told] == [
        {"a": "ann", "b": ""}
    ]


# ── other routes ─────────────────────────────────────────────────────────────


def moved(*sinks: SinkRef, at: int = WAIT) -> Office:
    """Two alerts of one group, told and taken on, and what is said once routes have given each a group of its own."""
    place = office(*sinks)
    for name in "ab":
        place.add(alert(name), 0)
    live(place, WAIT)
    acknowledge(place)
    live(place, at)
    place.decided.clear()
    place.restart(root=paced("alertname"))
    live(place, at + MINUTE)
    return place


def test_who_keeps_something_open_hears_that_it_moved_and_how_its_heirs_stand() -> None:
    place = moved(PD)
    assert {each.sink for each in place.decided} == {"pd"}
    closing, *opening = [each.notification for each in place.decided]
    assert (closing.reason, closing.firing, closing.fresh) == (NotifyReason.MOVED, 2, 0)
    assert [(each.reason, each.fresh) for each in opening] == [(NotifyReason.REFRESH, 0)] * 2
    assert {each.group_key for each in opening} == set(place.dispatch.groups)
    assert closing.group_key not in place.dispatch.groups
    live(place, 3 * MINUTE, restarts=True)
    assert len(place.decided) == 3


def test_nobody_else_hears_of_a_move() -> None:
    assert moved(AM).decided == []


def test_what_moved_goes_on_being_refreshed() -> None:
    place = moved(AM, at=WAIT + 90 * MINUTE)
    live(place, WAIT + 2 * HOUR)
    assert times(place, "am") == [WAIT + 2 * HOUR] * 2


def test_moves_there_and_back_have_names_of_their_own() -> None:
    place = moved(PD)
    for root in (paced(), paced("alertname"), paced()):
        place.restart(root=root)
        live(place, 2 * MINUTE)
    pd = [each for each in place.decided if each.sink == "pd"]
    assert len({each.notification.id for each in pd}) == len(pd) == 3 + 3 + 3 + 3


def test_what_has_ended_unheard_is_closed_and_its_end_told_under_the_new_name() -> None:
    place = office(PD)
    place.add(alert("a"), 0)
    live(place, WAIT)
    place.end(alert("a"), MINUTE)
    place.until(MINUTE)
    place.restart(root=paced("alertname"))
    live(place, HOUR)
    assert of_sink(place, "pd")[1:] == ["moved: nothing (0 firing)", "all_resolved: -a (0 firing)"]


def test_what_waits_beside_what_was_told_keeps_the_pace_of_the_old_group() -> None:
    place = office()
    place.add(alert("a", severity="critical"), 0)
    live(place, WAIT)
    place.add(alert("b"), WAIT + SECOND)
    place.until(WAIT + SECOND)
    place.restart(root=replace(paced(), id="other"))
    live(place, HOUR)
    assert times(place, "slack") == [WAIT, WAIT + INTERVAL]


# ── many at once ─────────────────────────────────────────────────────────────


def test_a_storm_is_acknowledged_and_moved_in_one_go() -> None:
    """Each alert must not copy what is known of all the others: a hundred thousand of them would take minutes."""
    place = office(PD)
    for number in range(20_000):
        place.add(alert(f"a{number}"), 0)
    live(place, WAIT)
    acknowledge(place)
    place.restart(root=replace(paced(), id="other"))
    live(place, WAIT)
    assert [each.notification.firing for each in place.decided] == [20_000] * 4
