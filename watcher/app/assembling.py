"""Make the daemon's parts of a configuration and wire them: who reads what, and who wakes whom."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from watcher import rules
from watcher.app.buttons import buttons
from watcher.app.logs import Logs, explainers, log_projects, taking_in
from watcher.app.observing import Entry, World, entries, observers
from watcher.app.parts import Daemon
from watcher.app.planning import deliver, judge, plan
from watcher.app.surroundings import Watch
from watcher.config import HeartbeatSettings, RuleSettings, Settings, to_route
from watcher.core.dispatch import SinkRef
from watcher.core.duration import Millis
from watcher.core.notification import Notification
from watcher.core.rule import Rule
from watcher.core.sight import PRIMARY
from watcher.core.snapshot import Deployment, Record
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.pipeline.heartbeat import Beat, Heartbeat
from watcher.pipeline.ingest import SOURCE
from watcher.pipeline.judge import Judge, Policy, digest
from watcher.pipeline.loop import Loop
from watcher.pipeline.observe import Observer
from watcher.pipeline.operate import Operator
from watcher.pipeline.schedule import Schedule
from watcher.ports import Fetch, Sink
from watcher.web import Live

log = structlog.get_logger(__name__)

Receivers = Mapping[str, tuple[Sink, ...]]


def compile_rules(
    settings: Iterable[RuleSettings], *, template_failed: rules.TemplateFailed = lambda _rule, _fault: None
) -> list[Rule]:
    """The rules of a configuration, ready to be asked."""
    return [rules.make(each.text(), template_failed=template_failed) for each in settings]


def _template_failed(metrics: Metrics) -> rules.TemplateFailed:
    """Count each rendering that fell back, and say why whenever that is something else than before."""
    said: dict[str, str] = {}

    def failed(rule: str, fault: str) -> None:
        metrics.template_failures.labels(rule).inc()
        if said.get(rule) != fault:
            said[rule] = fault
            log.warning("template.failed", rule=rule, error=fault)

    return failed


def assemble(settings: Settings, world: World, receivers: Receivers, before: Daemon | None = None) -> Daemon:
    """Everything that runs, wired; nothing runs yet. `before` is what this takes the place of. Raises ConfigError."""
    env, metrics, store = world.env, world.metrics, world.store
    judging = Loop("judge", lambda: judge(made), env.clock)
    delivering = Loop("deliver", lambda: deliver(made.deliverer), env.clock)
    asked_rules = compile_rules(settings.rules, template_failed=_template_failed(metrics))
    known = entries(settings.projects, world)
    watched, logs = _observing(settings, known, asked_rules, world, changed=judging.wake.set)
    operator = Operator(store=store, env=env, changed=judging.wake.set, clean=world.redactor.clean)
    policy = _policy(settings, receivers, asked_rules, _sources(watched, known))
    made = Daemon(
        store=store,
        env=env,
        metrics=metrics,
        observers=watched,
        logs=logs,
        judge=Judge(policy, store=store, env=env, metrics=metrics, told=delivering.wake.set),
        deliverer=_deliverer(receivers, world, delivering.wake.set),
        judging=judging,
        delivering=delivering,
        schedule=Schedule(env.clock),
        heartbeat=_heartbeat(settings.heartbeat, world, _paces(watched, known), lambda: list(made.problems())),
        live=_api(settings, world, receivers, operator, delivering),
        buttons=buttons(settings, world, operator),
        skew=world.skew,
        watch=Watch(lambda: made.lacking(), world.skew.doubts),  # noqa: PLW0108  there is no `made` yet
        started=env.clock.monotonic(),
        tried=before.attempted() if before else frozenset(),
    )
    if before:
        made.heartbeat.follow(before.heartbeat)
        made.watch.said = before.watch.said
    plan(made, settings)
    return made


def _observing(
    settings: Settings,
    known: Sequence[Entry],
    asked_rules: Sequence[Rule],
    world: World,
    *,
    changed: Callable[[], None],
) -> tuple[tuple[Observer[Any], ...], Logs | None]:
    """What polls, and what takes logs in. Failures are explained by logs, which are asked for through what takes them in."""
    asked: dict[str, Fetch] = {}
    watched = tuple(observers(known, world, explain=explainers(known, asked, world), changed=changed))
    mains = {each.target.project: each for each in watched if each.target.name == PRIMARY}
    logs = taking_in(known, settings.otlp, world, asked_rules, mains, changed=changed)
    if logs is not None:
        asked |= logs.fetchers
    return watched, logs


def _deliverer(receivers: Receivers, world: World, changed: Callable[[], None]) -> Deliverer:
    return Deliverer(
        {sink.id: sink for sinks in receivers.values() for sink in sinks},
        store=world.store,
        env=world.env,
        metrics=world.metrics,
        decode=msgspec.json.Decoder(Notification).decode,
        changed=changed,
    )


def _sources(watched: Iterable[Observer[Any]], known: Iterable[Entry]) -> dict[tuple[str, str], type[Record]]:
    """What is watched, by project and name. Logs have no records of their own; they are about Deployments."""
    found = {(each.target.project, each.target.name): each.target.kind for each in watched}
    return {**found, **{(each.settings.key, SOURCE): Deployment for each in log_projects(known)}}


def _paces(watched: Iterable[Observer[Any]], known: Iterable[Entry]) -> dict[tuple[str, str], Millis]:
    """How often everything that is watched is read."""
    found = {(each.target.project, each.target.name): each.target.cadence.normal for each in watched}
    return {**found, **{(each.settings.key, SOURCE): each.settings.logs.poll_interval for each in log_projects(known)}}


def _heartbeat(
    settings: HeartbeatSettings,
    world: World,
    paces: Mapping[tuple[str, str], Millis],
    stalled: Callable[[], Sequence[str]],
) -> Heartbeat:
    """The dead man's switch. Raises ConfigError where its URL cannot be read."""
    settings.taken_url()
    beat = Beat(
        url=settings.taken_url,
        interval=settings.interval,
        timeout=settings.timeout,
        longest_wait=settings.longest_wait,
    )
    return Heartbeat(
        beat,
        paces=paces,
        stalled=stalled,
        store=world.store,
        http=world.http,
        env=world.env,
        metrics=world.metrics,
    )


def _api(settings: Settings, world: World, receivers: Receivers, operator: Operator, delivering: Loop) -> Live:
    """What the API works with. Raises ConfigError where its token cannot be read."""
    settings.web.taken_token()
    return Live(
        store=world.store,
        operating=operator,
        clock=world.env.clock,
        sinks=frozenset(sink.id for sinks in receivers.values() for sink in sinks),
        token=settings.web.taken_token,
        clean=world.redactor.clean,
        replayed=delivering.wake.set,
    )


def _known(sink: Sink) -> SinkRef:
    """A sink as judging knows it."""
    return SinkRef(
        id=sink.id,
        send_resolved=sink.send_resolved,
        refresh=getattr(sink, "refresh", 0),
        acknowledgements=getattr(sink, "acknowledgements", False),
        keeps_open=getattr(sink, "keeps_open", False),
    )


def _policy(
    settings: Settings,
    receivers: Receivers,
    asked_rules: Sequence[Rule],
    sources: Mapping[tuple[str, str], type[Record]],
) -> Policy:
    return Policy(
        rules=asked_rules,
        root=to_route(settings),
        receivers={name: tuple(map(_known, sinks)) for name, sinks in receivers.items()},
        rules_digest=digest(repr(each.text()) for each in settings.rules),
        sources=sources,
        encode=msgspec.json.encode,
        external_url=settings.web.external_url or "",
    )
