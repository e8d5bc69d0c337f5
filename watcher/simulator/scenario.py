"""Scenario files: what happens to which Deployment when, and which messages a watcher is expected to send.

A file is TOML. `[[steps]]` each have a moment of scenario time (`at = "1m30s"`) and exactly one thing that happens:
`create`, `set` or `delete` (a Deployment named by project and key), `fault` or `clear_faults = true`. `[[expect]]` lists
the messages: `at` is the moment of their cause, so none can come earlier.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from watcher.simulator.catalogue import BY_KEY
from watcher.simulator.errors import ScenarioError
from watcher.simulator.faults import Fault

SHIPPED = files(__package__) / "scenarios"
UNITS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,9}}){unit})?" for unit in UNITS))

FIELDS = {
    "apiClient",
    "applications",
    "connector",
    "deployedRegion",
    "details",
    "globalConfiguration",
    "preview",
    "rollbackRevision",
    "status",
    "type",
    "version",
}
"""What a Deployment has besides the project and key that name it."""


def read_moment(value: Any) -> int:
    """A duration as milliseconds: `3s`, `1500ms`, `1m30s`."""
    found = DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        raise ValueError('write a moment like "3s", "500ms" or "1m30s"')
    return sum(int(count) * UNITS[unit] for unit, count in found.groupdict().items() if count)


def read_fault(value: Any) -> Any:
    """A fault, in the words of the control API."""
    try:
        return msgspec.convert(value, Fault)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


Moment = Annotated[int, BeforeValidator(read_moment)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{2,256}$")]


class Part(BaseModel):
    """Anything in a scenario file: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Target(Part):
    """One Deployment, by project and key. Without a project it is the scenario's."""

    project: str | None = None
    key: Key


class Change(Target):
    """One Deployment and the fields it gets, in the API's names."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def known_fields(self) -> "Change":
        """A misspelt field would change nothing that anyone looks at."""
        strangers = sorted(self.fields.keys() - FIELDS)
        if strangers:
            raise ValueError(f"no such field of a Deployment: {', '.join(strangers)}")
        return self

    @property
    def fields(self) -> dict[str, Any]:
        """The fields."""
        return dict(self.model_extra or {})


class Step(Part):
    """One thing that happens."""

    at: Moment
    create: Change | None = None
    set: Change | None = None
    delete: Target | None = None
    fault: Annotated[Fault, BeforeValidator(read_fault)] | None = None
    clear_faults: Literal[True] | None = None

    @model_validator(mode="after")
    def one_thing(self) -> "Step":
        """A step does exactly one thing."""
        if len(self.model_fields_set - {"at"}) != 1:
            raise ValueError("a step needs exactly one of create, set, delete, fault, clear_faults")
        return self


class Expectation(Part):
    """A message that a watcher is expected to send about the scenario."""

    at: Moment
    alert: str
    state: Literal["firing", "resolved"] = "firing"
    deployment: Key | None = None


class Scenario(Part):
    """A scenario: its steps in order of time."""

    project: str = "demo-shop"
    description: str = ""
    steps: tuple[Step, ...] = ()
    expect: tuple[Expectation, ...] = ()

    def project_of(self, target: Target) -> str:
        """The project a step is about."""
        return target.project or self.project


def load_scenario(name: str) -> Scenario:
    """Read a scenario from a file, or a shipped one by its name.

    Raises:
        ScenarioError: there is no such file, or it cannot be played; says everything that is wrong at once.
    """
    path = Path(name)
    if name in shipped_scenarios() and not path.exists():
        return read_scenario((SHIPPED / f"{name}.toml").read_text("utf-8"), name)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError([f"{name}: {error}; shipped scenarios: {', '.join(shipped_scenarios())}"]) from None
    return read_scenario(text, name)


def shipped_scenarios() -> Sequence[str]:
    """The names of the scenarios that come with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in SHIPPED.iterdir() if entry.name.endswith(".toml"))


def read_scenario(text: str, name: str = "scenario") -> Scenario:
    """Read a scenario. Raises ScenarioError."""
    try:
        scenario = Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([f"{name}: {error}"]) from None
    except ValidationError as error:
        raise ScenarioError([f"{name}: {worded(one)}" for one in error.errors()]) from None
    ordered = scenario.model_copy(update={"steps": tuple(sorted(scenario.steps, key=lambda step: step.at))})
    problems = [f"{name}: {problem}" for problem in (*lost_steps(ordered), *lost_expectations(ordered))]
    if problems:
        raise ScenarioError(problems)
    return ordered


def worded(error: ErrorDetails) -> str:
    """Where in the file and what: `steps[3].set.key: …`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return f"{path.lstrip('.')}: {error['msg'].removeprefix('Value error, ')}"


def lost_steps(scenario: Scenario) -> Iterator[str]:
    """Steps that could not be played: their Deployment is not there, or is there already, or runs no known Connector."""
    alive: set[tuple[str, str]] = set()
    for step in scenario.steps:
        target = step.create or step.set or step.delete
        if target is None:
            continue
        name = scenario.project_of(target), target.key
        if (step.create is None) != (name in alive):
            yield f"at {step.at} ms: {'/'.join(name)} is {'there already' if step.create else 'not there'}"
        connector = step.create.fields.get("connector") if step.create else None
        if isinstance(connector, str) and connector not in BY_KEY:
            yield f"at {step.at} ms: no such connector: {connector}; there are {', '.join(BY_KEY)}"
        alive = alive - {name} if step.delete else alive | {name}


def lost_expectations(scenario: Scenario) -> Iterator[str]:
    """Messages expected about Deployments that never are."""
    created = {step.create.key for step in scenario.steps if step.create}
    for expected in scenario.expect:
        if expected.deployment is not None and expected.deployment not in created:
            yield f"expect: {expected.deployment} is never created"
