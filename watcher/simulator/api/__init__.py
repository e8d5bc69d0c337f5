"""The Connect API's own endpoints, with the auth service's. Paths and bounds are those of the official description.

So are bodies, where it says what they hold; where it leaves something open, the module that decides says so.

The revisions of Deployments, announced after the description, are as far as public facts go: reading them. How a
rollback is asked for (path, method, body) is not public, so there is no endpoint for it; the control API has one.

What has no request of its own that would lead to it: General (500) and BadGateway (502) are answers of a fault with that
status, and so is everything about an overloaded service.
"""

from aiohttp import web

from watcher.simulator.api import connectors, deployments, drafts, logs, revisions, tokens


def routes() -> list[web.RouteDef]:
    """The endpoints. Paths that begin with a word come before those that begin with a project key."""
    return [
        *tokens.routes(),
        *drafts.routes(),
        *connectors.routes(),
        *revisions.routes(),
        *logs.routes(),
        *deployments.routes(),
    ]
