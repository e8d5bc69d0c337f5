"""Scenario files: what happens to which resource when, and which messages a watcher is expected to send.

A file is TOML. `[[steps]]` each have a moment of scenario time (`at = "1m30s"`) and exactly one thing that happens, the
forms of which are in `steps.py`. Some set resources to anything at once (`create`, `set`, `delete`, `draft`,
`connector` …); some ask the API for something, which then takes its lawful course (`deploy`, `redeploy`, `undeploy`,
`rollback`, `preview`, `publish`, `comment`, `edit`) and comes to what `plan` said, or to success; the others are about
logs, faults, tokens and time. `[[expect]]` lists the messages: `at` is the moment of their cause, so none can come earlier.

`[durations]` says how long the lawful courses take, `[access]` who may ask (else anyone), `[logs]` how the logs endpoint
behaves, `[push]` where they are pushed besides, `production_disabled` which projects cannot deploy to production.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from watcher.simulator.auth import Access, Client
from watcher.simulator.continuity import lost_expectations, lost_steps
from watcher.simulator.errors import ScenarioError
from watcher.simulator.lifecycle import Durations
from watcher.simulator.logbook import Manners
from watcher.simulator.pushing import Pushing
from watcher.simulator.steps import Count, Expectation, Moment, Part, Step

SHIPPED = files(__package__) / "scenarios"


class Lengths(Part):
    """How long each stage of a lawful course takes; what is left out is as the lifecycle has it."""

    queued: Moment | None = None
    deploying: Moment | None = None
    undeploying: Moment | None = None
    previewing: Moment | None = None
    processing: Moment | None = None
    certifying: Moment | None = None
    certification: Moment | None = None

    def build(self) -> Durations:
        """The same in the lifecycle's words."""
        return Durations(**self.model_dump(exclude_none=True))


class Account(Part):
    """An API client and the scopes it may have, as the auth service writes them (`view_connectors:my-shop`)."""

    id: Annotated[str, Field(min_length=1)]
    secret: Annotated[str, Field(min_length=1)]
    scopes: Annotated[tuple[str, ...], Field(min_length=1)]


class Policy(Part):
    """Who may ask. Without clients any is believed, without projects each exists."""

    clients: tuple[Account, ...] = ()
    projects: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    def build(self) -> Access:
        """The same in the auth service's words."""
        clients = tuple(Client(id=one.id, secret=one.secret, scopes=one.scopes) for one in self.clients)
        return Access(clients=clients, projects=None if self.projects is None else frozenset(self.projects))


class Logs(Part):
    """How the logs endpoint behaves; what is left out is as `Manners` has it. From `removed_at` on it is gone."""

    removed_at: Moment | None = None
    removed_status: Literal[404, 410] = 404
    page_size: Count | None = None
    ending: Literal["empty", "null", "absent"] | None = None
    empty_every: Count | None = None
    reverse: bool | None = None
    cursor_lifetime: Moment | None = None
    default_window: Moment | None = None
    announces: bool | None = None

    def build(self) -> Manners:
        """The same in the logbook's words."""
        return Manners(**self.model_dump(exclude_none=True, exclude={"removed_at", "removed_status"}))


class Push(Pushing):
    """Where logs are pushed, from a moment on; at 0s, everything has always been forwarded."""

    at: Moment = 0


class Scenario(Part):
    """A scenario: its steps in order of time."""

    project: str = "demo-shop"
    description: str = ""
    durations: Lengths = Lengths()
    access: Policy = Policy()
    logs: Logs = Logs()
    push: Push | None = None
    production_disabled: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    expect: tuple[Expectation, ...] = ()


def load_scenario(name: str) -> Scenario:
    """Read a scenario from a file, or a shipped one by its name.

    Raises:
        ScenarioError: there is no such file, or it cannot be played; says everything that is wrong at once.
    """
    path = Path(name)
    if name in shipped_scenarios() and not path.is_file():
        return read_scenario(shipped_text(name), name)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ScenarioError([f"{name}: {why}; shipped scenarios: {', '.join(shipped_scenarios())}"]) from None
    return read_scenario(text, name)


def shipped_scenarios() -> Mapping[str, str]:
    """The scenarios that come with the package: name and description."""
    names = sorted(entry.name.removesuffix(".toml") for entry in SHIPPED.iterdir() if entry.name.endswith(".toml"))
    return {name: tomllib.loads(shipped_text(name))["description"] for name in names}


def shipped_text(name: str) -> str:
    """The file of a shipped scenario."""
    return (SHIPPED / f"{name}.toml").read_text("utf-8")


def read_scenario(text: str, name: str = "scenario") -> Scenario:
    """Read a scenario. Raises ScenarioError."""
    try:
        scenario = Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([f"{name}: {error}"]) from None
    except ValidationError as error:
        raise ScenarioError([f"{name}: {worded(one)}" for one in error.errors()]) from None
    steps = tuple(sorted(scenario.steps, key=lambda step: step.at))
    problems = (*lost_steps(steps, scenario.project), *lost_expectations(steps, scenario.expect))
    if problems:
        raise ScenarioError([f"{name}: {problem}" for problem in problems])
    return scenario.model_copy(update={"steps": steps})


def worded(error: ErrorDetails) -> str:
    """Where in the file and what: `steps[3].set.key: …`."""
    parts = [part for part in error["loc"] if part != "[key]"]  # pydantic's word for a key of a mapping
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{path.lstrip('.')}: {error['msg'].removeprefix('Value error, ')}"
