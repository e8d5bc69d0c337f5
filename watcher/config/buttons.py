"""What has to fit together for buttons in Slack: bots that show them, an app that tells of them, people who may press."""

from collections.abc import Iterator, Mapping
from typing import Any

from watcher.config.problem import Path

_WAYS = ("app_token", "app_token_file", "signing_secret", "signing_secret_file")


def problems(tree: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Buttons of which nobody would ever hear."""
    app = _app(tree)
    if any(way in app for way in _WAYS):
        return
    for path in _shown(tree):
        yield (
            path,
            "needs app_token (Socket Mode) or signing_secret (HTTP) in [slack]: else nobody hears of a pressed button",
        )


def warnings(tree: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Buttons that nobody may press, and an app without any."""
    app, shown = _app(tree), list(_shown(tree))
    if shown and not (app.get("allowed_users") or app.get("allowed_groups")):
        yield ("slack",), "has neither allowed_users nor allowed_groups: nobody may press the buttons"
    if "slack" in tree and not shown and any(way in app for way in _WAYS):
        yield ("slack",), "is of no use: no receiver has a bot with actions = true"


def _app(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    app = tree.get("slack")
    return app if isinstance(app, dict) else {}


def _shown(tree: Mapping[str, Any]) -> Iterator[Path]:
    """Where buttons are asked for."""
    receivers = tree.get("receivers")
    for at, receiver in enumerate(receivers if isinstance(receivers, list) else ()):
        bots = receiver.get("slack") if isinstance(receiver, dict) else None
        for position, bot in enumerate(bots if isinstance(bots, list) else ()):
            if isinstance(bot, dict) and bot.get("actions") is True:
                yield ("receivers", at, "slack", position, "actions")
