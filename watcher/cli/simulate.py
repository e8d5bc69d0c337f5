"""`simulate`: a Connect API of one's own."""

import asyncio
import json

import click

from watcher.cli.options import output_option
from watcher.simulator import ScenarioError, main_simulate, shipped_scenarios


def _show_scenarios(ctx: click.Context, output: str) -> None:
    scenarios = shipped_scenarios()
    if output == "json":
        click.echo(json.dumps([{"name": name, "description": text} for name, text in scenarios.items()]))
    else:
        width = max(map(len, scenarios))
        for name, text in scenarios.items():
            click.echo(f"{name:<{width}}  {text}")
    ctx.exit(0)


@click.command()
@click.option(
    "--listen", default="127.0.0.1:8989", show_default=True, metavar="HOST:PORT", help="Port 0 takes any free one."
)
@click.option("--scenario", metavar="FILE", help="A scenario, or the name of one that comes with the program.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same ids.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Of scenario time, in which builds take their course.",
)
@click.option("--list", "listing", is_flag=True, help="Show the scenarios that come with the program, and leave.")
@output_option
@click.pass_context
def simulate(  # noqa: PLR0913  an option each
    ctx: click.Context, listen: str, scenario: str | None, seed: int, speed: float, listing: bool, output: str
) -> None:
    """Serve a simulated commercetools Connect, with inboxes for messages.

    Any credential and project is accepted unless the scenario says otherwise; without one there are no Deployments. Point
    a project's api_url and auth_url at it, a Slack sink at /slack/hook/NAME, a bot's api_url at /slack/api, a webhook at
    /inbox/NAME. What is sent is at GET /_sim/inbox; POST /_sim/deployments adds Deployments, POST /_sim/deployments/ID
    changes one, POST /_sim/faults breaks things, POST /_sim/clock lets time pass.
    """
    if listing:
        _show_scenarios(ctx, output)
    if output != "text":
        raise click.UsageError("--output is for --list")
    try:
        code = asyncio.run(main_simulate(listen, scenario=scenario, seed=seed, speed=speed))
    except ScenarioError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {listen}: {error.strerror or error}") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    ctx.exit(code)
