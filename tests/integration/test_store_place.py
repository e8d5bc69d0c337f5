"""Where a database lives: who may use it, what is refused as damaged or as another's, and what is said then."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes import START, FakeClock
from tests.integration.stores import ROOT, crash, event, fill, observe, refusal, sql_on
from watcher.errors import StoreError
from watcher.ports import Store
from watcher.store import check, open_store, upgrade
from watcher.store.opening import open_sound
from watcher.store.place import beside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "watcher.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{path}", clock=FakeClock())
    yield opened
    await opened.close()


# ── place ────────────────────────────────────────────────────────────────────


async def test_everything_is_for_this_user_alone(store: Store, path: Path) -> None:
    await observe(store, event())

    modes = {each.name: each.stat().st_mode & 0o777 for each in [path.parent, *path.parent.iterdir()]}

    assert modes == {
        "store": 0o700,
        "watcher.db": 0o600,
        "watcher.db-wal": 0o600,
        "watcher.db-shm": 0o600,
        "watcher.db.lock": 0o600,
    }


async def test_a_closed_database_is_one_file(store: Store, path: Path) -> None:
    await observe(store, event())
    await store.close()

    assert sorted(each.name for each in path.parent.iterdir()) == ["watcher.db", "watcher.db.lock"]


def test_a_relative_url_is_seen_from_the_working_directory(tmp_path: Path) -> None:
    code = "import sys; from watcher.store import upgrade; from tests.fakes import FakeClock; upgrade(sys.argv[1], clock=FakeClock())"
    command = [sys.executable, "-c", code, "sqlite:///here.db"]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)

    assert (tmp_path / "here.db").exists()


def place_parent_missing(path: Path) -> None:
    path.parents[1].rmdir()


def place_directory_is_file(path: Path) -> None:
    path.parent.write_text("")


def place_is_directory(path: Path) -> None:
    path.mkdir(parents=True)


def place_emptied(path: Path) -> None:
    path.parent.mkdir()
    path.touch()


def place_text(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("not a database, whatever its name says\n" * 200)


def place_foreign(path: Path) -> None:
    path.parent.mkdir()
    sql_on(path, "CREATE TABLE theirs (x)")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (place_parent_missing, "{0.parent}: there is no {1}: make it, mount it, or set another url"),
        (place_directory_is_file, "{0.parent}: file exists: make it a directory of uid"),
        (place_is_directory, "{0}: it cannot be opened: it must be a file, in a directory that can be written"),
        (place_emptied, "{0}: is empty, its history is lost: restore a backup, or move it away to start afresh"),
        (place_text, "{0}: it is not a SQLite database: set another url, or move it away"),
        (place_foreign, "{0}: belongs to another program: set another url"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_with_what_to_do(
    path: Path, prepare: Callable[[Path], None], says: str
) -> None:
    prepare(path)

    assert refusal(path).startswith(says.format(path, path.parents[1]))


def test_a_refused_file_is_left_as_it_was(path: Path) -> None:
    for prepare in (place_text, place_foreign):
        prepare(path)
        before = path.read_bytes()
        refusal(path)
        assert path.read_bytes() == before
        shutil.rmtree(path.parent)


def test_a_log_without_its_database_is_refused(path: Path) -> None:
    fill(path)
    beside(path, "-wal").write_bytes(b"frames")
    path.unlink()

    assert refusal(path).startswith(f"{path}-wal: its database is gone: put {path} back")
    assert beside(path, "-wal").read_bytes() == b"frames"


def test_a_place_of_somebody_else_is_refused_with_what_to_do() -> None:
    with tempfile.TemporaryDirectory() as folder:
        new, inside, foreign = crash("unprivileged", Path(folder))["messages"]

        assert f"{folder}/private/watcher.db.lock: permission denied: make {folder}/private writable for uid" in new
        assert f"{folder}/private/new: permission denied: make it a directory of uid" in inside
        assert f"{folder}/foreign/watcher.db: belongs to uid" in foreign


# ── one process ──────────────────────────────────────────────────────────────

HOLDER = """
import sys
from tests.fakes import START
from watcher.store.opening import open_sound
from pathlib import Path
driver, _ = open_sound(Path(sys.argv[1]), START)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_until_the_first_is_gone(path: Path, holder: subprocess.Popen[str]) -> None:
    link = path.parent.with_name("link.db")
    link.symlink_to(path)

    says = f"another connect-watcher holds {path} (pid {holder.pid})"
    assert refusal(path) == says
    with pytest.raises(StoreError, match="another connect-watcher"):
        upgrade(f"sqlite:///{link}", clock=FakeClock())
    with pytest.raises(StoreError, match="another connect-watcher"):
        check(f"sqlite:///{path}")

    holder.send_signal(signal.SIGKILL)
    holder.wait()
    open_sound(path, START)[0].close()


async def test_a_second_store_of_one_process_is_refused_too(store: Store, path: Path) -> None:
    assert "another connect-watcher holds" in refusal(path)

    await store.close()
    open_sound(path, START)[0].close()


def test_a_refused_open_releases_the_lock(path: Path) -> None:
    place_text(path)
    assert "not a SQLite database" in refusal(path)
    path.unlink()

    open_sound(path, START)[0].close()


# ── damage ───────────────────────────────────────────────────────────────────


def test_a_damaged_page_is_refused_wherever_it_is(path: Path) -> None:
    fill(path)
    whole, page = path.read_bytes(), 4096
    for start in range(0, len(whole), page):
        path.write_bytes(whole[:start] + b"\xa5" * page + whole[start + page :])
        assert str(path) in refusal(path)
        assert path.exists()

    path.write_bytes(whole)
    open_sound(path, START)[0].close()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    fill(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(int(size * share))

    assert "it is damaged: restore a backup" in refusal(path) or "not a SQLite database" in refusal(path)
