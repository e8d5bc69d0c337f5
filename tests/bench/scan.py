"""Matching alone: lines in memory against many patterns, beside ripgrep and grep with the same patterns and lines.

`python -m tests.bench.scan [--short]`. Ours includes joining, scanning, asking RE2 and which rule it was; they read a file
that is in the page cache and say only how many lines match. All on one core, in turns, the median of a few turns, in time
of the processor, which other programs on the machine hardly change.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time  # timing is what this file is for
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench.corpus import corpus, describe_load, kinds, lines, pinned
from watcher.scan import Scanner, compile_batch, compile_set

COUNT = 200_000
PAGE = 1_000
RULES = (1, 10, 50, 200, 1_000)
REPEATS = 5
Turn = Callable[[], int]
"""Does the work once; how many lines matched."""


def measured(rules: int, texts: Sequence[str], repeats: int = REPEATS) -> dict[str, float]:
    """Seconds by what took them. Programs that are not installed are absent.

    Raises:
        ValueError: They do not agree on the number of lines that match.
    """
    patterns = [kind.pattern for kind in kinds(rules)]
    with tempfile.TemporaryDirectory() as folder, pinned():
        turns = {**ours(patterns, texts), **theirs(Path(folder), patterns, texts)}
        answers = {name: turn() for name, turn in turns.items()}
        if len(set(answers.values())) > 1:
            raise ValueError(f"lines that match: {answers}")
        return medians(turns, repeats)


def medians(turns: Mapping[str, Turn], repeats: int) -> dict[str, float]:
    """Each in turn, again and again, so that a busy moment hits all of them."""
    spent: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(repeats):
        for name, turn in turns.items():
            start = busy()
            turn()
            spent[name].append(busy() - start)
    return {name: statistics.median(each) for name, each in spent.items()}


def busy() -> float:
    """Seconds of the processor so far, those of programs that were started among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def ours(patterns: Sequence[str], texts: Sequence[str]) -> dict[str, Turn]:
    """The scanners there are."""
    found = {"re2 set": scanning(compile_set(patterns), texts)}
    batch = compile_batch(patterns)
    if batch:
        found = {"batch": scanning(batch, texts), **found}
    return found


def scanning(scanner: Scanner, texts: Sequence[str]) -> Turn:
    """In portions as large as a page of the API."""
    portions = [texts[at : at + PAGE] for at in range(0, len(texts), PAGE)]
    return lambda: sum(len({line for line, _ in scanner.scan(portion)}) for portion in portions)


def theirs(folder: Path, patterns: Sequence[str], texts: Sequence[str]) -> dict[str, Turn]:
    """The programs there are."""
    (folder / "lines").write_text("".join(f"{text}\n" for text in texts))
    (folder / "patterns").write_text("".join(f"{pattern}\n" for pattern in patterns))
    (folder / "extended").write_text("".join(f"{extended(pattern)}\n" for pattern in patterns))
    files = str(folder / "lines")
    commands = {
        "rg": ["rg", "-j1", "-c", "-f", str(folder / "patterns"), files],
        "rg --no-unicode": ["rg", "-j1", "-c", "--no-unicode", "-f", str(folder / "patterns"), files],
    }
    if len(patterns) <= RULES[-2]:  # with 1,000 it takes the better part of a minute
        commands["grep -E"] = ["grep", "-E", "-c", "-f", str(folder / "extended"), files]
    return {name: counting(command) for name, command in commands.items() if shutil.which(command[0])}


def extended(pattern: str) -> str:
    """The same for grep, which knows no `(?i)`: the letters are written out."""
    if not pattern.startswith("(?i)"):
        return pattern
    return "".join(f"[{each.lower()}{each.upper()}]" if each.isalpha() else each for each in pattern[4:])


def counting(command: Sequence[str]) -> Turn:
    """What a program counts; it says nothing, or 0, where there is nothing."""
    environment = {**os.environ, "LC_ALL": "C"}

    def turn() -> int:
        run = subprocess.run(command, capture_output=True, check=False, env=environment)
        return int(run.stdout or 0)

    return turn


def report(rules: int, count: int, found: Mapping[str, float]) -> None:
    """Lines a second and microseconds a line, and how many times ripgrep's rate that is."""
    rival = min((seconds for name, seconds in found.items() if name.startswith("rg")), default=None)
    for name, seconds in found.items():
        ratio = f"{rival / seconds:>8.2f} x rg" if rival else ""
        print(f"{rules:>5} rules  {name:<16}{count / seconds / 1e6:>9.2f} M/s{seconds / count * 1e6:>9.3f} us{ratio}")


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Matching alone, beside ripgrep and grep.")
    parser.add_argument("--short", action="store_true", help="fewer lines, turns and numbers of rules")
    short = parser.parse_args(arguments).short
    texts = [" ".join(text.splitlines()) for text in lines(corpus(COUNT // 10 if short else COUNT))]
    print(f"{len(texts)} lines of {sum(map(len, texts)) / len(texts):.0f} characters, {describe_load()}")
    if not shutil.which("rg"):
        print("ripgrep is not installed")
    if not compile_batch(["x"]):
        print("hyperscan is not installed, or not a version that can be trusted")
    for rules in RULES[2:4] if short else RULES:
        report(rules, len(texts), measured(rules, texts, 3 if short else REPEATS))


if __name__ == "__main__":
    main(sys.argv[1:])
