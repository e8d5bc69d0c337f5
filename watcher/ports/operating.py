"""What people may do to a running daemon."""

from collections.abc import Sequence
from typing import Protocol

from watcher.core.silence import Audit, Silence, SilenceText


class Operating(Protocol):
    """What people do to alerts: one implementation for the API, the command line and buttons. Every act is on record.

    `by` says who it is, as they are to be shown. What was asked for is committed when a verb returns.
    """

    async def silence(self, wanted: SilenceText, *, by: str) -> Silence:
        """Begin a silence. Raises ValueError, which says what is wrong with it."""
        ...

    async def expire(self, silence_id: str, *, by: str) -> Silence | None:
        """End a silence now; returns it as it then stands, `None` when there is none. One that is over stays as it was."""
        ...

    async def silences(self, *, ended: bool = False) -> Sequence[Silence]:
        """Silences that hold or are to come, newest first; with `ended` also those that are over and not yet purged."""
        ...

    async def acknowledge(self, group_key: str, *, by: str) -> int:
        """Stop reminding of a group's alerts until they change; returns how many firing alerts are now acknowledged."""
        ...

    async def audit(self, limit: int = 100) -> Sequence[Audit]:
        """What was done, newest first."""
        ...
