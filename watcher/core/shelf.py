"""Alerts by key, as few bytes each while nobody looks at them.

An alert that fires and has been told is looked at again hours later, if ever, and a storm brings a hundred thousand of
them: as objects they are 3 KiB each. Those that were used last are kept as they are. All others are packed against the
first of the same rule, from which they differ by little more than names: 60 bytes.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import fields, replace
from operator import attrgetter

from watcher.core.alert import Alert, AlertState
from watcher.core.altered import altered
from watcher.core.group import Group

READY = 500
"""Alerts that are kept as they are. One failure is several events, and their alert is asked for by each of them."""
_TEXTS = ("key", "fingerprint", "rule", "project", "source", "subject", "attempt", "status")
_MAPPINGS = ("labels", "values", "annotations")
_OTHERS = ("state", *(each.name for each in fields(Alert) if each.name not in {"state", *_TEXTS, *_MAPPINGS}))
_NAMES = (*_TEXTS, *_OTHERS, *_MAPPINGS)
_texts, _mappings, _others = attrgetter(*_TEXTS), attrgetter(*_MAPPINGS), attrgetter(*_OTHERS)
_STATES = {each.value: each for each in AlertState}
_WINDOW, _MEMORY = -13, 6
"""Raw deflate that looks back over 8 KiB, which is more than one alert and its sample have, with little memory."""
_SAMPLES = 255
_SAMPLE, _SHORT = 1 << 13, 200
"""Of a sample only what deflate looks back over is of use, and of its texts those that others are likely to say, too."""
SHAPES = 1_000
"""Sets of names that are numbered."""
_Shape = tuple[tuple[str, ...], ...]
"""The names in the mappings of an alert."""


class Shelf(MutableMapping[str, Alert]):
    """What is taken out is a copy; what changes is put back.

    Of the first alert of each rule there is a sample, as it was packed, with its texts: those are in memory once.
    """

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}
        self._ready: dict[str, Alert] = {}
        self._samples: list[tuple[bytes, dict[str, str]]] = []
        self._sample_of: dict[str, int] = {}
        self._shapes: list[_Shape] = []
        self._shape_of: dict[_Shape, int] = {}

    def __getitem__(self, key: str) -> Alert:
        found = self._ready.get(key)
        return self._unpacked(key, self._packed[key]) if found is None else found

    def __setitem__(self, key: str, alert: Alert) -> None:
        if self._ready.get(key) is alert:
            return
        known = self._packed.setdefault(key, b"")
        if known:
            self._packed[key] = b""
        self._ready.pop(key, None)
        self._ready[key] = alert
        if len(self._ready) > READY:
            oldest = next(iter(self._ready))
            self._packed[oldest] = self._pack(oldest, self._ready.pop(oldest))

    def __delitem__(self, key: str) -> None:
        del self._packed[key]
        self._ready.pop(key, None)

    def __contains__(self, key: object) -> bool:
        return key in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def _pack(self, key: str, alert: Alert) -> bytes:
        """A text that the alert has already said is a number: of the key, which is known, or of the place where it is."""
        mappings = _mappings(alert)
        places = {key: 0}
        said: list[str | int] = []
        for text in (*_texts(alert), *mappings[0].values(), *mappings[1].values(), *mappings[2].values()):
            place = places.setdefault(text, len(said) + 1)
            said.append(place if place <= len(said) else text)
        shape = self._numbered(tuple([tuple(each) for each in mappings]))
        whole = json.dumps([*_others(alert), shape, *said], separators=(",", ":")).encode()
        number = self._sampled(alert.rule, whole, said)
        deflate = zlib.compressobj(6, zlib.DEFLATED, _WINDOW, _MEMORY, zdict=self._sample(number)[0])
        return bytes([number]) + deflate.compress(whole) + deflate.flush()

    def _unpacked(self, key: str, packed: bytes) -> Alert:
        sample, known = self._sample(packed[0])
        inflate = zlib.decompressobj(_WINDOW, zdict=sample)
        state, *others = json.loads(inflate.decompress(packed[1:]))
        shape, said = others[len(_OTHERS) - 1], others[len(_OTHERS) :]
        texts = [key]
        for each in said:
            texts.append(known.get(each, each) if isinstance(each, str) else texts[each])
        left = iter(texts[len(_TEXTS) + 1 :])
        names = self._shapes[shape] if isinstance(shape, int) else shape
        mappings = [dict(zip(each, left, strict=False)) for each in names]
        values = (*texts[1 : len(_TEXTS) + 1], _STATES[state], *others[: len(_OTHERS) - 1], *mappings)
        return Alert(**dict(zip(_NAMES, values, strict=True)))

    def _numbered(self, shape: _Shape) -> int | _Shape:
        """The number of the names that an alert has; the names themselves once there are too many to be kept."""
        number = self._shape_of.get(shape)
        if number is None and len(self._shapes) < SHAPES:
            number = self._shape_of[shape] = len(self._shapes)
            self._shapes.append(shape)
        return shape if number is None else number

    def _sampled(self, rule: str, packed: bytes, said: list[str | int]) -> int:
        number = self._sample_of.get(rule)
        if number is None:
            number = self._sample_of[rule] = min(len(self._samples), _SAMPLES)
            if number < _SAMPLES:
                texts = {each: each for each in said if isinstance(each, str) and len(each) <= _SHORT}
                self._samples.append((packed[-_SAMPLE:], texts))
        return number

    def _sample(self, number: int) -> tuple[bytes, dict[str, str]]:
        return self._samples[number] if number < len(self._samples) else _NO_SAMPLE


class Members(Mapping[str, Alert]):
    """The alerts of one group. What fires is on the shelf, with everybody else's; what has ended or is told once is here.

    An alert that fires is the same to its groups as to the ledger: what a group tells of it changes only when it is told.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._members: dict[str, Alert | None] = {}

    def __getitem__(self, key: str) -> Alert:
        found = self._members[key]
        return self._shelf[key] if found is None else found

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def put(self, alert: Alert) -> None:
        """Let an alert be one of them, as it is now."""
        stands = alert.state is AlertState.FIRING and not alert.fact
        if stands:
            self._shelf[alert.key] = alert
        self._members[alert.key] = None if stands else alert

    def drop(self, key: str) -> None:
        """Let an alert be one of them no longer."""
        del self._members[key]

    def own(self) -> dict[str, Alert]:
        """Those that are here."""
        return {key: alert for key, alert in self._members.items() if alert is not None}

    def standing(self) -> tuple[str, ...]:
        """The keys of those on the shelf."""
        return tuple(key for key, alert in self._members.items() if alert is None)


def as_row(group: Group) -> Group:
    """The group as it is stored: of what fires it has the names only, so that a change of one does not rewrite all."""
    members = group.members
    if not isinstance(members, Members):
        return group
    return replace(group, members=members.own(), standing=members.standing())


def brief(members: Mapping[str, Alert]) -> dict[str, Alert]:
    """The alerts with what decides how they are told, and without what is told of them: a tenth of their size."""
    kept: dict[tuple[str, str], dict[str, str]] = {}
    found: dict[str, Alert] = {}
    for key, alert in members.items():
        name, severity = alert.labels.get("alertname", ""), alert.labels.get("severity", "")
        labels = kept.setdefault((name, severity), {"alertname": name, "severity": severity})
        found[key] = altered(alert, key=key, fingerprint="", labels=labels, values=_NONE, annotations=_NONE)
    return found


_NONE: Mapping[str, str] = {}
_NO_SAMPLE: tuple[bytes, dict[str, str]] = (b"", {})
