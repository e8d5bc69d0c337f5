"""What hears of buttons that are pressed in Slack: over Socket Mode, over HTTP, or both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from watcher.app.observing import World
from watcher.app.receivers import wiring_of
from watcher.config import Settings, SlackAppSettings
from watcher.pipeline.operate import Operator
from watcher.sinks import SlackConfig
from watcher.sinks.slack_bot import Api
from watcher.sinks.slack_groups import Groups
from watcher.sinks.slack_press import Allowed, Desk, Presses
from watcher.sinks.slack_socket import SlackSocket
from watcher.web.slack_actions import SlackActions

DEADLINE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Buttons:
    """Where presses come in, and where they are acted on."""

    presses: Presses
    socket: SlackSocket | None
    actions: SlackActions | None


def buttons(settings: Settings, world: World, operator: Operator) -> Buttons | None:
    """The ways in that the app has; `None` where it has none. Raises ConfigError where a secret cannot be read."""
    app = settings.slack
    token, secret = app.taken_app_token(), app.taken_signing_secret()
    if not (token or secret):
        return None
    presses = Presses(_desk(settings, world, operator))
    actions = SlackActions(presses, app.taken_signing_secret, world.env.clock) if secret else None
    return Buttons(presses=presses, socket=_socket(app, world, presses) if token else None, actions=actions)


def _socket(app: SlackAppSettings, world: World, presses: Presses) -> SlackSocket:
    read: Callable[[], str] = app.taken_app_token
    api = Api(http=world.http, clock=world.env.clock, url=app.api_url, token=read, deadline=DEADLINE)
    return SlackSocket(api, door=world.http, presses=presses, env=world.env, connected=world.metrics.slack_socket.set)


def _desk(settings: Settings, world: World, operator: Operator) -> Desk:
    groups = Groups(tuple(_bots(settings, world)), world.env.clock)
    allowed = Allowed(
        users=frozenset(settings.slack.allowed_users),
        groups=frozenset(settings.slack.allowed_groups),
        members=groups.members,
    )
    return Desk(operating=operator, allowed=allowed, refused=operator.refuse, http=world.http, clock=world.env.clock)


def _bots(settings: Settings, world: World) -> Iterator[Api]:
    """Every bot that shows buttons, each once however many channels it is in."""
    wiring, known = wiring_of(settings, world.http, world.env), set()
    for receiver in settings.receivers:
        for sink_id, each in receiver.sinks():
            if isinstance(each, SlackConfig) and each.is_bot and each.actions:
                api = each.api(sink_id, wiring)
                if (api.url, api.token()) not in known:
                    known.add((api.url, api.token()))
                    yield api
