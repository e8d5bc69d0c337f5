"""`${NAME}` and `${NAME:-default}` in string values, from the environment; `$$` stands for one `$`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watcher.config.problem import Path

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>\{))"
)


@dataclass(slots=True)
class Expansion:
    """What came of it: the problems by path, and every value that was taken from the environment."""

    problems: dict[Path, str] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def expand(self, tree: Mapping[str, Any], environ: Mapping[str, str], path: Path = ()) -> dict[str, Any]:
        """The tree with every string in it expanded, keys left alone."""
        return {key: self._value(item, environ, (*path, key)) for key, item in tree.items()}

    def _value(self, value: object, environ: Mapping[str, str], path: Path) -> object:
        if isinstance(value, dict):
            return self.expand(value, environ, path)
        if isinstance(value, list):
            return [self._value(item, environ, (*path, at)) for at, item in enumerate(value)]
        if isinstance(value, str) and "$" in value:
            return _REFERENCE.sub(lambda found: self._one(found, environ, path), value)
        return value

    def _one(self, found: re.Match[str], environ: Mapping[str, str], path: Path) -> str:
        if found["dollar"]:
            return "$"
        if found["bad"]:
            self.problems[path] = (
                "has a ${ that is no ${NAME} or ${NAME:-default}; write $${ for the characters themselves"
            )
            return found[0]
        name, default = found["name"], found["default"]
        value = environ.get(name)
        if not value and default is not None:
            return str(default)
        if value is None:
            self.problems[path] = f"environment variable {name} is not set"
            return found[0]
        self.taken.append(value)
        return value
