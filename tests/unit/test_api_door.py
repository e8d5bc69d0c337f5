"""Who may use the API, as a table."""

from typing import Any

import pytest

from watcher.errors import ConfigError
from watcher.web.api_door import Call, admit, is_loopback, is_passed_on
from watcher.web.api_problem import ProblemError

TOKEN = "a-token-of-the-right-length"
LOCAL: dict[str, Any] = {"peer": "127.0.0.1", "host": "127.0.0.1:8080"}
REMOTE: dict[str, Any] = {"peer": "10.0.0.7", "host": "watcher.example.com"}
BEARER: dict[str, Any] = {"authorization": f"Bearer {TOKEN}"}
WRITE: dict[str, Any] = {"method": "POST", "content_type": "application/json"}


def status(token: str = "", **presented: Any) -> int:
    try:
        admit(Call(**presented), lambda: token)
    except ProblemError as problem:
        return problem.status.value
    return 200


@pytest.mark.parametrize(
    ("presented", "without", "with_token"),
    [
        (LOCAL, 200, 200),
        (LOCAL | {"peer": "::1", "host": "[::1]:8080"}, 200, 200),
        (LOCAL | {"peer": "::ffff:127.0.0.1", "host": "localhost:8080"}, 200, 200),
        (LOCAL | {"host": "LOCALHOST"}, 200, 200),
        # a name that has come to mean 127.0.0.1
        (LOCAL | {"host": "evil.example:8080"}, 403, 403),
        (LOCAL | {"host": "localhost.evil.example"}, 403, 403),
        (LOCAL | {"host": "127.0.0.1.evil.example"}, 403, 403),
        (LOCAL | {"host": ""}, 403, 403),
        (LOCAL | {"host": "[::1"}, 403, 403),
        (LOCAL | {"host": "localhost:bad"}, 200, 200),
        (LOCAL | {"host": "evil.example@localhost"}, 403, 403),
        (LOCAL | {"host": "localhost/.evil.example"}, 403, 403),
        (LOCAL | {"host": "localhost?.evil.example"}, 403, 403),
        (LOCAL | {"host": "localhost#.evil.example"}, 403, 403),
        (LOCAL | {"host": "localhost\\.evil.example"}, 403, 403),
        # a proxy on this machine
        (LOCAL | {"passed_on": True}, 403, 401),
        (LOCAL | {"passed_on": True, "host": "watcher.example.com"} | BEARER, 403, 200),
        (LOCAL | {"host": "watcher.example.com"} | BEARER, 403, 200),
        # others
        (REMOTE, 403, 401),
        (REMOTE | {"host": "localhost"}, 403, 401),
        (REMOTE | BEARER, 403, 200),
        (REMOTE | {"authorization": f"bearer  {TOKEN} "}, 403, 200),
        (REMOTE | {"authorization": TOKEN}, 403, 401),
        (REMOTE | {"authorization": f"Basic {TOKEN}"}, 403, 401),
        (REMOTE | {"authorization": f"Bearer {TOKEN}x"}, 403, 401),
        (REMOTE | {"authorization": "Bearer "}, 403, 401),
        (REMOTE | {"authorization": "Bearer \udcff"}, 403, 401),
        (LOCAL | {"authorization": "Bearer wrong"}, 200, 401),
        (REMOTE | {"peer": ""}, 403, 401),
        (REMOTE | {"peer": "/run/socket"}, 403, 401),
        # pages
        (LOCAL | {"origin": "http://127.0.0.1:8080", "fetch_site": "same-origin"}, 200, 200),
        (LOCAL | {"origin": "https://evil.example"}, 403, 403),
        (LOCAL | {"origin": "http://127.0.0.1:9999"}, 403, 403),
        (LOCAL | {"origin": "null"}, 403, 403),
        (LOCAL | {"origin": ""}, 403, 403),
        (LOCAL | {"fetch_site": "cross-site"}, 403, 403),
        (LOCAL | {"fetch_site": "same-site"}, 403, 403),
        (LOCAL | {"fetch_site": "none"}, 200, 200),
        (REMOTE | BEARER | {"origin": "https://evil.example"}, 403, 403),
        # writes
        (LOCAL | WRITE, 200, 200),
        (LOCAL | WRITE | {"content_type": "text/plain"}, 415, 415),
        (LOCAL | WRITE | {"content_type": "application/x-www-form-urlencoded"}, 415, 415),
        (LOCAL | WRITE | {"content_type": ""}, 415, 415),
        (LOCAL | WRITE | {"content_encoding": "gzip"}, 415, 415),
        (LOCAL | {"method": "DELETE"}, 200, 200),
    ],
)
def test_who_may_ask(presented: dict[str, Any], without: int, with_token: int) -> None:
    assert (status(**presented), status(TOKEN, **presented)) == (without, with_token)


def test_a_token_that_cannot_be_read_lets_nobody_in() -> None:
    def unreadable() -> str:
        raise ConfigError(["web.token_file: gone"])

    with pytest.raises(ProblemError) as caught:
        admit(Call(**REMOTE, **BEARER), unreadable)
    assert caught.value.status == 503
    assert "gone" not in str(caught.value)
    admit(Call(**LOCAL), unreadable)


@pytest.mark.parametrize(
    ("peer", "own"),
    [("127.9.9.9", True), ("::1", True), ("::ffff:10.0.0.1", False), ("0.0.0.0", False), ("", False), ("x", False)],
)
def test_what_is_this_machine(peer: str, own: bool) -> None:
    assert is_loopback(peer) == own


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Forwarded", True),
        ("VIA", True),
        ("x-forwarded-for", True),
        ("X-Forwarded-Proto", True),
        ("X-Envoy-External-Address", True),
        ("X-Original-Forwarded-For", True),
        ("CF-Connecting-IP", True),
        ("X-Real-IP", True),
        ("User-Agent", False),
    ],
)
def test_what_a_proxy_says(name: str, expected: bool) -> None:
    assert is_passed_on(["Host", name]) is expected


def test_what_decides_does_not_print_the_token() -> None:
    assert TOKEN not in repr(Call(**REMOTE, **BEARER))
