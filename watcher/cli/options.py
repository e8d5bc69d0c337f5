"""Options that several verbs have."""

import os
from pathlib import Path

import click

from watcher.config import Loaded, load

config_option = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),  # whoever reads it says what is wrong with it
    envvar="CONNECT_WATCHER_CONFIG",
    default=Path("config.toml"),
    show_default=True,
    help="The configuration file; also from CONNECT_WATCHER_CONFIG.",
)
output_option = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people or for programs.",
)


def load_config(path: Path) -> Loaded:
    """The configuration at a path, with this process's environment. Raises ConfigError."""
    return load(path, os.environ)
