"""The store: everything that must survive the process, behind the `Store` port.

* Every verb is one transaction. When it returns, what it wrote survives a crash and a power cut; when it raises
  StoreError, nothing was written, and the same call may be made again once the cause is gone.
* Whoever waits for a verb may be cancelled: the transaction still ends as it would have.
* Events are numbered in the order of their commit, and a number is never given twice. A lane of the outbox is worked off
  in the order in which its rows were added.
* Settled deliveries never change; a delivery id is taken once.
* Text has no lone surrogates, and an integer column holds 64 bits.

One database is one process's: a lock file keeps a second one out. SQL is data (`queries/*.sql`, the subset that SQLite and
PostgreSQL share); the verbs are written once over `transaction.Transaction`, so that another engine is one more driver
and its own migrations, under the same contract suite.
"""

from watcher.ports import Clock, Store
from watcher.store.opening import locate, open_sound
from watcher.store.runner import OwnThread, inline
from watcher.store.store import SqlStore
from watcher.store.transaction import Run
from watcher.store.upkeep import Report, check, upgrade

__all__ = ["Report", "check", "inline", "locate", "open_store", "upgrade"]


async def open_store(url: str, *, clock: Clock, run: Run | None = None) -> Store:
    """Open the database that a URL names and bring its schema up to date.

    `sqlite:///relative.db`, `sqlite:////absolute/path.db`, or `sqlite://` for one in memory. `run` is where the
    connection lives: a thread of its own unless it is given. Raises StoreError, saying which file and what to do.
    """
    path, now = locate(url), clock.now()
    thread = OwnThread()
    run = run or thread
    try:
        driver, _ = await run(lambda: open_sound(path, now))
    except BaseException:
        thread.stop()
        raise
    return SqlStore(driver, run=run, clock=clock, on_close=thread.stop)
