"""Who is in a user group of Slack: asked of Slack, and believed for a while."""

from collections.abc import Sequence

import structlog

from watcher.core.duration import Millis
from watcher.errors import DeliveryError
from watcher.ports import Clock
from watcher.sinks.slack_bot import Api

log = structlog.get_logger(__name__)

MEMBERS = "usergroups.users.list"
FRESH: Millis = 300_000
"""How long a list is believed: who is taken out of a group may press that much longer."""
AGAIN: Millis = 30_000
"""How long it is believed that a list cannot be read."""


class Groups:
    """The members of groups, by the bots that may know them (scope `usergroups:read`)."""

    def __init__(self, apis: Sequence[Api], clock: Clock) -> None:
        self._apis = apis
        self._clock = clock
        self._known: dict[str, tuple[Millis, frozenset[str]]] = {}

    async def members(self, group: str) -> frozenset[str]:
        """The users of a group; nobody where no bot can read it."""
        now = self._clock.monotonic()
        until, known = self._known.get(group, (now, frozenset()))
        if now < until:
            return known
        found = await self._read(group)
        members = frozenset(found or ())
        self._known[group] = (now + (AGAIN if found is None else FRESH), members)
        return members

    async def _read(self, group: str) -> list[str] | None:
        """What the first bot says that knows the group."""
        for api in self._apis:
            try:
                said = await api.ask(MEMBERS, usergroup=group)
            except DeliveryError as error:
                log.warning("slack.group_unreadable", group=group, error=str(error))
                continue
            users = said.get("users")
            if isinstance(users, list):
                return [each for each in users if isinstance(each, str)]
        return None
