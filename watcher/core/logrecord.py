"""Log records: what an application wrote, whichever way it reached us, and what little of it is kept.

A record is raw, passes through matching and is gone; only hits are redacted and kept, and one tally for each minute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from watcher.core.duration import Millis

HTTP_REQUEST, TEXT, JSON = "HTTP_REQUEST", "APPLICATION_TEXT", "APPLICATION_JSON"
"""The types of a DeploymentLog in the official specification; any other is tolerated and matched as it is."""
MINUTE: Millis = 60_000
RETENTION_DAYS = 30
"""How long Connect keeps a log record, in the official specification's words: "up to 30 days in the past"."""


class LogRecord(NamedTuple):
    """One record, polled or pushed. A tuple, because nothing cheaper has names and hundreds of thousands pass a second.

    `message` and `details` are foreign and raw. `level` is the effective one, `severity` what the platform says.
    `details` is the JSON of a structured record, as bytes, as what can be read like bytes, or as what makes them when called,
    for matchers on its fields; empty for a line of text. `path` has no
    query. `latency` is in milliseconds; it, `status`, `method` and `path` are those of an HTTP request. `project` is
    empty where a record does not say it. `key` is equal for equal records and, within a millisecond of one application,
    different for those that say something different; it does not depend on the process.
    """

    deployment_id: str
    application: str
    type: str
    severity: str
    level: str
    at: Millis
    message: str
    method: str = ""
    path: str = ""
    status: int = 0
    latency: Millis = 0
    details: Any = b""
    project: str = ""
    key: int = 0


class Line(NamedTuple):
    """What is remembered of a record for a while, so that a failure can be explained."""

    at: Millis
    application: str
    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Records that one rule matched, reduced to what judging needs. `message` is redacted.

    `count` records were written from `at` to `last`. They are of one Deployment and application and have the same
    `labels` (those of the rule's `by` among them) and the same `template`. `key` is equal for the same records, however
    they were delivered.
    """

    rule: str
    deployment_id: str
    application: str
    at: Millis
    last: Millis
    count: int = 1
    level: str = ""
    message: str = ""
    template: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


class Place(NamedTuple):
    """Which application of which Deployment, and in which minute since the epoch (0: in all of them)."""

    project: str
    deployment_id: str
    application: str
    minute: int = 0


@dataclass(slots=True)
class Tally:
    """How much an application wrote. `errors` are records of level ERROR and above; `http_4xx` and `http_5xx` are among `http`."""

    records: int = 0
    errors: int = 0
    http: int = 0
    http_4xx: int = 0
    http_5xx: int = 0

    def add(self, other: "Tally") -> None:
        """Count the other one in."""
        self.records += other.records
        self.errors += other.errors
        self.http += other.http
        self.http_4xx += other.http_4xx
        self.http_5xx += other.http_5xx


class Matched(NamedTuple):
    """What a batch of records came to."""

    hits: list[Hit]
    tallies: dict[Place, Tally]
