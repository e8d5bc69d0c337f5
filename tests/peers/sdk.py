"""The official SDK: one Node process that makes the calls a test asks for."""

import asyncio
import json
import re
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tests.peers import INSTALLED, WANTED, node, package

Step: TypeAlias = str | tuple[str, Mapping[str, Any]]
"""One method of a request builder, with its argument where it has one."""

PATIENCE = 20.0
BUILDER = re.compile(r"export declare class (\w+)")
ACTION = re.compile(r'readonly action: "(\w+)"')
CODE = re.compile(r'readonly code: "(\w+)"')
METHOD = re.compile(r"^ {4}(\w+)\(", re.MULTILINE)
LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Client:
    """Who makes a call, and what for; without scopes, for everything."""

    id: str
    secret: str
    scopes: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """The same in the SDK's words."""
        scopes = {"scopes": self.scopes} if self.scopes else {}
        return {"credentials": {"clientId": self.id, "clientSecret": self.secret}, **scopes}


SOMEBODY = Client("sdk", "sdk-secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the SDK made of an answer. `error` holds the name, code and message of the error it raised."""

    status: int
    body: Any
    error: Mapping[str, Any] | None = None

    @property
    def codes(self) -> list[str]:
        """The error codes of the API's refusal."""
        return [each["code"] for each in self.body["errors"]]


@dataclass(slots=True, kw_only=True)
class Sdk:
    """The SDK in its process. `exercised` are the builders' methods that led to what was asked for."""

    process: Process
    project: str
    exercised: set[str] = field(default_factory=set)

    async def __call__(self, *chain: Step, by: Client | None = SOMEBODY) -> Answer:
        """Make one call: the methods from the API root to the one that makes the request, with their arguments."""
        asked = {
            "as": None if by is None else {"projectKey": self.project, **by.options},
            "chain": [[step] if isinstance(step, str) else list(step) for step in chain],
        }
        came = await asyncio.wait_for(self._exchange(asked), PATIENCE)
        if "error" not in came:
            self.exercised |= set(came["methods"])
        return Answer(status=came["statusCode"], body=came.get("body"), error=came.get("error"))

    async def _exchange(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        await self.process.stdin.drain()
        came: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return came


@asynccontextmanager
async def sdk(url: str, project: str) -> AsyncIterator[Sdk]:
    """The SDK, pointed at the simulator at `url`."""
    package("@commercetools-connect/sdk")
    package("@commercetools/ts-client")
    process = await asyncio.create_subprocess_exec(
        *(node(), WANTED / "sdk.mjs", INSTALLED, url), stdin=PIPE, stdout=PIPE, limit=LIMIT
    )
    try:
        yield Sdk(process=process, project=project)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def declared() -> set[str]:
    """Every method of every request builder, as the SDK's type declarations name them."""
    found = set()
    for file in (generated() / "client").rglob("*.d.ts"):
        text = file.read_text("utf-8")
        (builder,) = BUILDER.findall(text)
        found |= {f"{builder}.{method}" for method in METHOD.findall(text)} - {f"{builder}.constructor"}
    return found


def actions(model: str) -> set[str]:
    """The update actions that the declarations of `connector` or `deployment` name."""
    return set(ACTION.findall((generated() / "models" / f"{model}.d.ts").read_text("utf-8")))


def codes() -> set[str]:
    """The error codes that the SDK knows."""
    return set(CODE.findall((generated() / "models" / "error.d.ts").read_text("utf-8")))


def misfits(folder: Path, answers: Sequence[tuple[str, Any]]) -> str:
    """What the compiler says against answers, each with the name of the SDK's type it should be of; best nothing."""
    names = sorted({name for name, _ in answers})
    lines = [f"import type {{ {', '.join(names)} }} from {json.dumps(str(package('@commercetools-connect/sdk')))};"]
    lines += [f"export const a{n}: {name} = {json.dumps(body)};" for n, (name, body) in enumerate(answers)]
    file = folder / "answers.ts"
    file.write_text("\n".join(lines), "utf-8")
    options = ("--noEmit", "--strict", "--skipLibCheck", "--pretty", "false", "--types", "")
    command = (node(), package("typescript") / "bin" / "tsc", *options, file)
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def generated() -> Path:
    """Where the SDK keeps what was generated from the API description."""
    return package("@commercetools-connect/sdk") / "dist" / "generated"
