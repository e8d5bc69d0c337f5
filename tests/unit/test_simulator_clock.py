import asyncio
from dataclasses import dataclass, field

import pytest

from watcher.simulator.clock import Adjustable, http_date, iso
from watcher.simulator.duration import read_moment, read_offset
from watcher.simulator.timeline import Timeline

START = 1_700_000_000_000


@dataclass
class HandClock:
    at: int = START
    slept: list[int] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.slept.append(length)
        self.asked.set()
        await asyncio.get_running_loop().create_future()  # for ever: nobody moves this clock but the test


@pytest.fixture
def hands() -> HandClock:
    return HandClock()


@pytest.fixture
def clock(hands: HandClock) -> Adjustable:
    return Adjustable(base=hands)


# ── lengths of time ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "length"),
    [("0s", 0), ("3s", 3000), ("1500ms", 1500), ("1m30s", 90_000), ("2h", 7_200_000), ("1m5ms", 60_005), ("1d", 86_400_000)],
)  # fmt: skip
def test_moments(text: str, length: int) -> None:
    assert read_moment(text) == read_offset(text) == -read_offset(f"-{text}") == length


@pytest.mark.parametrize("value", ["", "3", "3x", "-3s", "1s1m", "3 s", 3, None])
def test_what_is_no_moment(value: object) -> None:
    with pytest.raises(ValueError, match="write a moment"):
        read_moment(value)


@pytest.mark.parametrize("value", ["", "-", "--3s", "3x", None, True, [], float("inf"), float("nan"), "36526d", -4e9])
def test_what_is_no_offset(value: object) -> None:
    with pytest.raises(ValueError, match="write a length of time"):
        read_offset(value)


@pytest.mark.parametrize(("seconds", "length"), [(0, 0), (-90, -90_000), (1.5, 1500)])
def test_an_offset_may_be_a_number_of_seconds(seconds: float, length: int) -> None:
    assert read_offset(seconds) == length


def test_a_moment_as_the_api_and_as_http_write_it() -> None:
    assert (iso(START + 7), http_date(START + 999)) == ("2023-11-14T22:13:20.007Z", "Tue, 14 Nov 2023 22:13:20 GMT")


# ── the wall clock ───────────────────────────────────────────────────────────


def test_a_wrong_clock_shows_another_time_and_measures_the_same(hands: HandClock, clock: Adjustable) -> None:
    clock.offset = -7_200_000
    assert (clock.now(), clock.steady()) == (START - 7_200_000, START)
    hands.at += 10
    assert (clock.now(), clock.steady()) == (START - 7_199_990, START + 10)


async def test_waiting_ends_early_when_time_is_let_pass(hands: HandClock, clock: Adjustable) -> None:
    waiting = asyncio.ensure_future(clock.rest(5000))
    await hands.asked.wait()
    clock.advance(1)
    await asyncio.wait_for(waiting, 1)
    assert (hands.slept, clock.now()) == ([5000], START + 1)


# ── scenario time ────────────────────────────────────────────────────────────


def test_scenario_time_runs_at_its_speed(hands: HandClock, clock: Adjustable) -> None:
    timeline = Timeline(clock, 4)
    hands.at += 1001
    assert timeline.elapsed() == timeline.reached() == 4004
    assert timeline.wall(2000) == START + 500
    assert timeline.until(6000) == 499
    assert timeline.until(4005) == 1
    assert timeline.until(0) == 0

    timeline = Timeline(clock, 2, begun=False)
    hands.at += 700
    assert timeline.elapsed() == 0
    timeline.begin()
    hands.at += 100
    timeline.begin()
    assert timeline.elapsed() == 200


@pytest.mark.parametrize(("speed", "real"), [(1, 600_000), (60, 10_000), (0, 600_000)])
def test_letting_time_pass_is_as_if_somebody_had_waited(clock: Adjustable, speed: float, real: int) -> None:
    timeline = Timeline(clock, speed)
    timeline.advance(600_000)
    assert (timeline.elapsed(), clock.now()) == (600_000, START + real)
    assert (timeline.wall(0), timeline.wall(600_000)) == (START, START + real)


def test_a_clock_set_wrong_does_not_move_it(hands: HandClock, clock: Adjustable) -> None:
    timeline = Timeline(clock, 1)
    hands.at += 5000
    clock.offset = 3_600_000
    assert timeline.elapsed() == 5000
    assert timeline.wall(5000) == clock.now() == START + 3_605_000


def test_a_machine_clock_that_is_set_back_does_not_take_it_back(hands: HandClock, clock: Adjustable) -> None:
    timeline = Timeline(clock, 1)
    hands.at += 5000
    assert timeline.elapsed() == 5000
    hands.at -= 3000
    assert timeline.elapsed() == 5000


def test_while_a_moment_is_held_time_stands_there(hands: HandClock, clock: Adjustable) -> None:
    timeline = Timeline(clock, 10)
    hands.at += 1000
    with timeline.at(4000):
        with timeline.at(3000):
            assert (timeline.elapsed(), timeline.now()) == (3000, START + 300)
        hands.at += 5
        assert (timeline.elapsed(), timeline.reached(), timeline.now()) == (4000, 10_050, START + 400)
    assert (timeline.elapsed(), timeline.now()) == (10_050, START + 1005)


def test_at_speed_0_only_letting_it_pass_moves_it(hands: HandClock, clock: Adjustable) -> None:
    timeline = Timeline(clock, 0)
    hands.at += 5000
    assert (timeline.elapsed(), timeline.until(9000)) == (0, 0)
    timeline.advance(7000)
    assert timeline.elapsed() == 7000
