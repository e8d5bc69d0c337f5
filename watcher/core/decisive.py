r"""The decisive line: of all that was logged around a failure, the line that says why.

Lines are judged trace by trace (a stack trace is one), each is put into the first class of this table that fits
(core/judgement.py has the wordings):

| class       | what                                                              | decisive                                     |
|-------------|-------------------------------------------------------------------|----------------------------------------------|
| noise       | deprecations, warnings of Node.js, npm's notices and log pointers,| never                                        |
|             | skipped checks, advice and where to read on, shutting down and    |                                              |
|             | what breaks while shutting down, "ignored", levels below WARNING, |                                              |
|             | summaries without a reason ("exit code 1", "2 errors")            |                                              |
| retry       | "retrying in 5 s", and an error right before such a line          | when only a consequence is left              |
| consequence | what the platform or a build tool says of a failure: "failed to   | when no other class is left                  |
|             | start and listen on PORT", "build step 2 failed", HTTP 5xx        |                                              |
| bare        | only words that fit any failure: "Application failed to start",   | when nothing more telling is left            |
|             | "Error: command failed", "Unhandled rejection"                    |                                              |
| wrapper     | "Post-deploy failed: Insufficient scope": another's reason        | like an error, when no lesser text before it |
| text        | no level, but a wording of failure: "Could not …", "… must be …", | when there is no error                       |
|             | "… exceeded the time limit …", "… is not allowed …"               |                                              |
| error       | a level from ERROR on; or the name of a failure, whatever the     | the first                                    |
|             | level: ECONNREFUSED, invalid_client, "tsc: not found", TS2322     |                                              |
| hint        | no level and only a word that something is amiss: "is not",       | right before a consequence, a bare line or   |
|             | "invalid"                                                         | an exit code, when these are all there is    |

What tests print is not looked at (core/testoutput.py). A warning, a conflict or a retry is noise when its application
goes on to other work and nothing is said to have failed since; so are answers to requests that are the caller's fault.

In this order: 1. only what was logged within WINDOW before the last sign of failure, older lines when that gives
nothing; 2. without what recovered: an error is over when its application says afterwards that it listens, is connected
or succeeded, and nothing failed in between; 3. the best class, and in it the first; 4. of a crash that repeats itself,
the first time. Where most ERRORs of an application say nothing wrong, it writes everything as an ERROR, and only the
wording counts. A text that gives itself a lesser level than its record is believed.

Within a trace it is the line with the error: not the source above it, the last `Caused by:` of Java, of Python the
exception that others were raised from (unless a mere look-up failed and was told better), of a file with the errors in
it the first of these (core/telling.py). Of a heading that says nothing by itself it is the line below.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from watcher.core import level
from watcher.core.duration import Millis
from watcher.core.fingerprint import error_line, template, traces
from watcher.core.judgement import ANSWERED, CONFLICTS, RETRIES, SUMMARY, Class, judged, named
from watcher.core.logrecord import Line
from watcher.core.telling import below_heading, telling
from watcher.core.testoutput import printed_by_tests
from watcher.core.wording import Said, bare_text, said, wording

WINDOW: Final[Millis] = 15 * 60_000
"""How long before the last sign of a failure its cause is looked for first."""
LOOP: Final[Millis] = 10 * 60_000
"""How far apart two crashes of a loop are, at most."""
SHUTDOWN: Final[Millis] = 30_000
"""How long after a SIGTERM an error is a part of shutting down."""
BURST: Final[Millis] = 1_000
"""How far apart lines are that were written in one go, at most."""
_FLOOD: Final = 4
"""As many harmless errors, and more of them than others, show that a level says where it was written and not what."""


@dataclass(slots=True, kw_only=True)
class _Sign:
    """One trace: where its telling line is, when it was logged, and what it is taken for."""

    position: int
    at: Millis
    application: str
    text: str
    told: Said
    kind: Class
    worded: Class
    gravest: str
    ended: bool = False
    """Is an exit code told that is not zero?"""
    grave: bool = False
    traceback: bool = False
    over: bool = False


def decisive(lines: Sequence[Line]) -> int | None:
    """Position of the line that says why it failed, in lines that are in order of time; None when none says anything."""
    printed = printed_by_tests(lines)
    if not printed:
        return _decisive(lines)
    positions = [position for position in range(len(lines)) if position not in printed]
    found = _decisive([lines[position] for position in positions])
    return None if found is None else positions[found]


def _decisive(lines: Sequence[Line]) -> int | None:
    """The same, where no line is a test's; of a heading the line below it."""
    found = _found(lines)
    return None if found is None else below_heading(lines, found)


def _found(lines: Sequence[Line]) -> int | None:
    """The line that says why, be it a heading."""
    signs = [_sign(lines, group) for group in traces(lines)]
    _mark_flooded(signs)
    _mark_followed(signs)
    _mark_shutdown(signs)
    _mark_over(signs)
    _mark_outlived(signs)
    failing = [sign for sign in signs if sign.kind not in {Class.NOISE, Class.HINT}]
    if not failing:
        return _hinted(signs)
    recent = [sign for sign in failing if sign.at >= failing[-1].at - WINDOW]
    for candidates in (recent, failing):
        standing = [sign for sign in candidates if not sign.over]
        best = max((sign.kind for sign in standing), default=Class.NOISE)
        if best >= Class.BARE:
            first = _first_time(_first(standing, best), signs)
            return ((best is Class.BARE and _hint(signs, first)) or first).position
    return _last_resort(failing, signs)


def excerpt(lines: Sequence[Line], index: int, before: int = 3, after: int = 8) -> tuple[Line, ...]:
    """The line and those around it, of its application only."""
    application = lines[index].application
    above = [line for line in lines[:index] if line.application == application]
    below = [line for line in lines[index + 1 :] if line.application == application]
    return (*above[max(0, len(above) - before) :], lines[index], *below[: max(0, after)])


# ── choosing ─────────────────────────────────────────────────────────────────


def _first(standing: Sequence[_Sign], best: Class) -> _Sign:
    """The first of the best class; a wrapper counts as an error, but lets a text before it say more."""
    wanted = {Class.ERROR, Class.WRAPPER} if best >= Class.WRAPPER else {best}
    first = next(sign for sign in standing if sign.kind in wanted)
    if first.kind is not Class.WRAPPER:
        return first
    earlier = (sign for sign in standing if sign.kind is Class.TEXT and sign.position < first.position)
    return next((sign for sign in earlier if sign.application == first.application), first)


def _first_time(chosen: _Sign, signs: Sequence[_Sign]) -> _Sign:
    """The same error as it was logged first, if it kept coming back since."""
    wanted = template(chosen.text)
    for sign in reversed(signs):
        if sign.position >= chosen.position or sign.kind is Class.NOISE or sign.application != chosen.application:
            continue
        if chosen.at - sign.at > LOOP:
            break
        if template(sign.text) == wanted:
            chosen = sign
    return chosen


def _last_resort(failing: Sequence[_Sign], signs: Sequence[_Sign]) -> int | None:
    """The reason of what was retried in vain; then a hint, or the first consequence, or else what seemed to be over."""
    standing = [sign for sign in failing if not sign.over]
    retried = next((sign for sign in standing if sign.kind is Class.RETRY and named(sign.told)), None)
    if retried is not None:
        return retried.position
    consequence = next((sign for sign in standing if sign.kind is Class.CONSEQUENCE), None)
    hint = None if consequence is None else _hint(signs, consequence)
    chosen = hint or consequence or next((sign for sign in failing if sign.kind >= Class.BARE), None)
    return None if chosen is None else chosen.position


def _hinted(signs: Sequence[_Sign]) -> int | None:
    """What was said before a program ended with an exit code, and nothing else says that anything failed."""
    ended = next((sign for sign in signs if sign.ended), None)
    hint = None if ended is None else _hint(signs, ended)
    return None if hint is None else hint.position


def _hint(signs: Sequence[_Sign], end: _Sign) -> _Sign | None:
    """The last hint before the end, of those written in one go the first."""
    before = [
        sign
        for sign in signs
        if sign.kind is Class.HINT
        and sign.application == end.application
        and (sign.position < end.position or sign is end)
        and sign.at >= end.at - WINDOW
    ]
    if not before:
        return None
    return next(sign for sign in before if before[-1].at - sign.at <= BURST)


# ── what happened around it ──────────────────────────────────────────────────


def _mark_flooded(signs: Sequence[_Sign]) -> None:
    """Where everything is an error because of where it was written, it is by the wording that errors are told."""
    harmless = Counter(sign.application for sign in signs if sign.grave and sign.worded is Class.NOISE)
    grave = Counter(sign.application for sign in signs if sign.grave)
    for sign in signs:
        count = harmless[sign.application]
        if sign.grave and count >= _FLOOD and 2 * count > grave[sign.application]:
            sign.kind = sign.worded


def _mark_followed(signs: Iterable[_Sign]) -> None:
    """What an error is, by the next line of its application: retried, ignored, or explained by a traceback."""
    latest: dict[str, _Sign] = {}
    for sign in signs:
        before = latest.get(sign.application)
        if before is not None and before.kind >= Class.TEXT:
            before.kind = _followed(before, sign)
        latest[sign.application] = sign


def _followed(before: _Sign, sign: _Sign) -> Class:
    """The class of an error that is followed by this."""
    if RETRIES.within(sign.told):
        return Class.RETRY
    if _HARMLESS.within(sign.told):
        return Class.NOISE
    return Class.BARE if sign.traceback and not named(before.told) else before.kind


def _mark_shutdown(signs: Iterable[_Sign]) -> None:
    """What an application complains of while it is being stopped is noise."""
    stopping: dict[str, Millis] = {}
    for sign in signs:
        since = stopping.get(sign.application)
        if _STARTS.within(sign.told) or _is_up(sign):
            stopping.pop(sign.application, None)
        elif _STOPS.within(sign.told):
            stopping[sign.application] = sign.at
        elif since is not None and sign.at - since <= SHUTDOWN and sign.kind > Class.CONSEQUENCE:
            sign.kind = Class.NOISE if _BROKEN_OFF.within(sign.told) else sign.kind


def _mark_over(signs: Iterable[_Sign]) -> None:
    """What an application got over: it is up or connected afterwards, and nothing was said to have failed in between."""
    pending: dict[str, list[_Sign]] = {}
    over: list[_Sign] = []
    for sign in signs:
        own = pending.setdefault(sign.application, [])
        if sign.kind in {Class.ERROR, Class.TEXT, Class.RETRY, Class.BARE}:
            own.append(sign)
        elif sign.kind in {Class.WRAPPER, Class.CONSEQUENCE} or sign.ended:
            own.clear()
        elif _is_up(sign):
            over += own
            own.clear()
        elif _CONNECTED.within(sign.told):
            passed = [each for each in own if each.kind is Class.RETRY or _PASSING.within(each.told)]
            over += passed
            for each in passed:
                each.kind = Class.RETRY
    for sign in over:
        sign.over = True


def _mark_outlived(signs: Sequence[_Sign]) -> None:
    """A warning, a conflict or a retry is noise if its application went on working and nothing failed since."""
    failed = False
    working: set[str] = set()
    lasting: set[tuple[str, str]] = set()
    for sign in reversed(signs):
        if not _may_pass(sign):
            failed = failed or sign.ended or (sign.kind not in {Class.NOISE, Class.HINT} and not sign.over)
            if _is_work(sign):
                working.add(sign.application)
            continue
        told = sign.application, template(sign.text)
        if failed or sign.application not in working or told in lasting:
            lasting.add(told)
        else:
            sign.kind = Class.NOISE


def _may_pass(sign: _Sign) -> bool:
    """Is it a failure that an application may get over without a word of that?"""
    if sign.kind is Class.RETRY:
        return True
    if sign.kind not in {Class.BARE, Class.TEXT, Class.WRAPPER, Class.ERROR} or sign.ended:
        return False
    return sign.gravest == level.WARNING or (sign.gravest == level.DEFAULT and CONFLICTS.within(sign.told))


def _is_work(sign: _Sign) -> bool:
    """Does it show that the application works: no answer to a request, no shutting down, nothing that is amiss?"""
    if sign.kind is not Class.NOISE or not sign.told.text or level.rank(sign.gravest) >= level.rank(level.WARNING):
        return False
    return not sign.ended and not ANSWERED.within(sign.told) and not _STOPS.within(sign.told)


def _is_up(sign: _Sign) -> bool:
    """Does the application say that it is up, and not what would be if it were?"""
    return _UP.within(sign.told) and not _SUPPOSED.within(sign.told)


# ── classes ──────────────────────────────────────────────────────────────────


def _sign(lines: Sequence[Line], group: Sequence[int]) -> _Sign:
    """What a trace is by itself."""
    position = telling(lines, group)
    first, line = lines[group[0]], lines[position]
    text = bare_text(error_line(line.message))
    gravest = max((_level(lines[each]) for each in group), key=level.rank)
    told = said(text)
    last = told if len(group) == 1 else said(bare_text(lines[group[-1]].message))
    grave = gravest in level.ERRORS and len(group) == 1 and level.effective("", None, line.message) not in level.ERRORS
    return _Sign(
        position=position,
        at=first.at,
        application=first.application,
        text=text,
        told=told,
        kind=judged(told, gravest),
        worded=judged(told, level.DEFAULT) if grave else Class.NOISE,
        gravest=gravest,
        ended=SUMMARY.within(told) or SUMMARY.within(last),
        grave=grave,
        traceback=first.message.startswith("Traceback ("),
    )


def _level(line: Line) -> str:
    """The line's level; what its text says, without what a build tool puts in front, where none is known or a lesser is told."""
    if line.level in level.ERRORS:
        own = level.effective("", None, line.message)
        return own if own in _LESSER else line.level
    if line.level not in {"", level.DEFAULT}:
        return line.level
    return level.effective("", None, bare_text(line.message))


_LESSER: Final = frozenset((level.DEBUG, level.INFO, level.NOTICE, level.WARNING))
_HARMLESS: Final = wording(
    ("cont proc carr", r"\b(?:continuing|proceeding|carrying on)\b.{0,40}\b(?:without|anyway|with default)"),
    ("fall", r"\b(?:falling back|fall back|fallback)\b"),
    ("non nonf nonc nonb", r"\bnon-?(?:fatal|critical|blocking)\b"),
    ("igno", r"\b(?:ignored|ignoring|can be (?:safely )?ignored|safe to ignore)\b"),
    ("usin", r"\busing (?:the )?defaults?\b"),
)
_STOPS: Final = wording(
    ("sigt sigi sigh sigq", r"\bsig(?:term|int|hup|quit)\b"),
    ("shut", r"\b(?:graceful(?:ly)?\s)?shut(?:ting)?\s?down\b"),
    ("stop", r"\bstopping (?:the )?(?:server|application|service|container|instance)\b"),
    ("serv", r"\b(?:http )?server (?:was )?(?:closed|stopped)\b"),
    ("term", r"^terminated$"),
)
_BROKEN_OFF: Final = wording(
    (
        "clos dest abor term inte canc drai disc econ epip err rese infl unfi hang flig in",
        r"\b(?:closed?|closing|destroyed|aborted|terminated|interrupted|cancell?ed|draining|disconnect(?:ed)?|econnreset|epipe|err_server_not_running|reset|in.?flight|unfinished|hang up)\b",
    ),
)
"""What breaks because an application is being stopped."""
_STARTS: Final = wording(
    ("npm node", r"^>?\s?(?:npm (?:run )?start|node\s\S{1,200}\.(?:c|m)?js)\b"),
    ("star", r"\bstarting (?:the )?(?:\w{1,20} )?(?:application|app|server|service|instance)\b"),
)
_UP: Final = wording(
    ("list runn star serv", r"\b(?:listening|running|started|serving)\b.{0,40}\b(?:port|on|at)\b.{0,30}[0-9]{2,5}\b"),
    (
        "app appl serv",
        r"\b(?:application|app|server|service)\b.{0,30}\b(?:is )?(?:ready|up and running|started|healthy)\b",
    ),
    ("read", r"\bready (?:to accept|for) connections\b"),
    ("star", r"^started \w{1,60} in [0-9.]{1,12} s|\bstartup probe succeeded\b"),
    ("post", r"\bpost-?deploy\b.{0,30}\b(?:succeeded|completed|successful|finished|done)\b"),
)
_SUPPOSED: Final = wording(
    (
        "not stop fail cann anot shou must expe unti wait if conf unab",
        r"\b(?:not|stop|fail\w*|cannot|another|should|must|expect\w*|until|waiting|if|configure|unable)\b",
    ),
)
"""Words of a sentence about listening that is no news of it."""
_CONNECTED: Final = wording(
    ("conn reco", r"\b(?:re)?connected\b(?! (?:refused|reset))"),
    ("conn", r"\bconnection (?:to .{1,60} )?(?:established|restored|recovered)\b"),
    (
        "succ ok",
        r"\b(?:attempt|retry|request|refresh\w{0,3}|connection|token|call)\b.{0,60}\b(?:succeeded|successful(?:ly)?|ok)\b|\bsucceeded (?:on|after)\b",
    ),
    ("reco", r"\brecovered\b"),
)
_PASSING: Final = wording(
    ("econ etim eai ehos enet epip", r"\b(?:econn\w{1,10}|etimedout|eai_again|ehostunreach|enetunreach|epipe)\b"),
    ("time", r"\btime(?:d)?[ -]?out\b|\btimeout\b"),
    ("", r"\b(?:429|50[0234])\b"),
    ("inva toke", r"\binvalid_token\b|\btoken\b.{0,20}\bexpired\b"),
    (
        "temp unav too conn sock netw",
        r"\btemporar(?:y|ily)\b|\bunavailable\b|\btoo many requests\b|\bconnection\b|\bsocket hang up\b|\bnetwork\b",
    ),
)
"""Failures that pass by themselves."""
