"""What a text says, by its words: in lower case, without what is put in front of it, and whether it says anything.

Everything is judged by its beginning. A wording is looked for only in a text that has a word of its stem (`fail` of
"failed", "failure"): so nearly all patterns are passed over, and a long text costs little.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

_LOOKED_AT: Final = 2048
_JUDGED: Final = 500
"""Characters of a telling line that are judged; what it says stands at its beginning."""


class Said(NamedTuple):
    """A text as it is judged: in lower case, and the stems of its words."""

    text: str
    stems: frozenset[str]


def said(text: str) -> Said:
    """What is judged of a text."""
    lower = text[:_JUDGED].lower()
    return Said(lower, frozenset(_STEM.findall(lower)))


@dataclass(slots=True, frozen=True)
class Wording:
    """Patterns by the stem that a text must have for them to be found in it; "" of those to try on every text."""

    patterns: Mapping[str, re.Pattern[str]]
    stems: frozenset[str]

    def within(self, told: Said) -> bool:
        """Is it worded so?"""
        found = self.stems & told.stems if "" not in self.stems else (self.stems & told.stems) | {""}
        return any(self.patterns[stem].search(told.text) is not None for stem in found)


def wording(*rows: tuple[str, str]) -> Wording:
    """Of rows "stems, one of which is a must" and pattern."""
    patterns: dict[str, list[str]] = defaultdict(list)
    for stems, pattern in rows:
        for stem in stems.split() or ("",):
            patterns[stem].append(pattern)
    return Wording({stem: re.compile("|".join(each)) for stem, each in patterns.items()}, frozenset(patterns))


def bare_text(message: str) -> str:
    """The text without colours and without what a build tool or a logger puts in front of every line."""
    text = _ANSI.sub("", message[:_LOOKED_AT]) if "\x1b" in message else message[:_LOOKED_AT]
    return _FRONT.sub("", text, count=1).strip()


def says_nothing(told: Said) -> bool:
    """Is it said that something failed, in words that fit any failure: "Build failed", "Error: command failed"?"""
    if _FAILING.isdisjoint(told.stems):
        return False
    text = _ADVICE.sub("", told.text)
    if _QUOTED.search(text):
        return False
    return all(word in _EMPTY or word.endswith(_KINDS) for word in _WORDS.findall(text))


# ── words ────────────────────────────────────────────────────────────────────

_STEM: Final = re.compile(r"([a-z]{1,4})[a-z]*+")
_WORDS: Final = re.compile(r"[a-z]++|[^\x00-\x7f\W]++")
_QUOTED: Final = re.compile(r"['\"][^'\"\s]")
_KINDS: Final = ("error", "exception", "context")
_ADVICE: Final = re.compile(r"(?<=[.!]) (?:to|for|see|please|try|check|run) .*")
_FAILING: Final = frozenset(("err", "erro", "fail", "exce", "reje", "cras", "fata", "wron", "unha", "unca"))
_EMPTY: Final = frozenset(
    re.findall(
        r"\w+",
        """
        it this that there something anything application applications app server service services connector worker
        workers process program build compilation compile compiler typescript test tests suite suites file files
        command commands script scripts step task tasks job run start startup boot bootstrap deploy deployment
        install installation dependencies lifecycle request fetch container child subprocess stage goal module
        modules package packages post pre undeploy migration migrations failed failing failure failures fail fails
        error errors err exception exceptions rejection rejections crash crashed fatal critical wrong went occurred
        encountered happened unexpected unknown internal unhandled uncaught promise unhandledrejection
        unhandledpromiserejection uncaughtexception terminated aborted exit exits exited exiting code status signal
        non zero problem problems result results severe incompatible a an the of in at on by for to from with within
        without during while due because and or but has have had been was were is are be when what above below see
        more please check output log logs detail details information ms s sec seconds npm running executing execute
        building compiling starting load loading found generated total re try again here as following reason after
        before could not did will cannot its your our one all some any steps stages tasks runs
        every complete completed finish finished succeed succeeded successfully successful incomplete only least many
        previous earlier further items entries resources resource operations operation actions action setup
        """,
    )
)
"""Words that fit any failure."""
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_FRONT: Final = re.compile(
    r"^(?:Step\s\#[0-9]{1,4}(?:\s-\s\"[^\"]{1,80}\")?:\s{0,4}"
    r"|\#[0-9]{1,5}\s[0-9]{1,6}\.[0-9]{1,6}\s"
    r"|\[(?:builder|detector|analyzer|exporter|restorer|[0-9T:. Z+-]{8,40})\]\s{0,4}(?:\[[0-9]{1,8}\]\s(?=\[))?"
    r"|[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9:.,]{5,20}Z?\s{1,4}(?:[\w./-]{1,100}\.go:[0-9]{1,7}:\s)?"
    r"|(?:WARN|ERROR|FATAL)\s{1,4}[0-9]{1,8}\s---\s(?:\[[^\]]{0,60}\]\s{1,4}){1,3}[\w.$\[\]/]{1,80}\s{0,60}:\s{0,4}"
    r"|(?:WARN|ERROR|FATAL)\s{1,4}\[[^\]]{0,60}\]\s{1,4}[\w.$]{1,80}\s-\s"
    r"|\[(?:ERROR|FATAL|error)\]\s{1,4}(?=\S)"
    r"|npm\s(?:ERR!|error)\s(?=(?:node-(?:pre-)?)?gyp\s|prebuild|\S{1,200}:[0-9]{1,6}:)"
    r"|(?:node-pre-)?gyp\s(?:ERR!|error)\s(?:stack\s)?(?=\S)"
    r"|>\s{1,4}(?=[A-Z])){0,5}"
)
"""Cloud Build, BuildKit, buildpacks, times, loggers of Go and Java, Maven, and npm in front of another tool's output."""
