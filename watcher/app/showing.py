"""What Prometheus is shown beside what the pipeline counts: every series from the start, and what is looked at regularly.

A counter that appears with its first increment hides that increment: it has no value before to differ from. So whatever
labels are known beforehand are there from the start, at 0.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path

from watcher.app.parts import Daemon
from watcher.config import Settings
from watcher.core import removal
from watcher.core.delivery import Outcome
from watcher.core.duration import Millis
from watcher.core.event import EventType
from watcher.core.history import Run
from watcher.core.sight import PRIMARY
from watcher.core.snapshot import KNOWN_TYPES, Deployment
from watcher.errors import Blindness
from watcher.metrics import Counters
from watcher.pipeline.loop import Loop
from watcher.sinks.outcome import Reason
from watcher.store.place import beside
from watcher.web.otlp_answer import Reason as Refused

SHOW_EVERY: Millis = 5_000
FEEL_EVERY: Millis = 1_000
POLLED = ("accepted", "duplicate", "late", "ahead", "quarantined")
PUSHED = ("accepted", "rejected", "foreign", "malformed")
"""What becomes of log records, by the way they come."""
SUPPRESSED = ("digested", "no_sink", "resolved_not_wanted", "silenced")
"""Why messages are not made, or not sent singly."""
CHANGES = ("fired", "resolved")
BEATS = ("well", "unwell", "unsent")
INTERNAL = "internal"
"""The reason of an attempt that failed by a fault of ours."""


def lay_out(made: Daemon, settings: Settings) -> None:
    """Begin every series whose labels are known, and show what changes with the configuration only."""
    metrics, sinks, projects = made.metrics, sorted(made.live.sinks), [each.key for each in settings.projects]
    polled = [each.key for each in settings.projects if each.logs.source == "poll"]
    pushed = made.logs is not None and made.logs.listening is not None
    beats = settings.heartbeat.url is not None or settings.heartbeat.url_file is not None
    _begin(metrics.polls, {name for _, name in made.judge.sources}, ("ok", *Blindness))
    _begin(metrics.events, EventType)
    _begin(metrics.deployment_failures, projects, KNOWN_TYPES)
    _begin(metrics.log_records, ["poll"] if polled else [], POLLED)
    _begin(metrics.log_records, ["otlp"] if pushed else [], PUSHED)
    _begin(metrics.otlp_refused, Refused if pushed else [])
    _begin(metrics.log_hits, [each.name for each in settings.rules if each.on == "log"])
    _begin(metrics.alert_changes, CHANGES)
    _begin(metrics.template_failures, [each.name for each in settings.rules])
    _begin(metrics.suppressed, SUPPRESSED)
    _begin(metrics.deliveries, sinks, Outcome)
    _begin(metrics.deliveries_failed, sinks, (*Reason, INTERNAL))
    _begin(metrics.heartbeats, BEATS if beats else [])
    for project, source in made.judge.sources:
        metrics.quarantined.labels(project, source)
    for sink in sinks:
        metrics.sink_down.labels(sink)
    metrics.log_endpoint_ends.retain(lambda values: values[0] in polled)
    for project in polled:
        metrics.log_endpoint_ends.labels(project).set(removal.LAST_MIDNIGHT / 1000)
    for loop in made.loops:
        metrics.loop_last_success_age.labels(loop.name).set_function(partial(_age, made, loop))
    metrics.clock_skew.set_function(lambda: made.skew.off() / 1000)


async def show(made: Daemon, database: Path | None) -> None:
    """Look at what nobody tells: how old states are, who has gone, how large the database is."""
    runs = made.judge.runs()
    if runs is not None:
        _show_ages(made, runs)
    mains = [each for each in made.observers if each.target.name == PRIMARY]
    if all(each.attempted for each in mains):
        names = {(project, each.name) for project, found in _listed(made) for each in found}
        made.metrics.spots.retain(names)
    if database is not None:
        await _show_volume(made, database)


async def feel(made: Daemon) -> None:
    """Go on measuring how much later than asked for this is woken."""
    clock = made.env.clock
    while True:
        asked = clock.monotonic()
        await clock.sleep(FEEL_EVERY)
        made.metrics.loop_lag.observe(max(clock.monotonic() - asked - FEEL_EVERY, 0) / 1000)


def _age(made: Daemon, loop: Loop) -> float:
    return (made.env.clock.monotonic() - loop.well_at) / 1000


def _listed(made: Daemon) -> Iterator[tuple[str, Iterable[Deployment]]]:
    for each in made.observers:
        if each.target.name == PRIMARY:
            yield each.target.project, each.current.values()


def _show_ages(made: Daemon, runs: Iterable[Run]) -> None:
    """One that was known before it was noted since when is as old as its last attempt."""
    family, now = made.metrics.oldest_in_state, made.env.clock.now()
    since: dict[tuple[str, ...], Millis] = {}
    for run in runs:
        values = family.bounded((run.project, run.status))
        since[values] = min(since.get(values, now), run.status_since or run.began or now)
    family.retain(lambda values: values in since)
    for values, at in since.items():
        family.labels(*values).set((now - at) / 1000)


async def _show_volume(made: Daemon, database: Path) -> None:
    """In a thread: a volume that hangs must hang nothing else."""
    metrics = made.metrics
    with suppress(OSError):
        size, free, whole = await asyncio.to_thread(_volume, database)
        metrics.store_bytes.set(size)
        metrics.store_free_bytes.set(free)
        metrics.store_volume_bytes.set(whole)


def _volume(database: Path) -> tuple[int, int, int]:
    """The size of the database with its log, what this user may still write on its volume, and that volume's size."""
    found = os.statvfs(database)
    wal = beside(database, "-wal")
    size = database.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    return size, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _begin(family: Counters, *labels: Iterable[str]) -> None:
    for values in product(*labels):
        family.labels(*map(str, values))
