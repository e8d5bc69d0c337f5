"""The configuration: TOML in, frozen settings out, or every problem at once with its exact path.

    text → tree → environment → secrets' files → shape (settings, fields) → coherence → rule packs merged → Loaded

No problem, warning or `repr` shows a secret. What depends on the running world (can a host be reached, does a token
work) is not asked here.
"""

from watcher.config.load import OWN, Loaded, json_schema, load, loads, pack_text, parse_rules
from watcher.config.routing import to_route
from watcher.config.secret import as_read, read_bounded, read_secret, reason
from watcher.config.serving import HeartbeatSettings, OtlpSettings, SlackAppSettings
from watcher.config.settings import (
    ProjectSettings,
    ReceiverSettings,
    RouteSettings,
    RuleSettings,
    Settings,
)

__all__ = [
    "OWN",
    "HeartbeatSettings",
    "Loaded",
    "OtlpSettings",
    "ProjectSettings",
    "ReceiverSettings",
    "RouteSettings",
    "RuleSettings",
    "Settings",
    "SlackAppSettings",
    "as_read",
    "json_schema",
    "load",
    "loads",
    "pack_text",
    "parse_rules",
    "read_bounded",
    "read_secret",
    "reason",
    "to_route",
]
