"""What a log message is an instance of: one line, without anything that differs from one occurrence to the next.

Two messages have the same template when a person would call them the same error: times, ids, numbers, addresses and
lengths are gone; words, error codes (`TS2322`, `E11000`), HTTP status codes, exit codes and the ports of known services
stay, because they tell one error from another. A number and a hexadecimal id have the same placeholder: an id may by
chance consist of digits only.

Here is also what belongs together: the lines of a stack trace, which a container's output delivers one by one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from watcher.core import level
from watcher.core.duration import Millis
from watcher.core.logrecord import Line

LONGEST: Final = 200
"""Characters of a template, at most."""
_LOOKED_AT: Final = 2048
"""Characters of a message's error line that are looked at."""
_LINES: Final = 400
"""Lines of a message among which its error line is looked for."""


def template(message: str) -> str:
    """The error line of the message on one line, its ids, numbers and times replaced; the template of a template is itself."""
    text = _replaced(error_line(message))
    for _ in range(_PASSES):
        if not _UNSTABLE.search(text):
            return text
        again = _replaced(text)
        if again == text:
            return text
        text = again
    return _DIGITS.sub("#", text)


def template_id(text: str) -> str:
    """16 hexadecimal digits: a hash of the template of the text that is the same in every process."""
    return blake2b(template(text).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


# ── placeholders ─────────────────────────────────────────────────────────────

_PASSES: Final = 3
_DIGIT: Final = re.compile(r"[0-9]")
_DIGITS: Final = re.compile(r"[0-9]+")
_UNSTABLE: Final = re.compile(r"[@?…]|::|(?<![0-9])(?<!status code )(?<! <ip>:)(?<! TS)[0-9]")
"""What was kept on account of what stands around it, and may be seen differently once that is replaced."""
_ALPHANUMERIC: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_HEX: Final = "[0-9a-fA-F]"
_IPV4: Final = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![.0-9])"
_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_DAY: Final = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?\s)"
_ZONE: Final = r"(?:\s?(?:Z|UTC|GMT)?(?:[+-][0-9]{2}:?[0-9]{2})?(?![0-9A-Za-z]))?"
_CLOCK: Final = rf"[0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}(?:[.,][0-9]{{1,9}})?(?:\s[AP]M)?{_ZONE}"
_REST: Final = rf"(?:,?\s[0-9]{{4}})?(?:,?\s{_CLOCK})?(?:\s\([A-Z][A-Za-z\s]{{2,40}}\)|\s[0-9]{{4}}(?![0-9]))?"
_TIME: Final = (
    rf"[0-9]{{4}}[-/][0-9]{{2}}[-/][0-9]{{2}}(?:[T ,]{{1,2}}{_CLOCK}|[T ][0-9]{{2}}:[0-9]{{2}}{_ZONE})?"
    rf"|[0-9]{{1,2}}[/.][0-9]{{1,2}}[/.][0-9]{{4}}(?:,?\s{_CLOCK})?"
    rf"|[0-9]{{1,2}}\s{_MONTH}{_REST}"
    rf"|{_CLOCK}"
)
_UNIT: Final = r"(?:(?<=[0-9])|\s)(?:ns|us|µs|μs|ms|s|secs?|seconds?|mins?|minutes?|hrs?|hours?|days?|milliseconds?)(?![0-9A-Za-z])"
_SPOTS: Final[Sequence[tuple[str, str]]] = (
    ("time", _TIME),
    ("id", rf"{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}(?![0-9A-Za-z])"),
    ("ip", rf"{_IPV4}(?::[0-9]{{1,5}})?|(?:{_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}(?![\w:])"),
    (
        "duration",
        rf"(?:[0-9]{{1,4}}d)?(?:[0-9]{{1,4}}h)?(?:[0-9]{{1,4}}m(?!s))?(?:[0-9]{{1,4}}(?:\.[0-9]{{1,9}})?m?s)?(?<=[a-z])(?![0-9A-Za-z])|[0-9]+(?:[.,][0-9]+){{0,2}}{_UNIT}",
    ),
    ("size", r"[0-9]+(?:[.,][0-9]+)?\s?(?:[kKMGT]i?B|bytes?)(?![0-9A-Za-z])"),
    ("n", rf"[0-9]+(?:[.,][0-9]+){{0,8}}(?:e[+-]?[0-9]{{1,4}})?(?![0-9A-Za-z])|0x{_HEX}+"),
    ("mixed", r"[A-Za-z]{0,200}+[0-9][0-9A-Za-z]*"),
)
_SPOT: Final = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _SPOTS))
"""What a word with a digit in it can be, from its first letter or digit on."""
_DATED: Final = re.compile(rf"{_DAY}?{_MONTH}\s{{1,2}}$")
_WEEKDAY: Final = re.compile(rf"{_DAY}$")
_DATE_REST: Final = re.compile(rf"[0-9]{{1,2}}{_REST}")
_MONTHS: Final = frozenset(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"))
_KEPT: Final = re.compile(
    r"""(?<![0-9A-Za-z])(?i:status(?:\s?code)?["']?[\s:=]{1,3}|exit(?:ed)?(?:\swith)?(?:\s?(?:code|status))?[\s:=]{1,2}|HTTP(?:/(?:[0-9.]{1,3}|<n>))?[\s:=]{1,2})$"""
)
"""In front of a number that is no quantity: an HTTP status, an exit code."""
_LONGEST_KEPT: Final = 3
_QUOTED: Final = re.compile(r"""(['"`])[^\s'"`]{1,400}\1(?![0-9A-Za-z])""")
_QUOTES: Final = re.compile(r"""['"`]""")
_NO_ID: Final = ("module ", "package ")
"""In front of quoted names, which may contain digits."""
_SERVICES: Final = frozenset(
    (
        "25",
        "80",
        "443",
        "587",
        "1433",
        "3000",
        "3306",
        "5432",
        "5672",
        "6379",
        "8080",
        "8443",
        "9092",
        "9200",
        "11211",
        "27017",
    )
)
"""Ports that say which service was not reached."""


def _replaced(line: str) -> str:
    """One pass over a line."""
    line = _prepared(line)
    pieces: list[str] = []
    last = 0
    digit = _DIGIT.search(line)
    while digit is not None:
        start, end, placeholder = _spotted(line, _word_start(line, digit.start(), last), last)
        pieces += (line[last:start], placeholder)
        last = end
        digit = _DIGIT.search(line, last)
    text = "".join((*pieces, line[last:])) if pieces else line
    if ">, " in text or "', '" in text or '", "' in text:
        text = _LISTED.sub(r"\1", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _word_start(line: str, start: int, last: int) -> int:
    """Where the word begins that has its first digit here."""
    while start > last and line[start - 1] in _ALPHANUMERIC:
        start -= 1
    return start


def _spotted(line: str, start: int, last: int) -> tuple[int, int, str]:
    """Where what begins with the word at `start` begins and ends, and what stands for it."""
    token = max(last, line.rfind(" ", last, start) + 1)
    if token < start and (quoted := _quoted(line, token, start)) is not None:
        return quoted
    if line[start - 4 : start - 1] in _MONTHS and (dated := _dated(line, start, last)) is not None:
        return dated
    found = _SPOT.match(line, start)
    if found is None:
        return start, start + 1, "<n>"
    end = found.end()
    kind = found.lastgroup
    if kind == "n" and line.endswith("<ip>:", 0, start):
        return start, end, found[0] if found[0] in _SERVICES else "<n>"
    if kind == "n" and end - start <= _LONGEST_KEPT and _KEPT.search(line, max(0, start - 24), start):
        return start, end, found[0]
    return _front(line, start, last, kind or ""), end, _placeholder(kind or "", found[0])


def _front(line: str, start: int, last: int, kind: str) -> int:
    """Where it begins with the weekday or the sign that stands in front of it."""
    if kind == "time":
        weekday = _WEEKDAY.search(line, max(last, start - 12), start)
        return start if weekday is None else weekday.start()
    signed = kind in {"n", "duration"} and start > last and line[start - 1] in "-+"
    return start - 1 if signed and not line[max(0, start - 2) : start - 1].isalnum() else start


def _quoted(line: str, token: int, start: int) -> tuple[int, int, str] | None:
    """A quoted value without blanks that has a digit in it is an id, unless it names a module."""
    quote = _QUOTES.search(line, token, start)
    while quote is not None:
        found = _QUOTED.match(line, quote.start())
        if found is not None and found.end() > start and not line[: quote.start()][-1:].isalnum():
            named = line.endswith(_NO_ID, 0, found.start())
            return None if named else (found.start(), found.end(), f"{found[1]}<id>{found[1]}")
        quote = _QUOTES.search(line, quote.end(), start)
    return None


def _dated(line: str, start: int, last: int) -> tuple[int, int, str] | None:
    """A date whose month stands in front of the day."""
    front = _DATED.search(line, max(last, start - 24), start)
    found = _DATE_REST.match(line, start)
    return None if front is None or found is None else (front.start(), found.end(), "<time>")


def _placeholder(kind: str, text: str) -> str:
    """What stands for a text of this kind."""
    if kind == "mixed":
        return _word(text)
    return _address(text) if kind == "ip" else f"<{kind}>"


def _address(text: str) -> str:
    """An address without its port, unless the port says which service it is."""
    port = text.rpartition(":")[2] if "." in text else ""
    return f"<ip>:{port}" if port in _SERVICES else "<ip>"


# ── what needs no digit ──────────────────────────────────────────────────────

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_LETTERS: Final = re.compile(r"(?:[a-f]{8,}|[A-F]{8,})(?![0-9A-Za-z])")
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}")
_QUERY: Final = re.compile(r"(?<=[\w/>])\?[\w.%~\[\]-]{1,64}=[^\s\"'<>`)]{0,4000}")
_JWT: Final = re.compile(r"\beyJ[\w-]{8,4000}(?:\.[\w-]{0,4000}){0,2}")
_BEARER: Final = re.compile(r"\bBearer\s[\w.~+/=-]{8,4000}")
_IPV6: Final = re.compile(
    rf"(?<![\w:])(?:(?:{_HEX}{{1,4}}:){{1,6}}|:):(?:ffff:)?(?:{_IPV4}|(?:{_HEX}{{1,4}}:){{0,5}}{_HEX}{{1,4}}(?![\w:]))"
)
_PREPARATIONS: Final = (
    ("Bearer ", _BEARER, "Bearer <token>"),
    ("eyJ", _JWT, "<token>"),
    ("@", _EMAIL, "<email>"),
    ("?", _QUERY, ""),
    ("::", _IPV6, "<ip>"),
)
_LISTED: Final = re.compile(r"""((['"`]?)<(?:n|id)>\2)(?:,\s?['"`]?<(?:n|id)>['"`]?)+""")


def _zeros(found: re.Match[str]) -> str:
    """As many digits, so that an id of letters only is treated as any other."""
    return "0" * len(found[0])


def _prepared(line: str) -> str:
    """The line in single blanks, without colours, and without those varying parts that may have no digit in them."""
    if "\x1b" in line:
        line = _ANSI.sub("", line)
    line = " ".join(line.split())
    for mark, pattern, placeholder in _PREPARATIONS:
        if mark in line:
            line = pattern.sub(placeholder, line)
    return _LETTERS.sub(_zeros, line)


# ── words with digits in them ────────────────────────────────────────────────

_NAMES: Final = re.compile(
    r"(?i:utf8|utf16|base64(?:url)?|sha1|sha256|sha512|md5|http[123]|s3|ec2|oauth2|auth0|ipv[46]|x509|x86|k8s|k3s|i18n|l10n|log4j|win32|x64|arm64|amd64)"
    r"|v[0-9]{1,2}|[1-5]xx|TS[0-9]{4,5}|E[0-9]{4,5}|P[0-9]{4}|DEP[0-9]{4}|ES[0-9]{1,4}|(?:RS|HS|PS)[0-9]{3}"
)
"""Names and error codes that contain digits."""
_HUMPED: Final = re.compile(r"[A-Za-z]{2,40}[0-9]{1,4}(?:[A-Z][a-z]{2,30}){1,8}")
_LETTERED: Final = re.compile(r"([A-Za-z]{1,200})[0-9]{1,4000}")
_HEXES: Final = re.compile(r"[0-9a-f]{6,}|[0-9A-F]{6,}")
_OPAQUE: Final = 6
"""From this length on, letters after a digit make an id and not a name."""


def _word(text: str) -> str:
    """A word of letters and digits: a name or code, a name with a number at its end, or an id."""
    if _NAMES.fullmatch(text):
        return text
    if _HEXES.fullmatch(text) or text[0].isdigit():
        return "<n>"
    lettered = _LETTERED.fullmatch(text)
    if lettered is not None:
        return f"{lettered[1]}<n>"
    if len(text) < _OPAQUE or _HUMPED.fullmatch(text):
        return _DIGITS.sub("<n>", text)
    return "<n>"


# ── the error line ───────────────────────────────────────────────────────────

_TRACEBACK: Final = "Traceback (most recent call last)"
_SOURCE: Final = re.compile(r"(?:file://|node:)?[^\s:]{1,400}(?::[0-9]{1,7}){1,2}$")
"""How Node.js begins to print an uncaught error: with the place in the source."""
_ERROR: Final = re.compile(
    r"(?:Uncaught\s)?(?:[a-z_][\w$]{0,60}\.){0,12}[A-Z][\w$]{0,100}+(?:(?<=Error)|(?<=Exception)|(?<=Failure))(?:\s\[\w{1,60}\])?(?::|$)|\[?UnhandledPromiseRejection"
)
_CLASS: Final = re.compile(r"(?:[A-Za-z_][\w$]{0,100}\.){0,12}[A-Za-z_][\w$]{0,100}(?::\s|$)")


def error_line(message: str) -> str:
    """The line of the message that says what happened; of a Traceback the last one, otherwise the first that is no source."""
    if "\n" not in message:
        return message[:_LOOKED_AT]
    lines = [line.rstrip("\r") for line in message[-_LOOKED_AT * 4 :].split("\n", _LINES)]
    if len(message) > _LOOKED_AT * 4:
        lines[0] = message[: message.index("\n")]
    if any(_TRACEBACK in line for line in lines):
        return _last_of_traceback(lines)[:_LOOKED_AT]
    told = [line for line in lines if line.strip()]
    if told and _SOURCE.match(told[0][:_LOOKED_AT].strip()):
        told = [line for line in told if _ERROR.match(line)] or told
    return told[0][:_LOOKED_AT] if told else ""


def _last_of_traceback(lines: Sequence[str]) -> str:
    """The line below the last frame; the last line where the trace is cut off."""
    told = [line for line in lines if line.strip()]
    for position in range(len(told) - 2, -1, -1):
        if told[position][:1] in {" ", "\t"} and told[position + 1][:1] not in {" ", "\t"}:
            return told[position + 1]
    return told[-1]


# ── lines that belong together ───────────────────────────────────────────────

SPAN: Final[Millis] = 5_000
"""How long after a line another can still continue it."""
LONGEST_JOINED: Final = 16 * 1024
_CONTINUATIONS: Final = (
    r"\s{1,40}(?:at\s|File\s\"|\^|~|\.\.\.)",
    r"\t|\s{2,40}(?!\s{0,40}(?:\x1b|\[?(?:ERROR|WARN|WARNING|INFO|DEBUG|TRACE|FATAL|error|warn|info|debug)\b))\S",
    r"at\s(?:async\s)?[^\n]{1,300}?[:(](?:[0-9]{1,7}(?::[0-9]{1,7})?|native|<anonymous>)\)?$",
    r"at\s[\w$.<>/]{1,300}\([^()\n]{1,100}\.(?:java|kt|scala|groovy)(?::[0-9]{1,7})?\)$",
    r"(?:Caused\sby|Suppressed|\[cause\]):\s",
    r"\.\.\.\s[0-9]{1,5}\s(?:more|common\sframes)",
    r"[}\])]{1,8}[,;]?\s{0,8}$",
    r"\{\s(?:\[?[A-Za-z_$][\w$]{0,60}\]?:\s)",
    r"Require\sstack:\s{0,8}$|-\s/\S",
    r"Node\.js\sv[0-9]",
    r"goroutine\s[0-9]{1,12}\s\[|created\sby\s\S|\[signal\sSIG|exit\sstatus\s[0-9]{1,3}\s{0,8}$",
    r"[\w./-]{1,80}\.[\w.*()·-]{1,80}\((?:0x|\.\.\.|\{|\)$)",
    r"During\shandling\sof\sthe\sabove\sexception|The\sabove\sexception\swas\sthe\sdirect\scause",
)
_CONTINUES: Final = re.compile("|".join(_CONTINUATIONS))
_PANICS: Final = ("panic: ", "fatal error: ")
_CHAINED: Final = ("During handling of the above exception", "The above exception was the direct cause")


def is_continuation(message: str) -> bool:
    """Does this continue the record before it: a stack frame, a cause, an indented line, what Node.js prints after an error?"""
    return _CONTINUES.match(message) is not None


@dataclass(slots=True, kw_only=True)
class _Open:
    """The lines of one application that belong together so far, as positions. `awaits`: its error line is yet to come."""

    at: Millis
    awaits: str = ""
    trace: bool = False
    chained: bool = False
    members: list[int] = field(default_factory=list)


def traces(lines: Sequence[Line]) -> list[list[int]]:
    """Positions of the lines that belong together, of each application its own, in order of their first."""
    groups: list[list[int]] = []
    latest: dict[str, _Open] = {}
    for position, line in enumerate(lines):
        current = latest.get(line.application)
        if current is None or line.at - current.at > SPAN or not _continues(current, line.message):
            current = latest[line.application] = _opened(line)
            groups.append(current.members)
        current.members.append(position)
        current.at = line.at
    return groups


def _opened(line: Line) -> _Open:
    """A line that continues none."""
    message = line.message[:_LOOKED_AT].rstrip()
    if message.endswith((f"{_TRACEBACK}:", _TRACEBACK)):
        return _Open(at=line.at, awaits="python", trace=True)
    return _Open(
        at=line.at,
        awaits="node" if _SOURCE.match(message) else "",
        trace="\n" in message or message.startswith(_PANICS),
    )


def _continues(current: _Open, message: str) -> bool:
    """Does the message go on with what is open? Notes what that makes of it."""
    if not message.strip():
        return current.trace or bool(current.awaits)
    if current.chained and _TRACEBACK in message[:_LOOKED_AT]:
        current.awaits, current.chained = "python", False
        return True
    if is_continuation(message):
        current.trace, current.chained = True, message.startswith(_CHAINED)
        return True
    if current.awaits == "python" or (current.awaits == "node" and _ERROR.match(message)):
        current.awaits = ""
        return True
    return message.startswith("goroutine ")


def joined(lines: Sequence[Line]) -> list[Line]:
    """The lines, in order of time, with those that continue another appended to it; the gravest of their levels is theirs."""
    return [_joined([lines[position] for position in group]) for group in traces(lines)]


def _joined(group: Sequence[Line]) -> Line:
    """One line of several."""
    if len(group) == 1:
        return group[0]
    message = "\n".join(line.message for line in group)[:LONGEST_JOINED].rstrip()
    gravest = max((line.level for line in group), key=level.rank)
    return group[0]._replace(level=gravest, message=message)
