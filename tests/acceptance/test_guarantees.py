"""The guarantees' own test: break one on purpose, and a test must turn red.

Each mutant is one change to a copy of the sources; the tests that are to catch it run on that copy.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAILED = 1
"""pytest's exit code when tests ran and some failed; anything else would be no proof."""


@dataclass(frozen=True)
class Mutant:
    guarantee: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "a power cut loses nothing that was acknowledged",
        "watcher/store/sqlite.py",
        '"synchronous": 2',
        '"synchronous": 1',
        ("tests/integration/test_store_sqlite.py",),
    ),
    Mutant(
        "a message is recorded as delivered only after it was sent",
        "watcher/pipeline/deliver.py",
        "            error = await _attempt(place.sink, delivery)\n            self._conclude(place, delivery, error)\n"
        "            await self._settle_all()\n",
        "            self._conclude(place, delivery, None)\n            await self._settle_all()\n"
        "            await _attempt(place.sink, delivery)\n",
        ("tests/integration/test_timelines.py",),
    ),
    Mutant(
        "an attempt is recorded before it is made, so that its outcome is known to be unknown after a crash",
        "watcher/pipeline/deliver.py",
        "        if count := await self._store.recover_claims(now):",
        "        if count := 0:",
        ("tests/integration/test_timelines.py",),
    ),
    Mutant(
        "foreign text is escaped before Slack sees it",
        "watcher/sinks/slack.py",
        "    escaped = text.translate(_ESCAPES)",
        "    escaped = text",
        ("tests/unit/test_slack_payload.py",),
    ),
    Mutant(
        "a Deployment is gone only when list and read agree, twice",
        "watcher/core/presence.py",
        "    gone = [key for key, count in counts.items() if count >= AGREEMENTS]",
        "    gone = list(missing)",
        ("tests/integration/test_timelines.py",),
    ),
    Mutant(
        "an alert does not start while its source is blind",
        "watcher/core/ledger.py",
        "        self._sighted((event.project, event.source), event.sight)",
        "        self._sighted((event.project, event.source), event.at)",
        ("tests/unit/test_ledger.py",),
    ),
    Mutant(
        "what was seen and the events about it are one commit",
        "watcher/pipeline/observe.py",
        "Observation(source=found.state, upserts=found.upserts, removed=found.removed, events=events)",
        "Observation(source=found.state, upserts=found.upserts, removed=found.removed)",
        ("tests/integration/test_timelines.py",),
    ),
    Mutant(
        "a listing that was never committed is not taken for unchanged",
        "watcher/pipeline/observe.py",
        "            listing = replace(listing, unchanged=False)",
        "            pass",
        ("tests/integration/test_timelines.py",),
    ),
    Mutant(
        "an outcome that could not be written is written later",
        "watcher/pipeline/deliver.py",
        "                del self._unsettled[: len(batch)]",
        "                pass",
        ("tests/integration/test_faults.py", "tests/integration/test_timelines.py"),
    ),
    Mutant(
        "a row that cannot be rendered stops nobody else",
        "watcher/pipeline/deliver.py",
        "            self._unsettled.append((settled, self._dead_letter(delivery, text, self._env.clock.now())))\n            return None",
        "            raise",
        ("tests/integration/test_faults.py",),
    ),
    Mutant(
        "an API that answers nothing is one blindness, not three",
        "watcher/core/sight.py",
        "    return Miss.OVERSHADOWED if trouble and at - trouble <= blind_after else Miss.COUNTED",
        "    return Miss.COUNTED",
        ("tests/integration/test_timelines_connectors.py",),
    ),
    Mutant(
        "a source that may not be read, and never was, is no blindness",
        "watcher/core/sight.py",
        "        return Miss.FORBIDDEN",
        "        pass",
        ("tests/integration/test_timelines_connectors.py",),
    ),
    Mutant(
        "a draft that several API clients see is told once",
        "watcher/sources/drafts.py",
        "if self.owners.setdefault(each, project) == project}",
        "}",
        ("tests/unit/test_sources.py",),
    ),
    Mutant(
        "a pushed request is answered only once it is committed",
        "watcher/web/otlp.py",
        "receipt = await self._intake.push(pushed, projects) if pushed.records else Receipt(0)",
        "receipt, self.last = Receipt(1), asyncio.ensure_future(self._intake.push(pushed, projects))",
        ("tests/integration/test_otlp.py",),
    ),
    Mutant(
        "a request that is pushed twice adds nothing",
        "watcher/store/logs.py",
        '    if write.digest and not tx.execute("add_pushed",',
        '    if write.digest and not 1 + tx.execute("add_pushed",',
        ("tests/contract/test_store_logs.py",),
    ),
    Mutant(
        "records that are read again are known, each as often as it was written",
        "watcher/core/reading.py",
        "            before = met.get(name, 0)\n",
        "            before = 0\n",
        ("tests/unit/test_reading.py",),
    ),
    Mutant(
        "how far was read is remembered only once what was read is committed",
        "watcher/store/logs.py",
        '    _many(tx, "save_log_cursor", [_cursor(each) for each in write.cursors])\n',
        "",
        ("tests/contract/test_store_logs.py",),
    ),
    Mutant(
        "what is kept of a log record is redacted",
        "watcher/rules/matching.py",
        "        self._shown = _Memo(lambda message: clean(message, SHOWN))\n",
        "        self._shown = _Memo(lambda message: message)\n",
        ("tests/unit/test_matching.py",),
    ),
    Mutant(
        "who shows no key is not listened to",
        "watcher/web/otlp_door.py",
        "        if not found or not text:\n",
        "        if not self._keys:\n",
        ("tests/integration/test_otlp.py",),
    ),
    Mutant(
        "an alert on logs does not end while logs cannot be seen",
        "watcher/core/ledger.py",
        "        while heap and heap[0][0] <= sight:\n",
        "        while heap:\n",
        ("tests/integration/test_log_judging.py", "tests/unit/test_ledger_logs.py"),
    ),
    Mutant(
        "a sink reaches no private address unless it is allowed",
        "watcher/http.py",
        "        if reason := _objection(",
        "        if reason := None and _objection(",
        ("tests/integration/test_http.py",),
    ),
)


def run(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", *tests]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("watcher", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_copy_itself_is_green(copy: Path) -> None:
    done = run(copy, "tests/unit/test_ledger.py", "tests/unit/test_slack_payload.py", "tests/integration/test_http.py")
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guarantee)
def test_a_broken_guarantee_turns_a_test_red(mutant: Mutant, copy: Path) -> None:
    file = copy / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, f"the mutant no longer fits {mutant.file}"
    file.write_text(text.replace(mutant.old, mutant.new))
    done = run(copy, *mutant.tests)
    assert done.returncode == FAILED, done.stdout[-2000:]
