"""Polled logs, from the bytes of a page to a decision, beside mtail counting the same patterns in the same lines.

`python -m tests.bench.logs [--short]`. Rates are records per second of the processor's time, which other programs on the
machine hardly change; what the clock on the wall said is shown beside. Numbers of different machines do not compare;
ratios nearly do. mtail gets plain lines, so it is spared the JSON, the levels, the tallies and the decision.
"""

import argparse
import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time  # timing is what this file is for
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

from prometheus_client import CollectorRegistry

from tests.bench.corpus import (
    PAGE,
    PROJECT,
    RATED,
    REGION,
    Pages,
    corpus,
    describe_load,
    directory,
    kinds,
    lines,
    pages,
    pinned,
    rules,
)
from tests.fakes import fake_env
from tests.world import flat_route
from watcher import scan
from watcher.app import settle_memory
from watcher.connect import log_page, log_wire
from watcher.core.dispatch import Dispatch, SinkRef
from watcher.core.ledger import Ledger
from watcher.core.logrecord import Place, Tally
from watcher.core.rule import Rule
from watcher.metrics import Metrics
from watcher.pipeline.ingest import Ingest, Sighted
from watcher.ports import LogBatch, LogWrite, Store
from watcher.redact import Redactor
from watcher.rules import LogMatcher, log_specs, pattern_table

RECORDS = 200_000
SLICE = 20_000
"""Records whose lines mtail gets: it takes as long for them as we do for all."""
RULES = (1, 10, RATED, 200, 1_000)
REPEATS = 5


# ── what is measured ─────────────────────────────────────────────────────────


@dataclass
class Deciding:
    """In place of a store: what would be committed is judged at once, and counted."""

    ledger: Ledger
    hits: Counter[str] = field(default_factory=Counter)
    tallies: dict[Place, Tally] = field(default_factory=dict)
    seq: int = 0

    async def commit_logs(self, writes: Sequence[LogWrite]) -> Sequence[bool]:
        for write in writes:
            for event in write.events:
                self.ledger.apply(event)
                assert event.hit is not None
                self.hits[event.hit.rule] += event.hit.count
            for place, tally in write.tallies.items():
                self.tallies.setdefault(place, Tally()).add(tally)
        self.ledger.reasons.clear()
        return [True for _ in writes]


class Outcome(NamedTuple):
    """What a run took, in seconds of the processor and of the wall, and what it found."""

    cpu: float
    wall: float
    hits: Counter[str]
    records: int = 0
    told: int = 0


@dataclass(frozen=True)
class Subject:
    """Everything between the bytes of a page and a decision, with these rules."""

    rules: Sequence[Rule]
    scanner: scan.Scanner

    def run(self, bodies: Pages) -> Outcome:
        """Take all pages in, with nothing remembered from the run before."""
        return asyncio.run(self.taken(bodies))

    async def taken(self, bodies: Pages) -> Outcome:
        ledger = Ledger(self.rules, Dispatch(flat_route("project", "deployment"), {"team": (SinkRef(id="s"),)}))
        deciding = Deciding(ledger)
        matcher = LogMatcher(log_specs(self.rules), self.scanner, Redactor(()).clean)
        known = directory()
        ingest = Ingest(
            matcher,
            {PROJECT: Sighted(region=REGION, deployments=lambda: known)},
            store=cast("Store", deciding),
            env=fake_env(),
            metrics=Metrics(CollectorRegistry(), version="0"),
            changed=lambda: None,
        )
        cpu, wall = time.process_time(), time.perf_counter()
        for deployment_id, body in bodies:
            page = log_page.read(body, log_wire.Origin(PROJECT, deployment_id))
            await ingest.take(LogBatch(project=PROJECT, records=page.records))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        count = sum(each.records for each in deciding.tallies.values())
        return Outcome(cpu, wall, deciding.hits, count, ledger.tally["fired"])


# ── mtail ────────────────────────────────────────────────────────────────────


class Mtail:
    """mtail as Debian ships it, with one counter for each of the patterns, on one processor."""

    def __init__(self, folder: Path, texts: Sequence[str], patterns: Sequence[str]) -> None:
        self.found = shutil.which("mtail")
        self._logs, self._none, self._programs = folder / "lines.log", folder / "none.log", folder / "programs"
        self._logs.write_text("".join(f"{each}\n" for each in texts))
        self._none.write_text("")
        self._programs.mkdir()
        program = [f"counter kind{number:04d}" for number in range(len(patterns))]
        for number, each in enumerate(patterns):
            program.append(f"/{each.replace('/', chr(92) + '/')}/ {{\n  kind{number:04d}++\n}}")
        (self._programs / "kinds.mtail").write_text("\n".join(program) + "\n")

    def run(self) -> Outcome:
        """Count the lines, less what it takes to start and find nothing."""
        idle, busy = self._once(self._none), self._once(self._logs)
        return busy._replace(cpu=busy.cpu - idle.cpu, wall=busy.wall - idle.wall)

    def _once(self, logs: Path) -> Outcome:
        command = [
            str(self.found),
            "--one_shot",
            "--one_shot_format",
            "prometheus",
            "--logs",
            str(logs),
            "--progs",
            str(self._programs),
        ]
        before, wall = os.times(), time.perf_counter()
        done = subprocess.run(
            command, env={**os.environ, "GOMAXPROCS": "1"}, capture_output=True, text=True, check=True
        )
        wall, after = time.perf_counter() - wall, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Outcome(cpu, wall, _counted(done.stdout))


def _counted(text: str) -> Counter[str]:
    """What mtail's counters say, by the names of our rules."""
    found = re.findall(r"^(kind\d+)\{.*\} (\d+)$", text, re.MULTILINE)
    return +Counter({name.title(): int(count) for name, count in found})


# ── the tables ───────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.logs")
    parser.add_argument("--short", action="store_true", help="a tenth of the records, and three numbers of rules")
    chosen = parser.parse_args(arguments)
    records, numbers = (RECORDS // 10, (1, RATED, 1_000)) if chosen.short else (RECORDS, RULES)
    show(records, numbers, SLICE // 4 if chosen.short else SLICE)


def show(records: int, numbers: Sequence[int], slice_: int) -> None:
    """Print what `records` records cost with these numbers of rules."""
    with tempfile.TemporaryDirectory() as folder:
        bodies, few, mtail = prepared(records, slice_, Path(folder))
        settle_memory()
        with pinned():
            measured = interleaved({name: each.run for name, each in subjects(numbers).items()}, bodies, mtail)
    report(measured, records, slice_, found=mtail.found is not None)
    if mtail.found:
        check(few, measured["mtail"][0])


def prepared(records: int, slice_: int, folder: Path) -> "tuple[Pages, Pages, Mtail]":
    """The pages of all records, those of a slice, and mtail with that slice. The records themselves are gone again."""
    made = corpus(records)
    found, texts = pages(made), list(lines(made))
    size, length = sum(len(body) for _, body in found), sum(map(len, texts))
    print(
        f"{records:,} records in {len(found)} pages of {PAGE:,}: {size / records:.0f} bytes of JSON each, "
        f"{length / records:.0f} characters of text; {describe_load()}",
        flush=True,
    )
    return found, pages(made[:slice_]), Mtail(folder, texts[:slice_], [each.pattern for each in kinds(RATED)])


def subjects(numbers: Sequence[int]) -> dict[str, Subject]:
    """The ways that are compared, by the words for them."""
    found = {}
    for number in numbers:
        for pack, words in (("", ""), ("logs", " + logs pack")):
            made = rules(number, pack)
            patterns = pattern_table(log_specs(made))
            batch = scan.compile_batch(patterns)
            if batch is not None:
                found[f"{number:,} rules{words}"] = Subject(made, batch)
            if batch is None or not pack:
                found[f"{number:,} rules{words}, RE2 alone"] = Subject(made, scan.compile_set(patterns))
    return found


Measured = Mapping[str, Sequence[Outcome]]


def interleaved(
    runs: Mapping[str, Callable[[Pages], Outcome]],
    bodies: Pages,
    mtail: Mtail,
) -> Measured:
    """A few runs of each, in turns, so that what disturbs the machine disturbs all of them."""
    found: dict[str, list[Outcome]] = {}
    for _ in range(REPEATS):
        for name, run in runs.items():
            found.setdefault(name, []).append(run(bodies))
        if mtail.found:
            found.setdefault("mtail", []).append(mtail.run())
    return found


def report(measured: Measured, records: int, slice_: int, *, found: bool) -> None:
    """Print the table; `records / cpu` is what one core does that has nothing else to do."""
    print(
        f"{'':<32}{'records/s':>11}{'(spread)':>10}{'on the wall':>13}{'µs each':>9}{'× mtail':>9}{'hits':>8}{'told':>7}"
    )
    anchor = slice_ / median(measured["mtail"]) if found else 0.0
    for name, outcomes in measured.items():
        count = slice_ if name == "mtail" else records
        rates = sorted(count / each.cpu for each in outcomes)
        rate, wall = statistics.median(rates), count / statistics.median(each.wall for each in outcomes)
        spread = (rates[-1] - rates[0]) / rate / 2
        ratio = f"{rate / anchor:>8.1f}×" if anchor else f"{'–':>9}"
        words_ = f"mtail, {RATED} patterns, plain lines" if name == "mtail" else name
        print(
            f"{words_:<32}{rate:>11,.0f}{f'±{spread:.0%}':>10}{wall:>13,.0f}{1e6 / rate:>9.2f}{ratio}"
            f"{outcomes[0].hits.total():>8,}{outcomes[0].told or '':>7}"
        )
    if all(name.endswith("RE2 alone") for name in measured.keys() - {"mtail"}):
        print("there is no scanner for batches here: hyperscan is not installed, or not one that can be trusted")
    if not found:
        print("mtail is not installed (apt-get install mtail): no ratio to it")


def check(bodies: Pages, anchor: Outcome) -> None:
    """Say whether both found the same, pattern by pattern."""
    made = rules(RATED)
    ours = Subject(made, scan.compile_set(pattern_table(log_specs(made)))).run(bodies)
    same = "the same" if ours.hits == anchor.hits else "NOT the same"
    print(
        f"matching lines by pattern in mtail's {ours.records:,}: {same} "
        f"(ours {ours.hits.total():,}, mtail's {anchor.hits.total():,}, of {len(ours.hits)} patterns)"
    )


def median(outcomes: Sequence[Outcome]) -> float:
    """Seconds of the processor."""
    return statistics.median(each.cpu for each in outcomes)


if __name__ == "__main__":
    main(sys.argv[1:])
