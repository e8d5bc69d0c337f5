"""Peers: programs of others that the tests hold ours against.

Whether a peer is here is decided once, in `need`: without it a test says so and skips, so that a newcomer needs nothing
more than Python. Where REQUIRE_PEERS=1 is set, a missing peer is a failure.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

Found = TypeVar("Found")

WANTED = Path(__file__).parent
"""What is wanted: package.json and its lock."""

INSTALLED = Path(__file__).parents[2] / ".build" / "peers"
"""Where `make peers` puts it."""

OLDEST_NODE = 20


def need(peer: str, found: Found | None, how: str, environ: Mapping[str, str] = os.environ) -> Found:
    """What was found of a peer. Without it the test ends here; `how` says how to get it."""
    if found is not None:
        return found
    text = f"{peer} is not here: {how}"
    if environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def node() -> Path:
    """Node, new enough for the official clients."""
    return need(f"Node ≥ {OLDEST_NODE}", _node(), "install it and put it on the PATH")


def package(name: str) -> Path:
    """The folder of an npm package in the version wanted."""
    return need(name, _package(name), "run `make peers`")


@cache
def _node() -> Path | None:
    found = shutil.which("node")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.removeprefix("v").partition(".")[0]
    return Path(found) if major.isdigit() and int(major) >= OLDEST_NODE else None


@cache
def _package(name: str) -> Path | None:
    folder = INSTALLED / "node_modules" / name
    manifest = folder / "package.json"
    if not manifest.exists():
        return None
    wanted = json.loads((WANTED / "package.json").read_text("utf-8"))["dependencies"][name]
    return folder if json.loads(manifest.read_text("utf-8"))["version"] == wanted else None
