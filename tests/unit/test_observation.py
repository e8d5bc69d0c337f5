"""Rounds of observing, one after the other: what a project shows and what follows from it."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, deployment
from tests.unit.builders import MINUTE, POLL, Watch, quick, watching
from watcher.core import observation
from watcher.core.event import Event
from watcher.core.observation import Round
from watcher.core.presence import PROBES, Absence
from watcher.core.snapshot import Deployment, Listing

NOTHING = Absence(missing=(), suspect=False, probe=())


def kinds(found: Round[Deployment]) -> list[str]:
    return [each.type.value for each in found.events]


def crowd(size: int) -> list[Deployment]:
    return [deployment(f"d{n}") for n in range(size)]


def ends(rounds: list[Round[Deployment]]) -> list[Event]:
    return [each for each in chain.from_iterable(found.events for found in rounds) if each.type.value == "gone"]


def test_row_1_the_first_round_is_a_baseline_and_only_the_first() -> None:
    watch = Watch()
    watch.put(*crowd(3))
    assert kinds(watch.poll()) == ["created", "created", "created", "baseline"]
    assert kinds(watch.poll()) == []


def test_an_empty_project_is_seen_for_the_first_time_only_once() -> None:
    watch = Watch()
    assert kinds(watch.poll()) == ["baseline"]
    assert kinds(watch.poll()) == []
    watch.put(deployment(status="Failed"))
    found = watch.poll()
    assert [(each.type.value, each.baseline) for each in found.events] == [("created", False)]


def test_an_unknown_status_at_first_sight_is_told_beside_the_summary() -> None:
    watch = Watch()
    watch.put(deployment(status="Hibernating"))
    assert kinds(watch.poll()) == ["unknown", "created", "baseline"]


def test_an_unchanged_round_writes_nothing_but_that_it_took_place() -> None:
    watch = watching(*crowd(100))
    found = watch.poll()
    assert (found.upserts, found.removed, found.events, dict(found.absent)) == ((), (), (), {})
    assert found.state.last_ok == watch.at


def test_an_unchanged_listing_is_not_looked_at_one_by_one() -> None:
    class Untouchable(dict[str, Deployment]):
        def values(self) -> object:  # type: ignore[override]  # only its failing matters
            raise AssertionError("a round that changed nothing looked at every Deployment")

    watch = watching(*crowd(3))
    listing = Listing(records=Untouchable(watch.truth), total=3, unchanged=True)
    absence = observation.look(watch.known, listing)
    found = observation.digest(watch.known, listing, absence, {}, START + POLL, blind_after=MINUTE)
    assert (absence, found.events) == (NOTHING, ())


def test_events_of_a_round_share_its_time_and_what_was_seen_before_it() -> None:
    watch = watching(deployment("a"), deployment("b"))
    watch.set("a", status="Failed", build="b2")
    watch.set("b", status="Hibernating")
    before = watch.at
    found = watch.poll()
    assert {(each.at, each.sight) for each in found.events} == {(before + POLL, before)}


def test_row_11_sight_comes_first_then_what_was_missed_meanwhile() -> None:
    watch = watching()
    for _ in range(20):
        watch.miss()
    watch.set(status="Failed", build="b2")
    assert kinds(watch.poll()) == ["sighted", "status", "attempt"]


def test_row_13_a_gap_comes_first_then_the_net_change() -> None:
    watch = watching(deployment(status="Deploying"))
    watch.set(status="Failed")
    assert kinds(watch.poll(after=2 * 24 * 60 * MINUTE)) == ["gap", "status"]


# ── missing Deployments ──────────────────────────────────────────────────────


def test_row_10_gone_takes_two_rounds_and_is_told_once() -> None:
    watch = watching(deployment(), deployment("other"))
    watch.remove("shop")
    found = [watch.poll() for _ in range(5)]
    assert [kinds(each) for each in found] == [[], ["gone"], [], [], []]
    assert found[1].removed == ("id-shop",)
    (end,) = found[1].events
    assert end.deployment == deployment()
    assert end.fields == {"announced": "false", "mass": "false"}


def test_row_10_an_announced_end_is_known_as_such() -> None:
    watch = watching(deployment(), deployment("other"))
    watch.set(status="Undeploying")
    watch.poll()
    watch.remove("shop")
    (end,) = ends([watch.poll() for _ in range(3)])
    assert end.fields["announced"] == "true"


def test_the_last_deployment_of_a_project_may_go_as_well() -> None:
    watch = watching()
    watch.remove("shop")
    assert [kinds(watch.poll()) for _ in range(3)] == [[], ["gone"], []]


def test_a_restart_between_two_agreements_only_asks_again() -> None:
    watch = watching(deployment(), deployment("other"))
    watch.remove("shop")
    watch.poll()
    watch.restart()
    assert [kinds(watch.poll()) for _ in range(4)] == [[], ["gone"], [], []]


def test_what_comes_back_was_never_gone_and_its_change_is_not_lost() -> None:
    watch = watching(deployment(), deployment("other"))
    watch.poll(hidden=["shop"])
    watch.set(status="Failed")
    assert kinds(watch.poll()) == ["status"]


def test_what_was_gone_and_comes_back_is_new() -> None:
    watch = watching(deployment(), deployment("other"))
    watch.remove("shop")
    watch.poll()
    watch.poll()
    watch.put(deployment(status="Failed"))
    assert [(each.type.value, each.baseline) for each in watch.poll().events] == [("created", False)]


def test_a_list_that_hides_what_a_read_shows_ends_nothing_and_is_told_in_the_third_round() -> None:
    watch = watching(deployment(), deployment("other"))
    found = [kinds(watch.poll(hidden=["shop"])) for _ in range(6)]
    assert found == [[], [], ["suspicious"], [], [], []]


def test_a_change_that_only_a_read_shows_is_seen() -> None:
    watch = watching(deployment(), deployment("other"))
    watch.set(status="Failed")
    assert kinds(watch.poll(hidden=["shop"])) == ["status"]


def test_row_12_one_empty_list_is_nothing() -> None:
    watch = watching(*crowd(10))
    everyone = [f"d{n}" for n in range(10)]
    assert [kinds(watch.poll(hidden=everyone)), kinds(watch.poll())] == [[], []]


def test_row_12_five_empty_lists_are_one_suspicion_and_no_end() -> None:
    watch = watching(*crowd(10))
    everyone = [f"d{n}" for n in range(10)]
    found = [kinds(watch.poll(hidden=everyone)) for _ in range(5)]
    assert found == [[], [], ["suspicious"], [], []]
    assert kinds(watch.poll()) == []
    assert len(watch.known.records) == 10


def test_a_suspicion_is_told_again_only_after_the_list_was_well_in_between() -> None:
    watch = watching(*crowd(10))
    everyone = [f"d{n}" for n in range(10)]
    told = [watch.poll(hidden=everyone if n % 5 else ()) for n in range(1, 15)]
    assert [kinds(each) for each in told].count(["suspicious"]) == 3


@pytest.mark.parametrize(
    ("known", "left"),
    [(10, 0), (PROBES + 1, 0), (3 * PROBES, 0), (100, 40), (12, 5)],
    ids=["all of few", "one more than is read at once", "all of many", "more than half of many", "more than half"],
)
def test_row_12_who_heard_of_the_mass_does_not_hear_of_each_as_well(known: int, left: int) -> None:
    """One message about the crowd; each that is confirmed afterwards belongs to it, however many rounds that takes."""
    watch = watching(*crowd(known))
    watch.remove(*(f"d{n}" for n in range(known - left)))
    rounds = [watch.poll() for _ in range(30)]
    found = ends(rounds)
    assert len(found) == known - left
    assert {each.fields["mass"] for each in found} == {"true"}
    assert watch.heard == ["+MassDisappearance"]


def test_row_10_one_deployment_that_the_list_hides_does_not_mute_the_end_of_another() -> None:
    watch = watching(*crowd(20))
    for _ in range(6):
        watch.poll(hidden=["d0"])
    watch.remove("d1")
    (end,) = ends([watch.poll(hidden=["d0"]) for _ in range(4)])
    assert end.fields["mass"] == "false"


def test_after_a_mass_was_confirmed_a_single_end_is_news_again() -> None:
    watch = watching(*crowd(10), deployment("last"))
    watch.remove(*(f"d{n}" for n in range(10)))
    for _ in range(10):
        watch.poll()
    watch.put(deployment("next"))
    watch.poll()
    watch.remove("last")
    (end,) = ends([watch.poll() for _ in range(4)])
    assert end.fields["mass"] == "false"


def test_a_list_cut_short_shows_nothing_missing_and_says_so_once() -> None:
    watch = watching(*crowd(3))
    watch.remove("d0")
    found = [watch.poll(truncated=True) for _ in range(4)]
    assert [kinds(each) for each in found] == [["truncated"], [], [], []]
    assert len(watch.known.records) == 3
    assert [kinds(watch.poll()) for _ in range(3)] == [[], ["gone"], []]


def test_a_project_seen_cut_short_at_first_says_both() -> None:
    watch = Watch()
    watch.put(*crowd(3))
    assert kinds(watch.poll(truncated=True)) == ["truncated", "created", "created", "created", "baseline"]


# ── properties ───────────────────────────────────────────────────────────────

step = st.tuples(
    st.sampled_from(["poll", "restart", "miss", "remove", "put", "fail"]),
    st.sampled_from("abc"),
    st.sets(st.sampled_from("abc"), max_size=3),
)


@quick
@given(st.lists(step, max_size=25))
def test_whatever_a_list_hides_nothing_that_exists_is_held_to_be_gone(script: list[tuple[str, str, set[str]]]) -> None:
    watch = watching(*(deployment(name) for name in "abc"))
    for verb, name, hidden in script:
        if verb == "poll":
            found = watch.poll(hidden=hidden)
            assert not set(found.removed) & watch.truth.keys()
        elif verb == "miss":
            watch.miss()
        elif verb == "restart":
            watch.restart()
        elif verb == "put":
            watch.put(deployment(name))
        elif f"id-{name}" in watch.truth:
            if verb == "remove":
                watch.remove(name)
            else:
                watch.set(name, status="Failed")
    for _ in range(40):
        watch.poll()
    assert dict(watch.known.records) == watch.truth
