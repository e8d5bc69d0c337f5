"""Whether a sink is worth trying: a circuit breaker, as pure functions.

A sink that fails several times in a row is down: one message at a time tries whether it is back, at growing intervals,
instead of each message for itself. A sink that refuses (it is misspelt, archived, revoked: somebody has to do
something) is down at once, and is asked once more soon and hourly then; soon, because what was refused may have been
that one message. The first message that it takes ends either.

An answer that is about the message (malformed) or about the pace (rate limited) is no failure of the sink, and does
not end one. What is malformed puts off the next try a little, since that may be with the same message: four at once
would give it up before anybody could mend anything.
"""

from dataclasses import dataclass, replace

from watcher.core.delivery import HOUR, MINUTE, SECOND, Outcome
from watcher.core.duration import Millis

FAILURES = 5
"""Failed attempts in a row after which a sink is down."""
PROBES: tuple[Millis, ...] = (10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE)
"""Waits before a sink that is down is tried again; the last one stays."""
REFUSED_PROBES: tuple[Millis, ...] = (MINUTE, HOUR)
"""The same for one that refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """How a sink stands. `since` is when the first of its failures in a row came to light (`None`: it is well).

    `probes` counts the waits since it is down, `probe_at` is when it may be tried again.
    """

    failures: int = 0
    since: Millis | None = None
    refusing: bool = False
    probes: int = 0
    probe_at: Millis = 0

    @property
    def down(self) -> bool:
        """Whether only one message at a time may try it."""
        return self.refusing or self.failures >= FAILURES


WELL = Breaker()


def after(breaker: Breaker, outcome: Outcome, now: Millis, *, limited: bool = False, jitter: float = 0.0) -> Breaker:
    """The breaker after an attempt. `limited`: the receiver asked to be sent to less often.

    `jitter` in [0, 1) spreads those who wait for the same receiver.
    """
    if outcome is Outcome.DELIVERED:
        return WELL
    if limited:
        return breaker
    if outcome is Outcome.MALFORMED:
        return replace(breaker, probe_at=max(breaker.probe_at, now + PROBES[0])) if breaker.down else WELL
    refusing = breaker.refusing or outcome is Outcome.REFUSED
    if breaker.down and breaker.refusing == refusing and now < breaker.probe_at:
        return breaker  # it had begun before the sink was known to be down
    failed = replace(
        breaker,
        failures=breaker.failures + 1,
        since=now if breaker.since is None else breaker.since,
        refusing=refusing,
        probes=breaker.probes if breaker.refusing == refusing else 0,
    )
    return _waiting(failed, REFUSED_PROBES if refusing else PROBES, now, jitter) if failed.down else failed


def sane(breaker: Breaker, now: Millis) -> Breaker:
    """What was remembered, at a start: the next probe is now, for a new start is how a wrong destination is mended.

    Nothing is from a time to come either; the clock may have been set back.
    """
    since = breaker.since if breaker.since is None else min(breaker.since, now)
    return replace(breaker, since=since, probe_at=min(breaker.probe_at, now))


def _waiting(breaker: Breaker, waits: tuple[Millis, ...], now: Millis, jitter: float) -> Breaker:
    """The breaker with its next wait; the last one is spread over its last half."""
    is_last = breaker.probes >= len(waits) - 1
    wait = int(waits[-1] * (0.5 + jitter / 2)) if is_last else waits[breaker.probes]
    return replace(breaker, probes=breaker.probes + 1, probe_at=now + wait)
