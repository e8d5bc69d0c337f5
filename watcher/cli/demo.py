"""`demo`: the simulator and the daemon in one process, a scenario, and an account of what arrived."""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path

import click

from watcher import __version__, app, config, logs, render
from watcher.cli.options import output_option
from watcher.core import duration
from watcher.core.delivery import DeliveryState
from watcher.core.duration import Millis
from watcher.metrics import Metrics, new_registry
from watcher.ports import Clock, Env
from watcher.redact import Redactor
from watcher.simulator import Expectation, Message, Simulator, serve

TICK: Millis = 50
PATIENCE: Millis = 12_000
"""How long to wait for what has been caused but not heard; longer than the demo's `for` of a stuck Deployment."""
Say = Callable[[str], None]
Told = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the demo came to.

    `lost` counts expected messages that did not arrive in both inboxes, `duplicates` those that arrived more than once;
    `pending` includes groups that have something to say and have not said it.
    """

    transitions: int
    alerts_fired: int
    alerts_resolved: int
    delivered: int
    failed: int
    pending: int
    lost: int
    duplicates: int


@dataclass(slots=True, kw_only=True)
class Narrator:
    """Tells what is new in the simulator: changes first, because messages are about them. Times are UTC."""

    simulator: Simulator
    clock: Clock
    say: Say
    statuses: dict[str, str] = field(default_factory=dict)
    shown: int = 0

    async def run(self) -> None:
        """Tell for ever."""
        while True:
            self.tell()
            await self.clock.sleep(TICK)

    def tell(self) -> None:
        """Tell what is new now."""
        at = _hour(render.rfc3339(self.clock.now()))
        for text in self._changes():
            self.say(f"  {at}  {text}")
        for message in self.simulator.messages[self.shown :]:
            self.say(f"  {_hour(message.at)}  {_line(message)}")
            self.shown += 1

    def _changes(self) -> Iterator[str]:
        before = self.statuses
        now = {str(each.key): str(each.status) for each in self.simulator.world.everything()}
        self.statuses = now
        for key in {**before, **now} if before else ():
            old, new = before.get(key, "none"), now.get(key, "gone")
            if old != new:
                yield f"{key}  {old} → {new}"


async def play(length: Millis, say: Say) -> Account:
    """Play the demo for at most `length` milliseconds, then wait for what is still to come."""
    env = app.system_env()
    async with serve(scenario="demo") as simulator, _daemon(simulator, env) as made:
        say(f"A simulated Connect project is served at {simulator.url}; connect-watcher polls it every second.")
        say("Times are shortened: stuck after 8 s, news of a group at most every second.\n")
        narrator = Narrator(simulator=simulator, clock=env.clock, say=say)
        telling = asyncio.create_task(narrator.run(), name="narrator")
        end = env.clock.now() + length
        await _until(lambda: bool(simulator.messages), env.clock, min(end, env.clock.now() + PATIENCE))
        simulator.play()
        await _until(lambda: simulator.player.upcoming() is None, env.clock, end)
        await simulator.close()
        expected = _caused(simulator)
        await _quiet(made, simulator, expected)
        telling.cancel()
        narrator.tell()
        return await _account(made, simulator, expected)


@asynccontextmanager
async def _daemon(simulator: Simulator, env: Env) -> AsyncIterator[app.Daemon]:
    with tempfile.TemporaryDirectory(prefix="connect-watcher-demo-") as folder:
        text = resources.files(__package__).joinpath("demo.toml").read_text(encoding="utf-8")
        loaded = config.loads(text.format(url=simulator.url, database=Path(folder) / "demo.db"), {})
        redactor = Redactor(loaded.secrets)
        logs.configure(redactor, level="warning")
        metrics = Metrics(new_registry(), version=__version__)
        async with app.daemon(loaded.settings, env=env, metrics=metrics, redactor=redactor) as made, app.running(made):
            yield made


def _caused(simulator: Simulator) -> list[Expectation]:
    """The messages whose cause has happened."""
    scenario, done = simulator.player.scenario, simulator.player.done
    reached = scenario.steps[done - 1].at if done else -1
    return [each for each in scenario.expect if each.at <= reached]


async def _until(done: Callable[[], bool], clock: Clock, end: Millis) -> None:
    while not done() and clock.now() < end:
        await clock.sleep(TICK)


async def _quiet(made: app.Daemon, simulator: Simulator, expected: Sequence[Expectation]) -> None:
    """Wait until everything expected has arrived and nothing is under way."""
    end = made.env.clock.now() + PATIENCE
    while made.env.clock.now() < end:
        account = await _account(made, simulator, expected)
        if not account.lost and not account.pending:
            return
        await made.env.clock.sleep(TICK)


async def _account(made: app.Daemon, simulator: Simulator, expected: Sequence[Expectation]) -> Account:
    rows = (await made.store.outbox()).rows
    waiting = rows[DeliveryState.PENDING] + rows[DeliveryState.SENDING] + made.judge.awaiting()
    lost, duplicates = _compared(simulator.messages, expected)
    return Account(
        transitions=simulator.transitions,
        alerts_fired=_count(made.metrics, "fired"),
        alerts_resolved=_count(made.metrics, "resolved"),
        delivered=rows[DeliveryState.DELIVERED],
        failed=rows[DeliveryState.HELD] + rows[DeliveryState.DEAD],
        pending=waiting,
        lost=lost,
        duplicates=duplicates,
    )


def _count(metrics: Metrics, change: str) -> int:
    found = metrics.registry.get_sample_value("connect_watcher_alert_changes_total", {"change": change})
    return int(found or 0)


def _compared(messages: Sequence[Message], expected: Sequence[Expectation]) -> tuple[int, int]:
    """How many expected messages either inbox lacks, and how many arrived more often than expected."""
    wanted: Counter[Told] = Counter((each.alert, each.deployment or "", str(each.state)) for each in expected)
    told: Counter[Told] = Counter(_told(messages))
    posts = sum(message.kind == "webhook" for message in messages)
    slack = sum(message.kind == "slack" for message in messages)
    lost = (wanted - told).total() + max(posts - slack, 0)
    duplicates = sum((told - wanted)[each] for each in wanted) + max(slack - posts, 0)
    return lost, duplicates


def _told(messages: Sequence[Message]) -> Iterator[Told]:
    """Everything that the webhook was told for the first time: alert, deployment, state."""
    for message in messages:
        if message.kind == "webhook":
            for alert in message.body["data"]["alerts"]:
                if alert["fresh"]:
                    labels = alert["labels"]
                    yield labels["alertname"], labels.get("deployment", ""), alert["status"]


def _line(message: Message) -> str:
    if message.kind == "slack":
        return f"→ Slack  {message.body['text'].splitlines()[0]}"
    return f"→ webhook  {message.body['type']}  {message.body['subject']}"


def _hour(at: str) -> str:
    """`10:00:03` of an RFC 3339 moment."""
    return at[11:19]


def run_demo(length: Millis, *, as_json: bool) -> int:
    """Play the demo and print its account; the exit code is 0 only when nothing was lost and nothing is pending."""
    account = asyncio.run(play(length, (lambda _text: None) if as_json else click.echo))
    if as_json:
        click.echo(json.dumps(asdict(account)))
    else:
        click.echo("\n" + "\n".join(f"  {name:<16}{value}" for name, value in asdict(account).items()))
    sys.stdout.flush()
    return 0 if not account.lost and not account.pending else 1


def _length(_ctx: click.Context, _param: click.Parameter, value: str) -> Millis:
    try:
        return duration.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option(
    "--for",
    "length",
    default="30s",
    show_default=True,
    metavar="DURATION",
    callback=_length,
    help="How long the scenario may play; what it has caused by then is still waited for.",
)
@output_option
@click.pass_context
def demo(ctx: click.Context, length: Millis, output: str) -> None:
    """Show the main job against the simulator, in half a minute."""
    ctx.exit(run_demo(length, as_json=output == "json"))
