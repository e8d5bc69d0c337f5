"""What many alerts cost, and that nothing of them is lost for it."""

import tracemalloc
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, deployment
from tests.unit.builders import news, run, watching
from tests.unit.office import Office, alert, ended, paced
from watcher.core.alert import Alert, AlertState
from watcher.core.dispatch import MUCH
from watcher.core.notification import Notification
from watcher.core.shelf import READY, SHAPES, Members, Shelf, as_row, brief

TEXTS = st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=6)
TIMES = st.integers(0, 1 << 50)
ALERTS = st.builds(
    Alert,
    key=st.text(max_size=20),
    fingerprint=st.text(max_size=20),
    rule=st.sampled_from(["One", "Two", "Δ"]),
    project=st.text(max_size=20),
    subject=st.text(st.characters(), max_size=20),
    labels=TEXTS,
    values=TEXTS,
    annotations=TEXTS,
    state=st.sampled_from(AlertState),
    since=TIMES,
    due=TIMES,
    expires=TIMES,
    starts_at=TIMES,
    ends_at=st.none() | TIMES,
    attempt=st.text(max_size=20),
    status=st.text(max_size=20),
    episode=st.integers(1, 1 << 40),
    silent=st.booleans(),
    away=st.booleans(),
    fact=st.booleans(),
    observed_at=TIMES,
)


def many(count: int) -> list[Alert]:
    """Failures that differ in what failures differ in."""
    return [
        replace(
            alert(f"{number:016x}", deployment=f"shop-{number}", region="europe-west1.gcp", severity="critical"),
            rule="DeploymentFailed",
            values={"deployment_id": f"{number * 7919:032x}", "error": f"npm ci exited with code {number % 200}"},
            annotations={"summary": f"shop-{number} failed in my-shop"},
        )
        for number in range(count)
    ]


@given(st.lists(ALERTS, max_size=4))
def test_an_alert_comes_off_the_shelf_as_it_was_put_there(alerts: list[Alert]) -> None:
    shelf = Shelf()

    for each in alerts:
        shelf[each.key] = each
    for each in many(READY):
        shelf[f"other {each.key}"] = each

    kept = {each.key: each for each in alerts}
    assert {key: shelf[key] for key in kept} == kept
    assert len(shelf) == len(kept) + READY


def test_alerts_of_which_each_has_names_of_its_own_come_off_the_shelf_as_well() -> None:
    shelf = Shelf()
    alerts = [replace(each, values={f"details.{each.key}": "x", "y": "x"}) for each in many(SHAPES + READY + 20)]

    for each in alerts:
        shelf[each.key] = each

    assert list(shelf.values()) == alerts


def test_what_many_alerts_say_is_in_memory_once() -> None:
    shelf = Shelf()
    for each in many(READY + 10):
        shelf[each.key] = each

    one, other = (shelf[f"{number:016x}"] for number in (1, 2))

    assert one.labels["region"] is other.labels["region"]
    assert next(iter(one.labels)) is next(iter(other.labels))
    assert one.fingerprint is one.key


def test_the_newest_of_an_alert_counts_wherever_it_is_kept() -> None:
    shelf, alerts = Shelf(), many(READY + 10)
    for each in alerts:
        shelf[each.key] = each

    again = replace(alerts[0], episode=2)
    shelf[again.key] = again
    for each in alerts[1:]:
        shelf[each.key] = replace(each, episode=3)

    assert [each.episode for each in shelf.values()] == [2] + [3] * (len(alerts) - 1)
    for episode in (4, 5):
        shelf[again.key] = replace(again, episode=episode)
    assert shelf[again.key].episode == 5
    del shelf[again.key]
    assert again.key not in shelf
    assert again.key not in list(shelf)


def test_an_alert_that_nobody_looks_at_costs_a_few_hundred_bytes() -> None:
    shelf, count = Shelf(), 10 * READY
    for each in many(READY):
        shelf[each.key] = each
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for each in many(count)[READY:]:
            shelf[each.key] = each
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / (count - READY) < 300


def test_a_sample_is_small_however_large_the_alert_is() -> None:
    shelf, size = Shelf(), 1_000_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        shelf["large"] = replace(alert("large"), rule="Large", values={"error": "x" * size, "more": "y" * size})
        for each in many(READY):
            shelf[each.key] = each
        after, _ = tracemalloc.get_traced_memory()
        ready = sum(len(str(each)) for each in many(READY))
    finally:
        tracemalloc.stop()

    assert after - before < size + ready
    assert shelf["large"].values == {"error": "x" * size, "more": "y" * size}


def test_a_row_names_what_fires_and_holds_the_rest() -> None:
    office = Office(paced())
    for name in ("a", "b"):
        office.add(alert(name), 0)
    office.add(alert("f", fact=True), 0)
    office.end(alert("b"), 5_000)
    (group,) = office.dispatch.groups.values()

    row = as_row(group)

    assert row.standing == ("a",)
    assert dict(row.members) == {"b": ended(alert("b"), 5_000), "f": alert("f", fact=True)}


def test_in_brief_an_alert_has_what_is_decided_on() -> None:
    full = replace(alert("a", severity="warning"), episode=3, values={"error": "x"}, annotations={"summary": "y"})
    members = Members(Shelf())
    members.put(full)

    (found,) = brief(members).values()

    assert (found.episode, found.state, found.fact, found.starts_at) == (3, full.state, False, full.starts_at)
    assert found.labels == {"alertname": "a", "severity": "warning"}
    assert not found.values
    assert not found.annotations


def test_an_alert_whose_rule_is_no_more_leaves_its_row_and_its_groups_row() -> None:
    watch = watching(deployment("shop"))
    run(watch, "Failed b2")
    assert watch.desk.alerts
    assert any(row.standing for row in watch.desk.groups.values())

    watch.desk.restart(rules=())
    watch.desk.commit()

    assert not watch.desk.alerts
    assert not any(row.standing for row in watch.desk.groups.values())


# ── a storm is told in parts ─────────────────────────────────────────────────


def told(office: Office, *, bounded: bool) -> list[list[Notification]]:
    """The messages, in the parts in which they would be written."""
    parts: list[list[Notification]] = []
    more = True
    while more:
        more = office.dispatch.flush_until(START + 60_000, bounded=bounded)
        parts.append([each.notification for each in office.dispatch.flushes])
        office.dispatch.flushes = []
    return parts


def stormy() -> Office:
    office = Office(paced("region", wait=0))
    for number, each in enumerate(many(3 * MUCH)):
        office.add(replace(each, labels={**each.labels, "region": str(number % 6)}), 0)
    return office


def test_what_comes_due_together_is_written_in_parts_of_a_bounded_size() -> None:
    parts = told(stormy(), bounded=True)

    largest = max(len(message.alerts) for part in parts for message in part)
    assert len(parts) > 2
    assert all(sum(len(message.alerts) for message in part) < MUCH + largest for part in parts)


def test_in_parts_the_same_is_told_as_at_once() -> None:
    at_once, in_parts = told(stormy(), bounded=False), told(stormy(), bounded=True)

    assert len(at_once) == 1
    assert [each for part in in_parts for each in part] == at_once[0]


def test_a_storm_into_one_group_is_told_whole_and_its_end_too() -> None:
    office = Office(paced(wait=0))
    alerts = many(READY + 200)
    for each in alerts:
        office.add(each, 0)
    first = office.until(0)
    for each in alerts:
        office.end(each, 1_000)

    later = office.until(400_000)

    assert [len(news([each])) for each in office.decided] == [1, 1]
    assert first[0].endswith(f"({len(alerts)} firing)")
    assert later[0].startswith("all_resolved")
    assert office.decided[-1].notification.resolved == len(alerts)
