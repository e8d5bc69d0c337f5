"""A labelled set of failing builds, starts, scripts and services: the first decisive error line is found in nearly all.

The set (`tests/facts/failing_builds`) says for each case which line a person would quote, or which ones where several
would do; none where nothing in the log is the cause. It was written without a look at the code that is held to it.
"""

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from watcher.core.decisive import decisive
from watcher.core.level import effective
from watcher.core.logrecord import Line

FILES: Final = sorted((Path(__file__).parents[1] / "facts" / "failing_builds").glob("*.toml"))
CASES: Final = [case for file in FILES for case in tomllib.loads(file.read_text("utf-8"))["cases"]]
RIGHT: Final = 0.95
BEGIN: Final = 1_793_178_000_000
SEVERITIES: Final = {
    "", "DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY",
}  # fmt: skip


def labels(case: dict[str, Any]) -> list[int]:
    found = case["decisive"]
    return found if isinstance(found, list) else [found]


def lines(case: dict[str, Any]) -> list[Line]:
    """The records as they are remembered. A `level` is that of a structured record, whose level is a field."""
    return [
        Line(
            at=BEGIN + record["after_ms"],
            application=record.get("application", "service"),
            level=record.get("level") or effective(record.get("severity", ""), None, record["message"]),
            message=record["message"],
        )
        for record in case["lines"]
    ]


def right(case: dict[str, Any]) -> bool:
    found = decisive(lines(case))
    return found in labels(case) if labels(case) else found is None


def told(case: dict[str, Any]) -> str:
    """What was found instead of what, for whoever has to mend it."""
    found = decisive(lines(case))
    said = "nothing" if found is None else f"[{found}] {case['lines'][found]['message'][:100]!r}"
    wanted = " or ".join(f"[{at}] {case['lines'][at]['message'][:100]!r}" for at in labels(case)) or "nothing"
    return f"{case['name']}: {said} instead of {wanted}"


def test_the_right_first_error_line_is_found_in_nearly_all() -> None:
    wrong = [told(case) for case in CASES if not right(case)]
    assert len(wrong) <= (1 - RIGHT) * len(CASES), "\n".join([f"{len(wrong)} of {len(CASES)} are wrong", *wrong])


def test_the_set_is_large_and_its_names_are_its_own() -> None:
    assert len(FILES) >= 10
    assert len(CASES) >= 80
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_is_whole(case: dict[str, Any]) -> None:
    assert case.keys() == {"name", "why", "decisive", "lines"}
    assert case["why"]
    assert 8 <= len(case["lines"]) <= 40
    assert labels(case) == sorted(set(labels(case)))
    assert all(0 <= at < len(case["lines"]) and case["lines"][at]["message"].strip() for at in labels(case))
    for record in case["lines"]:
        assert record.keys() <= {"application", "level", "severity", "message", "after_ms"}
        assert {record.get("severity", ""), record.get("level", "")} <= SEVERITIES
    moments = [record["after_ms"] for record in case["lines"]]
    assert moments == sorted(moments)
    assert moments[0] == 0


def test_the_last_line_and_the_first_that_says_error_would_not_do() -> None:
    """The set is harder than either shortcut."""
    last = [case for case in CASES if len(case["lines"]) - 1 in labels(case)]
    first = [
        case
        for case in CASES
        if next((at for at, one in enumerate(case["lines"]) if "error" in one["message"].lower()), None) in labels(case)
    ]
    assert len(last) < 0.05 * len(CASES)
    assert len(first) < 0.5 * len(CASES)
