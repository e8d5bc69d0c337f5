"""The guarantees' own test: break one on purpose, and a test must turn red.

Each mutant is one change to a copy of the sources; the test that is to catch it runs on that copy, and is green without it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.process import ROOT, environ

PATIENCE = 100
FAILED = 1
"""pytest's exit code when tests ran and some failed; anything else would be no proof."""


@dataclass(frozen=True)
class Mutant:
    guarantee: str
    file: str
    old: str
    new: str
    test: str
    """The one that is to catch it; it says what was lost."""


MUTANTS = (
    Mutant(
        "a power cut loses nothing that was acknowledged",
        "watcher/store/sqlite.py",
        '"synchronous": 2',
        '"synchronous": 1',
        "tests/integration/test_store_sqlite.py::test_commits_are_synced",
    ),
    Mutant(
        "a message is recorded as delivered only after it was sent",
        "watcher/pipeline/deliver.py",
        "            attempt = await _attempt(place.sink, delivery)\n            self._conclude(place, delivery, attempt)\n"
        "            await self._settle_all()\n",
        "            self._conclude(place, delivery, Attempt())\n            await self._settle_all()\n"
        "            await _attempt(place.sink, delivery)\n",
        "tests/integration/test_timelines.py::test_row_18_killed_at_any_point_the_messages_are_the_same[3]",
    ),
    Mutant(
        "an attempt is recorded before it is made, so that its outcome is known to be unknown after a crash",
        "watcher/pipeline/deliver.py",
        "        if count := await self._store.recover_claims(now):",
        "        if count := 0:",
        "tests/integration/test_timelines.py::test_row_18_killed_at_any_point_the_messages_are_the_same[3]",
    ),
    Mutant(
        "a receiver that asks to be left alone is, by the next process too",
        "watcher/core/pacing.py",
        "    return {name: min(at, furthest[name]) for name, at in full.items() if name in furthest}",
        "    return {name: 0 for name in full if name in furthest}",
        "tests/integration/test_delivering.py::test_a_window_is_obeyed_by_the_next_process_too",
    ),
    Mutant(
        "something critical is never behind a backlog",
        "watcher/store/outbox.py",
        '    for name in ("due_urgent", "due_deliveries"):',
        '    for name in ("due_deliveries",):',
        "tests/integration/test_delivering.py::test_a_storm_at_a_receiver_that_takes_one_a_second_loses_nothing_and_the_critical_one_is_told_at_once",
    ),
    Mutant(
        "what a digest stands for is counted in it",
        "watcher/pipeline/backlog.py",
        "            stands_for=sum(each.stands_for for each in rows),",
        "            stands_for=1,",
        "tests/integration/test_delivering.py::test_after_an_outage_the_newest_critical_come_first_and_the_rest_is_one_digest_with_exact_counts",
    ),
    Mutant(
        "a sink that is down is tried with one message at a time",
        "watcher/core/breaker.py",
        "        return self.refusing or self.failures >= FAILURES",
        "        return False",
        "tests/integration/test_delivering.py::test_two_hundred_rows_of_a_dead_sink_are_one_probe_at_a_time_and_delay_nobody",
    ),
    Mutant(
        "foreign text is escaped before Slack sees it",
        "watcher/sinks/slack_message.py",
        "    escaped = text.translate(_ESCAPES)",
        "    escaped = text",
        "tests/unit/test_slack_payload.py::test_no_foreign_text_can_be_markup",
    ),
    Mutant(
        "a Deployment is gone only when list and read agree, twice",
        "watcher/core/presence.py",
        "    gone = [key for key, count in counts.items() if count >= AGREEMENTS]",
        "    gone = list(missing)",
        "tests/integration/test_timelines.py::test_a_person_hears_exactly_this[12-once]",
    ),
    Mutant(
        "an alert does not start while its source is blind",
        "watcher/core/ledger.py",
        "        self._sighted((event.project, event.source), event.sight)\n        if self._observation != observation_of",
        "        self._sighted((event.project, event.source), event.at)\n        if self._observation != observation_of",
        "tests/unit/test_ledger.py::test_row_13_down_for_two_days",
    ),
    Mutant(
        "what is told in parts is told whole, whatever part one dies after",
        "watcher/pipeline/judge.py",
        "            while ledger.is_behind(event):\n",
        "            self._cursor = event.seq\n            while ledger.is_behind(event):\n",
        "tests/integration/test_parts.py::test_a_backlog_told_in_parts_and_killed_between_them_is_told_as_at_once[1]",
    ),
    Mutant(
        "what was seen and the events about it are one commit",
        "watcher/pipeline/observe.py",
        "Observation(source=found.state, upserts=found.upserts, removed=found.removed, events=events)",
        "Observation(source=found.state, upserts=found.upserts, removed=found.removed)",
        "tests/integration/test_timelines.py::test_a_person_hears_exactly_this[3]",
    ),
    Mutant(
        "a listing that was never committed is not taken for unchanged",
        "watcher/pipeline/observe.py",
        "            listing = replace(listing, unchanged=False)",
        "            pass",
        "tests/integration/test_timelines.py::test_row_18_killed_at_any_point_the_messages_are_the_same[3]",
    ),
    Mutant(
        "an outcome that could not be written is written later",
        "watcher/pipeline/deliver.py",
        "                del self._unsettled[: len(batch)]",
        "                pass",
        "tests/integration/test_faults.py::test_an_outcome_that_could_not_be_written_is_written_later_and_its_lane_goes_on",
    ),
    Mutant(
        "the API takes nobody for this machine that does not name it",
        "watcher/web/api_door.py",
        "elif not _names_this_machine(call.host):",
        "elif False:",
        "tests/unit/test_api_door.py",
    ),
    Mutant(
        "a blind source keeps the heartbeat away",
        "watcher/core/heartbeat.py",
        "for each in vitals.watches if each.blind]",
        "for each in vitals.watches if False]",
        "tests/unit/test_heartbeat.py",
    ),
    Mutant(
        "a row that cannot be rendered stops nobody else",
        "watcher/pipeline/deliver.py",
        "            return None, type(error).__name__",
        "            raise",
        "tests/integration/test_faults.py::test_a_message_that_cannot_be_rendered_stops_nobody_and_is_told_as_a_dead_letter",
    ),
    Mutant(
        "an API that answers nothing is one blindness, not three",
        "watcher/core/sight.py",
        "    return Miss.OVERSHADOWED if trouble and at - trouble <= blind_after else Miss.COUNTED",
        "    return Miss.COUNTED",
        "tests/integration/test_timelines_connectors.py::test_a_person_hears_exactly_this[11-outage]",
    ),
    Mutant(
        "a source that may not be read, and never was, is no blindness",
        "watcher/core/sight.py",
        "        return Miss.FORBIDDEN",
        "        pass",
        "tests/integration/test_timelines_connectors.py::test_a_person_hears_exactly_this[forbidden]",
    ),
    Mutant(
        "a draft that several API clients see is told once",
        "watcher/sources/drafts.py",
        "if self.owners.setdefault(each, project) == project}",
        "}",
        "tests/unit/test_sources.py::test_what_two_clients_see_is_told_through_the_one_that_saw_it_first",
    ),
    Mutant(
        "a pushed request is answered only once it is committed",
        "watcher/web/otlp.py",
        "receipt = await self._intake.push(pushed, projects) if pushed.records else Receipt(0)",
        "receipt, self.last = Receipt(1), asyncio.ensure_future(self._intake.push(pushed, projects))",
        "tests/integration/test_otlp.py::test_the_answer_waits_for_the_commit",
    ),
    Mutant(
        "a request that is pushed twice adds nothing",
        "watcher/store/logs.py",
        '    if write.digest and not tx.execute("add_pushed",',
        '    if write.digest and not 1 + tx.execute("add_pushed",',
        "tests/contract/test_store_logs.py::test_a_request_that_is_sent_again_adds_nothing",
    ),
    Mutant(
        "records that are read again are known, each as often as it was written",
        "watcher/core/reading.py",
        "            before = met.get(name, 0)\n",
        "            before = 0\n",
        "tests/unit/test_reading.py::test_what_is_handed_on_is_exactly_what_was_written",
    ),
    Mutant(
        "how far was read is remembered only once what was read is committed",
        "watcher/store/logs.py",
        '    _many(tx, "save_log_cursor", [_cursor(each) for each in write.cursors])\n',
        "",
        "tests/contract/test_store_logs.py::test_hits_tallies_how_far_was_read_and_the_source_are_one_commit",
    ),
    Mutant(
        "what is kept of a log record is redacted",
        "watcher/rules/matching.py",
        "        self._shown = _Memo(lambda message: clean(message, SHOWN))\n",
        "        self._shown = _Memo(lambda message: message)\n",
        "tests/unit/test_matching.py::test_what_is_kept_of_a_record_is_redacted",
    ),
    Mutant(
        "who shows no key is not listened to",
        "watcher/web/otlp_door.py",
        "        if not found or not text:\n",
        "        if not self._keys:\n",
        "tests/integration/test_otlp.py::test_without_a_key_nothing_is_read_and_nothing_is_said[wrong]",
    ),
    Mutant(
        "an alert on logs does not end while logs cannot be seen",
        "watcher/core/ledger.py",
        "        while heap and heap[0][0] <= sight:\n",
        "        while heap:\n",
        "tests/integration/test_log_judging.py::test_it_does_not_end_while_logs_cannot_be_read",
    ),
    Mutant(
        "a sink reaches no private address unless it is allowed",
        "watcher/http/door.py",
        "        if reason := _objection(",
        "        if reason := None and _objection(",
        "tests/integration/test_http.py::test_behind_a_proxy_what_can_be_judged_is_judged[https://127.0.0.1/]",
    ),
)


def run(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy; that they fail is enough, the smallest example is not looked for."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--hypothesis-profile=unshrunk", *tests]
    return subprocess.run(
        command, cwd=folder, env=environ(), capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all mutants, so that only what has changed is compiled again."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("watcher", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@contextmanager
def changed(file: Path, old: str, new: str, moment: int) -> Iterator[None]:
    """A file for a while with other text, as of a moment of its own: what was compiled of one text is not run for another."""
    text, times = file.read_text(), file.stat()
    assert text.count(old) == 1, f"the mutant no longer fits {file}"
    file.write_text(text.replace(old, new))
    os.utime(file, (moment, moment))
    try:
        yield
    finally:
        file.write_text(text)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_copy_itself_is_green(copy: Path) -> None:
    done = run(copy, *dict.fromkeys(mutant.test for mutant in MUTANTS))
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=lambda number: MUTANTS[number].guarantee)
def test_a_broken_guarantee_turns_a_test_red(number: int, copy: Path) -> None:
    mutant = MUTANTS[number]
    with changed(copy / mutant.file, mutant.old, mutant.new, moment=number + 1):
        done = run(copy, mutant.test)
    assert done.returncode == FAILED, done.stdout[-2000:]
