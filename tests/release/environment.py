"""The wheel as somebody installs it: in an environment of its own, with what the lock names."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.release import ROOT, TOOLS, call, passed, require
from tests.release.lock import needed, packages
from tests.release.package import UV
from watcher import __version__

ALLOWED = {
    *("MIT", "MIT License", "Apache-2.0", "Apache Software License", "PSF-2.0", "Python Software Foundation License"),
    *("BSD-2-Clause", "BSD-3-Clause", "BSD License", "3-Clause BSD License", "ISC"),
}
"""Licences that ask for no more than to be named. One that is not here needs a decision, not an entry."""
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(wrong and str(wrong))
"""
CONFIGURATION = """
receivers = [{ name = "team", console = [{}] }]
[[projects]]
key = "shop"
region = "europe-west1.gcp"
client_id = "client"
client_secret = "secret"
"""
LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An environment with nothing in it but the program and what it needs."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    def run(self, *arguments: object) -> str:
        """What the installed command says, started where there is no source tree."""
        return call(self.folder / "bin" / "connect-watcher", *arguments, cwd=self.folder)


def install(folder: Path, wheel: Path) -> Installed:
    """Install a wheel with what the lock names, by its hashes."""
    found = Installed(folder=folder)
    call(UV, "venv", "--quiet", "--python", TOOLS / "python", folder)
    locked = folder / "locked.txt"
    locked.write_text(call(UV, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project"))
    into = (UV, "pip", "install", "--quiet", "--python", found.python)
    call(*into, "--require-hashes", "-r", locked)
    call(*into, "--no-deps", wheel)
    call(UV, "pip", "check", "--python", found.python)
    return found


def try_out(installed: Installed) -> None:
    """Use the command as a newcomer would."""
    said = installed.run("--version").strip()
    require(said == f"connect-watcher, version {__version__}", f"--version: {said}")
    demo = json.loads(installed.run("demo", "--for", "8s", "--output", "json"))
    require(demo["lost"] == 0 and demo["delivered"] > 0, f"demo: {demo}")
    schema = json.loads(installed.run("schema"))
    require("projects" in schema["properties"], "no schema of the configuration")
    config = installed.folder / "config.toml"
    config.write_text(CONFIGURATION)
    installed.run("check-config", "-c", config)
    passed(f"installed: --version, schema, check-config, and a demo that delivered {demo['delivered']} messages")


def verify_licences(installed: Installed) -> None:
    """Hold the licences of all that is installed to the list."""
    listed = call(TOOLS / "pip-licenses", f"--python={installed.python}", "--from=mixed", "--format=json")
    found = {each["Name"]: each["License"] for each in json.loads(listed)}
    wrong = {name: licence for name, licence in found.items() if not is_allowed(licence)}
    require(found and not wrong, f"licences that nobody has agreed to: {wrong}")
    passed(f"the licences of {len(found)} packages are on the list")


def is_allowed(licence: str) -> bool:
    """Whether we may ship what has this licence: all of those joined by AND, one of those joined by OR."""
    return any(set(re.split(r" AND |; ", choice.strip("() "))) <= ALLOWED for choice in licence.split(" OR "))


def write_sbom(installed: Installed, path: Path) -> None:
    """A CycloneDX bill of materials of what is installed, held to its own schema and to the lock."""
    made = installed.folder / "sbom.json"
    fixed = ("--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--sv", "1.6", "--of", "JSON")
    call(TOOLS / "cyclonedx-py", "environment", *fixed, "-o", made, installed.python)
    found = json.loads(made.read_text())
    root = found["metadata"]["component"]
    root["version"], root["purl"] = __version__, f"pkg:pypi/connect-watcher@{__version__}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    verify_sbom(installed, path)


def verify_sbom(installed: Installed, path: Path) -> None:
    """Whether it is CycloneDX, and names what the lock does."""
    call(TOOLS / "python", "-c", VALIDATE, path)
    tags = call(
        installed.python, "-c", "import platform, sys; print(*sys.version_info[:2], platform.machine())"
    ).split()
    locked = needed(packages(), python=(int(tags[0]), int(tags[1])), machine=tags[2])
    wanted = {(name, each["version"]) for name, each in locked.items()}
    components = json.loads(path.read_text())["components"]
    named = {(re.sub(r"[-_.]+", "-", each["name"]).lower(), each["version"]) for each in components}
    require(named == wanted, f"not both in the SBOM and in the lock: {sorted(named ^ wanted)}")
    passed(f"SBOM of {len(named)} packages: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")


def tell_import_time(installed: Installed) -> None:
    """How long the program takes to import, by what it is built on: reported, as a timing is no test."""
    ours, anchor = (_import_time(installed, name) for name in ("watcher.app", "aiohttp.web"))
    verb = _import_time(installed, "watcher.cli")
    print(f"       imports: daemon {ours:.0f} ms, {ours / anchor:.1f} × aiohttp's; a verb's group {verb:.0f} ms")


def _import_time(installed: Installed, module: str) -> float:
    return min(_timed(installed, f"import {module}") for _ in range(LOOKS)) - min(
        _timed(installed, "pass") for _ in range(LOOKS)
    )


def _timed(installed: Installed, program: str) -> float:
    begun = time.perf_counter()
    subprocess.run([installed.python, "-c", program], check=True, cwd=installed.folder)
    return (time.perf_counter() - begun) * 1000
