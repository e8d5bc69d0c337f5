"""Open everything, wire it, run it, wind it down."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog

from watcher import rules
from watcher.app.logs import Logs, explainers, log_projects, taking_in
from watcher.app.observing import STALLED_AFTER, Entry, World, entries, name_of, observers
from watcher.config import OtlpSettings, RuleSettings, Settings, read_secret, to_route
from watcher.core.delivery import DeliveryState
from watcher.core.dispatch import SinkRef
from watcher.core.duration import Millis
from watcher.core.notification import Notification
from watcher.core.rule import Rule
from watcher.core.sight import PRIMARY
from watcher.core.snapshot import Deployment, Record
from watcher.errors import ConfigError
from watcher.http import Http
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.pipeline.ingest import SOURCE
from watcher.pipeline.judge import Judge, Policy, digest
from watcher.pipeline.loop import Loop
from watcher.pipeline.observe import Observer
from watcher.pipeline.schedule import Schedule
from watcher.ports import Env, Fetch, Sink, Store
from watcher.redact import Redactor
from watcher.sinks import Wiring
from watcher.sources.otlp import decoder_problem
from watcher.store import open_store
from watcher.web import Health, serve
from watcher.web.otlp import serve_otlp

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 20.0
"""How long sends under way may still take after SIGTERM; Kubernetes gives 30 s by default."""
LOOKUPS = 32
"""Threads for name look-ups: a sink whose name server hangs must not keep the API's name from being found."""
FIRST_LOOK: Millis = 30_000
"""The longest that judging waits for the first polls after a start."""
PURGE_EVERY: Millis = 3_600_000
PURGE_BATCH = 1_000
COUNT_EVERY: Millis = 5_000
GC_THRESHOLDS = (50_000, 20, 100)
"""Tuples of text are followed for as long as they live; by default that is a third of what decoding them costs."""
COLLECT_EVERY: Millis = 15_000
LISTEN_EVERY: Millis = 30_000
"""How often it is noted that pushed logs are listened to, which is as far as time passes for rules on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """Everything that runs, opened and wired."""

    store: Store
    env: Env
    metrics: Metrics
    observers: tuple[Observer[Any], ...]
    logs: Logs | None
    judge: Judge
    deliverer: Deliverer
    judging: Loop
    delivering: Loop
    schedule: Schedule
    started: Millis

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The two loops that run for ever; observing is scheduled."""
        return (self.judging, self.delivering)

    def problems(self) -> dict[str, str]:
        """What is not well by loop: stalled, or failing over and over. Empty when all is."""
        now = self.env.clock.monotonic()
        stalled = {each.name: "stalled" for each in self.loops if now - each.alive_at > STALLED_AFTER}
        failing = {each.name: each.error for each in self.loops if each.failures}
        uncommitted = {f"observe {name_of(each)}": each.error for each in self.observers if each.error}
        hung = {
            f"observe {name_of(each)}": "hung"
            for each in self.observers
            if each.polling_since is not None
            and now - each.polling_since > each.target.cadence.blind_after + STALLED_AFTER
        }
        unread = {
            f"logs of {each.target.project}": each.error
            for each in (self.logs.collectors if self.logs else ())
            if each.error
        }
        return stalled | failing | uncommitted | hung | unread

    def is_fresh(self) -> bool:
        """Whether something has not been looked at yet since the start, which was a moment ago."""
        untried = any(not each.attempted for each in self.observers)
        return untried and self.env.clock.monotonic() - self.started < FIRST_LOOK

    def waiting(self) -> dict[str, str]:
        """Which projects have not been tried yet since the start. Connectors are not worth waiting for."""
        waiting = (each for each in self.observers if not each.attempted and not each.target.optional)
        return {name_of(each): "not polled yet" for each in waiting}


def compile_rules(
    settings: Iterable[RuleSettings], *, template_failed: Callable[[str], None] = lambda _rule: None
) -> list[Rule]:
    """The rules of a configuration, ready to be asked."""
    return [rules.make(each.text(), template_failed=template_failed) for each in settings]


@asynccontextmanager
async def daemon(settings: Settings, *, env: Env, metrics: Metrics, redactor: Redactor) -> AsyncIterator[Daemon]:
    """Open everything and wire it; nothing runs yet. Closes what it opened.

    Raises:
        ConfigError: something in the configuration cannot be used, such as a secret's file.
        StoreError: the database cannot be used.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup"))
    async with AsyncExitStack() as stack:
        store = await open_store(settings.store.url, clock=env.clock)
        stack.push_async_callback(store.close)
        http = await stack.enter_async_context(
            Http(ca_file=settings.http.ca_file, proxy_url=settings.http.proxy_url, allow=settings.egress.allow)
        )
        sinks = _sinks(settings, http, env)
        made = _assemble(settings, World(store, http, env, metrics, redactor), sinks)
        await _forget_unwatched(made)
        yield made


async def run(settings: Settings, *, env: Env, metrics: Metrics, redactor: Redactor) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0 after a clean stop, 1 when a part ended by itself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, _stop_once, stop, each)
    async with daemon(settings, env=env, metrics=metrics, redactor=redactor) as made:
        settle_memory()
        health = Health(problems=made.problems, waiting=made.waiting, stopping=stop.is_set)
        async with serve(settings.web.listen, metrics.registry, health) as address:
            log.info("daemon.started", address=address, projects=[each.key for each in settings.projects])
            async with listening(made, settings.otlp):
                clean = await _live(made, stop)
    log.info("daemon.stopped", clean=clean)
    return 0 if clean else 1


def settle_memory() -> None:
    """Let the collector of garbage pass over what stays, and look less often: records come and go by the hundred thousand."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _live(made: Daemon, stop: asyncio.Event) -> bool:
    """Run the loops until asked to stop, or until one ends by itself, which is a fault; then wind down in order."""
    async with running(made) as tasks:
        asked = asyncio.ensure_future(stop.wait())
        await asyncio.wait({asked, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        return stop.is_set()


@asynccontextmanager
async def listening(made: Daemon, otlp: OtlpSettings) -> AsyncIterator[str]:
    """Take pushed logs, where any project has them; yields the address, or nothing. Raises ConfigError."""
    logs, metrics = made.logs, made.metrics
    if logs is None or logs.listening is None:
        yield ""
        return
    if problem := decoder_problem():
        raise ConfigError([f"otlp: {problem}"])
    for each in made.observers:
        await each.load()
    refused = lambda reason: metrics.otlp_refused.labels(reason).inc()  # noqa: E731  one line, one use
    async with serve_otlp(
        otlp.listen, logs.listening, intake=logs.ingest, env=made.env, metrics=metrics, refused=refused
    ) as address:
        log.info("otlp.listening", address=address, projects=sorted(logs.pushed))
        yield address


@asynccontextmanager
async def running(made: Daemon) -> AsyncIterator[set[asyncio.Task[None]]]:
    """Run the loops. At the end: no more polls, no more judging, no more claims; sends under way may finish.

    What is not sent stays pending; what was cut off is settled as unknown at the next start.
    """
    await made.deliverer.recover()
    made.schedule.start()
    tasks = {asyncio.create_task(each.run(), name=each.name) for each in made.loops}
    quickening = asyncio.create_task(_quicken(made), name="compile patterns")
    try:
        yield tasks
    finally:
        quickening.cancel()
        await made.schedule.stop()
        for each in made.loops:
            each.stop()
        await asyncio.wait(tasks)
        if not await made.deliverer.drain(DRAIN_SECONDS):
            log.warning("deliveries.interrupted")


def _sinks(settings: Settings, http: Http, env: Env) -> dict[str, tuple[Sink, ...]]:
    """Every receiver's sinks. Raises ConfigError with everything that is wrong with any of them."""
    wiring = Wiring(http=http, env=env, read=read_secret, stream=sys.stdout)
    found: dict[str, tuple[Sink, ...]] = {}
    problems: list[str] = []
    for receiver in settings.receivers:
        made: list[Sink] = []
        for sink_id, each in receiver.sinks():
            try:
                made.append(each.build(sink_id, wiring))
            except ConfigError as error:
                problems += error.problems
        found[receiver.name] = tuple(made)
    if problems:
        raise ConfigError(problems)
    return found


def _assemble(settings: Settings, world: World, receivers: Mapping[str, tuple[Sink, ...]]) -> Daemon:
    env, metrics, store = world.env, world.metrics, world.store
    decode = msgspec.json.Decoder(Notification).decode
    judging = Loop("judge", lambda: _judge(made), env.clock)
    delivering = Loop("deliver", lambda: _deliver(deliverer), env.clock)
    known = entries(settings.projects, world)
    asked: dict[str, Fetch] = {}
    explain = explainers(known, asked, world)
    watched = tuple(observers(known, world, explain=explain, changed=judging.wake.set))
    asked_rules = compile_rules(
        settings.rules, template_failed=lambda rule: metrics.template_failures.labels(rule).inc()
    )
    mains = {each.target.project: each for each in watched if each.target.name == PRIMARY}
    logs = taking_in(known, settings.otlp, world, asked_rules, mains, changed=judging.wake.set)
    if logs is not None:
        asked |= logs.fetchers
    judge = Judge(
        _policy(settings, receivers, asked_rules, _sources(watched, known)),
        store=store,
        env=env,
        metrics=metrics,
        told=delivering.wake.set,
    )
    deliverer = Deliverer(
        {sink.id: sink for sinks in receivers.values() for sink in sinks},
        store=store,
        env=env,
        metrics=metrics,
        decode=decode,
        changed=delivering.wake.set,
    )
    made = Daemon(
        store=store,
        env=env,
        metrics=metrics,
        observers=watched,
        logs=logs,
        judge=judge,
        deliverer=deliverer,
        judging=judging,
        delivering=delivering,
        schedule=Schedule(env.clock),
        started=env.clock.monotonic(),
    )
    _plan(made, settings)
    return made


def _sources(watched: Iterable[Observer[Any]], known: Iterable[Entry]) -> dict[tuple[str, str], type[Record]]:
    """What is watched, by project and name. Logs have no records of their own; they are about Deployments."""
    found = {(each.target.project, each.target.name): each.target.kind for each in watched}
    return {**found, **{(each.settings.key, SOURCE): Deployment for each in log_projects(known)}}


def _policy(
    settings: Settings,
    receivers: Mapping[str, tuple[Sink, ...]],
    asked_rules: Sequence[Rule],
    sources: Mapping[tuple[str, str], type[Record]],
) -> Policy:
    return Policy(
        rules=asked_rules,
        root=to_route(settings),
        receivers={
            name: tuple(SinkRef(id=sink.id, send_resolved=sink.send_resolved) for sink in sinks)
            for name, sinks in receivers.items()
        },
        rules_digest=digest(repr(each.text()) for each in settings.rules),
        sources=sources,
        encode=msgspec.json.encode,
        external_url=settings.web.external_url or "",
    )


async def _forget_unwatched(made: Daemon) -> None:
    """What is no longer watched is forgotten: should it be watched again, it is seen for the first time, and that is told.

    Its alerts end without a word when they are loaded, so that what it left must not look as if somebody still knew it.
    """
    for project, source in await made.store.forget_sources(made.judge.sources):
        log.info("source.forgotten", project=project, source=source)


async def _quicken(made: Daemon) -> None:
    if made.logs is not None:
        await made.logs.quicken()


async def _listen(logs: Logs) -> None:
    await logs.ingest.listen(sorted(logs.pushed))


def _plan(made: Daemon, settings: Settings) -> None:
    """What is done regularly. First polls are spread, so that a restart is no burst."""
    spread = min(each.target.cadence.fast for each in made.observers)
    for at, observer in enumerate(sorted(made.observers, key=lambda each: each.target.optional)):
        first_in = spread * at // len(made.observers)
        made.schedule.every(
            f"poll {name_of(observer)}", observer.target.cadence.normal, observer.round, first_in=first_in
        )
    if made.logs is not None:
        for collector in made.logs.collectors:
            made.schedule.every(f"logs of {collector.target.project}", COLLECT_EVERY, collector.round, first_in=spread)
        if made.logs.pushed:
            made.schedule.every("listen", LISTEN_EVERY, partial(_listen, made.logs))
    made.schedule.every(
        "purge", PURGE_EVERY, lambda: _purge(made, settings.store.retention), first_in=PURGE_EVERY // 60
    )
    made.schedule.every("count", COUNT_EVERY, lambda: _count(made))


async def _judge(made: Daemon) -> Millis | None:
    """Judge one batch; after a start only once every source has been looked at, so that no reminder is of old news."""
    if made.is_fresh():
        return made.env.clock.now() + FIRST_LOOK // 100
    return 0 if await made.judge.run_once() else made.judge.next_due()


async def _deliver(deliverer: Deliverer) -> Millis | None:
    return 0 if await deliverer.run_once() else await deliverer.next_due()


async def _purge(made: Daemon, retention: Millis) -> None:
    before = made.env.clock.now() - retention
    while await made.store.purge(before, PURGE_BATCH) == PURGE_BATCH:
        pass


async def _count(made: Daemon) -> None:
    stats = await made.store.outbox()
    for state in DeliveryState:
        made.metrics.outbox_rows.labels(state.value).set(stats.rows.get(state, 0))
    age = 0 if stats.oldest is None else (made.env.clock.now() - stats.oldest) / 1000
    made.metrics.outbox_oldest_age.set(max(age, 0))


def _stop_once(stop: asyncio.Event, which: signal.Signals) -> None:
    """The first signal asks for a clean stop; a second one means now, which every write is made for."""
    if stop.is_set():
        sys.exit(128 + which)
    stop.set()
