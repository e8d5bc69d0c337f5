"""Trials of what is released: the image, and the package. Programs of their own, run by `make image` and `make release-check`."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".build"
TOOLS = BUILD / "deploy" / "bin"
"""What `make peers` installs."""


class Wrong(SystemExit):
    """A guarantee that does not hold; the end of the trial, with exit code 1."""


def require(true: object, otherwise: str) -> None:
    """Go on only where something is so."""
    if not true:
        raise Wrong(f"WRONG  {otherwise}")


def passed(what: str) -> None:
    """Say what has been found to hold."""
    print(f"ok     {what}", flush=True)


def call(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """What a program prints; where it fails, the trial ends with what it said."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"{_short(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _short(command: Sequence[object]) -> str:
    return " ".join(map(str, command))[:200]
