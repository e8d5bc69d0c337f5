"""What hits make a person hear: so many within so long, the end of that, new errors, and what a restart changes (nothing)."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, deployment
from tests.log_rules import ANY, BURST, NEW, RATIO, made
from tests.unit.builders import DAY, HOUR, MINUTE, PROJECT, event, quick, route_of
from tests.unit.log_desk import EVENTS, SERVICE, LogDesk, desk, hit, known, picture, read, running
from watcher.core.event import EventReason
from watcher.core.logmemory import CAPACITY, LogMemory
from watcher.core.logrecord import Tally
from watcher.core.rule import CountRule

WITHIN, COUNT = 10 * MINUTE, 3


def counted(desk_: LogDesk, *at: int, observed: int | None = None) -> list[str]:
    """Records written one by one, each read when it was written, or all at once later."""
    for each in at:
        desk_.take(read(hit(each), each if observed is None else observed, sight=-1))
    return desk_.told


# ── so many within so long ───────────────────────────────────────────────────


def test_the_nth_record_within_the_window_is_told_and_those_after_it_are_not() -> None:
    found = desk()

    assert counted(found, 0, MINUTE) == []
    assert counted(found, 2 * MINUTE) == ["+Burst"]
    assert counted(found, 3 * MINUTE, 4 * MINUTE) == ["+Burst"]


@pytest.mark.parametrize(("third", "told"), [(WITHIN, ["+Burst"]), (WITHIN + 1, [])])
def test_records_that_are_too_far_apart_are_not_together(third: int, told: list[str]) -> None:
    assert counted(desk(), 0, 1, third) == told


def test_it_does_not_matter_when_the_records_are_read() -> None:
    """A gap is read in one go: what was hours apart still is."""
    assert counted(desk(), 0, HOUR, 2 * HOUR, observed=3 * HOUR) == []
    assert counted(desk(), 0, HOUR, HOUR + 1, HOUR + 2, observed=3 * HOUR) == ["+Burst"]


def test_any_match_is_told_once_for_as_long_as_there_are_matches() -> None:
    found = desk(ANY)
    for at in range(0, HOUR, 9 * MINUTE):
        found.take(read(hit(at, "Any"), at), seen=at)

    assert found.told == ["+Any"]


def test_why_each_record_was_told_or_not_is_written_down() -> None:
    found = desk()
    found.take(read(hit(0), 0, baseline=True), *(read(hit(at), 9) for at in range(1, 6)), read(hit(6, "Gone"), 9))

    assert [found.reasons[seq] for seq in range(1, 8)] == [
        (EventReason.BASELINE, "Burst"),
        (EventReason.COUNTED, "Burst"),
        (EventReason.COUNTED, "Burst"),
        (EventReason.STARTED, "Burst"),
        (EventReason.STILL_FIRING, "Burst"),
        (EventReason.STILL_FIRING, "Burst"),
        (EventReason.NO_RULE, "Gone"),
    ]


def test_what_was_there_before_we_looked_is_no_news_and_is_not_counted() -> None:
    found = desk()
    found.take(*(read(hit(at), 9, baseline=True) for at in range(5)), read(hit(5), 9), read(hit(6), 9))

    assert found.told == []


def test_the_message_says_how_many_there_were_and_shows_the_newest() -> None:
    found = desk()
    found.take(read(hit(0, count=2), 9), read(hit(1, count=5, template="f" * 16), 9))

    (alert,) = found.ledger.alerts.values()
    assert (alert.values["count"], alert.values["message"]) == ("7", f"error {'f' * 16}")
    assert alert.labels == {
        "alertname": "Burst",
        "project": PROJECT,
        "region": "europe-west1.gcp",
        "type": "production",
        "connector": "stripe",
        "deployment": "shop",
        "application": "service",
    }


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ('["deployment", "application"]', 2),
        ('["deployment"]', 1),
        ('["deployment", "path"]', 2),
        ('["application", "path"]', 3),
        ("[]", 1),
    ],
)
def test_records_are_counted_by_what_the_rule_groups_them_by(by: str, groups: int) -> None:
    """Three records of each of three combinations, so that every group is full."""
    found = desk(BURST + f"by = {by}", root=route_of("alertname", "application", "path"))
    spots = [(SERVICE, "/a"), (SERVICE, "/b"), (EVENTS, "/a")]
    found.take(*(read(hit(at, spot=spot, path=path), 9) for at in range(3) for spot, path in spots))

    assert Counter(found.told) == {"+Burst": groups}


def test_what_is_together_in_one_group_is_not_in_several() -> None:
    found = desk(BURST + 'by = ["deployment", "path"]')
    found.take(*(read(hit(at, path=f"/{at}"), 9) for at in range(3)))
    assert found.told == []

    found.take(*(read(hit(at + 3, path="/0"), 9) for at in range(2)))
    assert found.told == ["+Burst"]


def test_deployments_and_projects_are_counted_apart() -> None:
    found = desk()
    for at, name in enumerate(("shop", "other", "third")):
        found.take(read(hit(at, spot=(f"id-{name}", "service")), 9))
    for at, project in enumerate(("my-shop", "your-shop", "their-shop")):
        found.take(read(hit(at, spot=("id-new", "service")), 9, project=project))

    assert found.told == []


# ── its end ──────────────────────────────────────────────────────────────────


def test_it_ends_by_itself_when_its_window_has_emptied_and_not_before() -> None:
    """Four records: two are left when the second of them is ten minutes old."""
    found = desk()
    counted(found, 0, MINUTE, 2 * MINUTE, 3 * MINUTE)
    found.take(seen=MINUTE + WITHIN - 1)
    assert found.told == ["+Burst"]

    found.take(seen=MINUTE + WITHIN)
    assert found.told == ["+Burst", "-Burst"]
    assert found.ended == [("service", 2 * MINUTE, MINUTE + WITHIN)]
    assert found.alerts == {}


def test_it_does_not_end_while_nobody_can_see_whether_it_has() -> None:
    """Time passes, but the logs have not been read; then they have, and the end is as long ago as it was."""
    found = desk()
    counted(found, 0, MINUTE, 2 * MINUTE)
    for hours in range(1, 9):
        found.take(seen=3 * MINUTE, now=hours * HOUR)
    assert [each for each in found.told if each == "-Burst"] == []

    found.take(seen=9 * HOUR)
    assert found.told.count("-Burst") == 1
    assert found.ended == [("service", 2 * MINUTE, WITHIN)]


def test_the_sight_of_another_source_or_project_ends_nothing() -> None:
    found = desk()
    counted(found, 0, 1, 2)
    found.take(event("status", 9 * HOUR, of=deployment(), previous_status="Deploying"))
    found.take(read(hit(9 * HOUR), 9 * HOUR, sight=9 * HOUR, project="your-shop"))

    assert found.told == ["+Burst"]


def test_records_that_go_on_keep_it_firing_and_it_is_told_once() -> None:
    found = desk()
    for at in range(0, 3 * HOUR, 3 * MINUTE):
        found.take(read(hit(at), at, sight=at), seen=at)
    found.take(seen=4 * HOUR)

    assert found.told == ["+Burst", "-Burst"]


def test_what_comes_again_after_it_was_quiet_is_told_again() -> None:
    found = desk()
    for begin in (0, HOUR, 2 * HOUR):
        counted(found, begin, begin + 1, begin + 2)
        found.take(seen=begin + 30 * MINUTE)

    assert found.told == ["+Burst", "-Burst"] * 3


def test_what_began_and_ended_before_its_first_message_is_told_all_the_same() -> None:
    found = desk(root=route_of("alertname", group_wait=30 * MINUTE))
    found.take(*(read(hit(at), 9) for at in range(3)))
    found.take(seen=WITHIN)
    assert found.told == []

    found.take(seen=HOUR)
    assert found.told == ["-Burst"]
    assert found.ended == [("service", 9, WITHIN)]


def test_an_old_burst_that_is_read_when_it_is_long_over_is_told_with_its_end() -> None:
    found = desk()
    found.take(*(read(hit(at), DAY) for at in range(3)), seen=DAY)

    assert found.told in (["-Burst"], ["+Burst", "-Burst"])
    assert [(name, begin) for name, begin, _ in found.ended] == [("service", DAY)]
    assert found.alerts == {}


def test_what_still_went_on_when_its_message_was_due_is_told_so_and_then_its_end() -> None:
    """All is seen at once, long afterwards."""
    found = desk(root=route_of("alertname", group_wait=5 * MINUTE))
    found.take(*(read(hit(at), 9) for at in range(3)))
    found.take(seen=HOUR)

    assert found.told == ["+Burst", "-Burst"]


def test_ends_come_in_the_order_of_time() -> None:
    """All is seen at once; what ended first is told first, and not after what began later."""
    found = desk(root=route_of("application"))
    found.take(*(read(hit(5 * MINUTE + at, spot=EVENTS), 6 * MINUTE) for at in range(3)))
    found.take(*(read(hit(7 * MINUTE + at), 8 * MINUTE) for at in range(3)))
    found.take(seen=HOUR)

    assert [name for name, _, _ in found.ended] == ["events", "service"]
    assert [end for _, _, end in found.ended] == [5 * MINUTE + WITHIN, 7 * MINUTE + WITHIN]


def test_an_end_stands_before_a_beginning_that_came_later() -> None:
    """One message for both would say that it never ended."""
    found = desk(root=route_of("application", group_interval=0))
    found.take(*(read(hit(at), 9) for at in range(3)))
    later = [read(hit(HOUR + at), HOUR + 9, sight=HOUR) for at in range(3)]
    found.take(*later)

    assert found.told == ["+Burst", "-Burst", "+Burst"]


# ── order, batches, restarts ─────────────────────────────────────────────────

records = st.lists(
    st.tuples(st.integers(0, 45).map(lambda minute: minute * MINUTE), st.sampled_from(["service", "events"])),
    max_size=24,
)


def full(at: Sequence[int]) -> bool:
    """By the definition: whether so many were written within so long."""
    return any(sum(first <= each <= first + WITHIN for each in at) >= COUNT for first in at)


def lasts_until(at: Sequence[int]) -> int:
    return max(first + WITHIN for first in at if sum(first <= each <= first + WITHIN for each in at) >= COUNT)


@quick
@given(records, st.randoms(use_true_random=False), st.data())
def test_neither_order_nor_batches_nor_coalescing_nor_restarts_change_what_is_told(
    written: list[tuple[int, str]], random: object, data: st.DataObject
) -> None:
    random.shuffle(written)  # type: ignore[attr-defined]  # hypothesis' own Random
    found, observed = desk(), HOUR
    while written:
        size = data.draw(st.integers(1, len(written)))
        batch, written = written[:size], written[size:]
        together = Counter(batch).items() if data.draw(st.booleans()) else [(each, 1) for each in batch]
        hits = [hit(at, spot=("id-shop", app), count=count) for (at, app), count in together]
        found.take(*(read(each, observed) for each in hits))
        observed += MINUTE
        if data.draw(st.booleans()):
            found.restart()
    began = Counter(alert.labels["application"] for alert in found.alerts.values())
    until = {alert.labels["application"]: alert.expires - START for alert in found.alerts.values()}

    every = [
        (each.hit.at - START, each.hit.application) for each in found.hits if each.hit for _ in range(each.hit.count)
    ]
    by_application = {app: [at for at, whose in every if whose == app] for app in ("service", "events")}
    assert began == {app: 1 for app, at in by_application.items() if full(at)}
    assert until == {app: lasts_until(at) for app, at in by_application.items() if full(at)}
    assert Counter(found.told) == Counter({"+Burst": len(began)})


@quick
@given(st.lists(st.integers(0, 90), max_size=20), st.lists(st.booleans(), min_size=20, max_size=20))
def test_read_as_they_are_written_it_begins_and_ends_exactly_when_it_does(
    minutes: list[int], restarts: list[bool]
) -> None:
    times = sorted(each * MINUTE for each in minutes)
    found = desk()
    for at, restart in zip(times, restarts, strict=False):
        found.take(read(hit(at), at, sight=at - 1))
        if restart:
            found.restart()
    found.take(seen=DAY)

    episodes: list[list[int]] = []
    for at, third in zip(times, times[2:], strict=False):
        if third - at <= WITHIN:
            if episodes and third <= episodes[-1][1]:
                episodes[-1][1] = at + WITHIN
            else:
                episodes.append([third, at + WITHIN])
    assert [(begin, end) for _, begin, end in found.ended] == [(begin, end) for begin, end in episodes]
    assert Counter(found.told) == Counter({"+Burst": len(episodes), "-Burst": len(episodes)}) or not episodes


@quick
@given(st.integers(0, HOUR), st.integers(0, 2 * HOUR), st.integers(2, 60))
def test_records_that_are_handed_on_together_are_told_only_if_they_can_have_been_together(
    first: int, length: int, count: int
) -> None:
    """Of many records in one batch only the first and the last time are known."""
    found = desk()
    found.take(read(hit(first, last=first + length, count=count), 9 * HOUR))

    if count >= COUNT and length <= WITHIN:
        assert found.told == ["+Burst"]
    if count < COUNT or WITHIN * (count - 1) < (COUNT - 1) * length:
        assert found.told == []


def test_a_restart_between_two_records_loses_neither() -> None:
    found = desk()
    for at in range(3):
        found.take(read(hit(at), at, sight=at))
        found.restart()
        found.restart()

    assert found.told == ["+Burst"]


def test_a_restart_while_it_fires_neither_tells_it_again_nor_forgets_its_end() -> None:
    found = desk()
    counted(found, 0, 1, 2)
    found.restart()
    counted(found, 3)
    found.restart()
    found.take(seen=HOUR)

    assert found.told == ["+Burst", "-Burst"]
    assert found.ended == [("service", 2, 1 + WITHIN)]


def test_far_back_as_hits_must_be_read_again_after_a_restart_they_matter() -> None:
    assert desk().ledger.reach >= WITHIN
    assert desk(NEW).ledger.reach == 0


# ── rules that change ────────────────────────────────────────────────────────


def test_a_rule_that_is_gone_ends_its_alerts_without_a_word_and_its_late_hits_mean_nothing() -> None:
    found = desk()
    counted(found, 0, 1, 2)
    found.restart(rules=made(ANY))
    counted(found, 3, 4, 5)
    found.take(seen=DAY)

    assert found.told == ["+Burst"]
    assert found.alerts == {}


@pytest.mark.parametrize("other", [RATIO.replace('"Errors"', '"Burst"'), NEW.replace('"New"', '"Burst"')])
def test_a_rule_that_becomes_another_kind_of_rule_leaves_nothing_that_fires_for_ever(other: str) -> None:
    found = desk()
    counted(found, 0, 1, 2)
    found.restart(rules=made(other))
    found.take(seen=9 * DAY)
    assert found.alerts == {}


def test_an_alert_of_another_kind_of_rule_does_not_wait_for_hits_that_never_come() -> None:
    found = desk(RATIO.replace('"Errors"', '"Burst"'))
    span = (HOUR - 5 * MINUTE, HOUR)
    known(found, running())
    found.measure(picture(HOUR, running(), wrote={span: Tally(records=10, errors=9)}))
    assert found.told == ["+Burst"]

    found.restart(rules=made(BURST))
    found.take(seen=9 * DAY)
    assert found.alerts == {}


def test_a_rule_that_asks_for_more_from_now_on_lets_end_what_fires() -> None:
    found = desk()
    counted(found, 0, 1, 2)
    found.restart(rules=made(BURST.replace("count = 3", "count = 30")))
    counted(found, 3, 4, 5)
    found.take(seen=HOUR)

    assert found.told == ["+Burst", "-Burst"]
    assert found.ended == [("service", 2, WITHIN)]


def test_groups_that_nobody_can_number_do_not_grow_without_bound() -> None:
    memory = LogMemory()
    (rule,) = made(BURST)
    assert isinstance(rule, CountRule)
    for number in range(CAPACITY):
        memory.count(rule, str(number), hit(0))
    memory.count(rule, "0", hit(1))
    memory.count(rule, "one more", hit(1))

    assert memory.count(rule, "0", hit(2))[1] is not None
    assert memory.count(rule, "1", hit(2))[1] is None
    assert memory.count(rule, "1", hit(2))[1] is None
