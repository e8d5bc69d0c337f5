"""Apprise: everything else, as far as the library of that name goes; it comes with the extra `apprise`.

The library makes its own connections. They do not leave through the one door: no egress policy, no proxy of ours and no
certificates of ours hold for them, which is why a configuration has to say `unguarded = true`. It says of an attempt
only whether all went well, so that whatever else it says leaves the outcome unknown. A URL of its kind holds secrets and
is never shown; the library's own log is not listened to.

What becomes of a text depends on the destination, so nothing foreign keeps what some destination takes for markup.
"""

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from watcher import render
from watcher.core.delivery import Delivery, Outcome
from watcher.core.duration import Millis
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.errors import ConfigError, DeliveryError
from watcher.sinks.aside import Aside
from watcher.sinks.base import SinkConfig, Timeout, Wiring, checked, frozen_body, secret_like
from watcher.sinks.outcome import Reason

if TYPE_CHECKING:
    import apprise

THREADS = 4
MAX_TITLE, MAX_BODY = 200, 3_000
SPELLED_OUT = 10
"""Alerts that a message spells out; the others are counted."""
_LOOKALIKES = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "ˋ", "[": "［", "]": "］", "*": "∗", "\\": "＼"})
_KINDS = {"critical": "failure", "warning": "warning"}
_URL_LIMIT = 8_192


def _url(text: str) -> str:
    """Read what may be a URL of Apprise. Raises ValueError, which does not show it."""
    if "://" not in text or not text.isprintable() or len(text) > _URL_LIMIT:
        raise ValueError("is not a URL of Apprise: service://…")
    return text


class AppriseConfig(SinkConfig):
    """Any service that Apprise knows."""

    kind: ClassVar[str] = "apprise"
    secrets: ClassVar[dict[str, bool]] = {"url": True}

    url: Annotated[SecretStr, secret_like(_url)] | None = None
    """As Apprise documents it for the service, like `discord://…` or `tgram://…`."""
    url_file: Path | None = None
    unguarded: bool = False
    """Must be true: Apprise makes its own connections, for which `[egress]` and `[http]` do not hold."""
    timeout: Timeout = Field(default=30_000, json_schema_extra={"default": "30s"})
    """How long one attempt may take."""

    @model_validator(mode="after")
    def _knows(self) -> Self:
        if not self.unguarded:
            raise ValueError(
                "Apprise makes its own connections, for which [egress] and [http] do not hold: "
                "set unguarded = true if that is what you want"
            )
        return self

    def build(self, sink_id: str, wiring: Wiring) -> "Apprise":
        """Make the sink. Raises ConfigError where the library is not there, or does not know what to do with the URL."""
        open_ = _opener(sink_id)
        return Apprise(sink_id, self, checked(f"{sink_id}: url", self.reader("url", wiring), open_))


def _opener(sink_id: str) -> Callable[[str], "apprise.Apprise"]:
    """Makes services of URLs. Raises ConfigError where the library is not installed."""
    try:
        import apprise
    except ImportError:
        missing = "url: Apprise is not installed: pip install 'connect-watcher[apprise]'"
        raise ConfigError([f"{sink_id}: {missing}"]) from None
    _hush()
    asset = apprise.AppriseAsset(app_id="connect-watcher", app_desc="connect-watcher", storage_mode="memory")

    def opened(url: str) -> "apprise.Apprise":
        service = apprise.Apprise(asset=asset)
        with warnings.catch_warnings():  # the library still tries what Python has done away with
            warnings.simplefilter("ignore")
            added = service.add(_url(url))
        if not added or len(service) != 1:
            raise ValueError("is not one URL that Apprise understands")
        return service

    return opened


def _hush() -> None:
    """The library's log repeats what servers say, and parts of URLs."""
    log = logging.getLogger("apprise")
    log.propagate = False
    log.handlers[:] = [logging.NullHandler()]


class Apprise:
    """Sends through the library, to one service."""

    paces: tuple[Pace, ...] = ()

    def __init__(self, sink_id: str, config: AppriseConfig, service: Callable[[], "apprise.Apprise"]) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.timeout: Millis = config.timeout
        self._service = service
        self._aside = Aside(THREADS)

    def render(self, notification: Notification) -> bytes:
        """Title, text and kind, as JSON: what the service gets is made of it by the library."""
        return json.dumps(payload(notification), ensure_ascii=False).encode(errors="replace")

    async def send(self, delivery: Delivery) -> None:
        """Hand the message to the library and wait for its word."""
        message = json.loads(frozen_body(delivery))
        if delivery.unknown_outcomes:
            message["body"] = f"possible duplicate · id {delivery.id}\n{message['body']}"
        service = self._service()
        try:
            went_well = await self._aside.run(lambda: _notify(service, message), self.timeout)
        except (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError) as error:
            text = f"Apprise failed ({type(error).__name__})"
            raise DeliveryError(text, Outcome.UNKNOWN, reason=Reason.BAD_ANSWER) from None
        if not went_well:
            raise DeliveryError("Apprise says that it did not work", Outcome.UNKNOWN, reason=Reason.BAD_ANSWER)


def _notify(service: "apprise.Apprise", message: dict[str, str]) -> bool:
    said = service.notify(body=message["body"], title=message["title"], notify_type=message["type"], body_format="text")
    return bool(said)


def payload(notification: Notification) -> dict[str, str]:
    """The message in words that no destination reads as anything else."""
    links = [notification.external_url] if notification.external_url else []
    text = plain(render.body(notification, SPELLED_OUT), MAX_BODY)
    about = plain(f"{render.to_the_second(notification.at)} · {render.rule_names(notification)}", MAX_TITLE)
    kind = "success" if notification.status == "resolved" else _KINDS.get(notification.severity, "info")
    return {
        "title": plain(render.title(notification), MAX_TITLE),
        "body": "\n".join((text, *links, about)),
        "type": kind,
    }


def plain(text: str, limit: int) -> str:
    """Foreign text without the characters that make mentions, links or markup; it looks the same."""
    return render.clip(render.printable(text).translate(_LOOKALIKES), limit)
