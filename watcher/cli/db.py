"""`db`: about the database, while no daemon is using it."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from watcher import app, store
from watcher.cli.options import config_option, load_config, output_option

_url_option = click.option("--url", help="The database itself, instead of [store] url in a configuration.")


@click.group()
def db() -> None:
    """Look after the database while the daemon does not run."""


@db.command()
@config_option
@_url_option
def upgrade(path: Path, url: str | None) -> None:
    """Bring the schema up to date, making the database if there is none."""
    before, after = store.upgrade(_url(path, url), clock=app.SystemClock())
    click.echo(f"schema {before} -> {after}" if before != after else f"schema {after}: up to date")


@db.command()
@config_option
@_url_option
@output_option
@click.pass_context
def check(ctx: click.Context, path: Path, url: str | None, output: str) -> None:
    """Say whether the database is sound, changing nothing."""
    report = store.check(_url(path, url))
    if output == "json":
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        click.echo(f"{report.database}: schema {report.schema} of {report.known}, SQLite {report.sqlite}")
        for name, count in report.rows.items():
            click.echo(f"  {name}: {count}")
        for warning in report.warnings:
            click.echo(f"warning: {warning}")
        for problem in report.problems:
            click.echo(problem, err=True)
    ctx.exit(1 if report.problems else 0)


def _url(path: Path, url: str | None) -> str:
    return url or load_config(path).settings.store.url
