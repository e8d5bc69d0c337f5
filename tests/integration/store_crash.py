"""Processes that die while they use a database, and what is found afterwards. Run as a program; prints one JSON object.

A child says over a pipe what has been committed (its verb has returned) and is then killed with SIGKILL: before its n-th
statement, or from outside as soon as its n-th message has come, wherever it is by then.
"""

import asyncio
import json
import os
import random  # noqa: TID251  seeded by whoever runs a scene
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fakes import START, FakeClock
from watcher.core.alert import Alert
from watcher.core.delivery import Delivery, DeliveryState, Settlement
from watcher.core.event import Event, EventReason, EventType
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment
from watcher.errors import StoreError
from watcher.ports import Judgement, Observation, Settled, Store
from watcher.store import inline, open_store
from watcher.store.opening import open_sound
from watcher.store.sql import Migration, migrations
from watcher.store.sqlite import open_sqlite

PROJECT, SINK, LANES = "shop", "sink", 3
Say = Callable[[str, int], None]

_NEWEST = migrations()[-1].version
_STEP_A = "CREATE TABLE a (x INTEGER);\nCREATE TABLE b (x INTEGER);\nINSERT INTO a VALUES (1);\n"
_STEP_B = "ALTER TABLE a ADD COLUMN y INTEGER;\nUPDATE a SET y = x;\nDROP TABLE b;\n"
STEPS = (
    *migrations(),
    Migration(version=_NEWEST + 1, script=_STEP_A),
    Migration(version=_NEWEST + 2, script=_STEP_B),
)


# ── children ─────────────────────────────────────────────────────────────────


def die_before(statement: int) -> None:
    """Have this process killed before it hands its n-th statement to SQLite."""
    left = statement

    def count(_: FrameType | None, event: str, called: object) -> None:
        nonlocal left
        if event == "c_call" and isinstance(getattr(called, "__self__", None), sqlite3.Connection):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def forked(body: Callable[[Say], None]) -> tuple[int, Iterator[tuple[str, int]]]:
    """Run `body` in a child; returns its process and what it says."""
    reading, writing = os.pipe()
    if pid := os.fork():
        os.close(writing)
        return pid, _said(reading)
    os.close(reading)
    try:
        body(lambda word, number: (os.write(writing, f"{json.dumps([word, number])}\n".encode()), None)[1])
    finally:
        os._exit(1)


def _said(reading: int) -> Iterator[tuple[str, int]]:
    with os.fdopen(reading) as lines:
        for line in lines:
            word, number = json.loads(line)
            yield word, number


async def live(url: str, say: Say) -> None:
    """Observe, judge and deliver for ever, numbering everything."""
    store = await open_store(url, clock=FakeClock(), run=inline)
    await store.recover_claims(START)
    state = await store.load_source(PROJECT, "deployments") or SourceState(project=PROJECT)
    for number in range(state.failures + 1, sys.maxsize):
        await observe(store, number)
        say("observed", number)
        say("judged", await judge(store))
        for each in await send(store):
            say("sent", each)


async def observe(store: Store, number: int) -> None:
    await store.commit_observation(
        Observation(
            source=SourceState(project=PROJECT, failures=number),
            upserts=[Deployment(id=f"d{number % 7}", project=PROJECT, status="x", version=number)],
            events=[Event(type=EventType.STATUS, project=PROJECT, at=START, fields={"n": str(number)})],
        )
    )


async def judge(store: Store) -> int:
    cursor = (await store.load_ledger()).cursor
    numbers = [each.seq for each in (await store.backlog(cursor, 10)).events]
    await store.commit_judgement(
        Judgement(
            cursor=numbers[-1],
            alerts={
                f"a{n}": Alert(key=f"a{n}", fingerprint="", rule="", project="", subject="", labels={}) for n in numbers
            },
            deliveries=[delivery(n) for n in numbers],
            reasons=dict.fromkeys(numbers, (EventReason.STARTED, "R")),
        )
    )
    return numbers[-1]


def delivery(number: int) -> Delivery:
    lane = f"lane{number % LANES}"
    return Delivery(
        id=f"m{number}", sink=SINK, lane=lane, seq=0, notification=b"x" * 900, created_at=START, observed_at=START
    )


async def send(store: Store) -> list[int]:
    due = await store.due_deliveries(SINK, START, 4)
    claimed = await store.claim({each.id: b"body" for each in due}, START)
    done = Settlement(state=DeliveryState.DELIVERED, due_at=None)
    await store.settle([Settled(delivery_id=each.id, settlement=done) for each in claimed], (), START)
    return [int(each.id[1:]) for each in claimed]


# ── what must hold afterwards ────────────────────────────────────────────────


@dataclass
class Acknowledged:
    """The highest number that was told of each kind of commit, and every delivery that was."""

    observed: int = 0
    judged: int = 0
    sent: set[int] = field(default_factory=set)

    def take(self, word: str, number: int) -> None:
        if word == "sent":
            self.sent.add(number)
        else:
            setattr(self, word, number)


def violations(path: Path, told: Acknowledged) -> list[str]:
    """Everything that a database must hold after a crash and does not."""
    driver, _ = open_sound(path, START)
    rows = driver.connection.execute

    def column(query: str) -> list[int]:
        return [row[0] for row in rows(query).fetchall()]

    state = column("SELECT json_extract(body, '$.failures') FROM sources")
    observed, cursor = max(state, default=0), column("SELECT seq FROM cursors")[0]
    sent = column("SELECT CAST(substr(id, 2) AS INTEGER) FROM outbox WHERE state = 'delivered'")
    judged = list(range(1, cursor + 1))
    holds = {
        "an acknowledged observation is there": observed >= told.observed,
        "an acknowledged judgement is there": cursor >= told.judged,
        "an acknowledged delivery is there": told.sent <= set(sent),
        "every observation has its event": column(
            "SELECT json_extract(body, '$.fields.n') + 0 FROM events ORDER BY seq"
        )
        == list(range(1, observed + 1)),
        "the cursor is where the messages end": column("SELECT CAST(substr(id, 2) AS INTEGER) FROM outbox ORDER BY seq")
        == judged,
        "the cursor is where the reasons end": column("SELECT seq FROM events WHERE reason IS NOT NULL ORDER BY seq")
        == judged,
        "every judged event has its alert": sorted(column("SELECT CAST(substr(key, 2) AS INTEGER) FROM alerts"))
        == judged,
    }
    driver.close()
    return [text for text, held in holds.items() if not held]


# ── scenes ───────────────────────────────────────────────────────────────────


def commits(folder: Path, seed: int, kills: int) -> dict[str, object]:
    """Kill a working process again and again, on one database."""
    rng = random.Random(seed)
    path, told, broken, counts = folder / "watcher.db", Acknowledged(), [], {"self": 0, "outside": 0}
    for _ in range(kills):
        before = rng.choice([None, rng.randrange(200)])

        def body(say: Say, before: int | None = before) -> None:
            if before is not None:
                die_before(before)
            asyncio.run(live(f"sqlite:///{path}", say))

        pid, said = forked(body)
        enough = None if before is not None else rng.randrange(1, 60)
        for heard, (word, number) in enumerate(said, 1):
            told.take(word, number)
            if heard == enough:
                os.kill(pid, signal.SIGKILL)
        died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        broken += [] if died == -signal.SIGKILL else [f"the child ended by itself: {died}"]
        broken += violations(path, told)
        counts["self" if enough is None else "outside"] += 1
    return {"violations": broken, "kills": counts, "observed": told.observed, "sent": len(told.sent)}


def migrating(folder: Path) -> dict[str, object]:
    """Kill a migrating process before each of its statements, from an empty folder on."""
    schemas = {version: schema(folder / f"whole{version}" / "watcher.db", version) for version in range(len(STEPS) + 1)}
    found, broken, statement, died = set(), [], 0, -signal.SIGKILL
    while died == -signal.SIGKILL:
        path = folder / f"{statement}" / "watcher.db"

        def body(_: Say, path: Path = path, statement: int = statement) -> None:
            die_before(statement)
            open_sqlite(path).migrate(STEPS, START)
            os._exit(0)

        pid, _ = forked(body)
        died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        left = dump(path)
        version = next((version for version, whole in schemas.items() if whole == left), None)
        found.add(version)
        driver = open_sqlite(path)
        if version is None or driver.migrate(STEPS, START) != (version, len(STEPS)):
            broken.append(f"before statement {statement}: {left}")
        driver.close()
        statement += 1
    return {"violations": broken, "kills": statement - 1, "versions": len(found), "ended": died}


def schema(path: Path, version: int) -> list[str]:
    driver = open_sqlite(path)
    driver.migrate(STEPS[:version], START)
    driver.close()
    return dump(path)


def dump(path: Path) -> list[str]:
    """Everything in a database as SQL."""
    driver = open_sqlite(path)
    text = list(driver.connection.iterdump())
    driver.close()
    return text


def full(folder: Path) -> dict[str, object]:
    """Let the file system refuse to let the files grow, then let it."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def scene() -> dict[str, Any]:
        store = await open_store(f"sqlite:///{folder}/watcher.db", clock=FakeClock(), run=inline)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
        written, errors = 0, []
        for _ in range(2_000):
            try:
                await observe(store, written + 1)
            except StoreError as error:
                errors.append(str(error))
            else:
                written += 1
            if len(errors) == 3:
                break
        seen = [each.fields["n"] for each in (await store.backlog(0, 5_000)).events]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await observe(store, written + 1)
        await store.close()
        return {"written": written, "errors": errors, "seen": seen}

    outcome = asyncio.run(scene())
    return {**outcome, "violations": violations(folder / "watcher.db", Acknowledged(observed=outcome["written"] + 1))}


def unprivileged(folder: Path) -> dict[str, object]:
    """Try places that this user may not use; as root, as somebody else."""
    asyncio.run(live_briefly())
    private, foreign = folder / "private", folder / "foreign"
    private.mkdir(mode=0o500)
    foreign.mkdir(mode=0o777)
    driver, _ = open_sound(foreign / "watcher.db", START)
    driver.close()
    (foreign / "watcher.db").chmod(0o400)
    if os.geteuid() == 0:
        foreign.chmod(0o777)
        (foreign / "watcher.db.lock").chmod(0o666)
        folder.chmod(0o755)

    def body(say: Say) -> None:
        if os.geteuid() == 0:
            os.setgid(65_534)
            os.setuid(65_534)
        for path in (private / "watcher.db", private / "new" / "watcher.db", foreign / "watcher.db"):
            try:
                open_sound(path, START)
            except StoreError as error:
                say(str(error), 0)

    pid, said = forked(body)
    messages = [word for word, _ in said]
    os.waitpid(pid, 0)
    return {"messages": messages}


async def live_briefly() -> None:
    """Load whatever is loaded late, while it can be read."""
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    await observe(store, 1)
    await store.close()


def main(scene: str, folder: str, *numbers: str) -> None:
    scenes: dict[str, Callable[..., dict[str, object]]] = {
        "commits": commits,
        "migrating": migrating,
        "full": full,
        "unprivileged": unprivileged,
    }
    print(json.dumps(scenes[scene](Path(folder), *map(int, numbers))))


if __name__ == "__main__":
    main(*sys.argv[1:])
