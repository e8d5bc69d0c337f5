"""Which line of a trace says what happened: the cause, the exception others were raised from, the first of the errors."""

import re
from collections.abc import Sequence
from typing import Final

from watcher.core import level
from watcher.core.fingerprint import SPAN, error_line
from watcher.core.judgement import Class, judged
from watcher.core.logrecord import Line
from watcher.core.wording import bare_text, said

_LOOKED_AT: Final = 2048


def telling(lines: Sequence[Line], group: Sequence[int]) -> int:
    """The position in a trace whose line says what happened."""
    if len(group) == 1:
        return group[0]
    messages = [lines[position].message[:_LOOKED_AT] for position in group]
    causes = [number for number, message in enumerate(messages) if message.startswith("Caused by:")]
    if causes:
        return group[causes[-1]]
    if _WRAPS.search(messages[0]):
        causes = [number for number, message in enumerate(messages) if _CAUSE.match(message)]
        if causes:
            return group[causes[-1]]
    original = _original(messages)
    if original is not None:
        return group[original]
    told = error_line("\n".join(message.replace("\n", " ") for message in messages))
    position = next(
        (
            position
            for position, message in zip(group, messages, strict=True)
            if told and message.replace("\n", " ").startswith(told)
        ),
        group[0],
    )
    return position if position != group[0] else _below(lines, group, messages)


def _original(messages: Sequence[str]) -> int | None:
    """Of chained exceptions of Python the one that came first: what another was raised from, unless it is a mere look-up."""
    link = next((number for number, message in enumerate(messages) if message.startswith(_LINKS)), None)
    if link is None:
        return None
    told = [number for number in range(link) if messages[number].strip()]
    if not told or (messages[link].startswith(_LINKS[1]) and messages[told[-1]].startswith(_LOOK_UPS)):
        return None
    return next((number for number in reversed(told) if _RAISED.match(messages[number])), told[-1])


def _below(lines: Sequence[Line], group: Sequence[int], messages: Sequence[str]) -> int:
    """The first line of the group, unless it is but a heading, and a line below says what happened: a file with its errors."""
    heading = judged(said(bare_text(messages[0])), lines[group[0]].level or level.DEFAULT)
    if heading not in {Class.NOISE, Class.BARE, Class.HINT}:
        return group[0]
    hint = group[0]
    for position, message in zip(group[1:], messages[1:], strict=True):
        text = message.strip()
        kind = Class.NOISE if text.startswith("at ") else judged(said(bare_text(text)), level.DEFAULT)
        if kind >= Class.TEXT:
            return position
        hint = position if kind is Class.HINT and hint == group[0] else hint
    return hint


def below_heading(lines: Sequence[Line], position: int) -> int:
    """The line below that says more, where the line is a heading: a few plain words with a list or an object below."""
    line = lines[position]
    heading = _trimmed(line)
    if "\n" in line.message or not _is_heading(heading):
        return position
    below = _lines_below(lines, position)
    if heading[-1:] in {"[", "{"}:
        return next((place for place, text in below if _MESSAGE.match(text)), position)
    place, text = next(iter(below), (position, ""))
    if not text or _NO_NEWS.match(text):
        return position
    if heading[-1:] != ":":
        return place if _BULLET.match(text) else position
    listed = text[0].isspace() or _BULLET.match(text) is not None
    return place if listed or judged(said(bare_text(text)), level.DEFAULT) >= Class.HINT else position


def _lines_below(lines: Sequence[Line], position: int) -> list[tuple[int, str]]:
    """What the same application said right below, without blank lines, up to where the object or the list ends."""
    line = lines[position]
    below: list[tuple[int, str]] = []
    for place in range(position + 1, min(len(lines), position + 1 + _BELOW)):
        each = lines[place]
        if each.application != line.application or not each.message.strip():
            continue
        if each.at - line.at > SPAN or each.message.startswith(("]", "}")):
            break
        below.append((place, _ANSI.sub("", each.message[:_LOOKED_AT])))
    return below


def _trimmed(line: Line) -> str:
    return _ANSI.sub("", bare_text(line.message[:_LONGEST_HEADING])).strip()


def _is_heading(text: str) -> bool:
    """Plain words only: no name of a variable, no path, no number that says something, nothing in quotes."""
    words = text.rstrip("[{: ").split()
    return 0 < len(words) <= _MOST_WORDS and len(text) < _LONGEST_HEADING and all(map(_PLAIN.fullmatch, words))


_BELOW: Final = 24
"""Lines below a heading that are looked at."""
_MOST_WORDS: Final = 10
_LONGEST_HEADING: Final = 120
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z'-]{0,40}[:,.]?|[0-9]{1,3}|\W{1,2}")
_BULLET: Final = re.compile(r"\s{0,12}[-*•→›»✗✘✖×]\s\S")
_MESSAGE: Final = re.compile(r"\s{0,40}[\"']?(?:message|msg|detail|reason)[\"']?:\s{0,4}[\"'`]\S")
_NO_NEWS: Final = re.compile(
    r"\s{0,40}(?:at\s|[\^~]|[\"']?(?:code|errno|syscall|status\w{0,8}|stack|name|path|type)[\"']?:\s|[\[{(]|npm\s|Node\.js\sv)"
)
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_LINKS: Final = ("The above exception was the direct cause", "During handling of the above exception")
_LOOK_UPS: Final = ("KeyError", "IndexError", "AttributeError", "StopIteration", "LookupError")
_RAISED: Final = re.compile(r"[A-Za-z_][\w.]{0,200}(?::\s|$)")
_WRAPS: Final = re.compile(
    r"\b(?:fetch|request) failed\b|\bfailed to (?:start|initiali[sz]e|connect)\b|\bAggregateError\b", re.IGNORECASE
)
_CAUSE: Final = re.compile(r"\s{0,40}\[?cause\]?:\s")
