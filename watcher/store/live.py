"""What the API asks for, as it is inside a transaction: everything in one read, so that an answer fits together."""

from dataclasses import asdict

from watcher.core.alert import Alert
from watcher.core.group import Group
from watcher.core.sight import SourceState
from watcher.core.silence import Audit
from watcher.core.snapshot import Deployment
from watcher.ports import Inventory, Standing
from watcher.store import codec
from watcher.store.transaction import Params, Transaction

ALIVE = "alive"
"""The key under which it is noted when the daemon was last alive."""
_deployment = codec.record(Deployment)


def standing(tx: Transaction) -> Standing:
    """The alerts there are, and the groups in which they are told."""
    alerts, groups = told(tx)
    return Standing(alerts=alerts, groups=groups)


def told(tx: Transaction) -> tuple[list[Alert], list[Group]]:
    """Every alert, and every group with its alerts."""
    alerts = [codec.alert(row["body"]) for row in tx.rows("load_alerts")]
    by_key = {each.key: each for each in alerts}
    return alerts, [codec.whole(codec.group(row["body"]), by_key) for row in tx.rows("load_groups")]


def inventory(project: str, tx: Transaction) -> Inventory:
    """The Deployments there are, of one project or of all, and how well sources are seen."""
    wanted = {"project": project}
    return Inventory(
        deployments=[_deployment(row["body"]) for row in tx.rows("all_deployments", wanted)],
        runs=[codec.run(row["body"]) for row in tx.rows("load_runs")],
        sources=sources(tx),
    )


def sources(tx: Transaction) -> list[SourceState]:
    """How well every source is seen."""
    return [codec.source(row["body"]) for row in tx.rows("load_sources")]


def audit_row(audit: Audit) -> Params:
    """An entry of the record."""
    return asdict(audit)
