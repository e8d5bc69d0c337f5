"""Containers as Kubernetes would run them: read-only, without a capability, with the state as the only volume."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.release import require
from tests.release.bases import Storage

RESTRICTED = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--network", "host", "--memory", "256m", "--pull=never", "--no-healthcheck", "--log-driver", "none"),
    *("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=1024:1024"),
)
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Podman:
    """Podman over runc, on a storage of its own."""

    storage: Storage

    def command(self, *arguments: object) -> list[str]:
        """A command of podman's."""
        fixed = ("podman", *self.storage.options(), "--runtime", "/usr/sbin/runc", "--cgroup-manager=cgroupfs")
        return [*fixed, *map(str, arguments)]

    def ask(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """What a command of podman's says, and its exit code."""
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False, timeout=PATIENCE_S)

    def once(self, image: str, *arguments: object, options: Sequence[object] = ()) -> subprocess.CompletedProcess[str]:
        """A container that ends by itself."""
        return self.ask("run", "--rm", *RESTRICTED, *options, image, *arguments)

    def inspect(self, kind: str, name: str) -> dict[str, object]:
        """All that is known of an image or a container."""
        found: list[dict[str, object]] = json.loads(self.ask(kind, "inspect", name).stdout)
        return found[0]

    @contextmanager
    def running(self, name: str, image: str, *arguments: object, options: Sequence[object] = ()) -> "Iterator[Running]":
        """A container that runs, until the block ends at the latest."""
        command = self.command("run", "--name", name, *RESTRICTED, *options, image, *arguments)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert process.stdout is not None
            yield Running(podman=self, name=name, process=process, lines=process.stdout)
        finally:
            self.ask("rm", "--force", "--time", "0", name)
            process.kill()
            process.wait()


@dataclass(slots=True, kw_only=True)
class Running:
    """A container that runs, followed by what it says."""

    podman: Podman
    name: str
    process: subprocess.Popen[str]
    lines: IO[str]
    said: list[str] = field(default_factory=list)

    def says(self, text: str) -> str:
        """Wait for a line with this in it."""
        timer = threading.Timer(PATIENCE_S, self.process.kill)
        timer.start()
        try:
            for line in self.lines:
                self.said.append(line)
                if text in line:
                    return line
        finally:
            timer.cancel()
        require(False, f"{self.name} never said {text!r}:\n{''.join(self.said)}")
        return ""

    def execute(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A program beside the first one."""
        return self.podman.ask("exec", self.name, *arguments)

    def stop(self) -> tuple[int, float]:
        """SIGTERM, as STOPSIGNAL says; the exit code, and how long it took."""
        begun = time.perf_counter()
        self.podman.ask("kill", "--signal", "TERM", self.name)
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        self.said.append(rest)
        return self.process.returncode, time.perf_counter() - begun

    def written(self) -> set[str]:
        """What differs from the image, but for what mounting and Podman itself put there."""
        lines = self.podman.ask("diff", self.name).stdout.splitlines()
        return {line for line in lines if line.split()[-1] not in _MOUNTED}


_MOUNTED = {"/etc", "/etc/connect-watcher", "/etc/group", "/etc/passwd", "/var", "/var/lib"}


def own(folder: Path, uid: int) -> None:
    """Give a folder and all in it to a user, and to nobody else."""
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o700 if each.is_dir() else 0o600)
        subprocess.run(["chown", f"{uid}:{uid}", str(each)], check=True)
