"""Who is told: the tree of routes, every sink of a receiver, and sinks that want no recoveries."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import (
    HOUR,
    MINUTE,
    SECOND,
    matchers,
    quick,
)
from tests.unit.office import (
    TWO,
    WAIT,
    Office,
    alert,
    labelled,
    of_sink,
    paced,
)
from watcher.core import route
from watcher.core.dispatch import SinkRef
from watcher.core.route import Node

# ── who ──────────────────────────────────────────────────────────────────────

TREE = route.build(
    Node(
        receiver="team",
        group_by=("project",),
        group_wait=0,
        group_interval=0,
        routes=(
            Node(receiver="audit", matchers=matchers('severity=~"critical|warning"'), continue_=True),
            Node(
                receiver="oncall",
                matchers=matchers('severity="critical"'),
                routes=(Node(receiver="shop", matchers=matchers('deployment="shop"')),),
            ),
            Node(receiver="later", matchers=matchers('severity="critical"')),
        ),
    )
)
EVERYONE = {name: (SinkRef(id=f"{name}/webhook/0"),) for name in ("team", "audit", "oncall", "shop", "later")}


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "info"}, ["team"]),
        ({}, ["team"]),
        ({"severity": "warning"}, ["audit"]),
        ({"severity": "critical"}, ["audit", "oncall"]),
        ({"severity": "critical", "deployment": "shop"}, ["audit", "shop"]),
    ],
)
def test_an_alert_reaches_the_first_that_matches_and_whoever_says_continue(
    labels: dict[str, str], receivers: list[str]
) -> None:
    office = Office(TREE, EVERYONE)
    office.add(labelled("a", labels), 0)
    office.until(0)
    assert [each.notification.receiver for each in office.decided] == receivers
    assert len({each.notification.id for each in office.decided}) == len(receivers)
    office.end(labelled("a", labels), SECOND)
    office.until(SECOND)
    assert sorted(each.notification.receiver for each in office.decided) == sorted(receivers * 2)


def test_every_sink_of_a_receiver_has_its_own_message_and_lane() -> None:
    office = Office(paced(wait=0), {"team": (SinkRef(id="team/slack/0"), SinkRef(id="team/webhook/0"))})
    office.add(alert("a"), 0)
    office.until(0)
    assert [each.sink for each in office.decided] == ["team/slack/0", "team/webhook/0"]
    assert len({each.lane for each in office.decided}) == 2
    assert len({each.notification.id for each in office.decided}) == 2


def test_a_receiver_without_sinks_is_counted() -> None:
    office = Office(paced(wait=0), {"team": ()})
    office.add(alert("a"), 0)
    assert office.until(0) == []
    assert office.dispatch.suppressed == {"no_sink": 1}


def test_a_sink_that_wants_no_recoveries_hears_none() -> None:
    office = Office(paced(wait=0, interval=0), TWO)
    office.add(alert("a"), 0)
    office.until(0)
    office.end(alert("a"), SECOND)
    office.until(SECOND)
    assert of_sink(office, "team/slack/0") == ["first_notification: +a (1 firing)", "all_resolved: -a (0 firing)"]
    assert of_sink(office, "team/webhook/0") == ["first_notification: +a (1 firing)"]
    assert office.dispatch.suppressed == {"resolved_not_wanted": 1}


def test_a_sink_that_wants_no_recoveries_hears_none_while_another_alert_fires() -> None:
    office = Office(paced(wait=0, interval=0), TWO)
    office.add(alert("a"), 0)
    office.add(alert("b"), 0)
    office.until(0)
    office.end(alert("a"), SECOND)
    office.until(SECOND)
    assert of_sink(office, "team/slack/0")[1:] == ["new_resolved: -a (1 firing)"]
    assert of_sink(office, "team/webhook/0")[1:] == []


def test_a_sink_that_wants_no_recoveries_is_told_of_what_failed_even_if_it_has_ended_already() -> None:
    """An alert that ends before its first flush is still told: what such a sink declines is the end, not the failure."""
    office = Office(paced(), TWO)
    office.add(alert("a"), 0)
    office.end(alert("a"), SECOND)
    office.until(WAIT)
    assert of_sink(office, "team/webhook/0") == ["first_notification: -a (0 firing)"]


def test_a_sink_that_wants_no_recoveries_is_told_of_an_attempt_that_failed_and_recovered_between_two_flushes() -> None:
    office = Office(paced(wait=0), TWO)
    office.add(alert("a"), 0)
    office.until(0)
    office.add(alert("a", episode=2), SECOND)
    office.end(alert("a", episode=2), MINUTE)
    office.until(HOUR)
    assert len(of_sink(office, "team/webhook/0")) == 2


# ── properties ───────────────────────────────────────────────────────────────

names = st.sampled_from(["x", "y"])
label_sets = st.fixed_dictionaries({}, optional={"severity": names, "team": names, "deployment": names})


conditions = st.sampled_from(
    [matchers(), matchers('severity="x"'), matchers('team="y"'), matchers('deployment!="x"', 'severity="y"')]
)
groupings = st.sampled_from([None, None, ("severity",), ("deployment", "team"), ()])


def nodes(depth: int) -> st.SearchStrategy[Node]:
    below = st.lists(nodes(depth - 1), max_size=3).map(tuple) if depth else st.just(())
    return st.builds(
        Node,
        receiver=st.sampled_from([None, "r1", "r2"]),
        matchers=conditions,
        continue_=st.booleans(),
        group_by=groupings,
        routes=below,
    )


def model(
    node: Node, labels: Mapping[str, str], receiver: str, by: tuple[str, ...]
) -> list[tuple[str, tuple[str, ...]]]:
    """Alertmanager's rule in its plainest words: receiver and group_by of each node that is meant."""
    if not all(each.test(labels.get(each.name, "")) for each in node.matchers):
        return []
    receiver, by = node.receiver or receiver, by if node.group_by is None else node.group_by
    found = []
    for child in node.routes:
        below = model(child, labels, receiver, by)
        found += below
        if below and not child.continue_:
            break
    return found or [(receiver, by)]


@quick
@given(nodes(2), st.lists(label_sets, min_size=1, max_size=4))
def test_every_alert_reaches_exactly_the_receivers_that_alertmanager_would_tell(
    tree: Node, label_lists: list[dict[str, str]]
) -> None:
    tree = replace(tree, receiver="root", matchers=(), group_by=("team",), group_wait=0)
    receivers = {name: (SinkRef(id=name),) for name in ("root", "r1", "r2")}
    office = Office(route.build(tree), receivers)
    expected: dict[str, list[tuple[str, tuple[tuple[str, str], ...]]]] = {}
    for number, labels in enumerate(label_lists):
        found = labelled(f"a{number}", labels)
        office.add(found, 0)
        expected[found.key] = sorted(
            (receiver, tuple((name, labels[name]) for name in sorted(by) if name in labels))
            for receiver, by in model(tree, found.labels, "root", ())
        )
    office.until(0)
    reached = defaultdict(list)
    for each in office.decided:
        for view in each.notification.alerts:
            reached[view.fingerprint].append((each.sink, tuple(each.notification.group_labels.items())))
    assert {key: sorted(places) for key, places in reached.items()} == expected
