"""What every table of the file has in common."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr

from watcher.config.fields import presentable
from watcher.config.secret import value_of
from watcher.errors import ConfigError
from watcher.sinks.base import describe_twins


class Table(BaseModel):
    """One table of the file. `secrets` names its secrets and whether each must be given; all have a `_file` twin."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_extra=describe_twins,
    )
    secrets: ClassVar[Mapping[str, bool]] = {}


def presented(table: Table, name: str, path: str) -> str:
    """A secret that others present to us, read now; empty where it is not given. Raises ConfigError."""
    found = value_of(table, name)
    try:
        return presentable(SecretStr(found)).get_secret_value() if found else ""
    except ValueError as error:
        raise ConfigError([f"{path}.{name}_file: what it holds {error}"]) from None
