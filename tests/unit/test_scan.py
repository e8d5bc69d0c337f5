import re
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher import scan
from watcher.scan import MAX_LINE, Pairs, Scanner, check, compile_batch, compile_set

CHARACTERS = [*"abkKsS 09_-.?/\n\r\0\t\x0b\x85éÉßµſKΩ→ÿŸ😀", "\ud800"]
ATOMS = [
    *("a", "k", "S", "é", "É", "µ", "ſ", "K", "→", " ", "0", r"\n", "\n", r"\x00", "?", r"\?", r"\Qa.\E"),
    *(".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[a-k]", "[^a-k]", r"[^\n]", "[[:alpha:]]", "[[:^alpha:]x]"),
    *(r"\pL", r"\PL", r"\p{Greek}", "[é-ÿ]", "[]a]", "[^]a]", r"\x{e9}", r"\x41", r"\101", r"[\]a]", r"\C", "[ks]"),
    *(r"[^\x00-\x{10FFFF}]", r"\v", "^", "$", r"\A", r"\z", r"\b", r"\B", ""),
]
GROUPS = ["(", "(?:", "(?i:", "(?s:", "(?m:", "(?-i:", "(?is-m:"]
FLAGS = ["(?i)", "(?s)", "(?m)", "(?im)", "(?U)", "(?-i)"]
REPEATS = ["", "", "", "*", "+", "?", "*?", "+?", "{2}", "{0,2}", "{1,}", "{1,3}?"]


def repeated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda text, repeat: text + (repeat if text else ""), inner, st.sampled_from(REPEATS))


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    alternatives = st.lists(st.lists(repeated(inner), max_size=4).map("".join), min_size=1, max_size=3).map("|".join)
    return st.builds(lambda opening, text: f"{opening}{text})", st.sampled_from(GROUPS), alternatives)


def valid(pattern: str) -> bool:
    try:
        check(pattern)
    except ValueError:
        return False
    return True


PARTS = st.recursive(st.sampled_from(ATOMS), composed, max_leaves=6)
SEQUENCES = st.lists(repeated(PARTS) | st.sampled_from(FLAGS), max_size=4).map("".join)
PATTERNS = st.lists(SEQUENCES, min_size=1, max_size=2).map("|".join).filter(valid)
LINES = st.lists(st.lists(st.sampled_from(CHARACTERS), max_size=12).map("".join), max_size=8)


def one_by_one(patterns: Sequence[str], lines: Sequence[str]) -> Pairs:
    options = re2.Options()
    options.log_errors = False
    return [
        (number, each)
        for number, line in enumerate(lines)
        for each, pattern in enumerate(patterns)
        if re2.search(pattern, line[:MAX_LINE].encode(errors="replace"), options)
    ]


def scanners(patterns: Sequence[str]) -> list[Scanner]:
    """The batch is there only beside an engine that can be trusted."""
    batch = compile_batch(patterns)
    return [compile_set(patterns), *([batch] if batch else [])]


@settings(max_examples=300, deadline=None)
@given(st.lists(PATTERNS, max_size=6), LINES)
def test_every_scanner_finds_what_re2_finds(patterns: list[str], lines: list[str]) -> None:
    expected = one_by_one(patterns, lines)
    for scanner in scanners(patterns):
        assert scanner.scan(lines) == expected
        assert scanner.scan(lines) == expected, "a second time"


@settings(max_examples=600, deadline=None)
@given(PATTERNS, LINES)
def test_the_relaxed_form_misses_nothing_whatever_engine_reads_it(pattern: str, lines: list[str]) -> None:
    relaxed = scan._relaxed(pattern)
    text, _ = scan._flattened(lines)
    folded = any(letter in text for letter in scan._FOLDED)
    if relaxed is None or folded:  # left to RE2
        return
    flat = text.encode("latin-1", errors="replace").split(b"\n")
    found = [
        number for number, line in enumerate(flat[: len(lines)]) if re.search(relaxed.encode(), line, re.MULTILINE)
    ]
    assert {number for number, _ in one_by_one([pattern], lines)} <= set(found)


@pytest.mark.parametrize(
    "pattern", ["error", r"(?i)time(d )?out", r"^\s*at \S+", r"status=5\d\d$", ".*refused.*", r"\bE\d+\b"]
)
def test_what_people_look_for_can_be_relaxed(pattern: str) -> None:
    assert scan._relaxed(pattern)


def test_the_letters_that_fold_into_ascii_are_these() -> None:
    letters = "".join(map(chr, [*range(0x80, 0xD800), *range(0xE000, 0x110000)]))
    assert tuple(re2.findall("(?i)[a-z]", letters)) == scan._FOLDED


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("b", "abc", True),
        ("^b", "a\nb", False),
        ("(?m)^b$", "a\nb\nc", True),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        (r"a\nb", "a\nb", True),
        (r"a\sb", "a\nb", True),
        ("a$", "a\n", False),
        (r"b\z", "ab", True),
        ("(?i)task", "TA\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}", True),
        ("(?i)ÄRGER", "ärger", True),
        (r"\w", "ä", False),
        (r"\pL", "ä", True),
        ("a?b", "a\ud800b", True),
        (r"a\?b", "a\ud800b", True),
        ("", "", True),
        ("^$", "", True),
        ("^$", "x", False),
        ("x$", "-" * 100 + "x", True),
        ("\0", "a\0b", True),
    ],
)
def test_a_line_is_one_text(pattern: str, line: str, found: bool) -> None:
    for scanner in scanners([pattern]):
        assert scanner.scan(["other", line, "-"]) == one_by_one([pattern], ["other", line, "-"])
        assert ((1, 0) in scanner.scan(["other", line, "-"])) is found


@pytest.mark.parametrize("filler", ["x", "é", "→", "\n"])
def test_only_the_beginning_of_a_long_line_is_looked_at(filler: str) -> None:
    lines = ["end", filler * (MAX_LINE - 3) + "end", filler * (MAX_LINE - 2) + "end", filler * 5 * MAX_LINE, "end"]
    for scanner in scanners(["end", f"{filler}$", "n$"]):
        assert [pair for pair in scanner.scan(lines) if pair[1] == 0] == [(0, 0), (1, 0), (4, 0)]
        assert scanner.scan(lines) == one_by_one(["end", f"{filler}$", "n$"], lines)


def test_line_numbers_go_on_from_chunk_to_chunk() -> None:
    lines = ["nothing"] * 5_000
    for number in (0, 999, 1_000, 1_001, 4_999):
        lines[number] = "an error"
    for scanner in scanners(["error$", "nobody"]):
        assert scanner.scan(lines) == [(0, 0), (999, 0), (1_000, 0), (1_001, 0), (4_999, 0)]
        assert scanner.scan([]) == []


def test_without_patterns_nothing_is_found() -> None:
    assert compile_batch([]) is None
    assert compile_set([]).scan(["a"]) == []


def test_patterns_that_match_all_the_time_change_no_answer() -> None:
    patterns = ["error", r"\d+", ".+", "", "a*", "orders", "z"]
    storm = ["error 12 " + "z" * 300, "orders"] * 400
    for scanner in scanners(patterns):
        for lines in (["all is well 1", "an error"], storm, storm, ["an error", "z"] * 300):
            assert scanner.scan(lines) == one_by_one(patterns, lines)


@pytest.mark.parametrize(
    ("patterns", "line"),
    [
        (["x$", "foo", "bar"], "." * 64 + "x"),
        ([r"^\s*abc[0-9a-f]{4}", r"^\s*q(error|time)id(error|time)timeout\s+"], " abcd524526OUT z292377GET"),
        ([r"^\s*jeo", r"<[^<>]+:(include|forward|invoke)", r"^\s*dnr[\s\S]+>"], " jeomfbid:include"),
    ],
)
def test_an_engine_that_overlooks_something_is_not_used(patterns: list[str], line: str) -> None:
    lines = ["5XX355z znnnnzabcd Q863 Xz  644187ERROR999 connabcdabcabcd     zzFAILz252abcdzz ", line]
    for scanner in scanners(patterns):
        assert (1, 0) in scanner.scan(lines)


def test_only_the_engine_that_was_tried_is_trusted() -> None:
    trusted = b"Version: 5.4.2 " in scan._database({0: "x"}).info()
    assert (compile_batch(["error"]) is not None) is trusted


def test_without_hyperscan_there_is_no_batch() -> None:
    code = "import sys; sys.modules['hyperscan'] = None; from watcher.scan import *; print(compile_batch(['a']))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "None\n"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a(", r"missing \)"),
        ("fine|[z-a]", r"invalid character class range: z-a \(at character 7\)"),
        ("x(?=y)", r"invalid perl operator: \(\?= \(at character 2\)"),
        (r"(a)\1", r"invalid escape sequence: \\1 \(at character 4\)"),
        ("a{1001}", r"invalid repetition size: \{1001\} \(at character 2\)"),
        ("a" * 1001, "may have 1000 characters"),
        (r"\pL" * 300, "too complex|too large"),
        ("\ud800", "valid Unicode"),
    ],
)
def test_a_bad_pattern_is_named_and_re2_says_why(pattern: str, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    for refuse in (compile_set, compile_batch) if compile_batch(["fine"]) else (compile_set,):
        with pytest.raises(ValueError, match=rf"^pattern 1: .*({words})"):
            refuse(["fine", pattern])
    with pytest.raises(ValueError, match=words):
        check(pattern)
    assert capfd.readouterr() == ("", "")


def test_five_thousand_patterns_are_one_set() -> None:
    patterns = [rf"(?i)service-{number} (failed|timed out) after \d+ ms" for number in range(5_000)]
    scanner = compile_set(patterns)
    assert scanner.scan(["Service-4711 timed out after 30 ms", "service-5000 failed"]) == [(0, 4711)]


def test_patterns_too_large_for_one_set_are_found_in_several(capfd: pytest.CaptureFixture[str]) -> None:
    patterns = [f"x{number}.{{0,900}}[a-z]{{20}}y{number}$" for number in range(100)]
    lines = ["x7 " + "-" * 500 + "a" * 20 + "y7", "x99" + "b" * 20 + "y99", "x99 y98"]
    scanner = compile_set(patterns)
    assert isinstance(scanner, scan._Sets)
    assert len(scanner.sets) > 1
    assert scanner.scan(lines) == [(0, 7), (1, 99)]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", r"(\w+\s?)*:$", "(x+x+)+y", r"\s+$"])
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    for scanner in scanners([pattern]):
        started = time.process_time()  # real time is what is bounded here
        scanner.scan(["a" * MAX_LINE + "!", "x" * MAX_LINE, " " * MAX_LINE + "."])
        assert time.process_time() - started < 1.0
