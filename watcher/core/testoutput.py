r"""What tests print: of a test runner's output the lines that come from the code under test and not from the runner.

A test that passes may well print an error; it is what it tests. And where a test fails, the runner says which and why,
better than what was printed on the way. So these lines say nothing of a failure:

| runner                | what was printed by the code under test                                                 |
|-----------------------|-----------------------------------------------------------------------------------------|
| Jest                  | what stands indented below `console.error`                                              |
| Vitest, Gradle        | what stands below `stderr \| file > test`, `Test > name STANDARD_ERR`, up to the next mark |
| pytest                | what stands below `--- Captured stderr call ---`, `=== PASSES ===`, `=== warnings summary` |
| any, while it runs    | what stands before a mark of it: `✓ …`, `PASS …`, `ok 3 - …`, `12 passing`, `--- PASS:` |

A run begins with the command (`> jest --ci`, `> service@1.0.0 test`) or with a mark that nothing else makes, and ends
with the summary, the details of what failed, or the next script. A line of a run that no mark follows is left alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from watcher.core.logrecord import Line

_LOOKED_AT: Final = 400


@dataclass(slots=True, kw_only=True)
class _Run:
    """What is known of an application's tests so far. `pending`: lines that the next mark makes output of a test."""

    running: bool = False
    block: bool = False
    """Below a heading of captured output, up to the next mark."""
    indent: int = -1
    """How far the heading is indented, when only what is indented further stands below it."""
    failing: bool = False
    """Below the mark of a failed test: what is indented says why it failed."""
    pending: list[int] = field(default_factory=list)


def printed_by_tests(lines: Sequence[Line]) -> frozenset[int]:
    """Positions of the lines that the code under test printed."""
    runs: dict[str, _Run] = {}
    found: list[int] = []
    for position, line in enumerate(lines):
        run = runs.get(line.application)
        if run is None:
            run = runs[line.application] = _Run()
        _read(run, position, _FRONT.sub("", line.message[:_LOOKED_AT]), found)
    return frozenset(found)


def _read(run: _Run, position: int, text: str, found: list[int]) -> None:
    """Notes what the line makes of the run, and itself or those before it as printed by a test."""
    told = text.lstrip()
    if run.indent >= 0:
        if not told or len(text) - len(told) > run.indent:
            found.append(position)
            return
        run.indent = -1
    kind = _MARKS.match(told) if told else None
    mark = "" if kind is None else kind.lastgroup or ""
    if mark == "console":
        run.indent = len(text) - len(told)
        found.append(position)
    elif mark in _UNMISTAKABLE or (mark and run.running):
        _marked(run, mark, found)
    elif run.block:
        found.append(position)
    elif run.running:
        _unmarked(run, position, indented=text is not told)


def _unmarked(run: _Run, position: int, *, indented: bool) -> None:
    """A line between marks: of a failed test while it is indented, otherwise what the next mark will tell."""
    run.failing = run.failing and indented
    if not run.failing:
        run.pending.append(position)


def _marked(run: _Run, mark: str, found: list[int]) -> None:
    """A line by which the runner tells a test, its whole run, or whose output follows."""
    if mark == "own":
        return
    if mark in _TELL:
        found += run.pending
    run.pending.clear()
    run.block = mark == "block"
    run.failing = mark in {"failed", "cross"}
    run.running = mark in _RUNNING


_UNMISTAKABLE: Final = frozenset(("start", "stop", "passed", "block", "details", "go"))
"""Marks that nothing but a test runner makes."""
_RUNNING: Final = frozenset(("start", "passed", "failed", "block", "go", "tick", "cross"))
_TELL: Final = frozenset(("passed", "tick", "failed", "cross", "details", "summary", "block"))
"""Marks that make what stands before them output of a test."""
_FRONT: Final = re.compile(
    r"^(?:Step\s#[0-9]{1,4}(?:\s-\s\"[^\"]{1,80}\")?:\s|#[0-9]{1,5}\s[0-9]{1,6}\.[0-9]{1,6}\s"
    r"|[@\w./-]{1,60}[:\s]test[\w:-]{0,30}:\s)|\x1b\[[0-9;?]{0,16}[A-Za-z]"
)
"""Cloud Build, BuildKit and the names of workspaces in front of a line, one blank after them; and colours."""
_RUNNERS: Final = (
    r"jest|vitest|mocha|ava|pytest|phpunit|pest|nyc|c8|tap|jasmine|react-scripts\stest|ng\stest|(?:go|cargo)\stest"
    r"|node\s(?:-\S{1,80}\s){0,6}--test|tsx\s(?:-\S{1,80}\s){0,6}--test"
)
_ALTERNATIVES: Final = {
    "console": (r"console\.(?:error|warn|log|info|debug|trace|dir|assert)(?:\s\S{1,200}:[0-9]{1,7})?\s{0,4}$",),
    "start": (
        r"[>$]\s\S{1,100}@\S{0,40}\stest(?::\S{1,60})?$",
        rf"[>$]\s[^\n]{{0,200}}?(?<![\w./-])(?:{_RUNNERS})(?![\w./-])",
        r"RUN\s{1,4}v[0-9]|={3,200}\stest session starts|TAP version 1|Determining test suites to run",
        r"(?:\[INFO\]\s)?Running\s[\w.$]{1,200}(?:Tests?|IT|Spec)$",
    ),
    "stop": (
        r">\s\S{1,100}@\S{1,40}\s[\w:.-]{1,60}$|npm\s(?:ERR!|error)\s|exit(?:ed)?\s(?:status|with)\b",
        r"(?:ERROR|error): failed to build|===>\s",
    ),
    "details": (
        r"[\s=_⎯-]{0,60}(?:Failed\s(?:Tests|Suites)|Unhandled\s(?:Errors?|Rejections?))\s",
        r"={3,200}\s(?:FAILURES|ERRORS|short test summary)\b|_{3,200}\s\S",
        r"[0-9]{1,6}\sfailing\b|✖\sfailing tests:|Summary of all failing tests|There (?:was|were)\s[0-9]{1,6}\s(?:failure|error)",
    ),
    "summary": (
        r"(?:Test Suites|Tests|Test Files):?\s{1,12}[0-9]|[ℹ#]\s(?:tests|pass|fail)\s[0-9]|test result:\s",
        r"={3,200}\s[^\n]{0,60}[0-9]\s(?:passed|failed|errors?)\b",
        r"(?:ok|FAIL)\s{1,8}[\w./-]{1,200}\s{1,8}(?:[0-9.]{1,9}s|\(cached\))",
    ),
    "block": (
        r"(?:stderr|stdout)\s\|\s\S|\S[^\n]{0,200}\sSTANDARD_(?:ERR|OUT)$",
        r"-{3,200}\s(?:Captured\s\w|live\slog)|={3,200}\s(?:PASSES|warnings summary)\b",
    ),
    "go": (r"===\s(?:RUN|PAUSE|CONT|NAME)\s|---\sFAIL:\s",),
    "passed": (
        r"PASS\s{1,4}\S|ok\s[0-9]{1,6}\b|---\s(?:PASS|SKIP):\s|[0-9]{1,6}\spassing\b",
        r"not\sok\s[0-9]{1,6}\b[^\n]{0,200}#\s(?:TODO|SKIP|todo|skip)\b",
        r"\S{1,200}::\S{1,200}\s(?:PASSED|SKIPPED|XFAIL)\b|test\s\S{1,200}\s\.\.\.\sok$",
        r"(?:\[\w{4,7}\]\s)?Tests run:\s[0-9]{1,6}, Failures: 0, Errors: 0|\S{1,200}\s>\s[^\n]{1,160}\s(?:PASSED|SKIPPED)$",
    ),
    "tick": (
        r"[✓✔√]\s(?!(?:[0-9]{1,7}\smodules|built|[Cc]ompiled)\b)\S",
        r"[\w./-]{1,200}\.py\s[.sxX]{1,200}(?:\s|$)|PASSED\b",
    ),
    "failed": (
        r"FAIL\s{1,4}\S|not\sok\s[0-9]|\S{1,200}::\S{1,200}\s(?:FAILED|ERROR)\b|test\s\S{1,200}\s\.\.\.\sFAILED$",
        r"(?:\[\w{4,7}\]\s)?Tests run:\s[0-9]|\S{1,200}\s>\s[^\n]{1,160}\sFAILED$",
    ),
    "cross": (
        r"[✗✕×✖✘❯]\s\S|[0-9]{1,4}\)\s\S|FAILED\b|●\s(?!Console\b)\S",
        r"[\w./-]{1,200}\.py\s[.sxXFE]{1,200}(?:\s|$)",
    ),
    "own": (
        r"[^\n]{0,80}\bcoverage\b[^\n]{0,120}\b(?:threshold|not\s(?:met|reached)|does\snot)\b|Jest:\s",
        r"[^\n]{0,120}\berror\sTS[0-9]|[^\n]{0,100}\bheap out of memory\b|Killed\b|Segmentation fault",
    ),
}
_MARKS: Final = re.compile("|".join(f"(?P<{name}>{'|'.join(each)})" for name, each in _ALTERNATIVES.items()))
"""What a runner says, the first that fits: `own` is of the runner or the system, and told by no test."""
