"""The simulated world: everything in it, raw moves, legal requests, and the passing of time.

Raw moves set any field to anything at once; they are what scenarios and the control API make. Legal requests follow the
rules of the Connect API; they are what its endpoints are made of. Time passes when somebody looks: `catch_up` makes every
move whose moment has come, dated by that moment.

    lifecycle, actions → progress → connectors → stock → deploying, publishing → state
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watcher.simulator import deploying, publishing
from watcher.simulator.actions import comments_of
from watcher.simulator.connectors import Reference
from watcher.simulator.errors import invalid_json
from watcher.simulator.lifecycle import CONNECTOR_STAGED, DEPLOYMENT, GONE, RESULTS, Move, Outcome, is_lawful
from watcher.simulator.payload import addressed
from watcher.simulator.resource import Resource
from watcher.simulator.stock import Stock

__all__ = ["Reference", "Resource", "World"]

CERTIFIER = "commercetools"
"""Whose comments a certification makes."""


@dataclass(slots=True, kw_only=True)
class World(Stock):
    """The resources of one simulation, with everything that can be done to them."""

    # ── time ─────────────────────────────────────────────────────────────────

    def catch_up(self) -> None:
        """Make every move whose time has come."""
        for at, (course, found), move in self.progress.due():
            if course == "deployment":
                self._move_deployment(found, move, at)
            else:
                self._move_draft(found, move, at)

    def plan(self, kind: str, key: str, outcome: Outcome, count: int | None = 1) -> None:
        """What the next `count` courses of a kind (`None`: all) come to, for the resource of that key, or `*`.

        The key is that of a Deployment, else of a Connector or ConnectorStaged. Raises ApiError 400 where the kind or
        the result is none.
        """
        results = RESULTS.get(kind, ())
        if outcome.result not in results:
            raise invalid_json(f"there is no {kind} with the result {outcome.result}; results: {', '.join(results)}")
        self.plans.add(kind, key, outcome, count)

    def _move_deployment(self, deployment_id: str, move: Move, at: int) -> None:
        old = self.by_id(deployment_id)
        changes = dict(move.changes)
        if not is_lawful(DEPLOYMENT, old.payload, {"status": GONE} if move.gone else changes):
            return
        if move.gone:
            self.delete(deployment_id)
            return
        deployed = changes.get("status") == "Deployed"
        if deployed:
            changes["applications"] = addressed(old.payload)
        new = self.alter_deployment(old, changes, at)
        if deployed and self.logbook is not None:
            self.logbook.deployed(new.payload, at)

    def _move_draft(self, draft_id: str, move: Move, at: int) -> None:
        old = self.draft(("id", draft_id))
        changes = dict(move.changes)
        if not is_lawful(CONNECTOR_STAGED, old.payload, changes):
            return
        made = [{"userId": CERTIFIER, "comment": text} for text in changes.pop("comments", ())]
        if made:
            changes["certificationInfo"] = {"comments": [*comments_of(old.payload), *made]}
        self.alter_draft(old, changes, at)

    # ── requests ─────────────────────────────────────────────────────────────

    def request_deploy(self, project: str, draft: Mapping[str, Any], *, clients: bool = True) -> Resource:
        """POST a DeploymentDraft; `clients` says whether its sender may have an API Client made. Raises ApiError."""
        return deploying.request_deploy(self, project, draft, clients=clients)

    def request_redeploy(self, project: str, ref: Reference, update: Mapping[str, Any]) -> Resource:
        """POST a DeploymentUpdate. Raises ApiError."""
        return deploying.request_redeploy(self, project, ref, update)

    def request_undeploy(self, project: str, ref: Reference, version: int | None = None) -> Resource:
        """DELETE a Deployment. Raises ApiError."""
        return deploying.request_undeploy(self, project, ref, version)

    def request_rollback(self, project: str, ref: Reference, number: int | None = None) -> Resource:
        """Roll a Deployment back to a revision, by default its last good one. Raises ApiError."""
        return deploying.request_rollback(self, project, ref, number)

    def request_draft_create(self, draft: Mapping[str, Any]) -> Resource:
        """POST a ConnectorStagedDraft. Raises ApiError."""
        return publishing.request_draft_create(self, draft)

    def request_draft_update(self, ref: Reference, update: Mapping[str, Any], author: str = "") -> Resource:
        """POST a ConnectorUpdate. Raises ApiError."""
        return publishing.request_draft_update(self, ref, update, author)

    def request_draft_delete(self, ref: Reference, version: int | None = None) -> Resource:
        """DELETE a ConnectorStaged. Raises ApiError."""
        return publishing.request_draft_delete(self, ref, version)
