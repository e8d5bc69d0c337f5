"""Secrets and their `_file` twins, table by table: one of the two, and a file that can be read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from watcher.config import problem
from watcher.config.problem import Path
from watcher.config.secret import is_open_to_others, read_secret, reason

_SUFFIX = "_file"


@dataclass(slots=True)
class Twins:
    """What came of looking: problems and warnings by path, and the content of every secret's file by its path.

    `base` is the directory that relative paths start from; the tree is changed to hold the whole paths.
    """

    base: FilePath | None
    problems: dict[Path, str] = field(default_factory=dict)
    warnings: dict[Path, str] = field(default_factory=dict)
    contents: dict[FilePath, str] = field(default_factory=dict)

    def look(self, tree: dict[str, Any], model: type[BaseModel]) -> None:
        """Check every table of the tree."""
        for path, table, kind in tables(tree, model):
            keys = problem.fields(kind)
            for key in [each for each in table if each in keys and each.endswith(_SUFFIX)]:
                self._file(path, table, key, secret=key.removesuffix(_SUFFIX) in keys)
            for name, required in getattr(kind, "secrets", {}).items():
                if required and name not in table and f"{name}{_SUFFIX}" not in table:
                    self.problems[*path, name] = f"is required, here or in {name}{_SUFFIX}"

    def _file(self, path: Path, table: dict[str, Any], key: str, *, secret: bool) -> None:
        value, name = table[key], key.removesuffix(_SUFFIX)
        if secret and name in table and isinstance(value, str):
            self.problems[*path, key] = f"give either {name} or {key}"
            del table[key]
        elif isinstance(value, str):
            table[key] = self._read((*path, key), value, secret=secret)
        elif isinstance(value, dict):
            for each, file in value.items():
                if isinstance(file, str):
                    value[each] = self._read((*path, key, each), file, secret=secret)

    def _read(self, path: Path, value: str, *, secret: bool) -> str:
        file = (self.base or FilePath()) / value
        try:
            if secret:
                self.contents[file] = read_secret(file)
            if secret and is_open_to_others(file):
                self.warnings[path] = f"{file} can be read by others: chmod 600 it"
            file.stat()
        except (OSError, ValueError) as error:
            self.problems[path] = f"{file}: {reason(error)}"
        return str(file)


def tables(
    tree: dict[str, Any], model: type[BaseModel], path: Path = ()
) -> Iterator[tuple[Path, dict[str, Any], type[BaseModel]]]:
    """Every table of the tree that has a model, with its path; what is not a table where one should be is left out."""
    yield path, tree, model
    for key, below in problem.fields(model).items():
        value = tree.get(key)
        if below is not None and below.many and isinstance(value, list):
            for at, item in enumerate(value):
                if isinstance(item, dict):
                    yield from tables(item, below.model, (*path, key, at))
        elif below is not None and not below.many and isinstance(value, dict):
            yield from tables(value, below.model, (*path, key))
