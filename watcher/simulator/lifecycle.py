"""The lifecycles of Deployments and of ConnectorStaged: what may be asked for in which status, and what follows.

Standard library only, and no time of its own. `may_…` says why a request is refused, by the tables of legal moves. What
follows is a `Course`: fields that change at once, and moves that come later, each so many milliseconds of scenario time
after the beginning. A field set to `None` vanishes. What a course comes to is the `Outcome` that its caller chose. The
later moves of a course go by the same tables, so that nothing but a raw change leaves them.

Sources of the less obvious rules:
- Redeploying is allowed in Draft, Deployed, Failed and UndeployFailed. Deleting has no documented rule of its own, so it
  is allowed in the same states.
- A ConnectorStaged cannot be updated while it is Processing, and not deleted while Deployments of it are active. No
  error code is documented for either, so it is the general one of a bad request, whose `detailedErrorMessage` says why.
  Nothing says either which Deployments are active: here all of which something runs, or may run before long.
- Certification refuses a second request by two errors of its own, and only where certification was asked for; so a
  private publication may cut a certification short.
- A new repository or tag takes a ConnectorStaged back to Draft without either report, and the preview has to be
  requested again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
Entry: TypeAlias = dict[str, Any]
Moves: TypeAlias = Mapping[str, frozenset[str]]
"""By state, the states that it may lead to."""
Tables: TypeAlias = Mapping[str, Moves]
"""The moves of each field of a resource that has a lifecycle."""

GONE = "gone"
"""Where a Deployment is after Undeploying: not a status, there is nothing left to have one."""

DEPLOYMENT_MOVES: Moves = {
    "Draft": frozenset({"Queued", "Undeploying"}),
    "Queued": frozenset({"Deploying"}),
    "Deploying": frozenset({"Deployed", "Failed"}),
    "Deployed": frozenset({"Queued", "Undeploying"}),
    "Failed": frozenset({"Queued", "Undeploying"}),
    "Undeploying": frozenset({GONE, "UndeployFailed"}),
    "UndeployFailed": frozenset({"Queued", "Undeploying"}),
}
CONNECTOR_MOVES: Moves = {
    "Draft": frozenset({"Processing"}),
    "Processing": frozenset({"ReadyForCertification", "Published", "Failed"}),
    "ReadyForCertification": frozenset({"InCertification", "Processing", "Draft"}),
    "InCertification": frozenset({"Published", "Failed", "Processing", "Draft"}),
    "Published": frozenset({"Processing", "Draft"}),
    "Failed": frozenset({"Processing", "Draft"}),
}
PREVIEW_MOVES: Moves = {
    "none": frozenset({"pending"}),
    "pending": frozenset({"true", "false", "none"}),
    "true": frozenset({"pending", "none"}),
    "false": frozenset({"pending", "none"}),
}
"""`isPreviewable`, which is a text, not a truth value. From pending to none is a request that was cancelled."""

DEPLOYMENT: Tables = {"status": DEPLOYMENT_MOVES}
CONNECTOR_STAGED: Tables = {"status": CONNECTOR_MOVES, "isPreviewable": PREVIEW_MOVES}

IDLE = frozenset({"Draft", "Failed"})
"""The statuses of a Deployment of which nothing runs, and nothing is under way: it is not active."""

DEPLOYABLE: Mapping[bool, tuple[str, ...]] = {True: ("preview",), False: ("sandbox", "production")}
"""The types of Deployment that a ConnectorStaged (`True`) and a published Connector can have."""

RESULTS: Mapping[str, tuple[str, ...]] = {
    "deploy": ("Deployed", "Failed", "Warning", "stuck"),
    "undeploy": (GONE, "UndeployFailed", "stuck"),
    "preview": ("true", "false", "none", "stuck"),
    "publish": ("Published", "Failed", "stuck", "ReadyForCertification", "InCertification", "Rejected"),
}
"""What each kind of course can come to; the first is success.

`stuck` never leaves the status it is in. `Warning` is Deployed with a script that failed. A publication can also stay
at a stage of certification, or be `Rejected` at its end; a private one has no such stages and is Published.
"""

CHECKS = ("Image security analysis", "SAST and SCA analysis", "Connector specification file validation")
BUSY = "The publish request of the ConnectorStaged is being processed"
SCRIPT_FAILED = "Failed during the execution of '{}' script"


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long each stage takes, in milliseconds of scenario time."""

    queued: int = 5_000
    deploying: int = 60_000
    undeploying: int = 30_000
    previewing: int = 60_000
    processing: int = 60_000
    certifying: int = 60_000
    certification: int = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a course comes to. `entries` replace the report it would have; `cause` is the message of the usual entry.

    `comments` are made when certification begins.
    """

    result: str = "Deployed"
    entries: tuple[Entry, ...] = ()
    cause: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One later step of a course, `after` milliseconds from its beginning. `gone`: the resource is no more."""

    after: int
    changes: Fields = field(default_factory=dict)
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What follows from a request: at once, and later in order of time."""

    at_once: Fields
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is refused: the official error code and the words that complete its message."""

    code: str
    words: Fields = field(default_factory=dict)


# ── Deployments ──────────────────────────────────────────────────────────────


def deploy(
    build: str, durations: Durations, outcome: Outcome, *, application: str | None = None, skip_scripts: bool = False
) -> Course:
    """A new attempt under the build id `build`: Queued, Deploying and what the outcome says.

    `application` is the one that a failure is blamed on.
    """
    status = "Deployed" if outcome.result == "Warning" else outcome.result
    entries = deploy_entries(outcome, application)
    if skip_scripts:
        entries = [entry for entry in entries if not about_script(entry)]
    moves = [Move(after=durations.queued, changes={"status": "Deploying"})]
    if outcome.result != "stuck":
        changes = {"status": status, "details": details(build, entries)}
        moves.append(Move(after=durations.queued + durations.deploying, changes=changes))
    return Course(at_once={"status": "Queued", "details": details(build)}, moves=tuple(moves))


def undeploy(build: str, durations: Durations, outcome: Outcome, *, application: str | None = None) -> Course:
    """The end of a Deployment: Undeploying, then nothing is left, or UndeployFailed."""
    at_once = {"status": "Undeploying"}
    if outcome.result == "stuck":
        return Course(at_once=at_once)
    if outcome.result == GONE:
        return Course(at_once=at_once, moves=(Move(after=durations.undeploying, gone=True),))
    entries = list(outcome.entries) or [report_entry("Error", script_failed("preUndeploy"), outcome.cause, application)]
    changes = {"status": "UndeployFailed", "details": details(build, entries)}
    return Course(at_once=at_once, moves=(Move(after=durations.undeploying, changes=changes),))


def may_deploy(kind: str, *, staged: bool, previewable: str | None) -> Iterator[str]:
    """The official codes of what keeps a ConnectorStaged, or a published Connector, from being deployed as `kind`."""
    if kind not in DEPLOYABLE[staged]:
        yield "DeploymentInvalidType"
    if staged and not is_previewable(previewable):
        yield "ConnectorStagedNotPreviewable"


def is_previewable(previewable: object) -> bool:
    """Whether a ConnectorStaged in that state of `isPreviewable` can have previews."""
    return previewable == "true"


def is_stale(current: object, expected: int) -> bool:
    """Whether a request that expects one version of a resource meets another."""
    return isinstance(current, int) and current != expected


def is_lawful(tables: Tables, before: Fields, changes: Fields) -> bool:
    """Whether every state among the changes is one that the resource is in already, or may come to from where it is."""
    return all(
        name not in changes
        or changes[name] == before.get(name)
        or changes[name] in reachable(moves, before.get(name), changes[name])
        for name, moves in tables.items()
    )


def reachable(moves: Moves, state: object, otherwise: str) -> frozenset[str]:
    """Where a state leads to. A raw change may have set it to anything; what is no documented state leads `otherwise`."""
    return moves.get(state, frozenset({otherwise})) if isinstance(state, str) else frozenset({otherwise})


def may_redeploy(status: str | None) -> Refusal | None:
    """Why a Deployment may not be deployed again."""
    return illegal(status, "Queued")


def may_undeploy(status: str | None) -> Refusal | None:
    """Why a Deployment may not be deleted."""
    return illegal(status, "Undeploying")


def illegal(status: str | None, wanted: str) -> Refusal | None:
    """The official refusal where a Deployment cannot go from `status` to `wanted`."""
    if wanted in DEPLOYMENT_MOVES.get(status or "", ()):
        return None
    return Refusal(
        code="DeploymentInvalidStatusTransition", words={"state": f"Already {(status or 'unknown').lower()}"}
    )


def deploy_entries(outcome: Outcome, application: str | None) -> list[Entry]:
    """The report of an attempt."""
    if outcome.entries:
        return list(outcome.entries)
    if outcome.result == "Failed":
        cause = outcome.cause or "npm ci exited with code 1"
        return [report_entry("Error", "Failed during the build of the application", cause, application)]
    if outcome.result == "Warning":
        return [report_entry("Warning", script_failed("postDeploy"), outcome.cause, application)]
    return []


def script_failed(script: str) -> str:
    """How the API words the failure of a Connector's script."""
    return SCRIPT_FAILED.format(script)


def about_script(entry: Entry) -> bool:
    """Whether a report entry is about a script of the Connector, so that there is none where scripts are skipped."""
    return "' script" in str(entry.get("title"))


def details(build: str, entries: Sequence[Entry] | None = None) -> dict[str, Any]:
    """`details` of a Deployment; without entries there is no report yet."""
    report = {} if entries is None else {"report": {"entries": list(entries)}}
    return {"build": {"id": build, **report}}


# ── ConnectorStaged ──────────────────────────────────────────────────────────


def may_edit(status: str | None) -> Refusal | None:
    """Why a ConnectorStaged may not be updated at all."""
    return Refusal(code="InvalidJsonInput", words={"detailedErrorMessage": BUSY}) if is_busy(status) else None


def is_busy(status: str | None) -> bool:
    """Whether a ConnectorStaged is in a status that leads nowhere but on. An undocumented one is no obstacle."""
    return status != "Draft" and "Draft" not in reachable(CONNECTOR_MOVES, status, "Draft")


def may_remove(status: str | None, deployments: Iterable[str | None] = ()) -> Refusal | None:
    """Why a ConnectorStaged may not be deleted; `deployments` are the statuses of those of it and of its Connector."""
    why = BUSY if is_busy(status) else "" if IDLE.issuperset(deployments) else "The Connector has active Deployments"
    return Refusal(code="InvalidPathParam", words={"detailedErrorMessage": why}) if why else None


def new_repository() -> Course:
    """What becomes of a ConnectorStaged that is given another repository or tag."""
    nothing = dict.fromkeys(("publishingReport", "previewableReport"))
    return Course(at_once={"status": "Draft", "isPreviewable": "none", **nothing})


def may_preview(previewable: str | None) -> Refusal | None:
    """Why previewable status may not be requested."""
    free = "pending" in reachable(PREVIEW_MOVES, previewable, "pending")
    return None if free else Refusal(code="ConnectorStagedPreviewRequestUnderProcess")


def preview(durations: Durations, outcome: Outcome) -> Course:
    """A request for previewable status: pending, then what the outcome says."""
    at_once = {"isPreviewable": "pending", "previewableReport": None}
    if outcome.result == "stuck":
        return Course(at_once=at_once)
    changes: dict[str, Any] = {"isPreviewable": outcome.result}
    if outcome.result != "none":
        changes["previewableReport"] = {"entries": check_entries(outcome, passed=outcome.result == "true")}
    return Course(at_once=at_once, moves=(Move(after=durations.previewing, changes=changes),))


def may_publish(status: str | None, *, certification: bool, certified: bool) -> Refusal | None:
    """Why a ConnectorStaged may not be published. `certified`: what is certified already is this very version."""
    if "Processing" not in reachable(CONNECTOR_MOVES, status, "Processing"):
        return may_edit(status)
    if certification and status in {"ReadyForCertification", "InCertification"}:
        return Refusal(code="ConnectorStagedInCertification")
    if certification and certified:
        return Refusal(code="ConnectorAlreadyCertified")
    return None


def publish(durations: Durations, outcome: Outcome, *, certification: bool) -> Course:
    """A publication, by way of certification or not."""
    at_once = {"status": "Processing", "publishingReport": None, "private": not certification}
    stages = certified_stages(durations) if certification else [(durations.processing, "Published")]
    return Course(at_once=at_once, moves=tuple(stage_moves(stages, outcome, listed=certification)))


def certified_stages(durations: Durations) -> list[tuple[int, str]]:
    """When each status of a certified publication begins."""
    ready = durations.processing
    certifying = ready + durations.certifying
    return [
        (ready, "ReadyForCertification"),
        (certifying, "InCertification"),
        (certifying + durations.certification, "Published"),
    ]


def stage_moves(stages: Sequence[tuple[int, str]], outcome: Outcome, *, listed: bool) -> list[Move]:
    """The moves of a publication through its stages. The report comes with the first, comments with certification."""
    moves: list[Move] = []
    for after, status in cut(stages, outcome.result):
        changes: dict[str, Any] = {"status": status}
        if not moves:
            changes["publishingReport"] = {"entries": check_entries(outcome, passed=status != "Failed")}
        if status == "InCertification" and outcome.comments:
            changes["comments"] = outcome.comments
        if status == "Published":
            changes |= {"alreadyListed": listed, "hasChanges": False}
        moves.append(Move(after=after, changes=changes))
    return moves


def cut(stages: Sequence[tuple[int, str]], result: str) -> list[tuple[int, str]]:
    """The stages that a publication with this result goes through."""
    if result == "stuck":
        return []
    if result == "Failed":
        return [(stages[0][0], "Failed")]
    if result == "Rejected" and len(stages) > 1:
        return [*stages[:-1], (stages[-1][0], "Failed")]
    names = [status for _, status in stages]
    return list(stages[: names.index(result) + 1]) if result in names else list(stages)


def check_entries(outcome: Outcome, *, passed: bool) -> list[Entry]:
    """The report of the checks: all succeeded, or the last of them did not."""
    if outcome.entries:
        return list(outcome.entries)
    if passed:
        return [report_entry("Information", f"{check} check succeeded") for check in CHECKS]
    *good, bad = CHECKS
    succeeded = [report_entry("Information", f"{check} check succeeded") for check in good]
    return [*succeeded, report_entry("Error", f"{bad} check failed", outcome.cause)]


def report_entry(kind: str, title: str, message: str = "", application: str | None = None) -> Entry:
    """One report entry, not yet dated; what is empty is left out."""
    entry = {"type": kind, "title": title, "message": message, "application": application}
    return {name: value for name, value in entry.items() if value}
