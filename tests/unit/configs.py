"""Configurations to begin with, and what is said of wrong ones."""

from pathlib import Path

import pytest

from watcher.config import loads
from watcher.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
ENVIRON = {
    "CTP_CLIENT_ID": "canary-id-1",
    "CTP_CLIENT_SECRET": "canary-secret-1",
    "CTP_OTHER_CLIENT_ID": "canary-id-2",
    "CTP_OTHER_CLIENT_SECRET": "canary-secret-2",
    "OTLP_KEY": "canary-otlp-key-0001",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/canary-slack-1",
    "SLACK_BOT_TOKEN": "xoxb-canary-1-2-3",
    "SLACK_ONCALL_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/canary-slack-2",
    "ONCALL_WEBHOOK_URL": "https://example.com/canary-webhook",
    "ONCALL_WEBHOOK_SECRET": "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
    "ONCALL_WEBHOOK_TOKEN": "canary-token-1",
    "PAGERDUTY_ROUTING_KEY": "canary00canary00canary00canary00",
    "ALERTMANAGER_PASSWORD": "canary-password-1",
    "TEAMS_WORKFLOW_URL": "https://workflows.example.com/canary-teams",
    "SMTP_PASSWORD": "canary-password-2",
    "APPRISE_URL": "json://canary-apprise.example.com/canary",
}
SMALL = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "canary-secret"
[[receivers]]
name = "team"
console = [{}]
"""


def problems(text: str, environ: dict[str, str] | None = None, base: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loads(text, environ or {}, base=base)
    return caught.value.problems


def small(extra: str = "", *, project: str = "", receiver: str = "", top: str = "") -> str:
    """The smallest configuration there is, with something added."""
    text = SMALL.replace("[[receivers]]", f"{project}\n[[receivers]]")
    return f"{top}\n{text}\n{receiver}\n{extra}"


WRONG_RULE = """[[rules]]\nname = "X"\non = "deployment"\n"""
