"""What the daemon does over and over: its loops' steps, and what is planned at intervals."""

from contextlib import suppress
from functools import partial

from watcher.app.logs import Logs
from watcher.app.observing import name_of
from watcher.app.parts import FIRST_LOOK, Daemon
from watcher.app.showing import SHOW_EVERY, lay_out, show
from watcher.app.surroundings import LOOK_EVERY
from watcher.config import Settings
from watcher.core.delivery import DeliveryState
from watcher.core.duration import Millis
from watcher.errors import VolumeError
from watcher.pipeline.deliver import Deliverer
from watcher.store import locate

PURGE_EVERY: Millis = 3_600_000
PURGE_BATCH = 1_000
COUNT_EVERY: Millis = 5_000
COLLECT_EVERY: Millis = 15_000
LISTEN_EVERY: Millis = 30_000
"""How often it is noted that pushed logs are listened to, which is as far as time passes for rules on them."""


def plan(made: Daemon, settings: Settings) -> None:
    """What is done regularly. First polls are spread, so that a restart is no burst."""
    every = made.schedule.every
    spread = min(each.target.cadence.fast for each in made.observers)
    for at, observer in enumerate(sorted(made.observers, key=lambda each: each.target.optional)):
        first_in = spread * at // len(made.observers)
        every(f"poll {name_of(observer)}", observer.target.cadence.normal, observer.round, first_in=first_in)
    if made.logs is not None:
        for collector in made.logs.collectors:
            every(f"logs of {collector.target.project}", COLLECT_EVERY, collector.round, first_in=spread)
        if made.logs.pushed:
            every("listen", LISTEN_EVERY, partial(_listen, made.logs))
    every("purge", PURGE_EVERY, partial(_purge, made, settings.store.retention), first_in=PURGE_EVERY // 60)
    every("surroundings", LOOK_EVERY, made.watch.round)
    every("count", COUNT_EVERY, partial(_count, made))
    lay_out(made, settings)
    every("show", SHOW_EVERY, partial(show, made, locate(settings.store.url)))
    beat = settings.heartbeat.interval
    every("heartbeat", beat, made.heartbeat.round, first_in=beat)


async def judge(made: Daemon) -> Millis | None:
    """Judge one batch; after a start only once every source has been looked at, so that no reminder is of old news."""
    if made.is_fresh():
        return made.env.clock.now() + FIRST_LOOK // 100
    return 0 if await made.judge.run_once() else made.judge.next_due()


async def deliver(deliverer: Deliverer) -> Millis | None:
    """Start what may be sent now, and say when there is more."""
    return 0 if await deliverer.run_once() else await deliverer.next_due()


async def _listen(logs: Logs) -> None:
    with suppress(VolumeError):  # said elsewhere, and what could not be noted now is with the next note
        await logs.ingest.listen(sorted(logs.pushed))


async def _purge(made: Daemon, retention: Millis) -> None:
    before = made.env.clock.now() - retention
    with suppress(VolumeError):  # to delete takes room as well
        while await made.store.purge(before, PURGE_BATCH) == PURGE_BATCH:
            pass


async def _count(made: Daemon) -> None:
    stats = await made.store.outbox()
    for state in DeliveryState:
        made.metrics.outbox_rows.labels(state.value).set(stats.rows.get(state, 0))
    age = 0 if stats.oldest is None else (made.env.clock.now() - stats.oldest) / 1000
    made.metrics.outbox_oldest_age.set(max(age, 0))
