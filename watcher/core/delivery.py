"""What becomes of a delivery after an attempt: the outbox's state machine and its backoff, as pure functions."""

from dataclasses import dataclass
from enum import StrEnum

from watcher.core.duration import Millis

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
SCHEDULE: tuple[Millis, ...] = (2 * SECOND, 10 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE)
"""Waits after the first, second … failed attempt; hourly afterwards."""
RETRY_AFTER_BOUNDS = (1 * SECOND, 1 * HOUR)
MALFORMED_ATTEMPTS = 4
"""How often a message that the receiver calls malformed is sent before it becomes a dead letter, whatever its severity:
once as it was, then reduced to the least that can be said. What is behind it in its lane must not wait for ever."""
BUDGET: Millis = 72 * HOUR
"""How long a delivery that is not critical is retried before it becomes a dead letter."""
RATE_LIMITED = "rate_limited"
"""The reason of an error that says no more than that its receiver wants to be sent to less often."""


class DeliveryState(StrEnum):
    """Where a row of the outbox stands. `sending` after a crash means that the outcome is unknown.

    `digested` is what another row stands for: it holds its place in its lane until that one is settled.
    """

    PENDING = "pending"
    SENDING = "sending"
    HELD = "held"
    DELIVERED = "delivered"
    DEAD = "dead"
    DIGESTED = "digested"


class Outcome(StrEnum):
    """What an attempt came to.

    `unsent`: failed for certain before a byte of the request left. `rejected`: the receiver answered that it did not
    take it but may later. `refused`: it takes nothing as things stand. `malformed`: it does not take this body.
    `unknown`: bytes left and no answer came.
    """

    DELIVERED = "delivered"
    UNSENT = "unsent"
    REJECTED = "rejected"
    REFUSED = "refused"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One row of the outbox: one notification for one sink. `body` is frozen at the first attempt.

    `memo` is what the sink asked to be remembered of the lane, as it stood when the row was claimed; `superseded` says
    that a newer message waits behind it in its lane. `malformed` counts how often the receiver could not read it;
    `replayed_at` is when somebody last brought it back from the dead (0: never). `stands_for` is how many decided
    messages it tells of: more than one where it is a digest, whose id those rows have as `digest`.
    """

    id: str
    sink: str
    lane: str
    seq: int
    notification: bytes
    created_at: Millis
    observed_at: Millis
    severity: str = ""
    state: DeliveryState = DeliveryState.PENDING
    due_at: Millis = 0
    attempts: int = 0
    unknown_outcomes: int = 0
    body: bytes | None = None
    last_error: str = ""
    malformed: int = 0
    replayed_at: Millis = 0
    stands_for: int = 1
    digest: str = ""
    memo: str = ""
    superseded: bool = False

    @property
    def queued_at(self) -> Millis:
        """From when its budget counts."""
        return max(self.created_at, self.replayed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The state a delivery enters after an attempt, and when it is due again (`None`: never by itself)."""

    state: DeliveryState
    due_at: Millis | None


def backoff(attempts: int, jitter: float) -> Millis:
    """Wait after `attempts` failures; `jitter` in [0, 1) spreads the hourly tail over its last half."""
    if attempts <= len(SCHEDULE):
        return SCHEDULE[max(attempts, 1) - 1]
    return int(HOUR * (0.5 + jitter / 2))


def within_bounds(retry_after: Millis) -> Millis:
    """A receiver's wish to be left alone, as far as it is followed."""
    low, high = RETRY_AFTER_BOUNDS
    return min(max(retry_after, low), high)


def settle(
    delivery: Delivery,
    outcome: Outcome,
    now: Millis,
    *,
    retry_after: Millis | None = None,
    limited: bool = False,
    jitter: float = 0.0,
) -> Settlement:
    """Decide what follows an attempt on `delivery` (whose `attempts` counts this one).

    A refused delivery is held and tried again hourly: a channel can come back. What is critical is never given up;
    anything else becomes a dead letter once its budget is spent, with its payload kept. Where the receiver only asked to
    be sent to less often (`limited`) and said how long, the delivery has done nothing wrong: it comes again just then.
    """
    if outcome is Outcome.DELIVERED:
        return Settlement(state=DeliveryState.DELIVERED, due_at=None)
    if outcome is Outcome.MALFORMED and delivery.malformed + 1 >= MALFORMED_ATTEMPTS:
        return Settlement(state=DeliveryState.DEAD, due_at=None)
    if delivery.severity != "critical" and now - delivery.queued_at >= BUDGET:
        return Settlement(state=DeliveryState.DEAD, due_at=None)
    if outcome is Outcome.REFUSED:
        return Settlement(state=DeliveryState.HELD, due_at=now + int(HOUR * (0.5 + jitter / 2)))
    wait = backoff(delivery.malformed + 1 if outcome is Outcome.MALFORMED else delivery.attempts, jitter)
    if retry_after is not None:
        wished = within_bounds(retry_after)
        wait = wished if limited else max(wait, wished)
    return Settlement(state=DeliveryState.PENDING, due_at=now + wait)
