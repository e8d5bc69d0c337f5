"""Faults: what they are and which request meets which. `door.py` carries them out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

Status = Annotated[int, Meta(ge=100, le=599)]
Seconds = Annotated[float, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What goes wrong for requests to `path`, which is exact or holds `*`.

    First `delay` seconds pass. Then `reset` closes the connection without an answer; otherwise, where `status` or
    `body` is given, that is the answer, and where not, the usual one. `retry_after`, `headers` and `content_type` are
    laid over either. `truncate` announces the whole length, sends that many bytes and closes the connection.
    `after_accept` lets the request take effect before anything goes wrong: the outcome its sender cannot know.
    `count` requests meet the fault; without it, all until it is deleted.
    """

    path: Annotated[str, Meta(min_length=1)]
    status: Status | None = None
    retry_after: int | str | None = None
    delay: Seconds = 0
    body: Any | UnsetType = UNSET
    count: Positive | None = None
    headers: dict[str, str] = {}
    content_type: str | None = None
    truncate: Annotated[int, Meta(ge=0)] | None = None
    reset: bool = False
    after_accept: bool = False

    @property
    def answers(self) -> bool:
        """Whether it brings its own answer."""
        return self.status is not None or self.body is not UNSET


def matches(fault: Fault, path: str) -> bool:
    """Whether requests to `path` meet the fault."""
    return fault.path == path or fnmatchcase(path, fault.path)


def meet(faults: Mapping[int, Fault], path: str) -> tuple[int | None, dict[int, Fault]]:
    """The id of the oldest fault that a request to `path` meets, and the faults that are left for the next."""
    number = next((number for number, fault in faults.items() if matches(fault, path)), None)
    left = dict(faults)
    if number is not None:
        fault = left[number]
        if fault.count == 1:
            del left[number]
        elif fault.count is not None:
            left[number] = replace(fault, count=fault.count - 1)
    return number, left


@dataclass(slots=True, kw_only=True)
class Faults:
    """The faults still waiting for a request, by id, oldest first."""

    waiting: dict[int, Fault] = field(default_factory=dict)
    _made: int = 0

    def add(self, fault: Fault) -> int:
        """Keep a fault; its id."""
        self._made += 1
        self.waiting[self._made] = fault
        return self._made

    def drop(self, number: int) -> bool:
        """Forget a fault; whether there was one."""
        return self.waiting.pop(number, None) is not None

    def clear(self) -> None:
        """Forget all faults."""
        self.waiting = {}

    def meet(self, path: str) -> tuple[int | None, Fault | None]:
        """The fault that a request to `path` meets now, with its id. Uses up one of its count."""
        number, left = meet(self.waiting, path)
        fault = self.waiting[number] if number is not None else None
        self.waiting = left
        return number, fault
