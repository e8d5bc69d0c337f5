"""Who is told, when, and under which name: pacing, receivers, lanes, restarts and changed routes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import HOUR, MINUTE, SECOND, frozen, matchers, news, quick, route_of, said
from watcher.core import route
from watcher.core.alert import Alert, AlertState
from watcher.core.dispatch import Dispatch, Flush, SinkRef
from watcher.core.group import Group
from watcher.core.route import Node, Route

WAIT, INTERVAL, REPEAT = 10 * SECOND, 5 * MINUTE, 4 * HOUR
ONE = {"team": (SinkRef(id="team/slack/0"),)}
TWO = {"team": (SinkRef(id="team/slack/0"), SinkRef(id="team/webhook/0", send_resolved=False))}


def labelled(key: str, labels: dict[str, str]) -> Alert:
    return replace(alert(key), labels={**alert(key).labels, **labels})


def alert(key: str = "a", *, episode: int = 1, fact: bool = False, at: int = 0, **labels: str) -> Alert:
    return Alert(
        key=key,
        fingerprint=key,
        rule=key,
        project="my-shop",
        subject=key,
        labels={"alertname": key, "project": "my-shop", **labels},
        state=AlertState.FIRING,
        starts_at=START + at,
        observed_at=START + at,
        episode=episode,
        fact=fact,
    )


def ended(found: Alert, at: int) -> Alert:
    return replace(found, state=AlertState.RESOLVED, ends_at=START + at, observed_at=START + at)


def paced(*group_by: str, wait: int = WAIT, interval: int = INTERVAL, repeat: int = REPEAT) -> Route:
    return route_of(*(group_by or ("project",)), group_wait=wait, group_interval=interval, repeat_interval=repeat)


@dataclass
class Office:
    """A dispatch whose rows survive; `outbox` holds a message once for each id, as the store does."""

    root: Route = field(default_factory=paced)
    receivers: Mapping[str, tuple[SinkRef, ...]] = field(default_factory=lambda: ONE)
    rows: dict[str, Group] = field(default_factory=dict)
    outbox: dict[str, Flush] = field(default_factory=dict)
    decided: list[Flush] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, **changes: object) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        self.dispatch = Dispatch(self.root, self.receivers)
        self.dispatch.load(self.rows.values())

    def add(self, found: Alert, at: int) -> None:
        self.dispatch.add(found, START + at)

    def end(self, found: Alert, at: int) -> None:
        self.dispatch.update(ended(found, at), START + at)

    def until(self, now: int) -> list[str]:
        """What is told up to `now` after the start, each message on a line."""
        dispatch = self.dispatch
        dispatch.flush_until(START + now)
        found = list(dispatch.flushes)
        for key in dispatch.changed:
            self.rows.pop(key, None)
            if key in dispatch.groups:
                self.rows[key] = frozen(dispatch.groups[key])
        for each in found:
            self.outbox.setdefault(each.notification.id, each)
        self.decided += found
        dispatch.changed, dispatch.flushes = set(), []
        return [said(each) for each in found]

    @property
    def heard(self) -> list[str]:
        return news(self.outbox.values())


# ── pace ─────────────────────────────────────────────────────────────────────


def test_a_first_alert_waits_group_wait_for_company() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.add(alert("b"), 9_999)
    assert office.dispatch.next_due() == START + WAIT
    assert office.until(WAIT - 1) == []
    assert office.until(WAIT) == ["first_notification: +a +b (2 firing)"]


def test_company_does_not_put_off_the_first_message() -> None:
    office = Office()
    for n in range(20):
        office.add(alert(f"a{n}"), n * SECOND)
    assert len(office.until(WAIT)) == 1


def test_news_comes_no_oftener_than_group_interval() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.add(alert("b"), MINUTE)
    office.add(alert("c"), 2 * MINUTE)
    assert office.until(WAIT + INTERVAL - 1) == []
    assert office.until(WAIT + INTERVAL) == ["new_alerts: +b +c (3 firing)"]


def test_news_after_a_quiet_time_comes_at_once() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.add(alert("b"), HOUR)
    assert office.until(HOUR) == ["new_alerts: +b (2 firing)"]


def test_a_recovery_keeps_the_same_pace() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.end(alert("a"), MINUTE)
    assert office.until(WAIT + INTERVAL - 1) == []
    assert office.until(WAIT + INTERVAL) == ["all_resolved: -a (0 firing)"]


def test_an_alert_that_ends_before_its_first_flush_is_still_told() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.end(alert("a"), SECOND)
    assert office.until(WAIT) == ["first_notification: -a (0 firing)"]
    assert office.until(DAYS) == []


DAYS = 30 * 24 * HOUR


def test_what_stands_is_repeated_and_what_was_told_anew_is_not_repeated_early() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    assert office.until(WAIT + REPEAT - 1) == []
    assert office.until(WAIT + REPEAT) == ["repeat_interval: nothing (1 firing)"]
    office.add(alert("b"), 5 * HOUR)
    office.until(5 * HOUR)
    assert office.until(9 * HOUR - 1) == []
    assert office.until(9 * HOUR) == ["repeat_interval: nothing (2 firing)"]


def test_a_long_absence_is_one_reminder_and_not_one_for_each_that_was_missed() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.restart()
    assert office.until(2 * 24 * HOUR) == ["repeat_interval: nothing (1 firing)"]
    assert office.until(2 * 24 * HOUR + REPEAT - 1) == []


@pytest.mark.parametrize("over", [alert("a", fact=True), alert("a")], ids=["a fact", "a resolved alert"])
def test_what_is_over_is_never_repeated_and_its_group_is_forgotten(over: Alert) -> None:
    office = Office()
    office.add(over, 0)
    office.until(WAIT)
    if not over.fact:
        office.end(over, MINUTE)
    office.until(HOUR)
    assert office.until(DAYS) == []
    assert office.rows == {}
    assert office.dispatch.next_due() is None


def test_a_group_keeps_its_pace_until_it_is_forgotten() -> None:
    """Were it forgotten at once, a fact a second would be a message a `group_wait`, whatever `group_interval` says."""
    office = Office()
    office.add(alert("a", fact=True), 0)
    office.until(WAIT)
    office.add(alert("b", fact=True), WAIT + SECOND)
    assert office.until(WAIT + INTERVAL - 1) == []
    assert office.until(WAIT + INTERVAL) == ["first_notification: +b (1 firing)"]
    assert office.rows != {}
    office.until(WAIT + 2 * INTERVAL)
    assert office.rows == {}


def test_row_16_five_hundred_alerts_within_a_minute_are_two_messages_and_counted_exactly() -> None:
    office = Office(paced(wait=30 * SECOND))
    for n in range(500):
        at = n * MINUTE // 500
        office.until(at)
        office.add(alert(f"a{n}", at=at), at)
    office.until(HOUR)
    counts = [each.notification.fresh for each in office.decided]
    assert len(counts) <= 2
    assert sum(counts) == office.decided[-1].notification.firing == 500


def test_no_pace_at_all_tells_everything_at_once() -> None:
    office = Office(paced(wait=0, interval=0))
    office.add(alert("a"), 0)
    assert office.until(0) == ["first_notification: +a (1 firing)"]
    office.add(alert("a", episode=2), SECOND)
    assert office.until(SECOND) == ["new_attempt: +a (1 firing)"]
    office.end(alert("a", episode=2), 2 * SECOND)
    assert office.until(2 * SECOND) == ["all_resolved: -a (0 firing)"]
    assert office.rows == {}


def test_equal_times_are_told_in_the_order_of_their_news() -> None:
    office = Office(paced("deployment", wait=0, interval=0))
    office.add(alert("z", deployment="z"), 0)
    office.add(alert("a", deployment="a"), 0)
    assert office.until(0) == ["first_notification: +z (1 firing)", "first_notification: +a (1 firing)"]


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


def of_sink(office: Office, sink: str) -> list[str]:
    return [said(each) for each in office.decided if each.sink == sink]


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


# ── what a message says ──────────────────────────────────────────────────────


def test_a_message_counts_exactly_and_shows_news_first_then_what_fires_then_by_age() -> None:
    office = Office(paced(wait=0, interval=0))
    for name, at in (("old", 0), ("gone", 1), ("older", -5)):
        office.add(alert(name, at=at), 0)
    office.until(0)
    office.end(alert("gone", at=1), SECOND)
    office.add(alert("new", at=2), SECOND)
    office.until(SECOND)
    message = office.decided[-1].notification
    assert [each.labels["alertname"] for each in message.alerts] == ["new", "gone", "older", "old"]
    assert [each.fresh for each in message.alerts] == [True, True, False, False]
    assert (message.firing, message.resolved, message.fresh) == (3, 1, 2)
    assert (message.status, message.at) == ("firing", START + SECOND)


@pytest.mark.parametrize(
    ("severities", "ended_ones", "severity"),
    [
        (["info", "critical", "warning"], [], "critical"),
        (["info", "critical", "warning"], ["critical"], "warning"),
        (["critical"], ["critical"], "critical"),
        (["mine"], [], ""),
    ],
)
def test_the_severity_of_a_message_is_the_highest_that_fires(
    severities: list[str], ended_ones: list[str], severity: str
) -> None:
    office = Office(paced())
    for each in severities:
        office.add(alert(each, severity=each), 0)
    for each in ended_ones:
        office.end(alert(each, severity=each), SECOND)
    office.until(WAIT)
    assert office.decided[0].notification.severity == severity


def test_a_message_knows_since_when_its_oldest_news_waits() -> None:
    office = Office(paced(wait=0, interval=0))
    office.add(alert("a", at=0), 0)
    office.until(0)
    office.add(alert("b", at=3), 5)
    office.add(alert("c", at=2), 5)
    office.until(7)
    assert office.decided[-1].observed_at == START + 2


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
