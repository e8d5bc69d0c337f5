"""Secrets: given in place or in a file, read whole, never shown.

Paths of files are relative to the configuration's own directory, so that both can be moved together.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pydantic import BaseModel, SecretStr

from watcher.errors import ConfigError

MAX_BYTES = 64 * 1024
_as_read: ContextVar[Mapping[Path, str]] = ContextVar("as_read")


@contextmanager
def as_read(contents: Mapping[Path, str]) -> Iterator[None]:
    """Let these files hold what they held when they were read, whatever has become of them, for as long as this lasts.

    What has been tried can then be made again without being tried again. It is for what waits for nothing.
    """
    token = _as_read.set(contents)
    try:
        yield
    finally:
        _as_read.reset(token)


def read_bounded(path: Path, limit: int) -> bytes:
    """What a regular file holds, up to one byte more than `limit`. Raises OSError or ValueError.

    Anything else, such as a pipe that nobody writes to, could keep whoever reads it waiting for ever.
    """
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is not a regular file")
        return file.read(limit + 1)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def read_secret(path: Path) -> str:
    """What a secret's file holds, without the newline at its end. Raises OSError or ValueError, which do not show it."""
    known = _as_read.get({}).get(path)
    if known is not None:
        return known
    raw = read_bounded(path, MAX_BYTES)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"holds more than {MAX_BYTES} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise ValueError("is empty")
    return text


def is_open_to_others(path: Path) -> bool:
    """Whether anybody else may read it: the world, or a group that one has by being its owner.

    A file of somebody else, root's in Kubernetes, is readable through a group and could not be read otherwise.
    """
    found = path.stat()
    mine = found.st_uid == os.geteuid()
    return bool(found.st_mode & (stat.S_IROTH | (stat.S_IRGRP if mine else 0)))


def reason(error: OSError | ValueError) -> str:
    """Why a file could not be read, without its content."""
    if isinstance(error, PermissionError):
        return f"{error.strerror}: make it readable for uid {os.geteuid()}"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)


def value_of(table: BaseModel, name: str) -> str:
    """The secret under `name`, in place or from its file; empty where it is not given. Raises ConfigError."""
    given: SecretStr | None = getattr(table, name)
    if given is not None:
        return given.get_secret_value()
    path: Path | None = getattr(table, f"{name}_file")
    if path is None:
        return ""
    try:
        return read_secret(path)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{name}_file: {path}: {reason(error)}"]) from None
