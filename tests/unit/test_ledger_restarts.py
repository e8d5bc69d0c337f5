"""A restart changes nothing, and what a naive person would say is what is heard."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, deployment
from tests.unit.builders import (
    DAY,
    FAILED,
    HOUR,
    MINUTE,
    MOVED,
    POLL,
    RECOVERED,
    SECOND,
    Desk,
    event,
    failed,
    lasting,
    pack,
    quick,
    route_of,
    warned,
    watching,
)
from watcher.core.dispatch import Flush
from watcher.core.event import Event, whole_observations
from watcher.core.route import Route
from watcher.core.snapshot import ReportEntry

# ── restarts ─────────────────────────────────────────────────────────────────


def test_a_limited_read_ends_between_two_observations() -> None:
    """Six hundred failures in one poll are one message, also where the process dies between two batches of judging."""
    earlier = [event("status", 0, of=deployment("a", "Failed"))]
    found = [event("status", 1, of=deployment(f"d{n}", "Failed")) for n in range(600)]
    assert whole_observations([*earlier, *found[:499]]) == earlier
    assert whole_observations(found[:500]) == []
    assert whole_observations([]) == []


SUBJECTS = ("a", "b", "c")
statuses = st.sampled_from(["Queued", "Deploying", "Deployed", "Failed", "Undeploying", "UndeployFailed"])
builds = st.sampled_from(["b1", "b2", "b3"])
reports: st.SearchStrategy[tuple[ReportEntry, ...]] = st.sampled_from([(), (warned(),), (warned(application="job"),)])
happenings = st.lists(
    st.tuples(
        st.sampled_from(SUBJECTS),
        statuses,
        builds,
        reports,
        st.sampled_from([0, POLL, POLL, 10 * MINUTE, 5 * HOUR]),
    ),
    min_size=1,
    max_size=25,
)
paces = st.sampled_from(
    [
        route_of("project", "deployment"),
        route_of("project"),
        route_of("project", group_wait=MINUTE, group_interval=5 * MINUTE),
        route_of(group_wait=10 * SECOND, group_interval=HOUR, repeat_interval=4 * HOUR),
    ]
)
Script = Sequence[tuple[str, str, str, tuple[ReportEntry, ...], int]]


def recorded(script: Script) -> list[Event]:
    """The events of a script as observing records them."""
    watch = watching(*(deployment(name) for name in SUBJECTS))
    watch.events.clear()
    found: list[Event] = []
    for name, status, build, entries, length in script:
        watch.set(name, status=status, build=build, entries=entries)
        if length:
            found += watch.poll(after=length, judged=False).events
            watch.events.clear()
    return [replace(each, seq=number) for number, each in enumerate(found, 1)]


def summary(flushes: Sequence[Flush]) -> dict[str, list[tuple[object, ...]]]:
    """What each lane was told: names, reasons and counts."""
    lanes: dict[str, list[tuple[object, ...]]] = {}
    for each in flushes:
        message = each.notification
        told = (message.id, message.reason, message.firing, message.resolved, message.fresh)
        lanes.setdefault(each.lane, []).append(told)
    return lanes


@quick
@given(happenings, paces, st.lists(st.integers(1, 10), min_size=1, max_size=10))
def test_batches_of_any_size_with_a_restart_after_each_say_the_same(
    script: Script, pace: Route, sizes: list[int]
) -> None:
    events = recorded(script)
    observations = [list(found) for _, found in groupby(events, key=lambda each: each.at)]
    whole = Desk(pack("builtin"), pace)
    pieces = Desk(pack("builtin"), pace)
    whole.judge(*events)
    at = 0
    for number in range(len(observations)):
        size = sizes[number % len(sizes)]
        pieces.judge(*chain.from_iterable(observations[at : at + size]))
        pieces.restart()
        at += size
    end = events[-1].at - START + DAY if events else DAY
    whole.judge(seen=end, now=end)
    pieces.judge(seen=end, now=end)
    assert summary(pieces.decided) == summary(whole.decided)
    assert pieces.states == whole.states
    assert pieces.reasons == whole.reasons


@quick
@given(happenings)
def test_judging_late_says_what_judging_at_once_says(script: Script) -> None:
    """As long as nothing is repeated: of several reminders that nobody sent one is enough."""
    events, root = recorded(script), route_of("project", "deployment", repeat_interval=365 * DAY)
    prompt, late = Desk([failed(), MOVED], root), Desk([failed(), MOVED], root)
    for each, following in pairwise([*events, None]):
        assert each is not None
        last = following is None or following.at != each.at
        prompt.judge(each, now=each.at - START if last else None)
    late.judge(*events, now=events[-1].at - START if events else 0)
    assert summary(late.decided) == summary(prompt.decided)


@quick
@given(happenings, paces)
def test_a_message_is_never_lost_to_another_of_the_same_name(script: Script, pace: Route) -> None:
    desk = Desk(pack("builtin"), pace)
    for _, found in groupby(recorded(script), key=lambda each: each.at):
        events = list(found)
        desk.judge(*events, seen=events[0].at - START, now=events[0].at - START)
    assert len(desk.outbox) == len(desk.decided)


# ── a naive person's model ───────────────────────────────────────────────────

runs = st.lists(st.tuples(statuses, builds), max_size=20)


def expected(steps: Sequence[tuple[str, str]]) -> list[str]:
    """Say `failed` when a failure is seen that was not there a poll ago, and `recovered` when it is deployed after one."""
    heard, down, before = [], False, ("Deployed", "b1")
    for step in steps:
        if step[0] == "Failed" and step != before:
            heard.append(FAILED)
            down = True
        if step[0] == "Deployed" and down:
            heard.append(RECOVERED)
            down = False
        before = step
    return heard


@quick
@given(runs, st.sets(st.integers(0, 20)))
def test_a_person_hears_each_failure_and_each_recovery_once(steps: list[tuple[str, str]], restarts: set[int]) -> None:
    watch = watching(rules_=[failed()])
    for number, (status, build) in enumerate(steps):
        if number in restarts:
            watch.restart()
        watch.set(status=status, build=build)
        watch.poll()
    assert watch.heard == expected(steps)


@quick
@given(runs, st.sampled_from([0, 10 * SECOND, 2 * MINUTE]))
def test_at_any_pace_each_failure_is_followed_by_its_news_and_the_last_word_is_true(
    steps: list[tuple[str, str]], wait: int
) -> None:
    watch = watching(rules_=[failed()], root=route_of("project", group_wait=wait, group_interval=5 * MINUTE))
    before, failures, down = ("Deployed", "b1"), list[int](), False
    for step in steps:
        watch.set(status=step[0], build=step[1])
        watch.poll()
        if step[0] == "Failed" and step != before:
            failures.append(watch.at)
        down = step[0] == "Failed" or (down and step[0] != "Deployed")
        before = step
    lasting(watch, 20 * MINUTE)
    told = [each.notification for each in watch.desk.decided if each.notification.fresh]
    last = watch.desk.decided[-1].notification.status if told else "resolved"
    assert (last == "firing") == down
    for at in failures:
        assert any(each.at >= at for each in told), "a failure that nobody heard of"
    for earlier, later in pairwise(told):
        assert any(earlier.at <= at <= later.at for at in failures) or later.status == "resolved", "news of nothing"
