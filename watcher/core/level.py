r"""The effective level of a log record: what a person would say it is, whatever the platform says.

The platform says DEFAULT of almost every record (`"level": "error"` is not a field it knows), so the level is taken from
the first of these that says one:

1. the platform's severity, unless it is DEFAULT;
2. the record's own `level` or `severity`, a word or a number;
3. how the text begins: `[ERROR]`, `\x1b[31merror\x1b[39m:`, `2026-11-24 10:00:00 - shop - ERROR -`, `level=error`,
   `TypeError:`, `npm ERR!`, `Traceback (most recent call last):`, `E1124 10:00:00`, `❌`;
4. a stack trace further down in the text.

A word inside a sentence says nothing: "0 errors found" and "Error handling enabled" are DEFAULT.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

LEVELS: Final = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
"""What a level can be, in order: the severities of Connect's DeploymentLog."""
DEFAULT, DEBUG, INFO, NOTICE, WARNING, ERROR, CRITICAL, ALERT, EMERGENCY = LEVELS
ERRORS: Final = frozenset(LEVELS[LEVELS.index(ERROR) :])
"""The levels that count as errors."""
_RANKS: Final[Mapping[str, int]] = {level: position for position, level in enumerate(LEVELS)}


def rank(level: str) -> int:
    """Position in LEVELS; an unknown level is as grave as a WARNING."""
    return _RANKS.get(level, _RANKS[WARNING])


def effective(severity: str, value: str | float | None, text: str) -> str:
    """One of LEVELS: from the platform's severity, else the record's own level, else how its text begins."""
    if severity and severity != DEFAULT:
        return severity if severity in _RANKS else _foreign(severity)
    if value is not None:
        found = _VALUES.get(value) or _unusual(value)
        if found:
            return found
    return told(text) if text else DEFAULT


# ── words and numbers ────────────────────────────────────────────────────────

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    DEBUG: ("debug", "dbg", "trace", "verbose", "silly", "fine", "finer", "finest", "config", "http"),
    INFO: ("info", "information", "informational", "log", "success"),
    NOTICE: ("notice",),
    WARNING: ("warning", "warn", "wrn", "deprecated"),
    ERROR: ("error", "err", "severe", "eror"),
    CRITICAL: ("critical", "crit", "fatal", "ftl", "panic", "dpanic"),
    ALERT: ("alert",),
    EMERGENCY: ("emergency", "emerg"),
}
_LEVELS: Final[Mapping[str, str]] = {word: level for level, words in _WORDS.items() for word in words}
_PINO: Final = ((60, CRITICAL), (50, ERROR), (40, WARNING), (30, INFO), (8, DEBUG))
"""Pino and bunyan count in tens; levels of one's own lie between."""
_CLOUD: Final = tuple((100 * position, level) for position, level in reversed([*enumerate(LEVELS)][1:]))
"""Google's LogSeverity counts in hundreds."""
_LOG4J: Final = ((50_000, CRITICAL), (40_000, ERROR), (30_000, WARNING), (20_000, INFO), (5_000, DEBUG))
_SCALES: Final = ((8, 99, _PINO), (100, 899, _CLOUD), (5_000, 50_000, _LOG4J))
_SYSLOG: Final = (EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG)
_VALUES: Final[Mapping[str | float, str]] = {
    **{form: level for word, level in _LEVELS.items() for form in (word, word.upper(), word.title())},
    **{10 * tens: level for tens, level in enumerate((DEBUG, DEBUG, INFO, WARNING, ERROR, CRITICAL), start=1)},
}
"""The values that almost every record has, at the price of one look-up."""
_COLOUR: Final = r"\x1b\[[0-9;]{0,16}m"
_COLOURS: Final = re.compile(_COLOUR)
_LONGEST_VALUE: Final = 80
_DIGITS: Final = re.compile(r"[0-9]{1,5}")


def _foreign(severity: str) -> str:
    """A severity the platform is not known to have: read in any case, otherwise a WARNING at least."""
    word = severity[:_LONGEST_VALUE].strip().upper()
    if word in _RANKS:
        return word
    return max(WARNING, _LEVELS.get(word.lower(), WARNING), key=rank)


def _unusual(value: str | float) -> str:
    """A value that is coloured, padded, spelt oddly or a number between; "" where it says nothing."""
    if isinstance(value, str):
        word = _COLOURS.sub("", value[:_LONGEST_VALUE]).strip("[]()<>: \t").lower()
        return _numbered(int(word)) if _DIGITS.fullmatch(word) else _LEVELS.get(word, "")
    return "" if isinstance(value, bool) else _numbered(value)


def _numbered(number: float) -> str:
    """0–7 as in syslog, 8–99 as pino, 100–899 as Google, from 5,000 as log4j."""
    if number in range(len(_SYSLOG)):
        return _SYSLOG[int(number)]
    for lowest, highest, scale in _SCALES:
        if lowest <= number <= highest:
            return next((level for least, level in scale if number >= least), "")
    return ""


# ── texts ────────────────────────────────────────────────────────────────────

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATES: Final = frozenset((*_MONTHS, "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "AM", "PM", "UTC", "GMT"))
_WORD: Final = re.compile(
    # What stands in front: colours, symbols and blanks, opening brackets, numbers that are times or process ids.
    rf"(?:{_COLOUR}|[^\w\x1b={{]{{1,100}}+|(?![0-9]{{1,4}}\s++(?!{'|'.join(_MONTHS)})[A-Za-z])[0-9][\w:.,/+\-]{{0,60}}+){{0,16}}+"
    r"([A-Za-z_$@/][\w$.@/\\\-]{0,200}+)"
)
_SPACE: Final = rf"(?:\s|{_COLOUR}){{0,16}}+"
_UPPER: Final = r"(?![=(])"
_MARKED: Final = rf"{_COLOUR}|{_SPACE}(?::(?!//)|[|\])>»!]|[-–—]\s|$)|{_SPACE}(?<=[\sm])[\[(]"
_YARN: Final = rf"{_MARKED}|\s{{1,4}}+[A-Z]"
_NO_FAILURE: Final = "handling|reporting|logging|monitoring|tracking|mapping|testing|formatting|rendering"
_CLAUSE: Final = rf"{_MARKED}|\s(?:while|when|during|in|occurred|(?!(?:{_NO_FAILURE})\b)[a-z]{{2,20}}ing)\b"
"""`Error fetching the cart`, `Error while …`: a clause that tells of a failure; "Error handling enabled" tells of none."""
_ALWAYS: Final = ""
_DATE: Final = r"(?!)"
_UNSPOKEN: Final = frozenset(("http", "log", "config", "success", "fine"))
"""Words for levels that are ordinary words at the beginning of a text."""
_BRIEF: Final = frozenset(("dbg", "wrn", "err", "ftl", "alert"))
"""Words for levels that nobody writes with one capital, or that mean something else then."""
_LEADS: Final[Sequence[tuple[Iterable[str], str, str]]] = (
    *(([word.upper()], level, _UPPER) for word, level in _LEVELS.items() if word not in _UNSPOKEN),
    *(([word], level, _MARKED) for word, level in _LEVELS.items() if word not in _UNSPOKEN),
    *(([word.title()], level, _MARKED) for word, level in _LEVELS.items() if word not in _UNSPOKEN | _BRIEF),
    (["FINE", "CONFIG"], DEBUG, _MARKED),
    (["LOG"], INFO, _UPPER),
    (["error"], ERROR, _YARN),
    (["warning", "warn"], WARNING, _YARN),
    (["info"], INFO, _YARN),
    (["Error"], ERROR, _CLAUSE),
    (["Uncaught", "UnhandledPromiseRejection", "UnhandledPromiseRejectionWarning"], ERROR, _ALWAYS),
    (["Unhandled", "unhandled"], ERROR, r"\s(?:[Pp]romise|[Rr]ejection|[Ee]xception|[Ee]rror)\b"),
    (["uncaught"], ERROR, r"\s(?:exception|error)\b"),
    (["unhandledRejection", "uncaughtException"], ERROR, r"\s?[:\-]|\s*$"),
    (["Exception"], ERROR, r"\sin\s(?:thread|ASGI)\b|\s?:|\s{0,4}$"),
    (["Traceback"], ERROR, r"\s\(most recent call"),
    (["Post-deploy", "Post-undeploy", "Pre-deploy", "Pre-undeploy", "Assertion"], ERROR, r"\sfailed\b"),
    (["thread"], CRITICAL, r"\s'[^'\n]{0,80}'\spanicked\b"),
    (["fatal", "Fatal"], CRITICAL, rf"{_MARKED}|\s(?:error|exception|signal)\b"),
    (["Segmentation"], CRITICAL, r"\sfault\b"),
    (_DATES, DEFAULT, _DATE),
)
"""First words of a text, the level they mean, and what has to follow for that. The last row with a word holds."""
_FIRST: Final = {word: (level, re.compile(follows)) for words, level, follows in _LEADS for word in words}
_NPM: Final = re.compile(r"\s{1,4}(?:(ERR!|error\b)|(WARN|warn)\b|(notice)\b)")
_KINDS: Final = ("Error", "Exception", "Warning")
_NAMED: Final = re.compile(rf"{_SPACE}(?::|\[[A-Z0-9_]{{2,60}}\]|$)|\s\(")
_JOINTS: Final = (" - ", " | ", "  | ", "[", "(", ":", "]", ")", ">")
_JOINT: Final = re.compile(
    r"\s{1,4}[-|]\s|\[[0-9]{1,9}\]:?\s|\([0-9]{1,7},[0-9]{1,7}\):\s|:[0-9]{1,7}:[0-9]{1,7}(?:\s-|:)\s|:(?=[a-z]{3,9}\])|[\])>]"
)
_HOST: Final = re.compile(r"\s[\w./\-]{1,60}(?:\s[\w./\-]{1,60})?\[[0-9]{1,9}\]:\s")
_BRACKET: Final = re.compile(r"[^\[\](){}<>\n]{0,80}[\])>]")
_HOPS: Final = 6
_COLOURED: Final = len("\x1b[31m")
_LONGEST_WORD: Final = 24
_SPOKEN: Final = frozenset((*_FIRST, "npm"))
_FRAME: Final = "    at "


def told(text: str) -> str:
    """What the beginning of a text that is not empty says. Only the quick answers are here: a sentence, a coloured word, a stack frame."""
    end = text.find(" ", 0, _LONGEST_WORD)
    if end > 0:
        word = text[:end]
        if word.isalpha() and word not in _SPOKEN and word[1:].islower() and text[end + 1 : end + 2] not in "-| ":
            return _otherwise(text) if "\n" in text else DEFAULT
    if text[0] == "\x1b":
        level = _LEVELS.get(text[_COLOURED : text.find("\x1b", _COLOURED, _LONGEST_WORD)])
        if level is not None:
            return level
    return DEFAULT if text.startswith(_FRAME) else _led(text)


def _led(text: str) -> str:
    """What the first word says, or the one after names, dates and brackets in front of it."""
    position = 0
    for _ in range(_HOPS):
        found = _WORD.match(text, position)
        if found is None:
            break
        level = _said(found[1], text, found.end())
        if level:
            return level
        position = _hop(text, found.end(), found.start(1), found[1])
        if not position:
            break
    return _otherwise(text)


def _said(word: str, text: str, end: int) -> str:
    """What the word that ends there says; "" where it says nothing."""
    if word in _FIRST:
        level, follows = _FIRST[word]
        return level if follows.match(text, end) else ""
    if word == "npm":
        return _npm(text, end)
    if word.endswith(_KINDS) and _NAMED.match(text, end) and _is_class(word):
        return WARNING if word.endswith("Warning") else ERROR
    return ""


def _is_class(word: str) -> bool:
    """Is this the name of a class, packages in front allowed: `TypeError`, `java.lang.IllegalStateException`?"""
    return word[word.rfind(".") + 1].isupper()


def _npm(text: str, position: int) -> str:
    """The level npm gives its own line."""
    found = _NPM.match(text, position)
    return DEFAULT if found is None else (ERROR, WARNING, NOTICE)[(found.lastindex or 1) - 1]


def _hop(text: str, position: int, start: int, word: str) -> int:
    """Where to look on after a word that was a name, a date or the content of a bracket; 0 for a sentence."""
    found: re.Match[str] | None = None
    if text.startswith(_JOINTS, position):
        found = _JOINT.match(text, position)
    if found is None and start and text[start - 1] in "[(<" and word not in _DATES:
        found = _BRACKET.match(text, position)
    if found is None and (start or word in _DATES):
        found = _HOST.match(text, position)
    if found is not None:
        return found.end()
    return position if word in _DATES else 0


_JSON: Final = re.compile(r'"(?:level|severity|lvl|levelname)"\s{0,4}:\s{0,4}"?([A-Za-z]{3,13}|[0-9]{1,5})\b')
_PAIRS: Final = re.compile(
    r'(?:[\w.\-@]{1,40}=(?:"[^"\n]{0,200}"|[^\s"]{0,200})[\s,]{1,4}){0,6}(?:level|lvl|severity|loglevel)="?([A-Za-z]{3,13}|[0-9]{1,5})\b'
)
_KLOG: Final = re.compile(r"([IWEF])[0-9]{4}\s{1,4}[0-9]{2}:[0-9]{2}:[0-9]{2}")
_KLOG_LEVELS: Final = {"I": INFO, "W": WARNING, "E": ERROR, "F": CRITICAL}
_PRIORITY: Final = re.compile(r"<([0-9]{1,3})>")
_MARKS: Final = {"❌": ERROR, "✖": ERROR, "✘": ERROR, "✗": ERROR, "🛑": ERROR, "💥": ERROR, "🚨": ERROR, "⚠": WARNING}
_TRACES: Final = ("\n    at ", "\n\tat ", "\nTraceback (most recent")
_LOOKED_AT: Final = 4096


def _otherwise(text: str) -> str:
    """A text whose first word says nothing: fields, kernel and klog prefixes, a mark, or a stack trace below."""
    first = text[0]
    if "\n" in text and _has_trace(text[:_LOOKED_AT]):
        return ERROR
    if "=" in text and (found := _PAIRS.match(text)) is not None:
        return _field(found[1])
    if text[1:5].isdecimal() and (found := _KLOG.match(text)) is not None:
        return _KLOG_LEVELS[found[1]]
    if first == "{" and (found := _JSON.search(text, 0, _LOOKED_AT)) is not None:
        return _field(found[1])
    if first == "<" and (found := _PRIORITY.match(text)) is not None:
        return _SYSLOG[int(found[1]) % len(_SYSLOG)]
    return DEFAULT if first.isascii() else _MARKS.get(first, DEFAULT)


def _field(word: str) -> str:
    """The level in a field of the text."""
    return _unusual(word) or DEFAULT


def _has_trace(text: str) -> bool:
    """Is there a stack trace below a first line that is not a frame itself?"""
    return not text.lstrip().startswith("at ") and any(trace in text for trace in _TRACES)
