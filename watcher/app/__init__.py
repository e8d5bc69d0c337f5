"""The composition root: the only place that names concrete classes.

Contract: `daemon` opens and wires everything and closes what it opened, `running` runs its loops, `run` is both until a
signal. Nothing below knows any of this.
"""

from watcher.app.clock import SystemClock, system_env
from watcher.app.daemon import Daemon, compile_rules, daemon, run, running, settle_memory

__all__ = ["Daemon", "SystemClock", "compile_rules", "daemon", "run", "running", "settle_memory", "system_env"]
