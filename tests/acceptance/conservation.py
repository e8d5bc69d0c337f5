"""Nothing unaccounted for: what a daemon decided and what became of it, read from its database once it is gone.

- Every message that the log says was decided is a row; rows whose digest is told and those told singly are all there are.
- A digest stands for exactly as many messages as name it.
- Every event that an alert followed from was told, is told as soon as its group may speak, or is counted as held back.
- No news of an alert is told to one sink in two messages.
- As far as one process lived, the counters of `/metrics` say the same as the rows.
"""

import json
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from watcher.core.delivery import DeliveryState
from watcher.core.event import EventReason
from watcher.core.group import Group
from watcher.core.notification import AlertView, Notification
from watcher.store import codec

NEWS = frozenset({EventReason.STARTED, EventReason.NEW_ATTEMPT, EventReason.TOLD_ONCE, EventReason.SILENCED})
"""What an event is recorded with that a failure, or a fact, followed from."""
_SAMPLE = re.compile(r"^connect_watcher_(\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
Subject = tuple[str, str, str]
"""A rule, a project, and the name of the Deployment that it was about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A message in the outbox."""

    id: str
    sink: str
    state: DeliveryState
    stands_for: int
    digest: str
    unknown: int
    message: Notification

    @property
    def is_digest(self) -> bool:
        return self.message.reason == "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What a database says. `news` counts events by what was to be told of them, `groups` are those that still may speak."""

    rows: Sequence[Row]
    news: Counter[Subject] = field(default_factory=Counter)
    groups: Sequence[Group] = ()
    held_back: int = 0

    def of(self, sink: str) -> list[Row]:
        """The messages for one sink whose id ends so."""
        return [each for each in self.rows if each.sink.endswith(sink)]


def books(database: Path) -> Books:
    """Read the database of a daemon that is gone. A copy is read: what it left is still to be taken over by the next."""
    with tempfile.TemporaryDirectory() as folder:
        for each in database.parent.glob(f"{database.name}*"):
            if each.suffix != ".lock":
                shutil.copy(each, folder)
        with closing(sqlite3.connect(Path(folder) / database.name)) as connection:
            connection.row_factory = sqlite3.Row
            return _read(connection)


def _read(connection: sqlite3.Connection) -> Books:
    group, message = msgspec.json.Decoder(Group), msgspec.json.Decoder(Notification)
    rows = connection.execute(
        "SELECT id, sink, state, stands_for, digest, unknown_outcomes, notification FROM outbox ORDER BY seq"
    )
    found = [
        Row(
            id=each["id"],
            sink=each["sink"],
            state=DeliveryState(each["state"]),
            stands_for=each["stands_for"],
            digest=each["digest"],
            unknown=each["unknown_outcomes"],
            message=message.decode(each["notification"]),
        )
        for each in rows
    ]
    events = connection.execute(
        "SELECT rule, body FROM events WHERE reason IN (SELECT value FROM json_each(?))", (_NEWS,)
    )
    alerts = {each["key"]: codec.alert(each["body"]) for each in connection.execute("SELECT key, body FROM alerts")}
    held = connection.execute("SELECT held FROM silences").fetchall()
    return Books(
        rows=found,
        news=Counter(_about(each["rule"], json.loads(each["body"])) for each in events),
        groups=[
            codec.whole(group.decode(each["body"]), alerts)
            for each in connection.execute("SELECT body FROM alert_groups")
        ],
        held_back=sum(sum(json.loads(each["held"]).values()) for each in held),
    )


_NEWS = json.dumps(sorted(NEWS))


def _about(rule: str, event: Mapping[str, Any]) -> Subject:
    """What an event is about, as the labels of an alert name it; nothing where that is no Deployment."""
    deployment = event.get("deployment") or {}
    return rule, event["project"], str(deployment.get("key") or deployment.get("id") or "")


def subject(labels: Mapping[str, str]) -> Subject:
    return labels["alertname"], labels.get("project", ""), labels.get("deployment", "")


def database_of(config: Path) -> Path:
    """Where a daemon with this configuration keeps its database."""
    said = re.search(r'url = "sqlite:///([^"]+)"', config.read_text())
    assert said is not None
    return Path(said[1])


async def scrape(config: Path) -> str:
    """The metrics of the daemon with this configuration; nothing where it does not listen yet, or no more."""
    said = re.search(r'\[web\]\nlisten = "([^"]+)"', config.read_text())
    assert said is not None
    with suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(f"http://{said[1]}/metrics") as answer:
            return await answer.text()
    return ""


# ── what must hold ───────────────────────────────────────────────────────────


def verify(found: Books, log: bytes = b"", metrics: str = "") -> None:
    """Hold the books to the log, to themselves, and to the counters of the last process where it was the only one."""
    decided = {str(each["id"]) for each in _lines(log) if each.get("event") == "notification.decided"}
    assert decided <= {each.id for each in found.rows}, "decided, but not in the outbox"
    _verify_digests(found)
    for sink in {each.sink for each in found.rows}:
        _verify_news(found, sink)
    _verify_told(found)
    if metrics:
        _verify_counters(found, metrics)


def _verify_digests(found: Books) -> None:
    """Singles and what digests stand for are all that was decided."""
    stand_for = Counter(each.digest for each in found.rows if each.digest)
    digests = {each.id: each.stands_for for each in found.rows if each.is_digest}
    assert stand_for == digests
    singles = [each for each in found.rows if not each.is_digest and not each.digest]
    decided = [each for each in found.rows if not each.is_digest]
    assert len(singles) + sum(digests.values()) == len(decided)
    assert all((each.state is DeliveryState.DIGESTED) == bool(each.digest) for each in found.rows)


def _verify_news(found: Books, sink: str) -> None:
    """What a sink is told as news it is told in one message; a digest tells what others would have."""
    news = Counter(
        (view.fingerprint, view.starts_at, view.state, view.attempts)
        for each in found.rows
        if each.sink == sink and not each.is_digest
        for view in each.message.alerts
        if view.fresh and not view.fact
    )
    assert not [each for each, times in news.items() if times > 1]


def _verify_told(found: Books) -> None:
    """Every event that was news is in messages to some receiver, waits in a group, or is counted as held back."""
    told = {sink: _told(found.of(sink)) for sink in {each.sink for each in found.rows}}
    waiting = _waiting(found.groups)
    held_back = found.held_back + sum(each.message.held_back for each in found.rows)
    held_back += sum(sum(group.held_back.values()) for group in found.groups)
    missing = {
        each: count - most
        for each, count in found.news.items()
        if (most := max((counts[each] for counts in told.values()), default=0) + waiting[each]) < count
    }
    assert sum(missing.values()) <= held_back, missing


def _waiting(groups: Iterable[Group]) -> Counter[Subject]:
    """How many starts and new attempts wait until their group may speak."""
    found: Counter[Subject] = Counter()
    for group in groups:
        for key, alert in group.members.items():
            told = group.told.get(key)
            found[subject(alert.labels)] += max(alert.episode - (told.episode if told else 0), 0)
    return found


def _told(rows: Iterable[Row]) -> Counter[Subject]:
    """How many starts and new attempts the messages for one sink tell, by what they are of."""
    known: dict[str, int] = {}
    told: Counter[Subject] = Counter()
    for view in _fresh(rows):
        if view.fact:
            told[subject(view.labels)] += 1
            continue
        told[subject(view.labels)] += max(view.attempts - known.get(view.fingerprint, 0), 0)
        known[view.fingerprint] = 0 if view.state == "resolved" else view.attempts
    return told


def _fresh(rows: Iterable[Row]) -> Iterator[AlertView]:
    for each in rows:
        if not each.is_digest:
            yield from (view for view in each.message.alerts if view.fresh)


def _verify_counters(found: Books, text: str) -> None:
    """What was counted by the time of the scrape is in the rows, which may have got more since."""
    delivered = Counter(each.sink for each in found.rows if each.state is DeliveryState.DELIVERED)
    for name, labels, value in _SAMPLE.findall(text):
        match name, dict(_LABEL.findall(labels)):
            case "deliveries_total", {"sink": str(sink), "outcome": "delivered"}:
                assert float(value) <= delivered[sink]
            case "suppressed_total", {"reason": "digested"}:
                assert float(value) <= sum(bool(each.digest) for each in found.rows)


def _lines(log: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in log.splitlines() if line.startswith(b"{"))
