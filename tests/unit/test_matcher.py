import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.matcher import MAX_LENGTH, Matcher, matches, parse, text
from watcher.pattern import fullmatch

LABELS = {"status": "Failed", "type": "production", "empty": "", "é x": "ü"}

ACCEPTED: tuple[tuple[str, list[tuple[str, str, str]]], ...] = (
    ("status=Failed", [("status", "=", "Failed")]),
    ('status="Failed"', [("status", "=", "Failed")]),
    (' status = "Failed" ', [("status", "=", "Failed")]),
    ('status!="Failed"', [("status", "!=", "Failed")]),
    ('status=~"Fail.*"', [("status", "=~", "Fail.*")]),
    ('status!~"Fail.*"', [("status", "!~", "Fail.*")]),
    ("status=~Failed|Queued", [("status", "=~", "Failed|Queued")]),
    ('{a="b", c=~"d"}', [("a", "=", "b"), ("c", "=~", "d")]),
    ('{ a = "b" , }', [("a", "=", "b")]),
    ("a=b,c!=d", [("a", "=", "b"), ("c", "!=", "d")]),
    ("a=b,", [("a", "=", "b")]),
    ("{}", []),
    ("a=", [("a", "=", "")]),
    ('a=""', [("a", "=", "")]),
    ("{a=,b=c}", [("a", "=", ""), ("b", "=", "c")]),
    ('"é x"="ü"', [("é x", "=", "ü")]),
    ("service.name=x", [("service.name", "=", "x")]),
    ('a="x,y}{=!~"', [("a", "=", "x,y}{=!~")]),
    (r'a="say \"hi\"\n\\"', [("a", "=", 'say "hi"\n\\')]),
    (r'a=~"\d+\.\d"', [("a", "=~", r"\d+\.\d")]),
    ('a="line\nbreak"', [("a", "=", "line\nbreak")]),
    ("a=日本語", [("a", "=", "日本語")]),
)

REFUSED = (
    ("", 1, "expected a matcher"),
    ("status", 7, "expected one of = != =~ !~"),
    ("status~Failed", 7, "expected one of"),
    ("=Failed", 1, "expected a label name"),
    ('""="x"', 1, "cannot be empty"),
    ('status="Failed', 8, "expected a closing quote"),
    ("status='Failed'", 8, "expected a value"),
    ("status==Failed", 8, "expected a value"),
    ("a=b c=d", 5, "expected a comma or the end"),
    ('a="b" c="d"', 7, "expected a comma or the end"),
    ("a=foo bar", 7, "expected a comma or the end"),
    ("{a=b", 5, 'expected a comma or "}"'),
    ("a=b}", 4, "expected a comma or the end"),
    ("{a=b}}", 6, "expected the end"),
    ("{a=b},c=d", 6, "expected the end"),
    (",", 1, "expected a label name"),
    ("{,}", 2, "expected a label name"),
    ("a=b,,c=d", 5, "expected a label name"),
    (r"a=\d", 3, "expected a value"),
    ("a=x{2}", 4, "expected a comma or the end"),
    ('a="b", c=~"(d"', 11, "not a valid RE2 pattern"),
    ('a=~"x(?=y)"', 4, "not a valid RE2 pattern"),
)


@pytest.mark.parametrize(("source", "expected"), ACCEPTED)
def test_the_grammar(source: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(each.name, each.op, each.value) for each in parse(source, fullmatch)] == expected


@pytest.mark.parametrize(("source", "position", "words"), REFUSED)
def test_errors_say_where_and_what_was_expected(source: str, position: int, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^at position {position}: .*{re.escape(words)}"):
        parse(source, fullmatch)


def test_errors_of_grammar_say_how_to_quote() -> None:
    with pytest.raises(ValueError, match=re.escape("""like 'name=~"value"'""")):
        parse("a='b'", fullmatch)


def test_no_text_is_too_long_to_refuse() -> None:
    with pytest.raises(ValueError, match="8192 characters"):
        parse('"\\' * MAX_LENGTH, fullmatch)


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("status=Failed", True),
        ("status=failed", False),
        ("status!=Failed", False),
        ("status!=Queued", True),
        ('status=~"Failed|Queued"', True),
        ('status=~"Fail"', False),
        ('status=~".*ail.*"', True),
        ('status!~"Fail"', True),
        ('status!~"Fail.*"', False),
        ("missing=", True),
        ("missing!=", False),
        ("missing!=x", True),
        ('missing=~".*"', True),
        ('missing=~".+"', False),
        ('missing!~".+"', True),
        ("empty=", True),
        ('"é x"=ü', True),
        ("status=Failed,type=production", True),
        ("status=Failed,type=sandbox", False),
        ("{}", True),
    ],
)
def test_matching_is_anchored_missing_is_empty_and_a_list_is_and(source: str, holds: bool) -> None:
    assert matches(parse(source, fullmatch), LABELS) is holds


VALUES = st.text(max_size=20)
MATCHERS = st.builds(
    lambda name, op, value: Matcher(name=name, op=op, value=value, test=bool),
    st.text(min_size=1, max_size=10),
    st.sampled_from(["=", "!="]),
    VALUES,
)


@given(st.lists(MATCHERS, max_size=4))
def test_what_is_written_is_read_back(found: list[Matcher]) -> None:
    again = parse(text(found), fullmatch)
    assert sorted(map(str, again)) == sorted(map(str, found))
    assert text(again) == text(found)


@given(st.dictionaries(st.sampled_from("abc"), VALUES), st.sampled_from("abcd"), VALUES)
def test_equality_and_its_opposite_share_out_all_label_sets(labels: dict[str, str], name: str, value: str) -> None:
    def ask(op: str) -> bool:
        source = str(Matcher(name=name, op=op, value=value, test=bool))
        return matches(parse(source, fullmatch), labels)

    assert ask("=") is (labels.get(name, "") == value)
    assert ask("!=") is not ask("=")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_reason(source: str) -> None:
    refused = ""
    try:
        parse(source, fullmatch)
    except ValueError as error:
        refused = str(error)
    assert not refused or refused.startswith("at position ")
