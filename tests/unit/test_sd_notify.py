"""What a service manager is told: datagrams at a real socket, with the time of a clock that stands still."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeClock
from watcher.app.notify import Notifier, notifier


class Manager:
    """A service manager's end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(address.replace("@", "\0", 1))

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = str(tmp_path / "notify")
    made = Manager(name if request.param == "path" else f"@connect-watcher-test{name}"[:100])
    yield made
    made.socket.close()


def test_each_state_is_one_datagram(manager: Manager) -> None:
    said = notifier({"NOTIFY_SOCKET": manager.address}, FakeClock(5_000))
    said.ready()
    said.reloading()
    said.stopping()
    assert manager.heard() == ["READY=1", "RELOADING=1\nMONOTONIC_USEC=5001000", "STOPPING=1\nSTATUS=stopping"]


def test_a_sign_of_life_is_given_only_while_all_is_well(manager: Manager) -> None:
    said = notifier({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000000"}, FakeClock())
    said.look({}, "fine")
    said.look({"judge": "stalled"}, "fine")
    assert manager.heard() == ["WATCHDOG=1", "STATUS=fine"]


def test_what_is_shown_to_people_is_one_line_and_sent_when_it_changes(manager: Manager) -> None:
    said = notifier({"NOTIFY_SOCKET": manager.address}, FakeClock())
    said.look({}, "watching 1\nREADY=1")
    said.look({}, "watching 1 READY=1")
    said.look({}, "x" * 5_000)
    assert manager.heard() == ["STATUS=watching 1 READY=1", f"STATUS={'x' * 1_000}"]


@pytest.mark.parametrize(
    ("environ", "every", "lives"),
    [
        ({}, 5_000, False),
        ({"WATCHDOG_USEC": "4000000"}, 2_000, True),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, 2_000, True),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, 5_000, False),
        ({"WATCHDOG_USEC": "nonsense"}, 5_000, False),
        ({"WATCHDOG_USEC": "600000000"}, 5_000, True),
    ],
)
def test_signs_of_life_are_for_who_asks_this_process_for_them(
    manager: Manager, environ: dict[str, str], every: int, lives: bool
) -> None:
    said = notifier({"NOTIFY_SOCKET": manager.address, **environ}, FakeClock())
    said.look({}, "")
    assert said.every == every
    assert ("WATCHDOG=1" in manager.heard()) == lives


async def test_it_looks_at_intervals(manager: Manager) -> None:
    clock, looks = FakeClock(0), 0

    def look() -> tuple[dict[str, str], str]:
        nonlocal looks
        looks += 1
        if looks == 4:
            raise KeyError
        return {}, str(clock.at)

    with pytest.raises(KeyError):
        await Notifier(manager.address, clock, watchdog=4_000).follow(look)
    assert [each for each in manager.heard() if "STATUS" in each] == ["STATUS=0", "STATUS=2000", "STATUS=4000"]


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative", "/nowhere/at/all", "@nobody-listens-here"])
async def test_where_nobody_listens_nothing_fails(address: str) -> None:
    said = notifier({"NOTIFY_SOCKET": address} if address else {}, FakeClock())
    said.ready()
    if not address.startswith(("/", "@")):
        await said.follow(lambda: ({}, ""))  # ends at once
