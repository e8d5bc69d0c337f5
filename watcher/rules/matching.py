"""Matching: from a batch of log records to hits and tallies, at a cost that hardly depends on the number of rules.

All patterns of all rules are searched for at once. What a label can decide is decided once for each combination of
labels that occurs, not for each record: applications have few levels, types and statuses. So the many records that
nothing matches cost one look-up in a dict, and the rest of the work is done for the few that are left.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, TypeAlias

import msgspec

from watcher.core.columns import Columns, Key, columns
from watcher.core.fingerprint import is_continuation, joined, template, template_id
from watcher.core.level import ERRORS
from watcher.core.logrecord import HTTP_REQUEST, MINUTE, Hit, Line, LogRecord, Matched, Place, Tally
from watcher.core.matcher import Matcher
from watcher.core.snapshot import Deployment
from watcher.rules.log import LogSpec
from watcher.scan import Scanner

COSTLY = frozenset({"path", "message", "latency"})
"""Labels of which there are too many values to remember what each of them decides; fields of `details` too."""
FOREIGN = ("deployment_id", "application", "log_type", "severity", "method")
"""Labels that a record says itself."""
DETAILS = "details."
SINGLES = 5
"""Records of one group that a batch may bring before the rest of them become one hit with their number."""
MAX_JOINED = 40
"""Records that are looked at for the rest of a stack trace."""
SHOWN = 500
"""Characters of a message that are kept, and those of a label."""
LABEL = 200
REMEMBERED = 10_000
"""Combinations of labels, and messages, that are remembered."""
LONGEST = 1_000
"""Characters of a message that is remembered."""
VALUES = 200
"""Values of a label that only records have, for each application of a rule: no field may make alerts without end."""
KINDS = 50
"""Kinds of messages of one application that a batch may bring to a rule."""
OTHERS = "(others)"
"""What stands for all that are beyond such a bound."""

_SERVER_ERROR, _CLIENT_ERROR = 500, 400
_Candidate: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule as matching needs it: what is cheap, what is costly, which patterns it looks for.

    `own` are labels of its groups that only a record has.
    """

    spec: LogSpec
    cheap: tuple[Matcher, ...]
    costly: tuple[Matcher, ...]
    patterns: frozenset[int]
    own: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Profile:
    """What one combination of labels decides: rules that take each of its records, and those that may, by pattern.

    `floor` is the shortest latency that any of the taking rules asks for.
    """

    labels: Mapping[str, str]
    taking: tuple[int, ...]
    floor: int
    armed: Mapping[int, tuple[int, ...]]


@dataclass(slots=True)
class _Memo:
    """What has been worked out for a value; the values not asked for longest make room."""

    work: Callable[[Any], Any]
    found: OrderedDict[Any, Any] = field(default_factory=OrderedDict)

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > LONGEST:
            return self.work(value)  # not worth the room
        if value not in self.found:
            if len(self.found) >= REMEMBERED:
                self.found.popitem(last=False)
            self.found[value] = self.work(value)
        return self.found[value]


def pattern_table(specs: Iterable[LogSpec]) -> tuple[str, ...]:
    """Every pattern of all rules, each once."""
    return tuple(dict.fromkeys(each for spec in specs for each in spec.pattern))


class LogMatcher:
    """Asks the rules about batches. Not for concurrent use; `scanner` may be exchanged for one of the same patterns."""

    def __init__(self, specs: Sequence[LogSpec], scanner: Scanner, clean: Callable[[str, int], str]) -> None:
        self.patterns = pattern_table(specs)
        self.scanner = scanner
        numbers = {text: number for number, text in enumerate(self.patterns)}
        self._rules = tuple(_compiled(spec, numbers) for spec in specs)
        self._profiles: dict[Key, _Profile] = {}
        self._described: dict[str, Deployment | None] = {}
        self._clean = clean
        self._chosen = _Memo(self._choose)
        self._values: dict[tuple[int, str, str, str], set[str]] = {}
        self._shown = _Memo(lambda message: clean(message, SHOWN))
        self._template = _Memo(lambda message: template_id(template(message)))

    def match(
        self, project: str, region: str, records: Sequence[LogRecord], deployments: Mapping[str, Deployment]
    ) -> Matched:
        """Hits and tallies of a batch. Deployments that are not known are named by their id."""
        found = columns(records)
        counts = found.counts()
        self._refresh(project, region, deployments, {key[0] for key, _ in counts})
        profiles = {key: self._profile(project, region, key) for key, _ in counts}
        hits = self._hits(found, self._candidates(found, profiles), profiles)
        return Matched(hits=hits, tallies=_tallies(project, counts))

    def _refresh(
        self, project: str, region: str, deployments: Mapping[str, Deployment], mentioned: Iterable[str]
    ) -> None:
        """Forget what was decided for Deployments that have changed since."""
        if len(self._profiles) > REMEMBERED or len(self._described) > REMEMBERED:
            self._profiles, self._described = {}, {}
        stale: set[str] = set()
        for each in mentioned:
            name, found = f"{project}/{region}/{each}", deployments.get(each)
            if name not in self._described:
                self._described[name] = found
            elif self._described[name] is not found:
                self._described[name] = found
                stale.add(each)
        if stale:
            self._profiles = {key: kept for key, kept in self._profiles.items() if key[2] not in stale}

    def _profile(self, project: str, region: str, key: Key) -> _Profile:
        full = (project, region, *key)
        found = self._profiles.get(full)
        if found is None:
            labels = self._cleaned(_labels(project, region, key, self._described.get(f"{project}/{region}/{key[0]}")))
            chosen = tuple(
                at for at, rule in enumerate(self._rules) if all(each.matches(labels) for each in rule.cheap)
            )
            taking, floor, armed = self._chosen(chosen)
            found = self._profiles[full] = _Profile(labels=labels, taking=taking, floor=floor, armed=armed)
        return found

    def _cleaned(self, labels: dict[str, str]) -> dict[str, str]:
        """The labels, those that came with records redacted."""
        return labels | {name: self._clean(labels[name], LABEL) for name in FOREIGN}

    def _choose(self, chosen: tuple[int, ...]) -> tuple[tuple[int, ...], int, dict[int, tuple[int, ...]]]:
        """Of these rules those without patterns, the least latency that they ask for, and the others by pattern."""
        armed: dict[int, tuple[int, ...]] = {}
        for at in chosen:
            for number in self._rules[at].patterns:
                armed[number] = (*armed.get(number, ()), at)
        taking = tuple(at for at in chosen if not self._rules[at].patterns)
        return taking, min((self._rules[at].spec.slower_than for at in taking), default=0), armed

    def _candidates(self, records: Columns, profiles: Mapping[Key, _Profile]) -> Iterator[_Candidate]:
        """Record and rule, for all that labels and patterns decide; in the order of the records."""
        found = _taken(records, profiles)
        if self.patterns and any(profile.armed for profile in profiles.values()):
            for at, number in self.scanner.scan(records.messages):
                rules = profiles[records.keys[at]].armed.get(number)
                if rules:
                    found.setdefault(at, set()).update(rules)
        for at in sorted(found):
            for rule in sorted(found[at]):
                yield at, rule

    def _hits(self, records: Columns, candidates: Iterable[_Candidate], profiles: Mapping[Key, _Profile]) -> list[Hit]:
        """Grouped before anything is redacted: of a storm only what is kept costs more than being counted."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        keys = records.keys
        for at, number in candidates:
            rule = self._rules[number]
            if self._admits(rule, records, at, profiles[keys[at]].labels):
                own = tuple(self._bounded(number, records[at], name) for name in rule.own)
                kind = self._template(self._whole(records, at)) if rule.spec.novel else ""
                groups.setdefault((number, keys[at], kind, own), []).append(at)
        return [
            hit
            for (number, key, kind, own), members in _few_kinds(groups).items()
            for hit in self._kept(
                self._rules[number].spec,
                {**profiles[key].labels, **dict(zip(self._rules[number].own, own, strict=True))},
                kind,
                records,
                members,
            )
        ]

    def _bounded(self, number: int, record: LogRecord, name: str) -> str:
        """A label of a group that only a record has. Beyond so many values of one application all others are one."""
        value = self._clean(_field(record, name), LABEL)
        known = self._values.setdefault((number, record.deployment_id, record.application, name), set())
        if value in known or len(known) < VALUES:
            known.add(value)
            return value
        return OTHERS

    def _kept(
        self, spec: LogSpec, labels: Mapping[str, str], kind: str, records: Columns, members: list[int]
    ) -> Iterator[Hit]:
        """The hits of a group one by one while they are few; beyond that one for all others of a minute, with their number.

        Not one for them all: a page may bring hours of records, and how close together they are is what rules ask for.
        """
        for at in members[:SINGLES]:
            yield self._hit(spec, labels, kind, records, at)
        rest = sorted(members[SINGLES:], key=records.time)
        for _, found in groupby(rest, key=lambda at: records.time(at) // MINUTE):
            part = list(found)
            digest = hashlib.sha256("\n".join(sorted(_hit_key(records[at]) for at in part)).encode()).hexdigest()[:24]
            newest = self._hit(spec, labels, kind, records, part[-1])
            yield replace(newest, at=records.time(part[0]), count=len(part), key=digest)

    def _admits(self, rule: _Rule, records: Columns, at: int, labels: Mapping[str, str]) -> bool:
        """What only the record itself can decide."""
        spec = rule.spec
        if spec.slower_than and records.latency(at) <= spec.slower_than:
            return False
        if rule.costly:
            more = {**labels, **_costly(records[at], rule.costly)}
            if not all(each.matches(more) for each in rule.costly):
                return False
        return not any(unwanted(records.messages[at]) for unwanted in spec.exclude)

    def _whole(self, records: Columns, at: int) -> str:
        """The message with the stack trace that follows it, where an application wrote it line by line."""
        keys, messages = records.keys, records.messages
        spot, message = keys[at][:2], messages[at]
        reach = range(at + 1, min(at + MAX_JOINED, len(keys)))
        first = next((each for each in reach if keys[each][:2] == spot), None)
        if first is None or not is_continuation(messages[first]):
            return message
        lines = [
            Line(records.time(each), spot[1], keys[each][4], messages[each])
            for each in (at, *reach)
            if keys[each][:2] == spot
        ]
        return joined(lines)[0].message

    def _hit(self, spec: LogSpec, labels: Mapping[str, str], kind: str, records: Columns, at: int) -> Hit:
        record = records[at]
        kept = dict(labels)
        if record.type == HTTP_REQUEST or record.status:
            kept = {"path": self._clean(record.path, LABEL), "latency": str(record.latency), **kept}
        return Hit(
            rule=spec.name,
            deployment_id=record.deployment_id,
            application=labels["application"],
            at=record.at,
            last=record.at,
            level=record.level,
            message=self._shown(self._whole(records, at)),
            template=kind,
            labels={name: value for name, value in kept.items() if value},
            key=_hit_key(record),
        )


def _taken(records: Columns, profiles: Mapping[Key, _Profile]) -> dict[int, set[int]]:
    """By record the rules for which its labels, and how long it took, are enough."""
    floors = {key: profile.floor for key, profile in profiles.items() if profile.taking}
    if not floors:
        return {}
    return {
        at: set(profiles[key].taking)
        for at, key in enumerate(records.keys)
        if key in floors and (not floors[key] or records.latency(at) >= floors[key])
    }


def _few_kinds(groups: Mapping[tuple[Any, ...], list[int]]) -> dict[tuple[Any, ...], list[int]]:
    """The groups; of those that differ in their kind of message only, the ones beyond the first few are one."""
    kinds: Counter[tuple[Any, ...]] = Counter()
    found: dict[tuple[Any, ...], list[int]] = {}
    for (number, key, kind, own), members in groups.items():
        kinds[number, key, own] += 1
        kept = kind if kinds[number, key, own] <= KINDS else OTHERS
        found.setdefault((number, key, kept, own), []).extend(members)
    return found


def _compiled(spec: LogSpec, numbers: Mapping[str, int]) -> _Rule:
    costly = tuple(each for each in spec.matchers if each.name in COSTLY or each.name.startswith(DETAILS))
    return _Rule(
        spec=spec,
        cheap=tuple(each for each in spec.matchers if each not in costly),
        costly=costly,
        patterns=frozenset(numbers[each] for each in spec.pattern),
        own=tuple(each for each in spec.by if each in COSTLY or each.startswith(DETAILS)),
    )


def _labels(project: str, region: str, key: Key, deployment: Deployment | None) -> dict[str, str]:
    """The labels that one combination of values stands for."""
    deployment_id, application, kind, severity, level, method, status = key
    found = {
        "project": project,
        "region": region,
        "deployment": deployment.name if deployment else deployment_id,
        "deployment_id": deployment_id,
        "application": application,
        "log_type": kind,
        "severity": severity,
        "level": level,
        "method": method,
        "status": str(status) if status else "",
    }
    if deployment is None:
        return found
    kinds = {each.name: each.kind for each in deployment.applications}
    return {
        **found,
        "type": deployment.type,
        "connector": deployment.connector,
        "connector_version": str(deployment.connector_version),
        "build": deployment.build,
        "application_kind": kinds.get(application, ""),
    }


def _costly(record: LogRecord, matchers: Iterable[Matcher]) -> dict[str, str]:
    return {each.name: _field(record, each.name) for each in matchers}


def _field(record: LogRecord, name: str) -> str:
    """The value of a label that only the record has; empty for one that it has not."""
    if name in COSTLY:
        return str(getattr(record, name))
    if not name.startswith(DETAILS) or not record.details:
        return ""
    return _detail(record.details, name.removeprefix(DETAILS).split("."))


def _detail(details: Any, path: Iterable[str]) -> str:
    try:
        found: Any = msgspec.json.decode(details() if callable(details) else details)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found
    return "" if found is None else msgspec.json.encode(found).decode()


def _hit_key(record: LogRecord) -> str:
    return f"{record.at:x}.{record.key:x}"


def _tallies(project: str, counts: Mapping[tuple[Key, int], int]) -> dict[Place, Tally]:
    found: dict[Place, Tally] = {}
    for (key, minute), count in counts.items():
        deployment_id, application, kind, _, level, _, status = key
        tally = found.setdefault(Place(project, deployment_id, application, minute), Tally())
        tally.records += count
        if level in ERRORS:
            tally.errors += count
        if kind == HTTP_REQUEST:
            tally.http += count
            tally.http_5xx += count if status >= _SERVER_ERROR else 0
            tally.http_4xx += count if _CLIENT_ERROR <= status < _SERVER_ERROR else 0
    return found
