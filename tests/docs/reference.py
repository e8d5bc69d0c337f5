"""Makes `docs/configuration.md` of the JSON Schema that `connect-watcher schema` prints; `make docs` writes it.

The schema is the source of truth: a description that is wrong is mended at its field, and editors get it as well.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from watcher.config import json_schema
from watcher.core import duration

Schema: TypeAlias = Mapping[str, Any]

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
_FILE = "_file"

INTRODUCTION = """\
# Configuration

Every table and key of `config.toml`. This page is made of the JSON Schema that `connect-watcher schema` prints for editors,
so it has what the program has. [`config.example.toml`](../config.example.toml) shows the same as one file with comments,
[`rules.md`](rules.md) has recipes for rules, [`sinks.md`](sinks.md) what each destination needs.

```sh
connect-watcher check-config -c config.toml    # every mistake with its path, or what the file means
connect-watcher schema                         # the JSON Schema
```

What holds everywhere:

- **Unknown keys are errors**, with the path and the nearest known key.
- **duration**: Prometheus' grammar, `30s`, `5m`, `1h30m`, `2d`; units `y w d h m s ms`, the longest first. A bare number is refused.
- **secret**: never shown, logged or stored. Each has a twin whose name ends in `_file`: the path of a file that holds it. Give
  one of the two. Files are read anew whenever they are used, so that a rotated secret needs no restart; those of `[[projects]]`,
  `[projects.logs]` and `[http]` are read at the start and at a reload.
- **path**: relative paths start from the directory of the configuration.
- **`${NAME}`** in any string is that environment variable, `${NAME:-default}` has a default, `$$` is a dollar sign.
- **matchers** are Alertmanager's: `=`, `!=`, `=~`, `!~`. Patterns are RE2 and match the whole value; a label that is missing is
  empty. All matchers of a list must hold.
- **address**: `HOST:PORT`, `[::1]:8080` for IPv6; port 0 takes any free one.
"""


class Table(NamedTuple):
    """One table of the file: where it stands, and what it may hold."""

    path: str
    many: bool
    schema: Schema

    @property
    def heading(self) -> str:
        """As it is written in a file."""
        return f"[[{self.path}]]" if self.many else f"[{self.path}]"

    @property
    def anchor(self) -> str:
        """Where a link to its heading leads."""
        return self.path.replace(".", "")


def page(schema: Schema) -> str:
    """The whole page."""
    top = Table("", many=False, schema=schema)
    parts = [INTRODUCTION, *_index(schema), "## The top of the file\n", *_rows(schema, top)]
    described: list[Schema] = []
    for table in tables(schema, top):
        again = table.schema in described
        parts += [f"## `{table.heading}`\n", *(_again(table) if again else (*_described(table), *_rows(schema, table)))]
        described.append(table.schema)
    return "\n".join(parts)


def tables(root: Schema, of: Table) -> Iterator[Table]:
    """Every table below one, each behind the one that it stands in. One that stands in itself comes once more, and no deeper."""
    for key, said in of.schema["properties"].items():
        found = _table(root, said)
        if found is None:
            continue
        many, schema = found
        below = Table(f"{of.path}.{key}" if of.path else key, many, schema)
        yield below
        if schema is not of.schema:
            yield from tables(root, below)


def _table(root: Schema, said: Schema) -> tuple[bool, Schema] | None:
    """The table, or the list of tables, that stands under a key."""
    said = _given(said)
    many = said.get("type") == "array"
    ref = (said["items"] if many else said).get("$ref")
    found = root["$defs"][ref.rpartition("/")[2]] if ref else {}
    return (many, found) if "properties" in found else None


def _given(said: Schema) -> Schema:
    """What a key holds where it is given: `null` is what a file cannot say."""
    return next((each for each in said["anyOf"] if each.get("type") != "null"), said) if "anyOf" in said else said


def _index(root: Schema) -> Iterator[str]:
    found = [f"[`{each.heading}`](#{each.anchor})" for each in tables(root, Table("", many=False, schema=root))]
    yield "Tables: " + " ·\n".join(" · ".join(found[at : at + 4]) for at in range(0, len(found), 4)) + "\n"


def _described(table: Table) -> Iterator[str]:
    yield table.schema["description"].replace("\n", " ") + "\n"


def _again(table: Table) -> Iterator[str]:
    above = table.path.rpartition(".")[0]
    yield f"The keys are those of [`[{above}]`](#{above.replace('.', '')}).\n"


def _rows(root: Schema, table: Table) -> Iterator[str]:
    keys = table.schema["properties"]
    yield "| key | type | default | what it is |\n|---|---|---|---|"
    required = table.schema.get("required", ())
    for key, said in keys.items():
        if key.endswith(_FILE) and key.removesuffix(_FILE) in keys:
            continue
        twin = f" or<br>`{key}{_FILE}`" if f"{key}{_FILE}" in keys else ""
        default = "required" if key in required else _default(said)
        cells = (f"`{key}`{twin}", _type(root, table, key, said), default, _cell(said["description"]))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _default(said: Schema) -> str:
    value = said.get("default")
    return "" if value in (None, "", []) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(root: Schema, table: Table, key: str, said: Schema) -> str:
    if found := _table(root, said):
        below = Table(f"{table.path}.{key}" if table.path else key, *found)
        return f"[{'list of tables' if below.many else 'table'}](#{below.anchor})"
    return _kind(root, _given(said), said.get("default"))


def _kind(root: Schema, said: Schema, default: object = None) -> str:
    if "$ref" in said:
        return _kind(root, root["$defs"][said["$ref"].rpartition("/")[2]])
    if "enum" in said:
        return ", ".join(f"`{json.dumps(each)}`" for each in said["enum"])
    match said["type"]:
        case "array":
            return f"list of {_plural(_kind(root, said['items']))}"
        case "object":
            values = [*said.get("patternProperties", {}).values()] or [said["additionalProperties"]]
            return f"table of {_plural(_kind(root, values[0]))}"
        case "string":
            return _string(said, default)
        case "boolean":
            return "true or false"
        case kind:
            return {"integer": "whole number"}.get(kind, str(kind)) + _bounds(said)


def _plural(kind: str) -> str:
    return f"{kind}s" if kind.isalpha() else kind


def _string(said: Schema, default: object) -> str:
    if "format" in said:
        return {"password": "secret", "path": "path"}[said["format"]]
    if "[0-9]+ms" in said.get("pattern", "") or _is_duration(default):
        return "duration"
    return "address" if said.get("pattern", "").endswith(":[0-9]{1,5}$") else "string"


def _is_duration(default: object) -> bool:
    """A length of time is known by its default where the schema says no more than that it is a string."""
    try:
        return isinstance(default, str) and duration.parse(default) > 0
    except ValueError:
        return False


def _bounds(said: Schema) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {said[name]}" for name, sign in words.items() if name in said]
    return f", {' and '.join(found)}" if found else ""


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(json_schema()))
    sys.stdout.write(f"{PAGE.name} written\n")
