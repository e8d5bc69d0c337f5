import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any

import apprise
import pytest
from aiohttp import web
from hypothesis import given
from pydantic import ValidationError

from tests.fakes import fake_env
from tests.loopback import free_port, web_server
from tests.notifications import DELIVERY_ID, FAILED, alert, delivery, notification, notifications, resolved
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Http
from watcher.sinks import Wiring
from watcher.sinks.apprise import Apprise, AppriseConfig, payload
from watcher.sinks.outcome import Reason

HTTP = Http()
CANARY = "c4n4ry"


def sink(url: str, **config: Any) -> Apprise:
    wiring = Wiring(http=HTTP, env=fake_env(), read=Path.read_text, stream=StringIO())
    given_ = {"url": url, "unguarded": True, **config}
    return AppriseConfig.model_validate(given_).build("team/apprise/0", wiring)


@given(notifications())
def test_no_foreign_text_can_call_anybody_or_be_markup(told: Notification) -> None:
    message = payload(told)
    assert not set(message["title"] + message["body"]) & set("<>@`[]*\\")
    assert len(message["title"]) <= 200
    assert len(message["body"]) <= 3_300
    assert message["type"] in {"success", "failure", "warning", "info"}


def test_the_kind_says_how_bad_it_is() -> None:
    warning = notification(alert(labels={"severity": "warning"}))
    odd = notification(alert(labels={"severity": "odd"}))
    kinds = [payload(each)["type"] for each in (FAILED, warning, odd, notification(resolved()))]
    assert kinds == ["failure", "warning", "info", "success"]


async def test_what_arrives_says_what_happened() -> None:
    arrived: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        arrived.append(await request.json())
        return web.Response()

    async with web_server(take) as url:
        to = sink(url.replace("http://", "json://"))
        row = delivery(to.render(FAILED))
        await to.send(row)
        await to.send(delivery(to.render(FAILED), unknown_outcomes=1))
    first, second = arrived
    assert first["title"] == "FIRING · DeploymentFailed · my-shop / stripe-prod"
    assert first["message"].startswith("firing: stripe-prod failed in my-shop\nhttps://watcher.example.com/groups/1\n")
    assert second["message"] == f"possible duplicate · id {DELIVERY_ID}\n{first['message']}"


async def test_what_did_not_work_has_an_unknown_outcome_and_shows_no_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    to = sink(f"json://user:{CANARY}@127.0.0.1:{free_port()}/{CANARY}")
    with pytest.raises(DeliveryError) as caught:
        await to.send(delivery(to.render(FAILED)))
    assert (caught.value.outcome, caught.value.reason) == (Outcome.UNKNOWN, Reason.BAD_ANSWER)
    said = f"{caught.value!s}{caught.value!r}{vars(caught.value)}{to!r}{vars(to)}"
    assert CANARY not in said
    assert CANARY not in "".join(each.getMessage() for each in caplog.records if each.name.startswith("apprise"))


async def test_a_library_that_hangs_is_left_alone_after_a_while() -> None:
    over = Event()

    class Stuck(apprise.Apprise):
        def notify(self, *_args: Any, **_named: Any) -> Any:
            over.wait()
            return True

    config = AppriseConfig.model_validate({"url": "json://localhost", "unguarded": True, "timeout": "50ms"})
    to = Apprise("team/apprise/0", config, Stuck)
    with pytest.raises(DeliveryError) as caught:
        await to.send(delivery(to.render(FAILED)))
    over.set()
    assert (caught.value.outcome, caught.value.reason) == (Outcome.UNKNOWN, Reason.TIMEOUT)


async def test_a_library_that_breaks_is_an_error_and_nothing_worse() -> None:
    class Broken(apprise.Apprise):
        def notify(self, *_args: Any, **_named: Any) -> Any:
            raise TypeError(CANARY)

    config = AppriseConfig.model_validate({"url": "json://localhost", "unguarded": True})
    to = Apprise("team/apprise/0", config, Broken)
    with pytest.raises(DeliveryError, match=r"^Apprise failed \(TypeError\)$") as caught:
        await to.send(delivery(to.render(FAILED)))
    assert caught.value.__suppress_context__


# ── what can be configured ───────────────────────────────────────────────────


@pytest.mark.parametrize("config", [{}, {"unguarded": False}])
def test_that_the_egress_policy_does_not_hold_has_to_be_wanted(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"set unguarded = true"):
        AppriseConfig.model_validate({"url": "json://localhost", **config})


@pytest.mark.parametrize("url", ["", CANARY, f"json://{CANARY}\r\n", "json://" + CANARY * 2_000])
def test_what_is_no_url_is_not_shown(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        sink(url)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "url", [f"no-such-service://{CANARY}", f"json://localhost json://{CANARY}", f"tgram://{CANARY}"]
)
def test_what_apprise_does_not_understand_is_found_when_the_sink_is_made(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^team/apprise/0: url: is not one URL that Apprise understands$"):
        sink(url)


@contextmanager
def without(module: str) -> Iterator[None]:
    """As if a module were not installed."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == module}
    sys.modules[module] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        yield
    finally:
        del sys.modules[module]
        sys.modules.update(kept)


def test_who_has_not_installed_it_is_told_how() -> None:
    with without("apprise"), pytest.raises(ConfigError) as caught:
        sink("json://localhost")
    assert str(caught.value) == (
        "team/apprise/0: url: Apprise is not installed: pip install 'connect-watcher[apprise]'"
    )


def test_who_does_not_use_it_does_not_load_it() -> None:
    code = "import sys, watcher.sinks; print('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "False\n"


def test_the_frozen_body_is_json() -> None:
    assert json.loads(sink("json://localhost").render(FAILED)) == payload(FAILED)
