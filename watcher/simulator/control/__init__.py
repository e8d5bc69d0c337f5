"""The control API under /_sim: what a test, a script or a person does to the simulation. It is never faulty itself.

showing     GET state, inbox, requests              resources   deployments, drafts, connectors, plan, rollback
failing     faults, tokens                          logs        logs, logs/expire, logs/removed
time        clock, scenario, step             push        push
slack       slack, slack/channels, slack/messages, slack/press, slack/disconnect
"""

from aiohttp import web

from watcher.simulator.control import failing, logs, push, resources, showing, slack, time


def control_app() -> web.Application:
    """The control API as an application of its own, to be mounted under /_sim."""
    app = web.Application()
    for module in (showing, resources, failing, logs, push, slack, time):
        app.add_routes(module.routes())
    return app
