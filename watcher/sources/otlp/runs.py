"""Runs of attributes that come again and again, and what they say: most of what a record is, for one look-up."""

from typing import TypeAlias

from watcher.core.level import DEFAULT, effective
from watcher.core.logrecord import JSON, TEXT
from watcher.sources.otlp.attributes import REMEMBERED, learnt, remembered
from watcher.sources.otlp.names import (
    APPLICATION,
    DEPLOYMENT,
    DETAIL,
    DETAILS,
    PROJECT,
    SEVERITY,
    TIMESTAMP,
    TYPE,
    WASTE,
    may_have_deployment,
)
from watcher.sources.otlp.shape import Found, checksum, spoken_severity

_MORE = 0x80
"""The bit that says that a length goes on."""
_NUMBER = b"\x10"
"""The tag of a severity's number."""
_LONGEST = 2_048
"""Bytes of all runs of a record; longer ones are neither read here nor remembered."""
_SENDERS = 256
_PLAIN = frozenset({TEXT, JSON})

Run: TypeAlias = tuple[int, bytes, bytes, bytes, bytes]
"""What records have in common: who sends them, the severity, and the attributes before, between and after others."""
Stable: TypeAlias = tuple[str, str, str, str, str, str, int, bool, Found]
"""What a run says: Deployment, application, type, severity, level ("" where it depends), project; how keys begin,
whether the type is said and that of an application's line, and all of it as `Found`."""


class DeclinedError(ValueError):
    """A record that is not as most are."""


runs: dict[Run, Stable] = {}
_senders: dict[tuple[str, ...], int] = {}
_severities: dict[bytes, str] = {}
_last = [0]


def sender(known: Found) -> int:
    """A number for what is known of all records below a resource and scope; 0 where it is more than names."""
    if known[DETAILS] is not None or known[DETAIL]:
        return 0
    names = tuple(known[each] for each in (TYPE, DEPLOYMENT, APPLICATION, SEVERITY, PROJECT))
    if names not in _senders:
        if len(_senders) >= _SENDERS:
            _senders.clear()
            runs.clear()
        _last[0] += 1
        _senders[names] = _last[0]
    return _senders[names]


def understood(run: Run, tag: int, known: Found, *, whole: bool) -> Stable:
    """What a run of attributes with that tag says. It is remembered once all of it has been seen before.

    `whole`: they are fields of a body that is the record, so that what is none of Connect's counts, too.

    Raises:
        DeclinedError: there is more than attributes, or they say more than names, or they name no Deployment.
    """
    found, again = known.copy(), True
    for raw in _attributes(run, tag):
        before = remembered.get(raw)
        slot, value = before or learnt(raw)
        if slot in (DETAIL, DETAILS) or (whole and slot == WASTE):
            raise DeclinedError
        if slot < DETAIL:
            found[slot] = value
        again = again and before is not None
    if not found[DEPLOYMENT] or not (known[DEPLOYMENT] or may_have_deployment(b"".join(run[2:]))):
        raise DeclinedError
    stable = _stable(found, _severity(run[1]))
    if again:
        if len(runs) >= REMEMBERED:
            runs.clear()
        runs[run] = stable
    return stable


def _attributes(run: Run, tag: int) -> list[bytes]:
    """The attributes of the three runs. Raises DeclinedError where there is anything else; IndexError at a torn one."""
    _, head, *pieces = run
    if len(head) + sum(map(len, pieces)) > _LONGEST:
        raise DeclinedError
    found = []
    for piece in pieces:
        at = 0
        while at < len(piece):
            size, begin = piece[at + 1], at + 2
            if size >= _MORE:
                size = size & 127 | piece[begin] << 7
                begin += 1
            raw = piece[begin : begin + size]
            if piece[at] != tag or len(raw) != size:
                raise DeclinedError
            found.append(raw)
            at = begin + size
    return found


def _stable(found: Found, severity: str) -> Stable:
    found[TIMESTAMP] = None
    found[SEVERITY] = found[SEVERITY] or severity
    severity = found[SEVERITY] or DEFAULT
    kind = found[TYPE] or TEXT
    level = "" if severity == DEFAULT else effective(severity, None, "")
    begin = checksum(f"{kind}\n{severity}\n".encode("utf-8", "replace"))
    plain = found[TYPE] in _PLAIN
    return found[DEPLOYMENT], found[APPLICATION], kind, severity, level, found[PROJECT], begin, plain, found


def _severity(head: bytes) -> str:
    """What OpenTelemetry's own fields say of it. Raises DeclinedError: they are written as nobody does."""
    said = _severities.get(head)
    if said is None:
        number, text = (head[1], head[2:]) if head[:1] == _NUMBER else (0, head)
        if number >= _MORE or (text and text[1] >= _MORE):
            raise DeclinedError
        if len(_severities) >= REMEMBERED:
            _severities.clear()
        said = _severities[head] = spoken_severity(str(text[2:], "utf-8", "replace"), number)
    return said
