"""The ports: what the pipeline needs from the world, one Protocol each. Implementations live above and beside it."""

from watcher.ports.edges import Observation, Sink, Source, Sparing
from watcher.ports.logs import Explain, Fetch, Intake, LogBatch, LogMatching, LogWrite, Pushed, PushIntake, Receipt
from watcher.ports.operating import Operating
from watcher.ports.rows import (
    Act,
    Backlog,
    Inventory,
    Judgement,
    LedgerRows,
    OutboxStats,
    Pacing,
    Settled,
    SilenceRow,
    Standing,
    Waiting,
)
from watcher.ports.store import Store
from watcher.ports.world import Clock, Env

__all__ = [
    "Act",
    "Backlog",
    "Clock",
    "Env",
    "Explain",
    "Fetch",
    "Intake",
    "Inventory",
    "Judgement",
    "LedgerRows",
    "LogBatch",
    "LogMatching",
    "LogWrite",
    "Observation",
    "Operating",
    "OutboxStats",
    "Pacing",
    "PushIntake",
    "Pushed",
    "Receipt",
    "Settled",
    "SilenceRow",
    "Sink",
    "Source",
    "Sparing",
    "Standing",
    "Store",
    "Waiting",
]
