"""What a silence is: what is wrong with one, what it is about, and until which deployment it lasts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, deployment
from tests.unit.builders import DAY, HOUR, MINUTE, event, fullmatch, matchers, quick
from watcher.core import matcher, silence
from watcher.core.event import Event
from watcher.core.silence import Silence, SilenceText

SHOP = ('deployment="shop"',)


def drafted(wanted: SilenceText, by: str = "ann") -> Silence:
    return silence.drafted(wanted, silence_id="s1", by=by, now=START, compile_pattern=fullmatch)


def quiet(*texts: str, until_deployment: bool = True) -> Silence:
    return Silence(
        id="s1",
        matchers=matchers(*texts),
        creator="ann",
        comment="",
        starts_at=START,
        ends_at=START + HOUR,
        until_deployment=until_deployment,
    )


# ── making one ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wanted", "starts", "ends"),
    [
        (SilenceText(matchers=SHOP, ends_at=START + HOUR), 0, HOUR),
        (SilenceText(matchers=SHOP, starts_at=START - HOUR, ends_at=START + HOUR), 0, HOUR),
        (SilenceText(matchers=SHOP, starts_at=START + MINUTE, ends_at=START + HOUR), MINUTE, HOUR),
        (SilenceText(matchers=SHOP, until_deployment=True), 0, silence.AT_LATEST),
        (SilenceText(matchers=SHOP, ends_at=START + HOUR, until_deployment=True), 0, HOUR),
        (SilenceText(matchers=SHOP, starts_at=START + DAY, until_deployment=True), DAY, DAY + silence.AT_LATEST),
    ],
)
def test_a_silence_begins_now_at_the_earliest_and_has_an_end(wanted: SilenceText, starts: int, ends: int) -> None:
    made = drafted(wanted)
    assert (made.starts_at - START, made.ends_at - START) == (starts, ends)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (SilenceText(matchers=(), ends_at=START + HOUR), "fit every alert"),
        (SilenceText(matchers=("{}",), ends_at=START + HOUR), "fit every alert"),
        (SilenceText(matchers=('deployment=~".*"', 'x=""'), ends_at=START + HOUR), "fit every alert"),
        (SilenceText(matchers=('deployment!="shop"',), ends_at=START + HOUR), "fit every alert"),
        (SilenceText(matchers=("deployment",), ends_at=START + HOUR), "at position"),
        (SilenceText(matchers=SHOP), "needs an end"),
        (SilenceText(matchers=SHOP, ends_at=START), "after now"),
        (SilenceText(matchers=SHOP, starts_at=START + HOUR, ends_at=START + HOUR), "after it begins"),
        (SilenceText(matchers=SHOP, ends_at=START + silence.LONGEST + 1), "may begin within"),
        (SilenceText(matchers=SHOP, starts_at=START + silence.LONGEST + 1, until_deployment=True), "may begin within"),
        (SilenceText(matchers=('alertname="X"',), until_deployment=True), "deployment of what"),
        (SilenceText(matchers=SHOP, ends_at=START + HOUR, comment="x" * 1_001), "comment may have"),
        (SilenceText(matchers=SHOP * 51, ends_at=START + HOUR), "may have 50 matchers"),
        (SilenceText(matchers=('a="\ud800"',), ends_at=START + HOUR), "not text"),
        (SilenceText(matchers=tuple(f'a{n}="{"x" * 900}"' for n in range(10)), ends_at=START + HOUR), "characters"),
    ],
)
def test_what_is_wrong_with_a_silence_is_said(wanted: SilenceText, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        drafted(wanted)


def test_a_silence_has_a_creator() -> None:
    for nobody in ("", " ", "x" * 201):
        with pytest.raises(ValueError, match="creator"):
            drafted(SilenceText(matchers=SHOP, ends_at=START + HOUR), by=nobody)


@quick
@given(
    values=st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=4),
    op=st.sampled_from(["=", "!="]),
)
def test_a_silence_is_read_as_it_was_written(values: list[str], op: str) -> None:
    found = tuple(
        matcher.Matcher(name=f"n {at}", op=op, value=value, test=bool) for at, value in enumerate(sorted(values))
    )
    made = Silence(
        id="s",
        matchers=found,
        creator="ann",
        comment=values[0],
        starts_at=1,
        ends_at=2,
        until_deployment=len(values) > 2,
    )
    again = silence.read(silence.written(made), fullmatch)
    assert replace(again, matchers=()) == replace(made, matchers=())
    assert sorted(map(str, again.matchers)) == sorted(map(str, made.matchers))


@pytest.mark.parametrize(
    ("expired", "now", "over"), [(0, HOUR - 1, False), (0, HOUR, True), (START + 5, 5, True), (0, 0, False)]
)
def test_a_silence_is_over_at_its_end_or_when_somebody_ended_it(expired: int, now: int, over: bool) -> None:
    assert replace(quiet(*SHOP), expired_at=expired).is_over(START + now) is over


# ── until the next deployment ────────────────────────────────────────────────


def moved(before: str, after: str, kind: str = "status") -> Event:
    """From a status and build, `Failed 1`, to another."""
    (status, *build), (status_now, *build_now) = before.split(), after.split()
    found = deployment(status=status_now, build=build_now[0] if build_now else "")
    return event(kind, of=found, previous_status=status, previous_build=build[0] if build else "")


@pytest.mark.parametrize(
    ("before", "after", "begins"),
    [
        ("Failed 1", "Queued 1", True),
        ("Failed 1", "Queued 2", True),
        ("Failed 1", "Deploying 2", True),
        ("Failed 1", "Failed 2", True),  # its middle was not seen
        ("Deployed 1", "Deployed 2", True),
        ("Deployed 1", "Failed 2", True),
        ("Deployed 1", "Failed 1", False),
        ("Failed 1", "Failed", False),
        ("Failed", "Failed 1", False),  # a build has become visible
        ("Failed 1", "Undeploying 1", False),
        ("Queued 1", "Deploying 1", False),  # the same run goes on
        ("Queued 1", "Deploying 2", False),  # its build appears late
        ("Queued 1", "Failed 2", False),
        ("Deploying 2", "Failed 2", False),
        ("Deploying 2", "Deployed 2", False),
        ("Deploying 2", "Failed 3", True),
        ("Deploying 2", "Deploying 3", True),
        ("Deploying 2", "Queued 2", True),
        ("Queued 1", "Queued 2", True),
        ("Undeploying 1", "Queued 1", True),
        ("Undeploying 1", "Deploying 1", True),
        ("Undeploying 1", "UndeployFailed 1", False),
        ("Draft", "Queued 1", True),
    ],
)
def test_which_change_begins_an_attempt(before: str, after: str, begins: bool) -> None:
    assert silence.begins_attempt(moved(before, after)) is begins


@pytest.mark.parametrize(
    ("found", "begins"),
    [
        (event("created", of=deployment()), True),
        (event("created", of=deployment(), baseline=True), False),
        (event("gone", of=deployment(), previous_status="Failed", previous_build="0"), False),
        (event("hit", of=deployment(status="Queued")), False),
        (event("report", of=deployment(status="Queued")), False),
        (event("blind"), False),
    ],
)
def test_which_event_begins_an_attempt(found: Event, begins: bool) -> None:
    assert silence.begins_attempt(found) is begins


@pytest.mark.parametrize(
    ("texts", "ends"),
    [
        (['deployment="shop"'], True),
        (['deployment="shop"', 'alertname="DeploymentFailed"', 'severity="critical"'], True),
        (['deployment=~"sh.*"', 'project="my-shop"', 'type="production"'], True),
        (['project="my-shop"'], True),
        (['deployment="other"'], False),
        (['deployment="shop"', 'project="other"'], False),
        (['deployment!="shop"', 'project="my-shop"'], False),
        (['region!="europe-west1.gcp"', 'deployment="shop"'], False),
    ],
)
def test_of_which_deployment_it_must_be(texts: list[str], ends: bool) -> None:
    begun = moved("Failed 1", "Queued 1")
    assert silence.ends_with(quiet(*texts), begun) is ends
    assert not silence.ends_with(quiet(*texts, until_deployment=False), begun)
    assert not silence.ends_with(quiet(*texts), moved("Queued 1", "Deploying 1"))
