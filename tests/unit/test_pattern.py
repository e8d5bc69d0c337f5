import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.pattern import MAX_PATTERN, fullmatch


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("Failed", "Failed", True),
        ("Failed", "UndeployFailed", False),
        ("Failed|Queued", "Queued", True),
        ("Fail", "Failed", False),
        ("", "", True),
        ("", "x", False),
        (".*", "a\nb", False),
        ("(?s).*", "a\nb", True),
        ("(?i)failed", "FAILED", True),
        (r"\pL+", "äöü", True),
        ("a|b$", "ab", False),
        ("x", "x\n", False),
        (".+", "a\ud800b", True),
    ],
)
def test_a_pattern_is_for_the_whole_value(pattern: str, text: str, matches: bool) -> None:
    assert fullmatch(pattern)(text) is matches


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", r"not a valid RE2 pattern: missing \)"),
        ("[z-a]", "invalid character class range"),
        ("x(?=y)", "invalid perl operator"),
        (r"(a)\1", r"invalid escape sequence: \\1"),
        ("a{1001}", "invalid repetition size"),
        ("a" * (MAX_PATTERN + 1), "may have 1000 characters, this one has 1001"),
        ("\\pL" * 300, "too complex|too large"),
        ("\ud800", "valid Unicode"),
    ],
)
def test_what_cannot_be_used_is_said_in_res_own_words(
    pattern: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=words):
        fullmatch(pattern)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+c", "(.*)*x", "(a?){50}a{50}"])
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    test = fullmatch(pattern)
    started = time.process_time()  # real time is what is bounded here
    test("a" * 100_000 + "!")
    assert time.process_time() - started < 1.0


@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=50))
def test_any_pattern_answers_or_is_refused(pattern: str, text: str) -> None:
    try:
        answer = fullmatch(pattern)(text)
    except ValueError:
        answer = False
    assert answer in {True, False}
