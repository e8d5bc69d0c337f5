"""The command line: one module for each group of verbs, each loaded when it is asked for.

Exit codes: 0 ok, 1 the thing asked about is not so, 2 usage, 78 the configuration cannot be used. A verb raises the
program's own errors and leaves it to the group below to say them, without a traceback.
"""

from importlib import import_module

import click

from watcher import __version__
from watcher.errors import AddressError, ConfigError, WatcherError

NAME = "connect-watcher"
EX_CONFIG = 78
VERBS = {
    "run": "watcher.cli.run:run",
    "demo": "watcher.cli.demo:demo",
    "simulate": "watcher.cli.simulate:simulate",
    "check-config": "watcher.cli.config_verbs:check_config",
    "backtest": "watcher.cli.backtest:backtest",
    "alerts": "watcher.cli.alerts:alerts",
    "deployments": "watcher.cli.alerts:deployments",
    "silence": "watcher.cli.silence:silence",
    "deadletter": "watcher.cli.deadletter:deadletter",
    "send-test": "watcher.cli.send_test:send_test",
    "schema": "watcher.cli.config_verbs:schema",
    "db": "watcher.cli.db:db",
}
"""Where each verb lives. A new one is its module and its line here."""


class Verbs(click.Group):
    """The verbs, imported one at a time, so that `--version` does not load the daemon."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All verbs, in the order of the table."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb with this name."""
        module, _, name = VERBS.get(cmd_name, "").partition(":")
        if not module:
            return None
        found: click.Command = getattr(import_module(module), name)
        return found

    def invoke(self, ctx: click.Context) -> object:
        """Run a verb, and turn the errors it raises on purpose into lines and an exit code."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            ctx.exit(1 if isinstance(error, AddressError) else EX_CONFIG)
        except WatcherError as error:
            click.echo(str(error), err=True)
            ctx.exit(1)


@click.group(cls=Verbs, name=NAME, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
def main() -> None:
    """Watch commercetools Connect deployments, and tell people when something breaks."""
