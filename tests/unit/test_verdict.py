"""The health of a deploy: said once of each build, compared with the one before it."""

from dataclasses import replace

import pytest

from tests.fakes import START
from tests.log_rules import made
from tests.unit.builders import DAY, HOUR, MINUTE, PROJECT, SECOND, route_of
from tests.unit.log_desk import SERVICE, LogDesk, judging, picture, running
from watcher.core.history import Run
from watcher.core.logrecord import Tally
from watcher.core.novelty import Memory
from watcher.core.picture import Picture
from watcher.rules.verdict import verdict

HEALTH = """
[[rules]]
name = "Health"
on = "log"
verdict = "10m"
"""
WORSE = HEALTH + """matchers = ['verdict="worse"']"""
GOOD = 2 * HOUR
BEGAN = GOOD - 5 * MINUTE


def redeployed(*, began: int = BEGAN, good: int = GOOD, before: int = 0) -> Run:
    """A second good build; the first was seen deployed at `before`."""
    return replace(
        running(),
        began=START + began,
        good="b2",
        good_since=START + good,
        good_began=START + began,
        before="b1",
        before_since=START + before,
        before_began=START + before,
    )


def compared(now: Tally, before: Tally, *, at: int = GOOD + 10 * MINUTE, run: Run | None = None) -> Picture:
    """What the new build and the one before it wrote, read by their spans."""
    run = run or redeployed()
    (new, old) = judging(HEALTH).spans([run], START + at)
    wrote = {(begin - START, end - START): tally for (begin, end), tally in ((new, now), (old, before))}
    return picture(at, run, heard={SERVICE: (0, at)}, wrote=wrote)


def tally(records: int, errors: int = 0) -> Tally:
    return Tally(records=records, errors=errors)


# ── how a build does ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("now", "before", "new", "says"),
    [
        (tally(100, 10), tally(1_000, 10), 0, "worse"),
        (tally(100, 2), tally(100, 1), 0, "same"),
        (tally(100, 4), tally(1_000, 0), 0, "same"),
        (tally(100, 5), tally(1_000, 0), 0, "worse"),
        (tally(100, 20), tally(100, 10), 0, "same"),
        (tally(100, 21), tally(100, 10), 0, "worse"),
        (tally(100, 0), tally(100, 0), 1, "worse"),
        (tally(100, 1), tally(100, 10), 0, "better"),
        (tally(100, 0), tally(100, 0), 0, "same"),
        (tally(0), tally(100, 10), 0, "silent"),
    ],
    ids=[
        "ten times the share",
        "no more than twice",
        "too few to say",
        "out of nothing",
        "exactly twice",
        "more than twice",
        "a new kind of error",
        "a tenth",
        "no errors",
        "says nothing",
    ],
)
def test_a_build_is_held_against_the_one_before_it(now: Tally, before: Tally, new: int, says: str) -> None:
    assert verdict(now, before, new) == says


@pytest.mark.parametrize("new", [0, 3])
def test_a_build_whose_predecessor_was_not_heard_is_held_against_nothing(new: int) -> None:
    """Logs that were only just turned on know nothing of the time before."""
    assert verdict(tally(100, 50), tally(0), new) not in {"worse", "same", "better"}


# ── what is compared ─────────────────────────────────────────────────────────


def test_the_time_in_which_it_was_being_deployed_belongs_to_neither_build() -> None:
    run = redeployed(began=BEGAN + 30 * SECOND, good=GOOD + 30 * SECOND)

    spans = [(a - START, b - START) for a, b in judging(HEALTH).spans([run], START + GOOD + HOUR)]

    assert spans == [(GOOD + MINUTE, GOOD + 11 * MINUTE), (0, BEGAN)]


def test_no_more_than_a_day_of_the_build_before_is_looked_at() -> None:
    run = redeployed(began=9 * DAY, good=9 * DAY + HOUR)

    (_, (begin, end)) = judging(HEALTH).spans([run], START + 9 * DAY + 2 * HOUR)

    assert (begin - START, end - START) == (8 * DAY, 9 * DAY)


def test_the_build_is_judged_by_what_it_wrote_in_its_first_while_however_late_that_is_read() -> None:
    late = compared(tally(100, 10), tally(1_000, 1), at=GOOD + DAY)

    ((_, (told,)),) = judging(HEALTH).verdicts(late)

    assert {key: told.values[key] for key in ("verdict", "errors", "records", "errors_before", "records_before")} == {
        "verdict": "worse",
        "errors": "10",
        "records": "100",
        "errors_before": "1",
        "records_before": "1000",
    }
    assert told.labels["deployment"] == "shop"
    assert "application" not in told.labels


def test_a_kind_of_error_that_is_new_since_the_deploy_makes_it_worse() -> None:
    def memory(first: int, since: int = 0, deployment_id: str = "id-shop") -> Memory:
        templates = {"t": (START + first, START + first)}
        return Memory(
            rule="New",
            project=PROJECT,
            deployment_id=deployment_id,
            application="service",
            since=START + since,
            templates=templates,
        )

    base = compared(tally(100), tally(100))
    said = [
        next(iter(judging(HEALTH).verdicts(replace(base, memories=[found]))))[1][0].values["verdict"]
        for found in (
            memory(GOOD + MINUTE),
            memory(HOUR),
            memory(GOOD + MINUTE, deployment_id="id-other"),
            memory(GOOD + MINUTE, since=GOOD + MINUTE),
        )
    ]

    assert said == ["worse", "same", "same", "same"]


# ── what a person hears ──────────────────────────────────────────────────────


def lived(desk: LogDesk, *runs: Run) -> LogDesk:
    """A desk that knows these histories."""
    desk.runs.update({each.key: each for each in runs})
    desk.restart()
    return desk


def test_a_build_that_is_worse_is_told_once_and_a_restart_adds_nothing() -> None:
    desk = lived(LogDesk(made(WORSE)), redeployed())
    bad = compared(tally(100, 10), tally(1_000, 1))

    desk.measure(replace(bad, at=START + GOOD + 9 * MINUTE))
    assert desk.heard == []
    desk.measure(bad)
    desk.measure(replace(bad, at=bad.at + MINUTE))
    desk.restart()
    desk.measure(replace(bad, at=bad.at + 2 * MINUTE))

    assert [told for _, told in desk.told_at] == ["+Health"]


@pytest.mark.parametrize(
    ("now", "before"), [(tally(100), tally(100)), (tally(0), tally(100)), (tally(100), tally(100, 20))]
)
def test_a_build_that_is_not_worse_is_judged_without_a_word_and_not_again(now: Tally, before: Tally) -> None:
    desk = lived(LogDesk(made(WORSE)), redeployed())
    desk.measure(compared(now, before))
    desk.measure(compared(tally(100, 50), tally(100), at=GOOD + HOUR))

    assert desk.heard == []


@pytest.mark.parametrize("says", ["worse", "same", "better", "silent"])
def test_whoever_wants_to_hear_every_verdict_hears_it(says: str) -> None:
    wrote = {"worse": tally(100, 50), "same": tally(100, 10), "better": tally(100, 1), "silent": tally(0)}
    text = HEALTH + f"""matchers = ['verdict="{says}"']"""
    heard = {}
    for name, now in wrote.items():
        desk = lived(LogDesk(made(text)), redeployed())
        desk.measure(compared(now, tally(100, 10)))
        heard[name] = len(desk.heard)

    assert heard == {name: int(name == says) for name in wrote}


def test_the_first_build_ever_has_nothing_to_be_worse_than() -> None:
    desk = lived(LogDesk(made(HEALTH)), running())
    desk.measure(picture(DAY, running(), heard={SERVICE: (0, DAY)}))

    assert desk.heard == []


def test_two_bad_builds_in_a_row_are_two_facts_of_one_message() -> None:
    desk = lived(LogDesk(made(WORSE), root=route_of("deployment", group_wait=DAY)), redeployed())
    desk.measure(compared(tally(100, 10), tally(1_000, 1)))
    second = redeployed(began=GOOD + HOUR, good=GOOD + HOUR, before=GOOD)
    lived(desk, second)
    desk.measure(compared(tally(100, 90), tally(100, 10), at=GOOD + 2 * HOUR, run=second))
    desk.judge(now=2 * DAY)

    assert desk.told == ["+Health", "+Health"]
    assert len(desk.outbox) == 1


def test_two_rules_may_judge_a_build_at_different_times() -> None:
    soon, late = WORSE, WORSE.replace("Health", "Later").replace("10m", "1h")
    desk = lived(LogDesk(made(soon + late)), redeployed())
    desk.measure(compared(tally(100, 10), tally(1_000, 1)))
    later = redeployed()
    spans = judging(late).spans([later], START + GOOD + HOUR)
    wrote = {(a - START, b - START): tally(100, 50 if a >= later.good_since else 0) for a, b in spans}
    desk.measure(picture(GOOD + HOUR, later, heard={SERVICE: (0, GOOD)}, wrote=wrote))

    assert [told for _, told in desk.told_at] == ["+Health", "+Later"]
