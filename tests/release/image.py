"""The image: linted, built, measured, and run as Kubernetes would run it. `python -m tests.release.image [--real]`, as root.

With `--real` it begins from the images that the Dockerfile names; otherwise from stand-ins made of the same Debian packages (see
`bases`), as there may be no way to an image registry. With these it proves that the Dockerfile builds, that the lock's wheels fit
this Debian's Python, that the program needs no shell, no other user and no other place to write to, and the size of what we add.
It does not prove what is in the real images, their size to the megabyte, or anything of the other platform: the wheels for that are
looked up in the lock by the tests.

It needs Debian's buildah, podman, runc and debootstrap, and `make peers` for hadolint.
"""

import json
import os
import shutil
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.loopback import free_port
from tests.release import ROOT, TOOLS, Wrong, bases, call, passed, require
from tests.release.container import Podman, Running, own
from watcher import __version__

TAG = "localhost/connect-watcher:trial"
UID = 65532
LARGEST_MB = 120
GRACE_S = 30
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
STATE = "/var/lib/connect-watcher"
FOLDER = "/etc/connect-watcher"
LOOK = f"""
import json, os, shutil, ssl
place = "/proc/self/status"
places = ["/", "/tmp", "/app", "/etc", "/home/nonroot", "{STATE}"]
tools = ["sh", "bash", "dash", "busybox", "apt", "dpkg", "pip", "uv", "hatchling", "curl", "wget"]
print(json.dumps({{
    "ids": [os.getuid(), os.getgid()],
    "capabilities": [line.split()[1] for line in open(place) if line.startswith("Cap")],
    "writable": [each for each in places if os.access(each, os.W_OK)],
    "tools": [each for each in tools if shutil.which(each, path="/app/bin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin")],
    "authorities": ssl.create_default_context().cert_store_stats()["x509_ca"],
}}))
"""
COMPILED = """
import os, sys, watcher.app
modules = {name: getattr(module, "__cached__", None) for name, module in list(sys.modules.items())}
print([name for name, kept in modules.items() if kept and not os.path.exists(kept)])
"""


def main() -> None:
    """Try the image."""
    missing = [each for each in ("buildah", "podman", "runc", "debootstrap") if shutil.which(each) is None]
    require(not missing, f"there is no {', '.join(missing)}: apt-get install buildah podman runc debootstrap")
    require(os.geteuid() == 0, "images are built and run as root here")
    call(TOOLS / "hadolint", "Dockerfile")
    passed("hadolint has nothing to say of the Dockerfile")
    with TemporaryDirectory() as folder:
        podman = Podman(storage=bases.Storage(folder=Path(folder)))
        try:
            _build(podman.storage, real="--real" in sys.argv[1:])
            _measure(podman)
            _ask(podman)
            with TemporaryDirectory() as world:
                _live(podman, Path(world))
        finally:
            call("buildah", *podman.storage.options(), "rmi", "--all", "--force")
    print("the image holds what it promises")


def _build(storage: bases.Storage, *, real: bool) -> None:
    begun = time.perf_counter()
    if not real:
        bases.make(storage, (ROOT / "Dockerfile").read_text())
        passed(f"stand-ins for the base images, {time.perf_counter() - begun:.0f} s")
    begun = time.perf_counter()
    # The certificates of this machine stand in the way of nothing, and a registry may be behind a proxy that has its own.
    trusted = f"{CERTIFICATES}:{CERTIFICATES}:ro"
    command = ("buildah", *storage.options(), "bud", "--format", "docker", "--isolation", "chroot", "--network", "host")
    pull = "--pull" if real else "--pull-never"
    arguments = ("--build-arg", f"VERSION={__version__}", "--build-arg", "REVISION=trial", "-t", TAG, ROOT)
    call(*command, pull, "-v", trusted, *arguments)
    passed(f"built in {time.perf_counter() - begun:.0f} s")


def _measure(podman: Podman) -> None:
    found = json.loads(json.dumps(podman.inspect("image", TAG)))
    size = found["Size"] / 1e6
    require(size <= LARGEST_MB, f"the image has {size:.0f} MB, more than {LARGEST_MB}")
    labels = found["Labels"]
    version = labels["org.opencontainers.image.version"]
    require(version == __version__, f"the label says version {version}, the program is {__version__}")
    require(found["User"] == f"{UID}:{UID}", f"it runs as {found['User']}")
    require(found["Healthcheck"]["Test"][0] == "CMD", "the health check needs a shell")
    passed(f"{size:.0f} MB, of which its base is {_size_of_base(podman):.0f}")


def _size_of_base(podman: Podman) -> float:
    size = podman.inspect("image", bases.DISTROLESS)["Size"]
    assert isinstance(size, int)
    return size / 1e6


def _ask(podman: Podman) -> None:
    said = podman.once(TAG, "--version").stdout.strip()
    require(said == f"connect-watcher, version {__version__}", f"--version: {said!r}")
    looked = podman.once(TAG, "-c", LOOK, options=("--entrypoint", "python3"))
    require(looked.returncode == 0, looked.stderr)
    found = json.loads(looked.stdout)
    require(found["ids"] == [UID, UID], f"it runs as {found['ids']}")
    require(set(found["capabilities"]) == {"0" * 16}, f"it has capabilities: {found['capabilities']}")
    require(found["writable"] == [STATE], f"it can write to {found['writable']}")
    require(not found["tools"], f"it has tools: {found['tools']}")
    require(found["authorities"] > 0, "it trusts no certificate authority")
    passed(f"uid {UID}, no capability, no shell and no installer; only {STATE} can be written to")
    late = podman.once(TAG, "-c", COMPILED, options=("--entrypoint", "python3")).stdout.strip()
    require(late == "[]", f"compiled anew at each start: {late}")
    passed("all that is imported at the start has been compiled")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A simulated project, a configuration, and where the daemon answers."""

    simulator: str
    daemon: str
    mounts: tuple[str, ...]


def _live(podman: Podman, folder: Path) -> None:
    with _simulated(podman, folder) as world:
        checked = podman.once(TAG, "check-config", options=world.mounts)
        require(checked.returncode == 0, f"check-config: {checked.stdout}{checked.stderr}")
        passed("check-config takes the mounted configuration and its secret")
        with podman.running("daemon", TAG, "run", "--log-level", "info", options=world.mounts) as daemon:
            _watch(daemon, world)
            _probe(podman, daemon)
            _end(daemon, folder / "state")


@contextmanager
def _simulated(podman: Podman, folder: Path) -> Iterator[World]:
    simulator, daemon = (f"127.0.0.1:{free_port()}" for _ in range(2))
    for name in ("config/secrets", "state"):
        (folder / name).mkdir(parents=True)
    (folder / "config" / "config.toml").write_text(_configuration(simulator, daemon))
    (folder / "config" / "secrets" / "client").write_text("the-secret-of-the-shop")
    own(folder, UID)
    mounts = (
        *("-v", f"{folder}/config:{FOLDER}:ro", "-v", f"{folder}/state:{STATE}"),
        *("-e", f"CONNECT_WATCHER_URL=http://{daemon}"),
    )
    scenario = ("--scenario", "failed-build", "--speed", "20")
    with podman.running("simulator", TAG, "simulate", "--listen", simulator, *scenario) as running:
        running.says("listening on")
        yield World(simulator=f"http://{simulator}", daemon=f"http://{daemon}", mounts=mounts)


def _configuration(simulator: str, daemon: str) -> str:
    return f"""
[[projects]]
key = "demo-shop"
region = "europe-west1.gcp"
client_id = "the-client"
client_secret_file = "{FOLDER}/secrets/client"
api_url = "http://{simulator}"
auth_url = "http://{simulator}"
poll_interval = "1s"

[[receivers]]
name = "team"
webhook = [{{ url = "http://{simulator}/inbox/team" }}]

[route]
receiver = "team"
group_wait = "0s"

[egress]
allow = ["127.0.0.0/8"]

[store]
url = "sqlite:///{STATE}/connect-watcher.db"

[web]
listen = "{daemon}"
"""


def _watch(daemon: Running, world: World) -> None:
    daemon.says("delivery.settled")
    with urllib.request.urlopen(f"{world.simulator}/_sim/inbox", timeout=10) as answer:
        inbox = json.load(answer)
    require(inbox, "a message was settled that nobody has")
    with urllib.request.urlopen(f"{world.daemon}/-/ready", timeout=10) as answer:
        require(answer.status == 200, "settled a message, and is not ready")
    asked = daemon.execute("connect-watcher", "deployments")
    require(asked.returncode == 0, f"deployments: {asked.stdout}{asked.stderr}")
    passed("watches a simulated project, has told of it, and answers the verbs beside it")


def _probe(podman: Podman, daemon: Running) -> None:
    found = json.loads(json.dumps(podman.inspect("image", TAG)))
    _, *command = found["Healthcheck"]["Test"]
    begun = time.perf_counter()
    well = daemon.execute(*command)
    took = time.perf_counter() - begun
    require(well.returncode == 0, f"HEALTHCHECK of a daemon that is well: {well.returncode}\n{well.stderr}")
    elsewhere = podman.ask("exec", "--env", "CONNECT_WATCHER_URL=http://127.0.0.1:1", "daemon", *command)
    require(elsewhere.returncode == 1, f"HEALTHCHECK where nobody answers: {elsewhere.returncode}\n{elsewhere.stderr}")
    passed(
        f"HEALTHCHECK says 0 of the daemon and 1 where nobody answers, {took * 1000:.0f} ms with the container's part"
    )


def _end(daemon: Running, state: Path) -> None:
    code, took = daemon.stop()
    require(code == 0, f"after SIGTERM: exit code {code}\n{''.join(daemon.said)}")
    require(took < GRACE_S, f"ended {took:.1f} s after SIGTERM")
    passed(f"ends {took:.1f} s after SIGTERM, with exit code 0")
    require(not daemon.written(), f"written outside of the volume: {daemon.written()}")
    kept = {each.name for each in state.iterdir()}
    others = {each for each in kept if not each.startswith("connect-watcher.db")}
    require(kept and not others, f"in the volume: {kept}")
    passed(f"written to: {', '.join(sorted(kept))}; nothing outside of the volume")


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(str(wrong))
