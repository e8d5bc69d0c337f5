"""Sinks: one module for each kind of destination. A sink is an adapter and decides nothing.

The contract, held by one suite over every entry of `SINKS`:

- `XConfig` is all that a receiver can say of it. `build` makes the sink and finds every wrong secret before anything runs.
- `payload(notification)` is pure; `render` turns it into the bytes that are frozen before the first attempt, and never
  fails: whatever a Notification holds, something readable comes out, within the limits of the destination.
- `send` makes one attempt. It returns only when the receiver said that it took the message, and otherwise raises a
  DeliveryError whose outcome says what is known. Retries, pacing, order, metrics and logs stay outside.
- Everything foreign in a Notification is escaped for the destination. No secret is in a `repr`, an error or a log.

A new kind is its module, its line here and its block in `config.example.toml`. What does not belong here: rules, routes,
the choice of what is told. Sinks do not import each other.
"""

from watcher.sinks.alertmanager import AlertmanagerConfig
from watcher.sinks.apprise import AppriseConfig
from watcher.sinks.base import SinkConfig, Wiring
from watcher.sinks.console import ConsoleConfig
from watcher.sinks.email import EmailConfig
from watcher.sinks.file import FileConfig
from watcher.sinks.pagerduty import PagerDutyConfig
from watcher.sinks.slack import SlackConfig
from watcher.sinks.teams import TeamsConfig
from watcher.sinks.webhook import WebhookConfig

SINKS: tuple[type[SinkConfig], ...] = (
    SlackConfig,
    WebhookConfig,
    PagerDutyConfig,
    AlertmanagerConfig,
    TeamsConfig,
    EmailConfig,
    AppriseConfig,
    FileConfig,
    ConsoleConfig,
)

__all__ = ["SINKS", "ConsoleConfig", "SinkConfig", "SlackConfig", "WebhookConfig", "Wiring"]
