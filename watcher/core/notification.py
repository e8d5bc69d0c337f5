"""What a sink gets: one flush of one group, independent of any sink."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from watcher.core.duration import Millis


class NotifyReason(StrEnum):
    """Why a group was, or was not, told; up to `repeat_interval` and at last the answers of `group.decide`.

    The others are told to sinks that ask for them, and hold no news: `refresh` says that what was told still stands,
    `acknowledged` that somebody has taken on something of it, `moved` that it goes on under the name of another group.
    """

    FIRST = "first_notification"
    NEW_ALERTS = "new_alerts"
    NEW_ATTEMPT = "new_attempt"
    NEW_RESOLVED = "new_resolved"
    ALL_RESOLVED = "all_resolved"
    REPEAT = "repeat_interval"
    DIGEST = "digest"
    REFRESH = "refresh"
    ACKNOWLEDGED = "acknowledged"
    MOVED = "moved"
    NOTHING_NEW = "nothing_new"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One alert as a message shows it.

    `state` is `firing` or `resolved`; `fact` marks one that is told once and never resolved; `fresh` marks what this
    notification tells for the first time (a new alert, a new attempt, a resolution). `ends_at` is set when resolved.
    `acknowledged_by` is who has taken it on, empty where nobody has; `silenced` marks one that was told before and is
    held back now: it stands as the receiver knows it.
    """

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: str
    starts_at: Millis
    ends_at: Millis | None = None
    fact: bool = False
    fresh: bool = True
    attempts: int = 1
    acknowledged_by: str = ""
    silenced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one receiver: the current truth about one group.

    `id` is stable for ever and is the idempotency key on the wire. `status` is `resolved` when nothing fires any
    more. Counts are exact even where a sink shows fewer alerts: `firing` and `resolved` count `alerts`,
    `fresh` counts those told here for the first time. `held_back` counts news that silences kept from this receiver
    (an alert, or one more attempt) and that no message has counted before: what is still true of it is among `alerts`.
    """

    id: str
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    reason: NotifyReason
    status: str
    at: Millis
    alerts: tuple[AlertView, ...]
    firing: int
    resolved: int
    fresh: int
    external_url: str = ""
    held_back: int = 0

    @property
    def severity(self) -> str:
        """The highest severity among the firing alerts, else among all: critical, warning, info or empty."""
        firing = [a for a in self.alerts if a.state == "firing"] or list(self.alerts)
        found = {a.labels.get("severity", "") for a in firing}
        return next((name for name in ("critical", "warning", "info") if name in found), "")
