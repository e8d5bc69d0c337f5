"""Every page of the documentation is held to the code: its blocks work, its links lead somewhere, its names exist.

A failure says `page:line` and what to do. What is special to a page (a program of others, a language that is none of
ours) belongs to a test module of its own that names the page's file; here it is only seen that there is one.
"""

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

from tests.docs import known
from tests.docs.pages import (
    PAGES,
    ROOT,
    STARTS,
    TENANT,
    Text,
    anchors,
    blocks,
    environment,
    lines,
    links,
    name,
    pictures_without_words,
    spans,
    target,
    whole,
    with_files,
)
from watcher.cli import VERBS
from watcher.config import loads
from watcher.errors import ConfigError

SPECIAL = {("docs/simulator.md", "toml"), ("docs/simulator.md", "http")}
"""Blocks that mean something else than on other pages: the test module that names the page sees to them."""
LANGUAGES = frozenset({"toml", "sh", "text", "json", "yaml", "python", "http"})
"""Languages that are seen to here. Others need a test module that names the page and the language."""
SHELL = frozenset(
    {".", "python3", "cd", "mkdir", "export", "echo", "cat", "ls", "chmod", "install", "cp", "grep", "openssl", "git"}
)
"""Programs that cannot rot."""
LONGEST = 300
"""Lines of a page: what is longer is two pages."""
FILES = frozenset(
    {"md", "py", "toml", "json", "yaml", "yml", "db", "ndjson", "service", "env", "txt", "gz", "pem", "sh", "com"}
)
LARGEST = 200_000
LOCAL = re.compile(r"https?://(?:127\.0\.0\.1|localhost):(?P<port>8080|4318)(?P<path>/[^\s'\"?]*)?")


def held(page: Path, problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        pytest.fail("\n".join([f"{name(page)} does not hold:", *found]), pytrace=False)


every_page = pytest.mark.parametrize("page", PAGES, ids=name)


@cache
def modules() -> tuple[str, ...]:
    """The texts of the test modules that may see to what is special to a page."""
    here = Path(__file__)
    return tuple(path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")) if path != here)


def is_seen_to(page: Path, word: str) -> bool:
    """Whether a test module names the page's file and the word."""
    return any(f'"{page.name}"' in text and re.search(rf"\b{re.escape(word)}\b", text) for text in modules())


def test_the_smallest_configuration_is_that_of_the_first_page() -> None:
    assert TENANT in [block.text for block in blocks(ROOT / "README.md", "toml")]


# ── blocks ───────────────────────────────────────────────────────────────────


@every_page
def test_every_configuration_loads_without_a_warning(page: Path, tmp_path: Path) -> None:
    held(page, _configurations(page, tmp_path))


def _configurations(page: Path, folder: Path) -> Iterator[str]:
    if (name(page), "toml") in SPECIAL:
        assert is_seen_to(page, "toml")
        return
    for block in blocks(page, "toml"):
        text = with_files(whole(block), folder)
        try:
            yield from (
                f"{block.place}: warns: {each}" for each in loads(text, environment(text), base=folder).warnings
            )
        except ConfigError as error:
            added = (
                "" if "[[projects]]" in block.text else " (added to the smallest configuration, tests/docs/pages.py)"
            )
            yield from (f"{block.place}: does not load{added}: {each}" for each in error.problems)


def _json(text: str) -> object:
    return json.loads(text)


def _yaml(text: str) -> object:
    return list(yaml.safe_load_all(text))


def _python(text: str) -> object:
    return compile(text, "a page", "exec")


READERS: dict[str, Callable[[str], object]] = {"json": _json, "yaml": _yaml, "python": _python, "toml": tomllib.loads}


@every_page
def test_every_block_is_what_it_says(page: Path) -> None:
    held(page, _languages(page))


def _languages(page: Path) -> Iterator[str]:
    for block in blocks(page):
        if not block.kind:
            yield f"{block.place}: a block without a language: say which, `text` for output"
        elif block.kind not in LANGUAGES and not is_seen_to(page, block.kind):
            yield f'{block.place}: nothing sees to {block.kind!r}: name "{page.name}" and the language in a test module'
        try:
            READERS.get(block.kind, str)(block.text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            yield f"{block.place}: is no {block.kind}: {str(error).splitlines()[0]}"


@every_page
def test_every_request_is_to_a_path_that_there_is(page: Path) -> None:
    held(page, _requests(page))


def _requests(page: Path) -> Iterator[str]:
    if (name(page), "http") in SPECIAL:
        assert is_seen_to(page, "http")
        return
    for block in blocks(page, "http"):
        found = re.match(r"(GET|POST|DELETE|PUT) (/\S*)", block.text)
        if not found or not known.is_path(found[2]):
            yield f"{block.place}: the daemon answers nothing like {block.text.splitlines()[0]!r}"
    for each in [*spans(page), *(line for block in blocks(page, "sh", "text") for line in lines(block))]:
        for request in LOCAL.finditer(each.text):
            path = (request["path"] or "/").rstrip("/.")
            if path and not known.is_path(path):
                yield f"{each.place}: the daemon does not answer at {path}"


# ── commands ─────────────────────────────────────────────────────────────────


@every_page
def test_every_command_takes_what_it_is_given(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held(page, _commands(page))


def _commands(page: Path) -> Iterator[str]:
    for line in (line for block in blocks(page, "sh") for line in lines(block)):
        try:
            said = shlex.split(line.text, comments=True)
        except ValueError as error:
            yield f"{line.place}: no shell reads this: {error}"
            continue
        for command in _pieces(said):
            if problem := _command(page, command):
                yield f"{line.place}: {problem}"


def _pieces(words: list[str]) -> Iterator[list[str]]:
    """The commands of a line, without variables in front and what becomes of their output."""
    command: list[str] = []
    for word in [*words, ";"]:
        if word in {"|", "&&", "||", ";", ">", ">>", "<", "2>", "&"}:
            if command:
                yield command
            command = [] if word not in {">", ">>", "<", "2>"} else ["echo"]
        elif (command or not re.match(r"[A-Z_]+=", word)) and not re.fullmatch(r"[0-9]?>&[0-9]", word):
            command.append(word)


def _command(page: Path, command: list[str]) -> str:
    program, rest = command[0].rpartition("/")[2], command[1:]
    for at, word in enumerate(rest):  # within a container: `kubectl exec … -- connect-watcher alerts`
        if word == "connect-watcher" and rest[at - 1] == "--":
            return _ours(rest[at + 1 :])
    match program:
        case "connect-watcher":
            return _ours(rest)
        case "make":
            unknown = [each for each in rest if "=" not in each and each not in known.targets()]
            return f"there is no `make {unknown[0]}`" if unknown else ""
        case "pip" | "uv" | "pipx":
            return _packages(rest)
        case "curl" if any(map(LOCAL.match, rest)):
            return ""  # its path is looked at with the others
        case _ if program in SHELL or is_seen_to(page, program):
            return ""
    return f'nothing sees to {program!r}: name "{page.name}" and the program in a test module that runs or checks it'


def _packages(rest: list[str]) -> str:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = {each.strip() for word in rest for each in "".join(re.findall(r"\[(.*?)\]", word)).split(",")} - {""}
    return f"there are no extras {sorted(asked - extras.keys())}" if asked - extras.keys() else ""


def _ours(rest: list[str]) -> str:
    """What is wrong with a command line of ours; files that it is to read are made."""
    for word in rest:
        if re.fullmatch(r"[\w./-]+\.(toml|ndjson|gz|db)", word) and not word.startswith("/"):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    try:
        verb, left = known.verb(rest)
        if left in (["--version"], ["--help"]) or verb.name == "connect-watcher":
            return "" if left and set(left) <= known.options(verb) else "says no verb"
        verb.make_context(verb.name, [*left])
    except (ValueError, click.ClickException) as error:
        return f"`connect-watcher {shlex.join(rest)}` cannot be: {error}"
    return ""


@every_page
def test_every_verb_within_a_sentence_exists(page: Path) -> None:
    held(page, _verbs(page))


def _verbs(page: Path) -> Iterator[str]:
    for span in spans(page):
        words = span.text.split()
        if words[0] == "make" and len(words) > 1 and words[1] not in known.targets():
            yield f"{span.place}: there is no `{span.text}`"
        ours = words[0] == "connect-watcher"
        words = words[1:] if ours else words
        if not words or (not ours and (words[0] not in VERBS or len(words) == 1)):
            continue
        try:
            verb, left = known.verb(words)
        except ValueError as error:
            yield f"{span.place}: {error}"
            continue
        for word in left:
            if word.startswith("-") and word.partition("=")[0] not in known.options(verb):
                yield f"{span.place}: `{verb.name}` has no {word}"


# ── links ────────────────────────────────────────────────────────────────────


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    held(page, _broken(page))


def _broken(page: Path) -> Iterator[str]:
    for link in links(page):
        found = target(link)
        if found is None:
            if re.match(r"http:(?!//(127\.0\.0\.1|localhost)\b)", link.text):
                yield f"{link.place}: {link.text} is not https"
            continue
        file, anchor = found
        if not file.exists():
            yield f"{link.place}: {link.text}: there is no such file"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            yield f"{link.place}: {link.text}: no heading there is called so"
    for picture in pictures_without_words(page):
        yield f"{picture.place}: {picture.text}: say in its brackets what it shows"


def test_every_page_and_picture_is_reached_from_where_readers_begin() -> None:
    seen: set[Path] = set()
    waiting = [*STARTS]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.exists():
            seen.add(page)
            waiting += [found[0] for found in map(target, links(page) if page.suffix == ".md" else ()) if found]
    pictures = [path for path in (ROOT / "docs" / "pictures").rglob("*") if path.suffix in {".png", ".svg"}]
    lost = [name(page) for page in [*PAGES, *pictures] if page not in seen]
    assert not lost, f"nothing links to {', '.join(lost)}: add a line to docs/README.md"


def test_pictures_are_small() -> None:
    large = [each.name for each in (ROOT / "docs" / "pictures").glob("*.png") if each.stat().st_size > LARGEST]
    assert not large, f"make them smaller than {LARGEST:,} bytes: {large}"


# ── names ────────────────────────────────────────────────────────────────────


def said(page: Path) -> list[Text]:
    """What stands in backquotes or in a block, one line at a time."""
    found = [
        Text(page, at, block.kind, line)
        for block in blocks(page)
        for at, line in enumerate(block.text.splitlines(), block.line)
    ]
    return [*spans(page), *found]


@every_page
def test_every_metric_exists_with_these_labels_and_values(page: Path) -> None:
    held(page, _metrics(page))


def _metrics(page: Path) -> Iterator[str]:
    for each in said(page):
        for found in re.finditer(r"\b(connect_watcher_\w+)(?:\{([^}]*)\})?", each.text):
            labels = known.metrics().get(found[1])
            if labels is None:
                if not found[1].endswith("_"):
                    yield f"{each.place}: there is no metric {found[1]}"
                continue
            for part in filter(None, (found[2] or "").split(",")):
                label, operator, value = re.split(r"(=~|!~|!=|=|$)", part.strip(), maxsplit=1)
                if label not in labels | {"job", "instance", "namespace"}:
                    yield f"{each.place}: {found[1]} has no label {label}"
                closed = known.values().get((found[1], label))
                if closed and operator == "=" and value.strip('"') not in closed:
                    yield f"{each.place}: {label} of {found[1]} is never {value}"


@every_page
def test_every_log_event_exists(page: Path) -> None:
    held(page, _events(page))


def _events(page: Path) -> Iterator[str]:
    prefixes = {each.partition(".")[0] for each in known.log_events()}
    allowed = known.log_events() | known.settings()
    allowed |= {f"config.{each}" for each in known.settings()}  # as values of the chart
    for span in spans(page):
        found = re.fullmatch(r"([a-z]+)\.([a-z_]+)", span.text)
        if found and found[1] in prefixes and found[2] not in FILES and span.text not in allowed:
            yield f"{span.place}: nothing is logged as {span.text}"


@every_page
def test_every_name_in_capitals_is_one_of_ours_or_of_what_is_deployed(page: Path) -> None:
    """Rules, alerts, statuses, kinds of Kubernetes: words like `DeploymentFailed` stand in the code or in deploy/."""
    own = {word for block in blocks(page) for word in re.findall(r"\w+", block.text)}
    known_words = known.words() | own
    held(
        page,
        (
            f"{span.place}: nothing in watcher/, deploy/ or on this page is called {word}"
            for span in spans(page)
            for word in re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", span.text)
            if word not in known_words
        ),
    )


@every_page
def test_every_path_and_variable_of_the_daemon_exists(page: Path) -> None:
    held(page, _paths(page))


def _paths(page: Path) -> Iterator[str]:
    for each in said(page):
        for path in re.findall(r"(?<![\w/])(/api/v1/[\w{}/.-]+|/-/\w+)", each.text):
            if not known.is_path(path.rstrip(".")):
                yield f"{each.place}: the daemon does not answer at {path}"
        for variable in re.findall(r"\bCONNECT_WATCHER_[A-Z_]+\b", each.text):
            if variable not in known.variables():
                yield f"{each.place}: nothing reads {variable}"


@every_page
def test_no_page_is_longer_than_people_read(page: Path) -> None:
    count = len(page.read_text("utf-8").splitlines())
    if count > LONGEST and page.name != "configuration.md":  # that one is for looking things up
        pytest.fail(f"{name(page)} has {count} lines: make two pages of it", pytrace=False)
