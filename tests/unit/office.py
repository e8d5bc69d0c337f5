"""A dispatch whose rows survive its restarts, for tests of who is told when."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.fakes import START
from tests.unit.builders import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    frozen,
    fullmatch,
    matchers,
    news,
    route_of,
    said,
)
from watcher.core.alert import Alert, AlertState
from watcher.core.dispatch import Dispatch, Flush, SinkRef
from watcher.core.group import Group
from watcher.core.route import Route
from watcher.core.silence import Fields, Progress, Silence, Stage, written
from watcher.core.silencing import Silences

WAIT, INTERVAL, REPEAT = 10 * SECOND, 5 * MINUTE, 4 * HOUR
DAYS = 30 * DAY
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
    silences: dict[str, tuple[Fields, Progress]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, **changes: object) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        silences = Silences(fullmatch)
        silences.load(each for each in self.silences.values() if each[1].stage in {Stage.WAITING, Stage.ACTIVE})
        self.dispatch = Dispatch(self.root, self.receivers, silences=silences)
        self.dispatch.load(self.rows.values())

    def add(self, found: Alert, at: int) -> None:
        self.dispatch.add(found, START + at)

    def end(self, found: Alert, at: int) -> None:
        self.dispatch.update(ended(found, at), START + at)

    def silence(self, at: int, *texts: str, ends: int, starts: int | None = None, name: str = "s1") -> None:
        """Somebody makes a silence at `at`."""
        made = Silence(
            id=name,
            matchers=matchers(*texts),
            creator="ann",
            comment="works",
            starts_at=START + (at if starts is None else starts),
            ends_at=START + ends,
        )
        fields = written(made)
        self.silences[name] = (fields, Progress(stage=Stage.NEW))
        self.dispatch.silence(fields, START + at)

    def until(self, now: int) -> list[str]:
        """What is told up to `now` after the start, each message on a line."""
        self.dispatch.flush_until(START + now)
        return self.save()

    def save(self) -> list[str]:
        """Write what has changed, as a commit does; what is told by that."""
        dispatch = self.dispatch
        found = list(dispatch.flushes)
        for key in dispatch.changed:
            self.rows.pop(key, None)
            if key in dispatch.groups:
                self.rows[key] = frozen(dispatch.groups[key])
        for name, progress in dispatch.silences.changed.items():
            self.silences[name] = (self.silences[name][0], progress)
        for each in found:
            self.outbox.setdefault(each.notification.id, each)
        self.decided += found
        dispatch.changed, dispatch.flushes, dispatch.silences.changed = set(), [], {}
        return [said(each) for each in found]

    @property
    def heard(self) -> list[str]:
        return news(self.outbox.values())


def of_sink(office: Office, sink: str) -> list[str]:
    return [said(each) for each in office.decided if each.sink == sink]
