"""Alerts by key, as few bytes each while nobody looks at them.

An alert that fires and has been told is looked at again hours later, if ever, and a storm brings a hundred thousand of
them: as objects they are 3 KiB each. Those that were used last are kept as they are. All others are packed against the
first of the same rule, from which they differ by little more than names: 150 bytes.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import fields, replace

from watcher.core.alert import Alert, AlertState
from watcher.core.group import Group

READY = 1_000
"""Alerts that are kept as they are. One failure is several events, and their alert is asked for by each of them."""
_NAMES = tuple(each.name for each in fields(Alert))
_STATE = _NAMES.index("state")
_WINDOW, _MEMORY = -13, 6
"""Raw deflate that looks back over 8 KiB, which is more than one alert and its sample have, with little memory."""
_SAMPLES = 255


class Shelf(MutableMapping[str, Alert]):
    """What is taken out is a copy; what changes is put back."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}
        self._ready: dict[str, Alert] = {}
        self._samples: list[bytes] = []
        self._sample_of: dict[str, int] = {}

    def __getitem__(self, key: str) -> Alert:
        found = self._ready.get(key)
        return self._unpacked(self._packed[key]) if found is None else found

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
            self._packed[oldest] = self._pack(self._ready.pop(oldest))

    def __delitem__(self, key: str) -> None:
        del self._packed[key]
        self._ready.pop(key, None)

    def __contains__(self, key: object) -> bool:
        return key in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def _pack(self, alert: Alert) -> bytes:
        text = json.dumps([getattr(alert, name) for name in _NAMES], separators=(",", ":"), default=dict).encode()
        number = self._sample_of.get(alert.rule)
        if number is None:
            number = self._sample_of[alert.rule] = min(len(self._samples), _SAMPLES)
            if number < _SAMPLES:
                self._samples.append(text)
        deflate = zlib.compressobj(6, zlib.DEFLATED, _WINDOW, _MEMORY, zdict=self._sample(number))
        return bytes([number]) + deflate.compress(text) + deflate.flush()

    def _unpacked(self, packed: bytes) -> Alert:
        inflate = zlib.decompressobj(_WINDOW, zdict=self._sample(packed[0]))
        values = json.loads(inflate.decompress(packed[1:]))
        values[_STATE] = AlertState(values[_STATE])
        return Alert(**dict(zip(_NAMES, values, strict=True)))

    def _sample(self, number: int) -> bytes:
        return self._samples[number] if number < len(self._samples) else b""


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
        found[key] = replace(alert, key=key, fingerprint="", labels=labels, values=_NONE, annotations=_NONE)
    return found


_NONE: Mapping[str, str] = {}
