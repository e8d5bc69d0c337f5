"""What each verb of a scenario does to the simulation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from watcher.simulator.auth import Tokens
from watcher.simulator.clock import Adjustable
from watcher.simulator.faults import Fault, Faults
from watcher.simulator.lifecycle import Outcome
from watcher.simulator.logbook import Logbook
from watcher.simulator.payload import apps_of
from watcher.simulator.state import Resource, World
from watcher.simulator.steps import (
    Burst,
    Change,
    ChangeWhere,
    Comment,
    ConnectorChange,
    Deploy,
    DraftChange,
    Edit,
    Fleet,
    Named,
    Plan,
    Publish,
    Redeploy,
    RequestedOf,
    Rollback,
    Selection,
    Step,
    Target,
    Writing,
)
from watcher.simulator.timeline import Timeline

Turn: TypeAlias = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a scenario is played on. `project` is the one it means when it names none."""

    project: str
    world: World
    logbook: Logbook
    faults: Faults
    tokens: Tokens
    clock: Adjustable
    timeline: Timeline

    def project_of(self, target: Target | RequestedOf) -> str:
        """The project a step is about."""
        return target.project or self.project

    def find(self, target: Target) -> Resource:
        """A step's Deployment. Raises ApiError 404."""
        return self.world.by_key(self.project_of(target), target.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Turns to be taken one by one, evenly over a length of scenario time."""

    turns: Sequence[Turn] = ()
    over: int = 0

    def moments(self, begin: int) -> Iterator[tuple[int, Turn]]:
        """Each turn and its moment."""
        return ((begin + self.over * n // len(self.turns), turn) for n, turn in enumerate(self.turns))


def perform(stage: Stage, step: Step) -> Spread:
    """Do what a step says; what of it is spread over time is left to be done. Raises ApiError."""
    left = MOVES[step.verb](stage, getattr(step, step.verb))
    return left if isinstance(left, Spread) else Spread()


# ── Deployments ──────────────────────────────────────────────────────────────


def create(stage: Stage, part: Change) -> None:
    """One Deployment."""
    stage.world.create([stage.project_of(part)], 1, {"key": part.key, **part.fields})


def create_fleet(stage: Stage, part: Fleet) -> None:
    """Many Deployments."""
    stage.world.create(part.projects or [stage.project], part.count, {"keyPrefix": part.key_prefix, **part.fields})


def change(stage: Stage, part: Change) -> None:
    """Fields of one Deployment."""
    stage.world.update(stage.find(part).id, part.fields)


def change_where(stage: Stage, part: ChangeWhere) -> Spread:
    """Fields of those chosen now, each in its turn."""
    ids = chosen(stage.world, part)
    return Spread(turns=[partial(stage.world.update, one, part.fields) for one in ids], over=part.over)


def delete(stage: Stage, part: Target) -> None:
    """One Deployment, at once."""
    stage.world.delete(stage.find(part).id)


def deploy(stage: Stage, part: Deploy) -> None:
    """A Deployment asked for, with every application and every required key of its Connector configured."""
    world, staged = stage.world, part.type == "preview"
    connector = (world.draft_by_key if staged else world.connector_by_key)(part.connector).payload
    draft = {
        "key": part.key,
        "type": part.type,
        "connector": {"key": part.connector, "staged": staged},
        "configurations": [{"applicationName": name} for name, _kind in apps_of(connector)],
        "globalConfiguration": required(connector.get("globalConfiguration") or {}),
        "region": part.region,
    }
    world.request_deploy(stage.project_of(part), draft)


def required(declared: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """A value for each key that has to have one."""
    return {
        half: [{"key": one["key"], "value": one.get("default") or "any"} for one in keys if one.get("required")]
        for half, keys in declared.items()
    }


def redeploy(stage: Stage, part: Redeploy) -> Spread:
    """A redeploy action for each."""
    switches = {"updateConnector": part.update_connector, "skipScripts": part.skip_scripts}

    def turn(deployment_id: str) -> None:
        found = stage.world.by_id(deployment_id)
        update = {"version": version_of(found), "actions": [{"action": "redeploy", **switches}]}
        stage.world.request_redeploy(found.project, ("id", found.id), update)

    return requested(stage, part, turn)


def undeploy(stage: Stage, part: RequestedOf) -> Spread:
    """A DELETE for each."""

    def turn(deployment_id: str) -> None:
        found = stage.world.by_id(deployment_id)
        stage.world.request_undeploy(found.project, ("id", found.id), version_of(found))

    return requested(stage, part, turn)


def rollback(stage: Stage, part: Rollback) -> Resource:
    """A rollback; the Deployment as it is then."""
    return stage.world.request_rollback(stage.project_of(part), ("key", part.key), part.revision)


def requested(stage: Stage, part: RequestedOf, turn: Callable[[str], None]) -> Spread:
    """A turn for each Deployment that is meant now."""
    if part.where is not None:
        ids = chosen(stage.world, part)
    else:
        ids = [stage.world.by_key(stage.project_of(part), part.key or "").id]
    return Spread(turns=[partial(turn, one) for one in ids], over=part.over)


def chosen(world: World, part: Selection | RequestedOf) -> Sequence[str]:
    """The ids of the Deployments that are now as `where` says, no more than the limit."""
    where = {str(name): value for name, value in (part.where or {}).items()}
    return [found.id for found in islice(world.where(where), part.limit)]


def version_of(found: Resource) -> Any:
    """The version that a request has to name."""
    return found.payload.get("version")


# ── Connectors ───────────────────────────────────────────────────────────────


def create_draft(stage: Stage, part: DraftChange) -> None:
    """One ConnectorStaged."""
    stage.world.create_drafts(1, {"key": part.key, **part.fields})


def change_draft(stage: Stage, part: DraftChange) -> None:
    """Fields of one ConnectorStaged."""
    stage.world.update_draft(stage.world.draft_by_key(part.key).id, part.fields)


def delete_draft(stage: Stage, part: Named) -> None:
    """One ConnectorStaged, at once."""
    stage.world.delete_draft(stage.world.draft_by_key(part.key).id)


def preview(stage: Stage, part: Named) -> None:
    """A request for previewable status."""
    ask(stage, part, {"action": "updatePreviewable"})


def publish(stage: Stage, part: Publish) -> None:
    """A request to publish."""
    ask(stage, part, {"action": "publish", "certification": part.certification})


def edit(stage: Stage, part: Edit) -> None:
    """Update actions of any kind."""
    ask(stage, part, *part.actions)


def comment(stage: Stage, part: Comment) -> None:
    """A comment of the certification."""
    ask(stage, part, {"action": "addCertificationComment", "comment": part.comment})


def ask(stage: Stage, part: Named, *actions: Mapping[str, Any]) -> None:
    """Update actions for a ConnectorStaged."""
    version = version_of(stage.world.draft_by_key(part.key))
    update = {"version": version, "actions": list(actions)}
    stage.world.request_draft_update(("key", part.key), update, author=stage.project)


def create_connector(stage: Stage, part: ConnectorChange) -> None:
    """One published Connector."""
    stage.world.create_connectors(1, {"key": part.key, **part.fields})


def change_connector(stage: Stage, part: ConnectorChange) -> None:
    """Fields of one published Connector."""
    stage.world.update_connector(stage.world.connector_by_key(part.key).id, part.fields)


def plan(stage: Stage, part: Plan) -> None:
    """What the next requests come to."""
    stage.world.plan(part.kind, part.key, outcome_of(part), None if part.count == "all" else part.count)


def outcome_of(part: Plan) -> Outcome:
    """The same in the world's words."""
    return Outcome(result=part.result, entries=part.entries, cause=part.cause, comments=part.comments)


# ── around them ──────────────────────────────────────────────────────────────


def write_logs(stage: Stage, part: Burst) -> None:
    """Records that an application writes from now on."""
    write(stage, stage.find(part), part)


def write(stage: Stage, found: Resource, part: Writing) -> int:
    """Let an application of a Deployment write, over a length of scenario time; how many records that made."""
    begin = stage.timeline.elapsed()
    start, end, late = (stage.timeline.wall(moment) for moment in (begin, begin + part.over, begin + part.late))
    return stage.logbook.burst(
        found.payload,
        part.application,
        part.shape,
        part.count,
        start,
        end - start,
        late - start,
        part.duplicates,
    )


def expire_cursors(stage: Stage, _part: bool) -> None:
    """All page tokens of logs."""
    stage.logbook.expire_cursors()


def add_fault(stage: Stage, part: Fault) -> None:
    """One fault."""
    stage.faults.add(part)


def clear_faults(stage: Stage, _part: bool) -> None:
    """All faults."""
    stage.faults.clear()


def jump(stage: Stage, part: int) -> None:
    """The wall clock is wrong from now on."""
    stage.clock.offset = part


def revoke_tokens(stage: Stage, _part: bool) -> None:
    """All tokens."""
    stage.tokens.revoke()


MOVES: Mapping[str, Callable[[Stage, Any], object]] = {
    "create": create,
    "fleet": create_fleet,
    "set": change,
    "set_where": change_where,
    "delete": delete,
    "deploy": deploy,
    "redeploy": redeploy,
    "undeploy": undeploy,
    "rollback": rollback,
    "draft": create_draft,
    "set_draft": change_draft,
    "delete_draft": delete_draft,
    "edit": edit,
    "preview": preview,
    "publish": publish,
    "comment": comment,
    "connector": create_connector,
    "set_connector": change_connector,
    "plan": plan,
    "logs": write_logs,
    "expire_cursors": expire_cursors,
    "fault": add_fault,
    "clear_faults": clear_faults,
    "clock_jump": jump,
    "revoke_tokens": revoke_tokens,
}
"""What each verb does."""
