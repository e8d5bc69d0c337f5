"""Faults: what they are and which request meets which. `door.py` carries them out."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from watcher.simulator.bodies import SMALLEST_PAGE
from watcher.simulator.duration import read_offset

Status = Annotated[int, Meta(ge=100, le=599)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Size = Annotated[int, Meta(ge=1, le=1 << 40)]
HeaderName = Annotated[str, Meta(pattern=r"\A[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")]
HeaderText = Annotated[str, Meta(pattern=r"\A[^\x00-\x08\x0a-\x1f\x7f]*\Z")]
"""What a header can hold; anything else would be another header."""

BODIES = ("body", "body_base64", "garbage", "gzip_bomb", "huge_page")
"""The ways to bring a body of one's own."""
OVERLAYS = ("status", *BODIES, "headers", "content_type", "retry_after", "drip", "truncate")
"""What needs an answer that it can be seen on."""
BODILESS = (204, 304)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What goes wrong for requests to `path`, which is exact or holds `*`, and with `method`, where one is given.

    First the service itself may be hit: `clock_jump` sets its wall clock wrong by that much (`"-2h"`, or seconds),
    `revoke_tokens` ends all tokens. Then `delay` seconds pass. Then `reset` closes the connection without an answer;
    otherwise, where `status` or a body is given, that is the answer, and where not, the usual one. A body is `body`
    (JSON, or a text as it is), `body_base64`, `garbage` (that many random bytes), `gzip_bomb` (a compressed body that
    unpacks to that many bytes) or `huge_page` (a list page of that many bytes). `retry_after`, `headers` and
    `content_type` are laid over either. `drip` seconds pass between any two bytes of the body. `truncate` announces the
    whole length, sends that many bytes and closes the connection. `after_accept` lets the request take effect before
    anything goes wrong: the outcome its sender cannot know. `count` requests meet the fault; without it, all until it
    is deleted.
    """

    path: Annotated[str, Meta(min_length=1)]
    method: Annotated[str, Meta(pattern="^[A-Z]+$")] | None = None
    status: Status | None = None
    retry_after: int | HeaderText | None = None
    delay: Seconds = 0
    body: Any | UnsetType = UNSET
    body_base64: str | UnsetType = UNSET
    garbage: Size | None = None
    gzip_bomb: Size | None = None
    huge_page: Annotated[int, Meta(ge=SMALLEST_PAGE, le=1 << 40)] | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    headers: dict[HeaderName, HeaderText] = {}
    content_type: HeaderText | None = None
    drip: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    truncate: Annotated[int, Meta(ge=0)] | None = None
    reset: bool = False
    after_accept: bool = False
    clock_jump: int | float | str | None = None
    revoke_tokens: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError where its parts contradict each other."""
        bodies = given(self, BODIES)
        if len(bodies) > 1:
            raise ValueError(f"one body at a time, not {' and '.join(bodies)}")
        if self.reset and (overlays := given(self, OVERLAYS)):
            raise ValueError(f"after a reset nothing is sent: take out {' and '.join(overlays)}")
        if self.status in BODILESS and (bodies or self.drip):
            raise ValueError(f"an answer with status {self.status} has no body")
        if self.gzip_bomb is not None and self.truncate is not None:
            raise ValueError("the length of a gzip_bomb is not announced, so truncate cannot fall short of it")
        if any(name.lower() == "content-length" for name in self.headers):
            raise ValueError("an answer is as long as it is; truncate ends it early")
        self.content  # noqa: B018  has to be readable
        self.jump  # noqa: B018  same

    @property
    def answers(self) -> bool:
        """Whether it brings its own answer."""
        return self.status is not None or bool(given(self, BODIES))

    @property
    def content(self) -> bytes | None:
        """The bytes of `body_base64`."""
        if isinstance(self.body_base64, UnsetType):
            return None
        try:
            return b64decode(self.body_base64, validate=True)
        except ValueError:
            raise ValueError("body_base64 is not base64") from None

    @property
    def jump(self) -> int | None:
        """How far off the wall clock is from then on, in milliseconds."""
        return None if self.clock_jump is None else read_offset(self.clock_jump)


def given(fault: Fault, names: tuple[str, ...]) -> list[str]:
    """Those of the fields that were given."""
    defaults: dict[str, Any] = {"body": UNSET, "body_base64": UNSET, "headers": {}}
    return [name for name in names if getattr(fault, name) != defaults.get(name)]


def matches(fault: Fault, path: str, method: str) -> bool:
    """Whether such a request meets the fault."""
    return fault.method in {None, method} and (fault.path == path or fnmatchcase(path, fault.path))


def meet(faults: Mapping[int, Fault], path: str, method: str) -> tuple[int | None, dict[int, Fault]]:
    """The id of the oldest fault that such a request meets, and the faults that are left for the next."""
    number = next((number for number, fault in faults.items() if matches(fault, path, method)), None)
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

    def meet(self, path: str, method: str) -> tuple[int | None, Fault | None]:
        """The fault that such a request meets now, with its id. Uses up one of its count."""
        number, left = meet(self.waiting, path, method)
        fault = self.waiting[number] if number is not None else None
        self.waiting = left
        return number, fault
