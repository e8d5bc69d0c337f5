"""The schedule, on the real APScheduler: actions run, pace themselves, never overlap, and end in time."""

import asyncio

from tests.fakes import FakeClock
from watcher.app import SystemClock
from watcher.pipeline.schedule import Schedule


async def test_an_action_runs_at_once_and_again_and_changes_its_own_pace() -> None:
    schedule, enough = Schedule(SystemClock()), asyncio.Event()
    runs: list[int] = []

    async def action() -> int:
        runs.append(len(runs))
        if len(runs) == 4:
            enough.set()
        return 20

    schedule.every("fast", 3_600_000, action)
    schedule.start()
    async with asyncio.timeout(5):
        await enough.wait()
    await schedule.stop()
    assert len(runs) >= 4


async def test_an_action_that_is_slower_than_its_interval_does_not_overlap_itself() -> None:
    schedule, busy, ended = Schedule(SystemClock()), [0, 0], asyncio.Event()

    async def action() -> None:
        busy[0] += 1
        busy[1] = max(busy)
        await SystemClock().sleep(60)
        busy[0] -= 1
        if schedule_count.pop() is None:
            ended.set()

    schedule_count: list[int | None] = [None, 1, 1]
    schedule.every("slow", 10, action)
    schedule.start()
    async with asyncio.timeout(5):
        await ended.wait()
    await schedule.stop()
    assert busy[1] == 1


async def test_at_the_end_what_runs_may_finish_and_what_hangs_is_cut_off() -> None:
    schedule, started, finished, cut = Schedule(SystemClock()), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def short() -> None:
        await started.wait()
        finished.set()

    async def hanging() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cut.set()
            raise

    schedule.every("short", 3_600_000, short)
    schedule.every("hanging", 3_600_000, hanging)
    schedule.start()
    async with asyncio.timeout(5):
        await started.wait()
        await schedule.stop()
    assert finished.is_set()
    assert cut.is_set()


async def test_what_is_overdue_by_the_monotonic_clock_is_started_although_the_wall_clock_was_set_back() -> None:
    clock = FakeClock()
    schedule, ran = Schedule(clock), asyncio.Event()

    async def action() -> None:
        ran.set()

    clock.at = SystemClock().now() + 3_600_000  # planned by a clock an hour ahead of the wall
    schedule.every("poll", 30_000, action)
    clock.at -= 3_600_000
    schedule._scheduler.start()
    schedule.start_overdue()
    assert not ran.is_set()
    clock.at += 3_700_000
    schedule.start_overdue()
    async with asyncio.timeout(5):
        await ran.wait()
    await schedule.stop()
