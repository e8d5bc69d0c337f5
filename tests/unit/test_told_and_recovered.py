"""Whatever happens: who was told that something fires is told once that it ended, nobody else is, and the counts add up.

Random courses of failures, attempts, recoveries, silences, acknowledgements and restarts, judged as they come, against
what a naive person would keep in a notebook.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import HOUR, MINUTE, matchers
from tests.unit.office import DAYS, REPEAT, Office, alert
from watcher.core import route
from watcher.core.alert import Alert
from watcher.core.dispatch import Flush, SinkRef
from watcher.core.notification import NotifyReason
from watcher.core.route import Node, Route

NAMES = "abc"
RECEIVERS = {"team": (SinkRef(id="team"),), "oncall": (SinkRef(id="oncall"),)}
ABOUT = ('alertname="a"', 'alertname="b"', 'alertname=~"a|c"', 'project="my-shop"')
SEVERITIES = {"a": "critical", "b": "warning", "c": "info"}

Step = tuple[str, int, int]
"""What happens, to which alert or silence, and how many minutes later."""
steps = st.lists(
    st.tuples(
        st.sampled_from(["fire", "fire", "again", "end", "end", "fact", "silence", "silence", "expire", "ack", "wait"]),
        st.integers(0, 3),
        st.sampled_from([0, 1, 1, 7, 45, 5 * 60]),
    ),
    min_size=1,
    max_size=40,
)
hunting = settings(max_examples=150, deadline=None, database=None, derandomize=True)


def two_receivers(wait: int, interval: int) -> Route:
    """Both hear everything: one in one group, one alert by alert."""
    pace = {"group_wait": wait, "group_interval": interval, "repeat_interval": REPEAT}
    team = Node(receiver="team", matchers=matchers('project="my-shop"'), continue_=True, group_by=("project",))
    oncall = Node(receiver="oncall", matchers=matchers('project="my-shop"'), group_by=("alertname",))
    return route.build(Node(receiver="team", routes=(team, oncall), **pace))  # type: ignore[arg-type]  # by name


@dataclass
class Course:
    """A course under way, and the notebook."""

    office: Office
    restarts: bool
    now: int = 0
    firing: dict[str, Alert] = field(default_factory=dict)
    silences: dict[str, tuple[str, int]] = field(default_factory=dict)
    began_silenced: int = 0
    began: int = 0
    serial: int = 0
    suppressed: int = 0

    def play(self, course: Sequence[Step]) -> None:
        for what, which, minutes in course:
            self.now += minutes * MINUTE
            self.judge()
            getattr(self, what)(which)
            self.judge()
        for name in list(self.firing):
            self.now += MINUTE
            self.judge()
            self._end(name)
        self.now += DAYS
        self.judge()

    def judge(self) -> None:
        """Judge up to now, as the daemon does: whenever something is due. With `restarts` a process lives no longer."""
        while (due := self.office.dispatch.next_due()) is not None and due <= START + self.now:
            self.office.until(due - START)
        self.office.until(self.now)
        if self.restarts:
            self.suppressed += self.office.dispatch.suppressed["silenced"]
            self.office.restart()

    def silenced(self, name: str) -> bool:
        labels = alert(name).labels
        return any(
            end > self.now and all(each.matches(labels) for each in matchers(text))
            for text, end in self.silences.values()
        )

    def _begin(self, found: Alert) -> None:
        self.began += 1
        self.began_silenced += self.silenced(found.rule)
        self.office.add(found, self.now)

    def _end(self, name: str) -> None:
        self.office.end(self.firing.pop(name), self.now)

    def fire(self, which: int) -> None:
        name = NAMES[which % 3]
        if name not in self.firing:
            episode = self.office.dispatch.last_episode(name) + 1
            self.firing[name] = alert(name, at=self.now, episode=episode, severity=SEVERITIES[name])
            self._begin(self.firing[name])

    def again(self, which: int) -> None:
        if found := self.firing.get(NAMES[which % 3]):
            self.firing[found.key] = replace(found, episode=found.episode + 1, observed_at=START + self.now)
            self._begin(self.firing[found.key])

    def end(self, which: int) -> None:
        if NAMES[which % 3] in self.firing:
            self._end(NAMES[which % 3])

    def fact(self, which: int) -> None:
        self.serial += 1
        name = NAMES[which % 3]
        self._begin(replace(alert(name, at=self.now, fact=True), key=f"{name}#{self.serial}", fingerprint=f"{name}#"))

    def silence(self, which: int) -> None:
        self.serial += 1
        name, end = f"s{self.serial}", self.now + (which + 1) * HOUR
        self.silences[name] = (ABOUT[which], end)
        self.office.silence(self.now, ABOUT[which], ends=end, name=name)

    def expire(self, which: int) -> None:
        if self.silences:
            name = sorted(self.silences)[which % len(self.silences)]
            del self.silences[name]
            self.office.dispatch.unsilence(name, START + self.now)

    def ack(self, which: int) -> None:
        for key in sorted(self.office.dispatch.groups)[which : which + 1]:
            self.office.dispatch.acknowledge(key, "ann")

    def wait(self, which: int) -> None:
        self.now += (which + 1) * 3 * HOUR


def played(course: Sequence[Step], *, wait: int, interval: int, restarts: bool) -> Course:
    found = Course(Office(root=two_receivers(wait, interval), receivers=RECEIVERS), restarts)
    found.play(course)
    found.suppressed += found.office.dispatch.suppressed["silenced"]
    return found


def messages(course: Course, sink: str) -> list[Flush]:
    return [each for each in course.office.decided if each.sink == sink]


def check_recoveries(told: Sequence[Flush], *, strict: bool) -> None:
    """Told firing, then told resolved, once; in that order.

    `strict`: nothing that ended is told for the first time, and an end is told when it comes.
    """
    standing: set[str] = set()
    for flush in told:
        for view in flush.notification.alerts:
            if view.fact:
                assert view.fresh
            elif view.state == "firing":
                assert view.fresh or view.fingerprint in standing
                standing.add(view.fingerprint)
            else:
                assert view.fresh
                assert not strict or (view.fingerprint in standing and view.ends_at == flush.notification.at)
                standing.discard(view.fingerprint)
    assert standing == set()


@hunting
@given(course=steps)
def test_recovery_reaches_everyone_who_was_told_and_only_them(course: list[Step]) -> None:
    found = played(course, wait=0, interval=0, restarts=True)
    for sink in RECEIVERS:
        check_recoveries(messages(found, sink), strict=True)


@hunting
@given(course=steps)
def test_recovery_reaches_who_was_told_at_any_pace(course: list[Step]) -> None:
    found = played(course, wait=MINUTE, interval=30 * MINUTE, restarts=True)
    for sink in RECEIVERS:
        check_recoveries(messages(found, sink), strict=False)


@hunting
@given(course=steps)
def test_everything_that_began_is_told_or_counted(course: list[Step]) -> None:
    """With no waits each start is told by itself where it was not silenced; where it was, it is in exactly one count."""
    found = played(course, wait=0, interval=0, restarts=True)
    for sink in RECEIVERS:
        told = [each.notification for each in messages(found, sink)]
        assert sum(each.held_back for each in told) == found.began_silenced
        fresh = [view for each in told for view in each.alerts if view.fresh and view.state == "firing"]
        starts = [view for view in fresh if view.labels["alertname"] != "SilenceEnded"]
        freed = sum(min(each.held_back, 1) for each in told if each.alerts[0].labels["alertname"] != "SilenceEnded")
        assert found.began - found.began_silenced <= len(starts)
        assert len(starts) <= found.began - found.began_silenced + len(NAMES) * max(freed, 0)


@hunting
@given(course=steps, wait=st.sampled_from([0, MINUTE]), interval=st.sampled_from([0, 30 * MINUTE]))
def test_what_was_suppressed_is_counted_in_what_is_told(course: list[Step], wait: int, interval: int) -> None:
    found = played(course, wait=wait, interval=interval, restarts=True)
    counted = sum(each.notification.held_back for each in found.office.decided)
    assert counted == found.suppressed


@hunting
@given(course=steps, wait=st.sampled_from([0, MINUTE]), interval=st.sampled_from([0, 30 * MINUTE]))
def test_restarts_change_nothing(course: list[Step], wait: int, interval: int) -> None:
    once, over = (played(course, wait=wait, interval=interval, restarts=each) for each in (False, True))
    assert Counter(map(repr, once.office.decided)) == Counter(map(repr, over.office.decided))


@hunting
@given(course=steps)
def test_nobody_is_reminded_of_what_is_silenced_or_taken_on_alone(course: list[Step]) -> None:
    found = played(course, wait=0, interval=0, restarts=True)
    for flush in found.office.decided:
        message = flush.notification
        if message.reason is NotifyReason.REPEAT:
            assert any(not (view.acknowledged_by or view.silenced) for view in message.alerts)


@hunting
@given(course=steps)
def test_what_is_silenced_is_not_news(course: list[Step]) -> None:
    """Checked against the notebook at the time of each message: a step is judged before the next one."""
    found = Course(Office(root=two_receivers(0, 0), receivers=RECEIVERS), restarts=True)
    for step in course:
        before = len(found.office.decided)
        found.now += step[2] * MINUTE
        found.judge()
        before = len(found.office.decided)
        getattr(found, step[0])(step[1])
        found.office.until(found.now)
        for flush in found.office.decided[before:]:
            for view in flush.notification.alerts:
                if view.fresh and view.state == "firing" and view.labels["alertname"] in NAMES:
                    assert not found.silenced(view.labels["alertname"])


@hunting
@given(course=steps, interval=st.sampled_from([0, 30 * MINUTE]))
def test_what_forgets_is_refreshed_in_time_and_shown_only_what_it_was_told(course: list[Step], interval: int) -> None:
    """Whoever forgets what is not repeated for an hour never does so while it fires; and the others hear no more for it."""
    forgetful = SinkRef(id="am", refresh=HOUR, acknowledgements=True, keeps_open=True)
    found = Course(
        Office(
            root=two_receivers(0, interval),
            receivers={"team": (*RECEIVERS["team"], forgetful), "oncall": RECEIVERS["oncall"]},
        ),
        restarts=True,
    )
    found.play(course)
    check_recoveries(messages(found, "am"), strict=False)
    heard: dict[str, int] = {}
    for flush in messages(found, "am"):
        message = flush.notification
        for view in message.alerts:
            ends = message.at if view.state == "firing" else min(view.ends_at or message.at, message.at)
            assert ends - heard.get(view.fingerprint, ends) <= HOUR
            heard[view.fingerprint] = message.at
            if view.state == "resolved" or view.fact:
                del heard[view.fingerprint]
    plain = played(course, wait=0, interval=interval, restarts=True)
    for sink in RECEIVERS:
        assert Counter(map(repr, messages(found, sink))) == Counter(map(repr, messages(plain, sink)))
