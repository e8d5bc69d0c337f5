"""The tables about how the daemon is reached, and how it is known to live."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from watcher.config.fields import Address, BaseUrl, Duration, Listen, SenderKey, at_least, at_most
from watcher.config.secret import value_of
from watcher.config.table import Table, presented
from watcher.errors import ConfigError
from watcher.sinks.base import address, base_url, secret_like
from watcher.sinks.slack import API_URL
from watcher.sinks.slack_bot import app_token as read_app_token


class WebSettings(Table):
    """Our own HTTP server."""

    secrets: ClassVar[Mapping[str, bool]] = {"token": False}

    listen: Listen = Field(default=Address("127.0.0.1", 8080), json_schema_extra={"default": "127.0.0.1:8080"})
    """Where it listens; `0.0.0.0:8080` in a container."""
    external_url: BaseUrl | None = None
    """How people reach it, for links in messages."""
    token: SenderKey | None = None
    """What requests to the API from other machines have to present as `Authorization: Bearer`; without one there are none."""
    token_file: Path | None = None

    def taken_token(self) -> str:
        """The token, read now, or nothing. Raises ConfigError."""
        return presented(self, "token", "web")


class OtlpSettings(Table):
    """The listener for pushed logs. It listens where a project has `logs = { source = "otlp" }`."""

    listen: Listen = Field(default=Address("127.0.0.1", 4318), json_schema_extra={"default": "127.0.0.1:4318"})
    """Where it listens."""
    header: str = Field(default="x-connect-watcher-key", pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")
    """The header in which senders present their key."""


class HeartbeatSettings(Table):
    """The dead man's switch: pinged only while alerts would come, `/fail` behind the URL is pinged otherwise."""

    secrets: ClassVar[Mapping[str, bool]] = {"url": False}

    url: Annotated[SecretStr, secret_like(address)] | None = None
    """As healthchecks.io and others give it. It is a secret, and reached like any other sink."""
    url_file: Path | None = None
    interval: Annotated[Duration, at_least("10s"), at_most("1d")] = Field(
        default=60_000, json_schema_extra={"default": "1m"}
    )
    """How often it is pinged; from 10s to 1d. Give the switch this and some grace."""
    timeout: Annotated[Duration, at_least("1s"), at_most("1m")] = Field(
        default=10_000, json_schema_extra={"default": "10s"}
    )
    """How long one ping may take; from 1s to 1m."""
    longest_wait: Annotated[Duration, at_least("1m")] = Field(default=900_000, json_schema_extra={"default": "15m"})
    """How long a message may have waited to be taken by its sink."""

    def taken_url(self) -> str:
        """Where to, read now, or nothing. Raises ConfigError."""
        found = value_of(self, "url")
        try:
            return address(found).url if found else ""
        except ValueError as error:
            raise ConfigError([f"heartbeat.url_file: what it holds {error}"]) from None


class SlackAppSettings(Table):
    """The Slack app of the bots: how it tells of pressed buttons (`actions = true`), and who may press them."""

    secrets: ClassVar[Mapping[str, bool]] = {"app_token": False, "signing_secret": False}

    app_token: Annotated[SecretStr, secret_like(read_app_token)] | None = None
    """For Socket Mode, as `xapp-…` with the scope `connections:write`: we connect to Slack, nothing has to reach us."""
    app_token_file: Path | None = None
    signing_secret: SenderKey | None = None
    """For interactivity over HTTP: Slack posts to `/slack/actions` of our own server, and signs with it."""
    signing_secret_file: Path | None = None
    allowed_users: tuple[Annotated[str, Field(pattern=r"^(\*|[UW][A-Z0-9]{2,30})$")], ...] = ()
    """Who may press, by id; `*`: whoever is in the channel."""
    allowed_groups: tuple[Annotated[str, Field(pattern=r"^S[A-Z0-9]{2,30}$")], ...] = ()
    """User groups whose members may press, by id. The bots need the scope `usergroups:read`."""
    api_url: Annotated[str, AfterValidator(base_url)] = API_URL
    """Where Slack's Web API is."""

    def taken_app_token(self) -> str:
        """The app-level token, read now, or nothing. Raises ConfigError."""
        found = value_of(self, "app_token")
        try:
            return read_app_token(found) if found else ""
        except ValueError as error:
            raise ConfigError([f"slack.app_token_file: what it holds {error}"]) from None

    def taken_signing_secret(self) -> str:
        """The signing secret, read now, or nothing. Raises ConfigError."""
        return presented(self, "signing_secret", "slack")
