"""What the API works with: everything that it may ask or do, and nothing else of the daemon."""

from collections.abc import Callable
from dataclasses import dataclass, field

from watcher.ports import Clock, Operating, Store

ANONYMOUS = "api"
"""Who did something, where nobody says who they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The daemon as the API sees it.

    `token` reads what peers that are not on this machine must present, empty for none; `clean` makes foreign text fit
    to be shown; `sinks` are the ids of those that are configured; `replayed` says that deliveries are due.
    """

    store: Store
    operating: Operating
    clock: Clock
    sinks: frozenset[str] = frozenset()
    token: Callable[[], str] = field(default=lambda: "", repr=False)
    clean: Callable[[str], str] = str
    replayed: Callable[[], None] = lambda: None
