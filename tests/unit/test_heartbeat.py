"""When the daemon may say that it is well."""

from collections.abc import Sequence

import pytest

from tests.fakes import START
from watcher.core.heartbeat import SLACK, Vitals, Watch, complaint, watches
from watcher.core.sight import SourceState

SECOND, MINUTE = 1_000, 60_000
LAST = START - MINUTE
LIMIT = 15 * MINUTE


def watch(project: str = "shop", *, ago: int = 10 * SECOND, pace: int = 30 * SECOND, **fields: bool) -> Watch:
    source = "deployments" if fields.get("needed", True) else "logs"
    return Watch(project=project, source=source, read_at=START - ago, pace=pace, **fields)


def vitals(*seen: Watch, written: bool = True, waited: int | None = None, stalled: Sequence[str] = ()) -> Vitals:
    waiting_since = None if waited is None else START - waited
    return Vitals(watches=seen or (watch(),), written=written, waiting_since=waiting_since, stalled=stalled)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (vitals(), ""),
        (vitals(watch(ago=MINUTE)), ""),
        (vitals(watch(ago=65 * SECOND)), ""),
        (vitals(watch(ago=65 * SECOND + 1)), "not polled in time: shop"),
        (vitals(watch(ago=10 * MINUTE, pace=5 * MINUTE)), ""),
        (vitals(watch(ago=10 * MINUTE + SLACK + 1, pace=5 * MINUTE)), "not polled in time: shop"),
        (vitals(watch(ago=START)), "not polled in time: shop"),
        (vitals(watch(ago=START, needed=False)), ""),
        (vitals(watch(blind=True)), "blind on deployments of shop"),
        (vitals(watch(), watch(blind=True, needed=False)), "blind on logs of shop"),
        (vitals(watch(ago=10 * MINUTE, blind=True)), "blind on deployments of shop"),
        (vitals(written=False), "the database takes no writes"),
        (vitals(waited=LIMIT), ""),
        (vitals(waited=LIMIT + 1), "a message has waited for 15m"),
        (vitals(waited=3 * 3_600_000), "a message has waited for 3h"),
        (vitals(stalled=["judge"]), "nothing moves in judge"),
        (
            vitals(*(watch(f"p{n}", ago=MINUTE * 10) for n in range(5)), written=False),
            "the database takes no writes; not polled in time: p0, p1, p2 and 2 more",
        ),
    ],
)
def test_well_is_only_who_sees_writes_and_gets_rid_of_messages(seen: Vitals, said: str) -> None:
    assert complaint(seen, START, since=LAST, longest_wait=LIMIT) == said


@pytest.mark.parametrize(("ago", "well"), [(119, True), (120, True), (121, False)])
def test_who_asks_seldom_wants_one_poll_since_it_asked_last(ago: int, well: bool) -> None:
    found = complaint(vitals(watch(ago=ago * SECOND)), START, since=START - 2 * MINUTE, longest_wait=LIMIT)
    assert (found == "") == well


def test_what_is_watched_and_was_never_seen_is_not_passed_over() -> None:
    states = [SourceState(project="shop", last_ok=START, blind=True), SourceState(project="gone", last_ok=START)]
    found = watches(states, {("shop", "deployments"): 1, ("new", "deployments"): 2, ("shop", "drafts"): 3})
    assert [(each.project, each.source, each.read_at, each.blind, each.needed) for each in found] == [
        ("shop", "deployments", START, True, True),
        ("new", "deployments", 0, False, True),
        ("shop", "drafts", 0, False, False),
    ]
