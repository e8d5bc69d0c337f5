r"""Matchers: Alertmanager's `name op "value"`, read from text and asked about label sets.

The grammar is that of Alertmanager's UTF-8 matchers (names and values quoted, or without reserved characters), with
the escapes of its classic one (`\"`, `\\`, `\n`; any other backslash is itself), so that `=~"\d+"` means what its
writer means. Where the classic grammar guesses (a blank in a bare value, a brace left open) this one refuses.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

Test = Callable[[str], bool]
Compile = Callable[[str], Test]
"""Turns a regular expression into an anchored test. Raises ValueError, whose text says what is wrong with it."""

_BARE = r"""[^\s{}!=~,\\"'`]+"""
_TOKEN = re.compile(
    rf"""(?P<op>=~|!=|!~|=)|(?P<mark>[{{}},])|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>{_BARE})|(?P<space>\s+)|(?P<bad>.)""",
    re.DOTALL,
)
_BARE_NAME = re.compile(_BARE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
_ESCAPES = str.maketrans({"\n": "\\n", '"': '\\"', "\\": "\\\\"})
MAX_LENGTH = 8_192
"""Characters that one text of matchers may have."""
HINT = """quote the value and put the matcher in single quotes, like 'name=~"value"'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on one label. A label that is missing has the empty value. `op` is `=`, `!=`, `=~` or `!~`."""

    name: str
    op: str
    value: str
    test: Test = field(repr=False, compare=False)

    def __str__(self) -> str:
        name = self.name if _BARE_NAME.fullmatch(self.name) else _quoted(self.name)
        return f"{name}{self.op}{_quoted(self.value)}"

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Does this label set fulfil it?"""
        return self.test(labels.get(self.name, ""))


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Does the label set fulfil every one of them? None at all match everything."""
    for each in matchers:  # noqa: SIM110  the hottest loop of judging, and `all` costs as much again
        if not each.test(labels.get(each.name, "")):
            return False
    return True


def text(matchers: Iterable[Matcher]) -> str:
    """The matchers in braces, in an order of their own, so that equal sets have equal texts."""
    return "{" + ",".join(sorted(map(str, matchers))) + "}"


def parse(source: str, compile_pattern: Compile) -> tuple[Matcher, ...]:
    """Read one matcher or a list, `a="b", c=~"d"`, in braces or not.

    Raises:
        ValueError: it is none; the message says where, what was expected, and how to quote.
    """
    if len(source) > MAX_LENGTH:
        raise ValueError(f"matchers may have {MAX_LENGTH} characters, these have {len(source)}")
    tokens = _Tokens(source)
    braced = tokens.accept("mark", "{") is not None
    closing = "}" if braced else ""
    found: list[Matcher] = []
    while not tokens.at(closing):
        found.append(_matcher(tokens, compile_pattern))
        if not tokens.at(closing) and tokens.accept("mark", ",") is None:
            tokens.fail('a comma or "}"' if braced else "a comma or the end")
    if braced:
        tokens.take()
    if not tokens.at(""):
        tokens.fail("the end")
    if not found and not braced:
        tokens.fail("a matcher")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


class _Tokens:
    """The tokens of one text, looked at one at a time."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._all = list(_scan(source))
        self._next = 0

    def peek(self) -> _Token:
        return self._all[self._next]

    def take(self) -> _Token:
        token = self._all[self._next]
        self._next = min(self._next + 1, len(self._all) - 1)
        return token

    def accept(self, kind: str, text: str = "") -> _Token | None:
        token = self.peek()
        return self.take() if token.kind == kind and text in {"", token.text} else None

    def at(self, mark: str) -> bool:
        """Is the next token this mark? An empty one asks for the end."""
        token = self.peek()
        return token.kind == "end" if not mark else (token.kind, token.text) == ("mark", mark)

    def fail(self, expected: str) -> NoReturn:
        token = self.peek()
        wanted = "a closing quote for this one" if (token.kind, token.text) == ("bad", '"') else expected
        raise ValueError(f"at position {token.start + 1}: expected {wanted}; {HINT}")


def _scan(source: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(source):
        if found.lastgroup and found.lastgroup != "space":
            yield _Token(found.lastgroup, found[found.lastgroup], found.start())
    yield _Token("end", "", len(source))


def _matcher(tokens: _Tokens, compile_pattern: Compile) -> Matcher:
    name = tokens.accept("quoted") or tokens.accept("bare") or tokens.fail("a label name")
    op = tokens.accept("op") or tokens.fail("one of = != =~ !~")
    value = tokens.accept("quoted") or tokens.accept("bare")
    if value is None:
        if tokens.peek().kind != "end" and not (tokens.at(",") or tokens.at("}")):
            tokens.fail("a value")
        value = _Token("bare", "", tokens.peek().start)
    label, wanted = _text(name), _text(value)
    if not label:
        raise ValueError(f"at position {name.start + 1}: a label name cannot be empty")
    return Matcher(name=label, op=op.text, value=wanted, test=_test(op.text, wanted, value.start, compile_pattern))


def _test(op: str, wanted: str, start: int, compile_pattern: Compile) -> Test:
    if op == "=":
        return partial(str.__eq__, wanted)
    if op == "!=":
        return partial(str.__ne__, wanted)
    try:
        test = compile_pattern(wanted)
    except ValueError as error:
        raise ValueError(f"at position {start + 1}: {error}") from None
    return test if op == "=~" else lambda value: not test(value)


def _text(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    return _ESCAPE.sub(lambda found: _UNESCAPED.get(found[1], found[0]), token.text)


def _quoted(value: str) -> str:
    return f'"{value.translate(_ESCAPES)}"'
