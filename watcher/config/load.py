"""Read a configuration: TOML, environment, secrets' files, shape, sense. Every problem is found before any is told."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path as FilePath
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from watcher.config import coherence, problem
from watcher.config.environ import Expansion
from watcher.config.problem import Path
from watcher.config.secret import read_bounded, reason
from watcher.config.settings import RouteSettings, RuleSettings, Settings
from watcher.config.table import Table
from watcher.config.twins import Twins, tables
from watcher.errors import ConfigError
from watcher.redact import Redactor, strip

_Said: TypeAlias = tuple[Path, str]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 60
"""Tables within lists within tables … that a file may have; every part of reading it is recursive."""
_LONGEST = 1_000
_TOO_DEEP = "the file is nested too deeply"
OWN = "config"
"""The origin of a rule that the configuration itself has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration that can be used. `settings.rules` are all rules in force, those of packs included.

    `origins` says by rule name where it comes from: a pack, or `config`. `secrets` are for a redactor, and for nothing
    else. `files` are those that hold secrets, as they were read.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...]
    secrets: tuple[str, ...] = field(repr=False)
    files: Mapping[FilePath, str] = field(repr=False)


def load(path: FilePath, environ: Mapping[str, str]) -> Loaded:
    """Read a file.

    Raises:
        ConfigError: with every problem there is.
    """
    try:
        raw = read_bounded(path, MAX_BYTES)
        if len(raw) > MAX_BYTES:
            raise ConfigError([f"{path}: is larger than {MAX_BYTES} bytes"])
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: {reason(error)}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8, at byte {error.start}"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: {reason(error)}"]) from None
    return loads(text, environ, base=path.parent)


def loads(text: str, environ: Mapping[str, str], *, base: FilePath | None = None) -> Loaded:
    """Read a text; relative paths in it start from `base`. Raises ConfigError."""
    expansion, twins = Expansion(), Twins(base)
    tree = expansion.expand(_toml(text), environ)
    twins.look(tree, Settings)
    redactor = Redactor([*expansion.taken, *twins.contents.values(), *_written_secrets(tree)])
    packs = {name: _pack(name) for name in _packs(tree)}
    names = [rule.name for rules in packs.values() for rule in rules]
    settings, found = _validated(Settings, tree, {**twins.problems, **expansion.problems})
    found += coherence.problems(tree, names)
    if found or settings is None:
        raise ConfigError(_lines(found, redactor))
    rules = _merged(settings, packs)
    route = settings.route or RouteSettings(receiver=settings.receivers[0].name)
    return Loaded(
        settings=settings.model_copy(update={"rules": tuple(rule for rule, _ in rules), "route": route}),
        origins={rule.name: origin for rule, origin in rules},
        warnings=_lines([*twins.warnings.items(), *coherence.warnings(tree, names)], redactor),
        secrets=(*twins.contents.values(), *_written_secrets(tree)),
        files=twins.contents,
    )


def parse_rules(text: str) -> tuple[RuleSettings, ...]:
    """The rules of a text that holds nothing else, such as a pack. Raises ConfigError."""
    tree = _toml(text)
    rule_file, found = _validated(_RuleFile, tree, {})
    found += coherence.rule_problems(tree)
    if found or rule_file is None:
        raise ConfigError(_lines(found, Redactor()))
    return rule_file.rules


def pack_text(name: str) -> str:
    """The TOML text of a rule pack that comes with the program."""
    return (resources.files("watcher.rules.packs") / f"{name}.toml").read_text(encoding="utf-8")


def json_schema() -> dict[str, Any]:
    """The shape of the file as JSON Schema, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(by_alias=True),
        "title": "connect-watcher configuration",
    }


class _RuleFile(Table):
    rules: tuple[RuleSettings, ...] = ()


S = TypeVar("S", bound=BaseModel)


def _validated(model: type[S], tree: dict[str, Any], known: Mapping[Path, str]) -> tuple[S | None, list[_Said]]:
    """The model made of the tree, and its problems beside those that are known already."""
    try:
        return model.model_validate(tree), list(known.items())
    except ValidationError as error:
        told = {*known, *(path[:-1] for path in known)}
        return None, [*known.items(), *problem.of(error, model, known=told)]


def _toml(text: str) -> dict[str, Any]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_where(str(error))]) from None
    except RecursionError:
        raise ConfigError([_TOO_DEEP]) from None
    if _depth(tree) > MAX_DEPTH:
        raise ConfigError([_TOO_DEEP])
    return tree


def _depth(tree: dict[str, Any]) -> int:
    level: list[Any] = [tree]
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [item for items in inner for item in items]
    return depth


def _where(words: str) -> str:
    """`line 3, column 8: …` from the parser's words, which repeat no value."""
    found = re.fullmatch(r"(?s)(.*?) \((?:at )?(line \d+, column \d+|end of document)\)", words)
    return f"{found[2]}: {found[1]}" if found else words


@cache
def _pack(name: str) -> tuple[RuleSettings, ...]:
    return parse_rules(pack_text(name))


def _packs(tree: Mapping[str, Any]) -> list[str]:
    wanted = tree.get("rule_packs", ["builtin", "logs"])
    known = {each.name.removesuffix(".toml") for each in resources.files("watcher.rules.packs").iterdir()}
    return [name for name in wanted if isinstance(name, str) and name in known] if isinstance(wanted, list) else []


def _merged(settings: Settings, packs: Mapping[str, tuple[RuleSettings, ...]]) -> list[tuple[RuleSettings, str]]:
    """The rules in force with their origins; a later rule takes the place of an earlier one of its name."""
    found = {rule.name: (rule, origin) for origin, rules in packs.items() for rule in rules}
    found |= {rule.name: (rule, OWN) for rule in settings.rules}
    return [each for name, each in found.items() if name not in settings.disable_rules]


def _written_secrets(tree: dict[str, Any]) -> Iterator[str]:
    """Every secret that stands in the tree itself."""
    for _, table, model in tables(tree, Settings):
        for name, its in model.model_fields.items():
            if problem.mentions(its.annotation, SecretStr):
                value = table.get(its.alias or name)
                values = value.values() if isinstance(value, dict) else [value]
                yield from (each for each in values if isinstance(each, str))


def _lines(said: Iterable[_Said], redactor: Redactor) -> tuple[str, ...]:
    """The problems as lines, in the order of their paths, each once and without any secret.

    Only known secrets are masked: the words are our own, and `client_secret: is required` looks like one to a pattern.
    """
    ordered = sorted(said, key=lambda each: [(isinstance(part, int), part) for part in each[0]])
    return tuple(dict.fromkeys(redactor.known(strip(problem.line(*each)))[:_LONGEST] for each in ordered))
