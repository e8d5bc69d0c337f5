"""New errors: what is learned, what is known, what is news, and what is news again."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import DAY, HOUR, MINUTE, PROJECT, quick
from watcher.core.history import Run
from watcher.core.novelty import CAPACITY, FRESHEN, Memory, Verdict, met, new_since

EMPTY = Memory(rule="New", project=PROJECT, deployment_id="id-shop", application="service", since=START)
NEVER_DEPLOYED_AGAIN = Run(
    project=PROJECT,
    deployment_id="id-shop",
    status="Deployed",
    began=START,
    good="b1",
    good_since=START,
    good_began=START,
)


class Application:
    """One application as one rule meets it."""

    def __init__(self, run: Run | None = NEVER_DEPLOYED_AGAIN) -> None:
        self.memory, self.run = EMPTY, run
        self.writes = 0

    def says(self, template: str, at: int, *, baseline: bool = False) -> Verdict:
        found, verdict = met(self.memory, template, START + at, learn=HOUR, run=self.run, baseline=baseline)
        self.writes += found is not self.memory
        self.memory = found
        return verdict

    def deployed(self, build: str, at: int, *, building: int = 5 * MINUTE) -> None:
        """A good build, whose attempt was seen some time before it was."""
        before = self.run or NEVER_DEPLOYED_AGAIN
        self.run = replace(
            before,
            before=before.good,
            before_since=before.good_since,
            before_began=before.good_began,
            began=START + at - building,
            good=build,
            good_since=START + at,
            good_began=START + at - building,
        )


# ── at first ─────────────────────────────────────────────────────────────────


def test_the_first_hour_is_learned_without_a_word_and_what_is_new_after_it_is_told_once() -> None:
    app = Application()

    assert [app.says("usual", at * MINUTE) for at in (0, 1, 59)] == [Verdict.LEARNED, Verdict.KNOWN, Verdict.KNOWN]
    assert app.says("late", HOUR - 1) == Verdict.LEARNED
    assert [app.says(each, HOUR) for each in ("usual", "late", "boom")] == [Verdict.KNOWN, Verdict.KNOWN, Verdict.NEW]
    assert {app.says("boom", HOUR + at * MINUTE) for at in range(1, 600)} == {Verdict.KNOWN}


def test_every_new_kind_is_told_on_its_own() -> None:
    app = Application()

    assert [app.says(f"t{n}", 2 * HOUR) for n in range(3)] == [Verdict.NEW] * 3


def test_what_was_there_before_we_looked_is_known_however_late_it_is_read() -> None:
    app = Application()

    assert app.says("old", 3 * HOUR, baseline=True) == Verdict.LEARNED
    assert app.says("old", 4 * HOUR) == Verdict.KNOWN


def test_an_application_of_a_deployment_that_has_not_been_seen_yet_is_no_different() -> None:
    app = Application(run=None)

    assert [app.says("boom", at) for at in (0, 2 * HOUR, 9 * DAY)] == [Verdict.LEARNED, Verdict.KNOWN, Verdict.KNOWN]
    assert app.says("other", 9 * DAY) == Verdict.NEW


# ── from build to build ──────────────────────────────────────────────────────


def test_what_the_build_before_wrote_is_no_news_in_this_one() -> None:
    app = Application()
    app.says("boom", 2 * HOUR)
    app.deployed("b2", DAY)

    assert app.says("boom", DAY + HOUR) == Verdict.KNOWN


def test_what_comes_back_after_a_good_build_without_it_is_told_again_once() -> None:
    app = Application()
    app.says("boom", 2 * HOUR)
    app.deployed("b2", DAY)
    app.deployed("b3", 2 * DAY)

    assert [app.says("boom", 2 * DAY + at * HOUR) for at in (1, 2, 3)] == [Verdict.NEW, Verdict.KNOWN, Verdict.KNOWN]


def test_an_error_that_every_build_has_is_never_news_however_many_there_are() -> None:
    app = Application()
    app.says("usual", 0)
    for build in range(1, 8):
        app.deployed(f"b{build}", build * DAY)
        assert app.says("usual", build * DAY + 3 * HOUR) == Verdict.KNOWN


def test_builds_may_follow_each_other_faster_than_a_memory_is_freshened() -> None:
    """Its first time in a build is written down, although it was seen a moment before."""
    app = Application()
    app.says("usual", 0)
    for build in range(1, 8):
        app.deployed(f"b{build}", 2 * HOUR + build * FRESHEN // 3, building=MINUTE)
        assert app.says("usual", 2 * HOUR + build * FRESHEN // 3 + MINUTE) == Verdict.KNOWN


def test_what_every_build_writes_while_it_starts_is_known_although_it_is_read_when_the_build_is_good() -> None:
    """It starts before the platform says that it is deployed."""
    app = Application()
    app.says("starting", 0)
    for build in range(1, 8):
        app.deployed(f"b{build}", build * DAY, building=10 * MINUTE)
        assert app.says("starting", build * DAY - MINUTE) == Verdict.KNOWN


# ── what is kept ─────────────────────────────────────────────────────────────


def test_an_error_that_is_written_all_the_time_is_not_written_down_all_the_time() -> None:
    app = Application()
    for at in range(1_000):
        app.says("usual", at * 1_000)

    assert app.writes == 1


def test_where_there_are_too_many_kinds_those_that_were_not_seen_for_longest_make_room() -> None:
    app = Application()
    for n in range(CAPACITY):
        app.says(f"t{n}", 2 * HOUR + n)
    app.says("t0", 2 * HOUR + FRESHEN)
    assert app.says("one more", 2 * HOUR + FRESHEN + 1) == Verdict.NEW

    assert len(app.memory.templates) == CAPACITY
    assert app.says("t0", 4 * HOUR) == Verdict.KNOWN
    assert app.says("t1", 4 * HOUR) == Verdict.NEW


def test_new_kinds_are_counted_from_a_moment_on_before_which_something_is_known() -> None:
    app = Application()
    for template, at in (("a", 0), ("b", 2 * HOUR), ("c", 3 * HOUR), ("b", 4 * HOUR)):
        app.says(template, at)

    assert [new_since(app.memory, START + at) for at in (0, 1, 2 * HOUR, 3 * HOUR, 3 * HOUR + 1)] == [0, 2, 2, 1, 0]


@quick
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(HOUR, 9 * DAY)), max_size=30),
    st.randoms(use_true_random=False),
)
def test_each_kind_is_news_once_in_whatever_order_the_records_are_read(
    said: list[tuple[str, int]], shuffle: object
) -> None:
    shuffle.shuffle(said)  # type: ignore[attr-defined]  # hypothesis' own Random
    app = Application()

    told = [template for template, at in said if app.says(template, at) is Verdict.NEW]

    assert sorted(told) == sorted({template for template, _ in said})
