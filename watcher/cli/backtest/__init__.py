"""`backtest`: what the rules on logs would have said of logs that exist already. Nothing is sent, nothing written.

The verb is here; `files` reads records from files, `polled` from the log endpoints, `shown` says what came of them.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from watcher import app, logs, rules, scan
from watcher.cli.backtest import files, polled, shown
from watcher.cli.backtest.progress import Progress
from watcher.cli.options import config_option, load_config, output_option
from watcher.config import Loaded, to_route
from watcher.core import duration
from watcher.core.dispatch import SinkRef
from watcher.core.duration import Millis
from watcher.core.logrecord import RETENTION_DAYS
from watcher.core.rule import Rule
from watcher.errors import WatcherError
from watcher.pipeline.backtest import Outcome, Replay
from watcher.redact import Redactor
from watcher.rules.matching import LogMatcher

LONGEST: Millis = RETENTION_DAYS * 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for. `since` is a length of time, 0 where files are read."""

    paths: Sequence[Path]
    since: Millis
    project: str | None
    deployments: Sequence[str]


@click.command()
@config_option
@click.option(
    "--file",
    "paths",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Records, one JSON object a line as the API has them; - is standard input, compressed ones end in .gz. Repeatable.",
)
@click.option("--since", metavar="DURATION", help="Read the log endpoints instead, so far back: 7d; at most 30d.")
@click.option("--project", metavar="KEY", help="Only this project; in files, the project of records that say none.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="KEY", help="With --since: only this one. Repeatable."
)
@output_option
@click.pass_context
def backtest(  # noqa: PLR0913  an option each
    ctx: click.Context,
    path: Path,
    paths: tuple[Path, ...],
    since: str | None,
    project: str | None,
    deployments: tuple[str, ...],
    output: str,
) -> None:
    """Say what the rules on logs would have said of logs that exist already, sending and writing nothing."""
    asked = Asked(paths=paths, since=_length(since), project=project, deployments=deployments)
    if bool(paths) == (since is not None):
        raise click.UsageError("say either --file or --since")
    if deployments and paths:
        raise click.UsageError("--deployment is for --since")
    loaded = load_config(path)
    if project is not None and project not in {each.key for each in loaded.settings.projects}:
        raise click.BadParameter(f"the configuration has no project {project}", param_hint="--project")
    redactor = Redactor(loaded.secrets)
    logs.configure(redactor, level="error")
    made = app.compile_rules(loaded.settings.rules)
    outcome, notes = _played(asked, loaded, made, redactor)
    click.echo(shown.as_json(outcome, notes) if output == "json" else shown.as_text(outcome, made))
    if output == "text":
        for note in notes:
            click.echo(f"note: {note}", err=True)
    ctx.exit(0)


def _length(since: str | None) -> Millis:
    """How far back to read; 0 where it is not asked for."""
    if since is None:
        return 0
    try:
        length = duration.parse(since)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    if not 0 < length <= LONGEST:
        raise click.BadParameter(f"logs are kept for {RETENTION_DAYS} days: say 1m to 30d", param_hint="--since")
    return length


def _played(asked: Asked, loaded: Loaded, made: Sequence[Rule], redactor: Redactor) -> tuple[Outcome, list[str]]:
    """Read and replay. Raises WatcherError where there is nothing that can be read."""
    replay = _replay(loaded, made, redactor)
    env = app.system_env()
    progress = Progress(env.clock, lambda text: click.echo(text, err=True, nl=False), live=sys.stderr.isatty())
    notes = list(shown.notes(made, loaded.settings.rules, from_files=bool(asked.paths)))
    if asked.since:
        world = polled.World(settings=loaded.settings, env=env, clean=redactor.clean, progress=progress)
        chosen = polled.Chosen(since=asked.since, project=asked.project, deployments=asked.deployments)
        return asyncio.run(polled.replayed(replay, world, chosen)), notes
    only = asked.project or (loaded.settings.projects[0].key if len(loaded.settings.projects) == 1 else "")
    found = files.Files(
        homes=frozenset(each.key for each in loaded.settings.projects),
        home=only,
        say=lambda text: click.echo(redactor.clean(text), err=True),
        progress=progress,
    )
    replay.feed(found.records(asked.paths))
    progress.done()
    if found.bad and not found.good:
        raise WatcherError(f"none of the {found.bad} lines is a log record")
    if found.bad:
        notes.insert(0, f"{found.bad} line{'s are' if found.bad > 1 else ' is'} no log record and left out")
    outcome = replay.finish()
    outcome.refused = found.bad
    return outcome, notes


def _replay(loaded: Loaded, made: Sequence[Rule], redactor: Redactor) -> Replay:
    """The rules, routes and receivers of a configuration, without what sends."""
    specs = rules.log_specs(made)
    patterns = rules.pattern_table(specs)
    scanner = scan.compile_batch(patterns) or scan.compile_set(patterns)
    receivers = {
        each.name: tuple(SinkRef(id=sink_id, send_resolved=sink.send_resolved) for sink_id, sink in each.sinks())
        for each in loaded.settings.receivers
    }
    return Replay(
        made,
        to_route(loaded.settings),
        receivers,
        LogMatcher(specs, scanner, redactor.clean),
        {each.key: each.region for each in loaded.settings.projects},
    )
