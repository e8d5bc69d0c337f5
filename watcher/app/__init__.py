"""The composition root: the only place that names concrete classes.

Contract: `daemon` opens and wires everything and closes what it opened, `running` runs its loops, `run` is both until a
signal, with one configuration after the other (`turns`). Nothing below knows any of this.
"""

from watcher.app.assembling import compile_rules
from watcher.app.clock import SystemClock, system_env
from watcher.app.daemon import daemon, running, settle_memory
from watcher.app.parts import Daemon
from watcher.app.receivers import try_receiver
from watcher.app.reloading import Origin
from watcher.app.turns import run

__all__ = [
    "Daemon",
    "Origin",
    "SystemClock",
    "compile_rules",
    "daemon",
    "run",
    "running",
    "settle_memory",
    "system_env",
    "try_receiver",
]
