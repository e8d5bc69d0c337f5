"""Replaying records in memory: time, silence, sums; and reading them from lines."""

import random  # noqa: TID251  seeded
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.fakes import START, FakeClock, deployment
from watcher import rules, scan
from watcher.cli.backtest.files import Files, in_order
from watcher.cli.backtest.polled import _windows
from watcher.cli.backtest.progress import LIVE, LOGGED, Progress
from watcher.core import route
from watcher.core.dispatch import SinkRef
from watcher.core.logrecord import TEXT, LogRecord, Matched, Tally
from watcher.core.picture import Spot
from watcher.core.rule import Rule
from watcher.core.snapshot import Application, Deployment
from watcher.errors import WatcherError
from watcher.pipeline import backtest
from watcher.pipeline.backtest import Outcome, Replay, Row, Sums, slice_of
from watcher.ports import LogMatching
from watcher.rules import LogText, RuleText
from watcher.rules.matching import LogMatcher

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BEGIN = START // HOUR * HOUR
REGIONS = {"shop": "europe-west1.gcp", "other": "x"}
TRACE = ("Error: connect ECONNREFUSED", "    at connect (net.js:1:2)", "    at main (app.js:3:4)")


def rule(name: str = "Timeouts", *matchers: str, **log: object) -> Rule:
    text = LogText(**log)  # type: ignore[arg-type]  # by name
    return rules.make(RuleText(name=name, on="log", matchers=matchers, log=text))


def record(
    at: int, message: str = "hello", level: str = "INFO", project: str = "shop", app: str = "service"
) -> LogRecord:
    return LogRecord("d1", app, TEXT, "DEFAULT", level, at, message, project=project)


class Counting:
    """Asks a matcher, and counts how often."""

    def __init__(self, matching: LogMatching) -> None:
        self._matching = matching
        self.batches: list[int] = []

    def match(
        self, project: str, region: str, records: Sequence[LogRecord], deployments: Mapping[str, Deployment]
    ) -> Matched:
        self.batches.append(len(records))
        return self._matching.match(project, region, records, deployments)


def replay(*made: Rule, wait: int = 0, interval: int = 0, repeat: int = 30 * DAY, send_resolved: bool = True) -> Replay:
    root = route.build(
        route.Node(
            receiver="team",
            group_by=("alertname",),
            group_wait=wait,
            group_interval=interval,
            repeat_interval=repeat,
        )
    )
    receivers = {"team": (SinkRef(id="team/console/0", send_resolved=send_resolved),)}
    specs = rules.log_specs(made)
    matcher = LogMatcher(specs, scan.compile_set(rules.pattern_table(specs)), lambda text, _: text)
    return Replay(made, root, receivers, Counting(matcher), REGIONS)


def said(*made: Rule, records: Iterable[LogRecord], until: int = 0) -> Outcome:
    found = replay(*made)
    found.feed(records)
    return found.finish(until)


def rows(outcome: Outcome) -> list[Row]:
    return sorted(outcome.rows.values(), key=lambda each: each.first)


TIMEOUTS = rule(pattern=("timed out",), count=3, within=10 * MINUTE)


# ── windows ──────────────────────────────────────────────────────────────────


def test_a_window_fires_with_the_record_that_fills_it_and_ends_when_the_oldest_leaves() -> None:
    times = [BEGIN, BEGIN + 4 * MINUTE, BEGIN + 9 * MINUTE + 7, BEGIN + 3 * HOUR]
    (row,) = rows(said(TIMEOUTS, records=[record(at, "timed out") for at in times]))
    assert (row.fired, row.first, row.last, row.state, row.ended_at) == (
        1,
        times[2],
        times[2],
        "ended",
        BEGIN + 10 * MINUTE,
    )
    assert row.message == "timed out"


@pytest.mark.parametrize(("late", "fired"), [(0, 1), (1, 2)])
def test_what_comes_when_a_window_ends_is_still_within_it(late: int, fired: int) -> None:
    end = BEGIN + 10 * MINUTE
    times = [BEGIN, BEGIN + 9 * MINUTE, BEGIN + 9 * MINUTE + 1, end + late]
    (row,) = rows(said(TIMEOUTS, records=[record(at, "timed out") for at in times]))
    assert row.fired == fired
    assert row.ended_at == BEGIN + 19 * MINUTE


def test_what_fires_now_is_not_over() -> None:
    outcome = said(TIMEOUTS, records=[record(BEGIN + at, "timed out") for at in range(3)], until=BEGIN + MINUTE)
    (row,) = rows(outcome)
    assert (row.state, row.ended_at, outcome.ended) == ("firing", None, 0)
    assert outcome.messages == {"team/console/0": 1}


def test_messages_are_those_that_a_receiver_wants() -> None:
    quiet = replay(TIMEOUTS, send_resolved=False)
    quiet.feed([record(BEGIN + at, "timed out") for at in range(3)])
    outcome = quiet.finish()
    assert (outcome.messages, outcome.suppressed) == ({"team/console/0": 1}, {"resolved_not_wanted": 1})


def test_who_fires_for_long_is_told_again() -> None:
    found = replay(TIMEOUTS, repeat=HOUR)
    found.feed(record(BEGIN + at * MINUTE, "timed out") for at in range(4 * 60))
    outcome = found.finish()
    # it fires from minute 2 to minute 249, is told of then, and each hour between
    assert (outcome.fired, outcome.ended, outcome.messages.total()) == (1, 1, 1 + 4 + 1)


def test_groups_are_told_when_they_are_due_and_not_when_a_minute_ends() -> None:
    each = rule(pattern=("timed out",), by=("message",), within=DAY)
    found = replay(each, wait=10 * SECOND, interval=20 * SECOND)
    found.feed(record(BEGIN + at * SECOND, f"call {at} timed out") for at in (0, 30, 35))
    assert found.finish(BEGIN + 40 * SECOND).messages == {"team/console/0": 3}  # at 10, 30 and 50 s


def test_what_one_slice_holds_is_judged_in_order_of_time() -> None:
    each = rule(pattern=("timed out",), within=SECOND)
    words = ((0, "cart"), (3, "stock"), (6, "cart"), (9, "stock"))
    (row,) = rows(said(each, records=[record(BEGIN + at * SECOND, f"{word} timed out") for at, word in words]))
    assert (row.fired, row.first, row.last) == (4, BEGIN, BEGIN + 9 * SECOND)


@pytest.mark.parametrize(
    ("within", "length"),
    [(1 * SECOND, SECOND), (15 * SECOND, 2 * SECOND), (4 * MINUTE, 30 * SECOND), (5 * MINUTE, MINUTE), (DAY, MINUTE)],
)
def test_a_slice_is_short_against_every_window(within: int, length: int) -> None:
    assert slice_of([rule(pattern=("x",), count=2, within=within)]) == length


def test_a_rule_that_asks_for_one_record_needs_no_short_slices() -> None:
    assert slice_of([rule(pattern=("x",), count=1, within=SECOND), rule("Silent", absent=HOUR)]) == MINUTE


# ── news ─────────────────────────────────────────────────────────────────────

NEWS = rule("News", 'level="ERROR"', new=True, learn=HOUR)


def test_an_error_is_news_only_once_an_application_has_been_heard_for_a_while() -> None:
    records = [
        record(BEGIN + 5),
        record(BEGIN + HOUR - 1, "no rate", "ERROR"),
        record(BEGIN + HOUR, "no mail", "ERROR"),
        record(BEGIN + HOUR + 1, "no rate", "ERROR"),
        record(BEGIN + HOUR + 2, "no mail", "ERROR"),
        record(BEGIN + HOUR + 3, "no mail", "ERROR", app="other"),
    ]
    (row,) = rows(said(NEWS, records=records))
    assert (row.message, row.fired, row.state, row.first) == ("no mail", 1, "told", BEGIN + HOUR)


def test_a_stack_trace_is_one_error_wherever_the_minute_ends() -> None:
    def outcome(shift: int) -> list[str]:
        lines = (record(BEGIN + 2 * HOUR + shift + at, text, "ERROR") for at, text in enumerate(TRACE))
        errors = rule("News", 'level="ERROR"', new=True, learn=HOUR, exclude=("^    at",))
        return [each.message for each in rows(said(errors, records=[record(BEGIN), *lines]))]

    assert outcome(0) == outcome(-1) == outcome(-2) == ["\n".join(TRACE)]


# ── silence ──────────────────────────────────────────────────────────────────

SILENT = rule("Silent", absent=2 * HOUR)


def test_silence_is_noticed_between_records_and_not_after_the_last() -> None:
    outcome = said(SILENT, records=[record(BEGIN), record(BEGIN + 5 * HOUR + 1)])
    (row,) = rows(outcome)
    assert (row.first, row.ended_at, row.fired) == (BEGIN + 2 * HOUR, BEGIN + 5 * HOUR + MINUTE, 1)


def test_silence_is_not_noticed_while_windows_run_out() -> None:
    outcome = said(SILENT, rule(pattern=("timed out",), within=5 * HOUR), records=[record(BEGIN, "timed out")])
    assert [(each.alert.rule, each.ended_at) for each in rows(outcome)] == [("Timeouts", BEGIN + 5 * HOUR)]


def test_silence_up_to_now_is_noticed_of_all_that_is_deployed() -> None:
    found = replay(SILENT)
    known = deployment("quiet", project="shop", applications=(Application(id="1", name="service"),))
    failed = deployment("failed", "Failed", project="shop", applications=(Application(id="1", name="service"),))
    found.watch("shop", {known.id: known, failed.id: failed}, BEGIN)
    outcome = found.finish(BEGIN + 3 * HOUR)
    assert [(each.alert.labels["deployment"], each.first, each.state) for each in rows(outcome)] == [
        ("quiet", BEGIN + 2 * HOUR, "firing")
    ]
    assert (outcome.since, outcome.until, outcome.records) == (BEGIN, BEGIN + 3 * HOUR, 0)


@pytest.mark.parametrize("gap", [3 * DAY, 40 * DAY, 50 * 365 * DAY])
def test_a_long_silence_takes_no_long_time(gap: int) -> None:
    found = replay(SILENT, TIMEOUTS)
    found.feed([record(BEGIN), record(BEGIN + gap)])
    (row,) = rows(found.finish())
    assert (row.first, row.ended_at) == (BEGIN + 2 * HOUR, BEGIN + gap + MINUTE)


# ── sums ─────────────────────────────────────────────────────────────────────


def test_sums_that_move_are_those_that_are_added_up_anew() -> None:
    chance = random.Random(3)
    sums, written = Sums(), Counter[tuple[int, Spot]]()
    minute = 1_000
    for _ in range(300):
        for _ in range(chance.randrange(4)):
            spot = ("d", chance.choice("ab"))
            sums.add(minute, spot, Tally(records=2, errors=1, http=2, http_4xx=1, http_5xx=1))
            written[minute, spot] += 2
        minute += chance.choice((1, 1, 1, 1, 7, 90))
        at = minute * MINUTE
        spans = [(at - 5 * MINUTE, at), (at - 65 * MINUTE, at - 5 * MINUTE), (at - 90 * SECOND, at)]
        for (begin, end), found in sums.within(spans, at).items():
            wanted: Counter[Spot] = Counter()
            for (each, spot), count in written.items():
                if begin // MINUTE <= each < end // MINUTE:
                    wanted[spot] += count
            assert {spot: (each.records, each.errors, each.http_5xx) for spot, each in found.items()} == {
                spot: (count, count // 2, count // 2) for spot, count in wanted.items()
            }
        assert len(sums.minutes) <= 66


# ── bounds ───────────────────────────────────────────────────────────────────


def test_a_minute_of_many_records_is_matched_in_parts() -> None:
    found = replay(rule("Any", 'level="ERROR"', count=1, within=10 * MINUTE))
    total = 2 * backtest.MAX_BATCH + 5
    found.feed(record(BEGIN + at // 1_000, f"order {at % 100}", "ERROR") for at in range(total))
    outcome = found.finish()
    assert (outcome.records, outcome.hits, outcome.fired) == (total, {"Any": total}, 1)
    assert found._matching.batches == [backtest.MAX_BATCH, backtest.MAX_BATCH, 5]  # type: ignore[attr-defined]  # counts


def test_projects_are_told_apart() -> None:
    records = [record(BEGIN + at, "timed out", project=("shop", "other")[at % 2]) for at in range(5)]
    (row,) = rows(said(TIMEOUTS, records=records))
    assert (row.alert.labels["project"], row.alert.labels["region"]) == ("shop", "europe-west1.gcp")


def test_alerts_without_a_row_are_counted() -> None:
    found = replay(rule(pattern=("timed out",), count=1, within=MINUTE, by=("message",)))
    found.outcome.room = 5
    found.feed(record(BEGIN + at * SECOND, f"call {at} timed out") for at in range(8))
    outcome = found.finish()
    assert (len(outcome.rows), outcome.unlisted, outcome.fired, outcome.ended) == (5, 3, 8, 8)


# ── order ────────────────────────────────────────────────────────────────────


def test_records_are_put_in_order_within_the_room_there_is() -> None:
    records = [record(BEGIN + at) for at in range(100)]
    random.Random(1).shuffle(records)
    assert [each.at - BEGIN for each in in_order(records, name="x", room=101)] == list(range(100))
    nearly = [record(BEGIN + at ^ 3) for at in range(100)]
    assert [each.at - BEGIN for each in in_order(nearly, name="x", room=10)] == list(range(100))


def test_too_little_room_is_said_and_not_passed_over() -> None:
    records = [record(BEGIN + at) for at in reversed(range(100))]
    with pytest.raises(WatcherError, match="x is too large to be put in order of time here"):
        list(in_order(records, name="x", room=50))


def test_no_more_is_held_than_there_is_room_for() -> None:
    taken = Counter[str]()

    def counted() -> Iterator[LogRecord]:
        for at in range(1_000):
            taken["in"] += 1
            yield record(BEGIN + at)

    for _ in in_order(counted(), name="x", room=50):
        taken["out"] += 1
        assert taken["in"] - taken["out"] <= 50


# ── lines ────────────────────────────────────────────────────────────────────


def test_a_line_without_an_end_is_one_bad_line(tmp_path: Path) -> None:
    good = b'{"deploymentId":"d1","timestamp":"2026-11-24T10:00:00Z","details":{"message":"hello"}}'
    path = tmp_path / "records.ndjson"
    path.write_bytes(good + b"\n" + b"[" * (9 * 1024 * 1024) + b"\n" + good)
    heard: list[str] = []
    files = Files(
        homes=frozenset({"shop"}),
        home="shop",
        say=heard.append,
        progress=Progress(FakeClock(), heard.append, live=False),
    )
    assert [(each.message, each.project) for each in files.records([path])] == [("hello", "shop")] * 2
    assert heard == [f"{path}:2: is no JSON object"]
    assert (files.good, files.bad) == (2, 1)


def test_records_of_one_moment_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "records.ndjson"
    lines = (f'{{"deploymentId":"d{at % 3}","timestamp":"2026-11-24T10:00:00Z"}}' for at in range(10))
    path.write_text("\n".join(lines))
    files = Files(homes=frozenset({"shop"}), home="shop", say=print, progress=Progress(FakeClock(), print, live=False))
    assert [each.deployment_id for each in files.records([path])] == [f"d{at % 3}" for at in range(10)]


def test_windows_meet_and_do_not_overlap() -> None:
    assert list(_windows(0, 2 * DAY + 5)) == [(0, DAY - 1), (DAY, 2 * DAY - 1), (2 * DAY, 2 * DAY + 4)]


def test_bad_lines_are_told_one_by_one_while_they_are_few(tmp_path: Path) -> None:
    path = tmp_path / "records.ndjson"
    path.write_text("nonsense\n" * 5_000)
    heard: list[str] = []
    files = Files(
        homes=frozenset({"shop"}),
        home="shop",
        say=heard.append,
        progress=Progress(FakeClock(), heard.append, live=False),
    )
    assert list(files.records([path])) == []
    assert (len(heard), files.bad) == (11, 5_000)


@pytest.mark.parametrize(("live", "pace", "shown"), [(False, LOGGED, ["b\n"]), (True, LIVE, ["\r\x1b[Kb", "\r\x1b[K"])])
def test_progress_is_shown_no_oftener_than_it_can_be_read(live: bool, pace: int, shown: list[str]) -> None:
    clock, heard = FakeClock(), list[str]()
    progress = Progress(clock, heard.append, live=live)
    progress.say("a")
    clock.at += pace
    progress.say("b")
    progress.say("c")
    progress.done()
    progress.done()
    assert heard == shown
