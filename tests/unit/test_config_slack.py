"""The Slack app of the configuration: its ways in, who may press, and what makes no sense."""

from pathlib import Path

import pytest

from tests.unit.configs import problems, small
from watcher.config import SlackAppSettings, loads
from watcher.errors import ConfigError

BOT = 'slack = [{ token = "xoxb-1-2-canary", channel = "#deploys", actions = true }]'
SILENT = BOT.replace("true", "false")
SOCKET = '[slack]\napp_token = "xapp-1-canary"\n'
HTTP = '[slack]\nsigning_secret = "canary-0123456789abcdef"\n'
NEEDS = "receivers[0].slack[0].actions: needs app_token (Socket Mode) or signing_secret (HTTP) in [slack]"


@pytest.mark.parametrize("extra", ["", "[slack]\nallowed_users = ['*']"])
def test_buttons_need_a_way_back(extra: str) -> None:
    (line,) = problems(small(extra, receiver=BOT))
    assert line.startswith(NEEDS)
    assert loads(small(extra, receiver=SILENT), {}).warnings == ()


@pytest.mark.parametrize("app", [SOCKET, HTTP])
@pytest.mark.parametrize("who", ['allowed_users = ["U0123", "W0123", "*"]', 'allowed_groups = ["S0123"]'])
def test_with_a_way_back_and_somebody_who_may_press_all_is_well(app: str, who: str) -> None:
    loaded = loads(small(f"{app}{who}", receiver=BOT), {})
    assert loaded.warnings == ()
    assert any("canary" in each for each in loaded.secrets)
    assert "canary" not in repr(loaded)


@pytest.mark.parametrize("app", [SOCKET, HTTP])
def test_what_makes_no_sense_is_warned_of(app: str) -> None:
    assert loads(small(app, receiver=BOT), {}).warnings == (
        "slack: has neither allowed_users nor allowed_groups: nobody may press the buttons",
    )
    assert loads(small(app, receiver=SILENT), {}).warnings == (
        "slack: is of no use: no receiver has a bot with actions = true",
    )


@pytest.mark.parametrize(
    ("app", "line"),
    [
        ('app_token = "xoxb-canary"', "slack.app_token: is not an app-level token, which begins with xapp-"),
        ('signing_secret = "canary"', "slack.signing_secret: must be at least 16 visible ASCII characters"),
        (
            'app_token = "xapp-1-canary"\napp_token_file = "canary"',
            "slack.app_token_file: give either app_token or app_token_file",
        ),
        ('signing_secret_file = "nowhere"', "slack.signing_secret_file: nowhere: No such file"),
        ('allowed_users = ["ada"]', "slack.allowed_users[0]: must be a user's id, like U0123ABCD, or *"),
        ('allowed_groups = ["*"]', "slack.allowed_groups[0]: must be a user group's id, like S0123ABCD"),
        ('api_url = "slack.com"', "slack.api_url: is not a URL"),
        ("buttons = true", "slack.buttons: unknown key"),
    ],
)
def test_each_mistake_is_told_with_its_path(app: str, line: str) -> None:
    found = problems(small(f"[slack]\n{app}"))
    assert [each for each in found if each.startswith(line)]
    assert "canary" not in "\n".join(found).replace("canary: No such", "")


def test_secrets_are_read_from_files_whenever_they_are_used(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    app = SlackAppSettings(app_token_file=file, signing_secret_file=file)
    file.write_text("xapp-1-canary-canary\n")
    assert (app.taken_app_token(), app.taken_signing_secret()) == ("xapp-1-canary-canary",) * 2
    file.write_text("canary\n")
    with pytest.raises(ConfigError, match=r"slack\.app_token_file: what it holds is not an app-level token"):
        app.taken_app_token()
    with pytest.raises(ConfigError, match=r"slack\.signing_secret_file: what it holds must be"):
        app.taken_signing_secret()
    assert (SlackAppSettings().taken_app_token(), SlackAppSettings().taken_signing_secret()) == ("", "")
