"""Broken input for the parsers of logs: `python -m tests.fuzz.run 1000000 [SEED]` tries so many over both.

Each input has to give a value or a typed error, within a second; the process may not grow by more than `MEBIBYTES`.
"""

import resource
import sys
import time
from collections.abc import Callable

from tests.fuzz import log_pages, otlp

MEBIBYTES = 32
WARM = 5_000
"""Inputs after which everything is loaded that ever will be."""
STEP = 20_000


def grown(parser: Callable[[int, int], int], inputs: int, seed: int) -> tuple[int, int]:
    """How many of the inputs could be read, and by how many MiB the process grew at most."""
    parser(min(inputs, WARM), seed)
    before, good, left = _peak(), 0, inputs
    while left > 0:
        seed += 1
        good += parser(min(STEP, left), seed)
        left -= STEP
    return good, (_peak() - before) // 1024


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(inputs: int, seed: int) -> int:
    """Try half of the inputs on each parser; the exit code."""
    worst = 0
    for name, parser in (("otlp", otlp.run), ("log pages", log_pages.run)):
        begun = time.monotonic()  # noqa: TID251  a stopwatch
        good, growth = grown(parser, inputs // 2, seed)
        took = time.monotonic() - begun  # noqa: TID251  a stopwatch
        print(f"{name}: {inputs // 2:,} inputs, {good:,} readable, {took:.0f} s, grown by {growth} MiB (seed {seed})")
        worst = max(worst, growth)
    return int(worst > MEBIBYTES)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
