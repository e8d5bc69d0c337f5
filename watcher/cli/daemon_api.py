"""The running daemon, asked over its API: what the live verbs have in common."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import click

from watcher import render
from watcher.config import read_secret
from watcher.errors import WatcherError
from watcher.http import Answer, Http, Request, TransportError

DEFAULT_URL = "http://127.0.0.1:8080"
_BASE = "/api/v1"
_MISTAKES = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_OK = 200
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Daemon:
    """Where a daemon is, and what it is to be shown."""

    url: str
    token_file: Path | None

    def ask(
        self,
        method: str,
        *path: str,
        query: Iterable[tuple[str, str]] = (),
        body: Mapping[str, object] | None = None,
    ) -> Any:
        """Ask and return the answer. Raises WatcherError, or UsageError where the daemon finds fault with the input."""
        return asyncio.run(self._ask(method, path, list(query), body))

    async def _ask(
        self, method: str, path: Sequence[str], query: Sequence[tuple[str, str]], body: Mapping[str, object] | None
    ) -> Any:
        target = "/".join(quote(each, safe="") for each in path)
        asked = f"?{urlencode(query, errors='replace')}" if query else ""
        request = Request(
            url=f"{self.url}{_BASE}/{target}{asked}",
            method=method,
            headers=self._headers(body is not None),
            body=None if body is None else json.dumps(body).encode(),
        )
        async with Http() as http:
            try:
                answer = await http.send(request)
            except TransportError as error:
                raise WatcherError(
                    f"no daemon answers: {error}; is it running, and is --url where it listens?"
                ) from None
        return self._read(answer)

    def _headers(self, has_body: bool) -> dict[str, str]:
        headers = {"Accept": "application/json", **({"Content-Type": "application/json"} if has_body else {})}
        if self.token_file is not None:
            try:
                headers["Authorization"] = f"Bearer {read_secret(self.token_file)}"
            except OSError as error:
                raise click.UsageError(f"--token-file: {self.token_file}: {error.strerror}") from None
            except ValueError as error:
                raise click.UsageError(f"--token-file: {self.token_file}: {error}") from None
        return headers

    def _read(self, answer: Answer) -> Any:
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict) or (answer.status // 100 != _OK // 100 and "detail" not in found):
            raise WatcherError(f"{self.url} answered {answer.status} in words of its own: is that a connect-watcher?")
        if answer.status // 100 == _OK // 100:
            return found
        text = "\n".join([str(found["detail"]), *_errors(found)])
        if answer.status in _MISTAKES:
            raise click.UsageError(text)
        raise WatcherError(text)


def _errors(problem: Mapping[str, Any]) -> list[str]:
    return [
        f"  {each['at']}: {each['problem']}" if each["at"] else f"  {each['problem']}"
        for each in problem.get("errors", ())
    ]


def _url(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not _is_base(value):
        raise click.BadParameter(f"write it like {DEFAULT_URL}")
    return value.rstrip("/")


def _is_base(value: str) -> bool:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return sound and not (parts.query or parts.fragment or "@" in parts.netloc)


def daemon_options(verb: F) -> F:
    """`--url`, `--token-file` and `--output`, which every live verb has. The verb gets them as `daemon` and `output`."""

    @wraps(verb)
    def called(*args: Any, url: str, token_file: Path | None, **kwargs: Any) -> Any:
        return verb(*args, daemon=Daemon(url, token_file), **kwargs)

    options = (
        click.option(
            "--output",
            type=click.Choice(["table", "json"]),
            default="table",
            show_default=True,
            help="For people or for programs.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            envvar="CONNECT_WATCHER_TOKEN_FILE",
            help="Holds the daemon's [web] token; not needed on its own machine; also from CONNECT_WATCHER_TOKEN_FILE.",
        ),
        click.option(
            "--url",
            default=DEFAULT_URL,
            show_default=True,
            callback=_url,
            envvar="CONNECT_WATCHER_URL",
            help="Where the daemon listens; also from CONNECT_WATCHER_URL.",
        ),
    )
    decorated: Any = called
    for option in options:
        decorated = option(decorated)
    found: F = decorated
    return found


def show(found: object, output: str, table: Callable[[], Iterable[Sequence[object]]], *, none: str = "") -> None:
    """Print an answer: as it came, or as a table whose first row is its heading."""
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    heading, *rows = [[_cell(each) for each in row] for row in table()]
    if not rows:
        click.echo(none)
        return
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for row in (heading, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    """A value on one line, without what a terminal would obey."""
    return "-" if value in {None, ""} else render.one_line(str(value)) or "-"


def matcher_texts(words: Iterable[str]) -> list[str]:
    """Matchers as typed; a first word without an operator is the name of an alert, as with amtool."""
    found = list(words)
    if found and not any(each in found[0] for each in "=~"):
        found[0] = f"alertname={json.dumps(found[0], ensure_ascii=False)}"
    return found
