"""The live verbs of the command line, asking a real API."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from tests.integration.api_stage import Stage, stage, with_alerts, with_dead_letters, with_deployments
from tests.loopback import web_server
from watcher.cli import main

TOKEN = "a-token-of-the-right-length"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


async def cli(url: str, *arguments: str, **environ: str) -> Result:
    """The command line, in a thread: it has a loop of its own."""
    runner = CliRunner()
    asked = [*arguments, "--url", url]
    return await asyncio.to_thread(lambda: runner.invoke(main, asked, env=environ, catch_exceptions=False))


def lines(found: Result) -> list[str]:
    assert (found.exit_code, found.stderr) == (0, "")
    return found.stdout.splitlines()


async def test_alerts_are_a_table_for_people(world: Stage) -> None:
    assert lines(await cli(world.url, "alerts")) == ["no alerts"]
    await with_alerts(world.store)
    heading, *rows = lines(await cli(world.url, "alerts"))
    assert heading.split() == ["ALERT", "STATE", "SEVERITY", "PROJECT", "DEPLOYMENT", "STARTED", "SUMMARY"]
    assert [row.split()[0] for row in rows] == ["Waiting", "Over", "Failed", "Known"]
    assert rows[3].split()[:3] == ["Known", "firing", "(known)"]
    assert rows[2].endswith("Failed in my-shop")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["Failed"], ["Failed"]),
        (["Failed", 'severity="warning"'], []),
        (['severity=~"crit.*"', "alertname!=Over", "--state", "firing"], ["Failed", "Known"]),
        (["--state", "pending", "--unsilenced", "--unacknowledged"], ["Waiting"]),
        (["--silenced"], []),
    ],
)
async def test_alerts_are_chosen_with_amtools_words(world: Stage, arguments: list[str], expected: list[str]) -> None:
    await with_alerts(world.store)
    found = json.loads("\n".join(lines(await cli(world.url, "alerts", *arguments, "--output", "json"))))
    assert [each["labels"]["alertname"] for each in found["alerts"]] == expected


async def test_what_a_limit_leaves_out_is_counted(world: Stage) -> None:
    await with_alerts(world.store)
    found = await cli(world.url, "alerts", "--limit", "1")
    assert (len(found.stdout.splitlines()), found.stderr) == (2, "3 more: --limit shows up to 1000\n")


async def test_deployments_are_shown_and_what_is_blind_is_said(world: Stage) -> None:
    await with_deployments(world.store)
    found = await cli(world.url, "deployments")
    assert [row.split()[:3] for row in found.stdout.splitlines()[1:]] == [
        ["my-shop", "other", "Failed"],
        ["my-shop", "shop", "Deployed"],
        ["second", "third", "Deployed"],
    ]
    assert found.stderr == "blind: deployments of second, last read never\n"
    chosen = ["--project", "my-shop", "--status", "Failed", "--type", "preview"]
    assert len(lines(await cli(world.url, "deployments", *chosen))) == 2


async def test_dead_letters_are_listed_shown_and_replayed(world: Stage) -> None:
    assert lines(await cli(world.url, "deadletter", "list")) == ["no dead letters"]
    await with_dead_letters(world.store, "a", "b")
    found = await cli(world.url, "deadletter", "list", "--limit", "1")
    assert found.stdout.splitlines()[1].startswith("b ")
    assert found.stderr == "there are more: --before 2\n"
    assert "status 400" in found.stdout
    shown = json.loads((await cli(world.url, "deadletter", "show", "a", "--output", "json")).stdout)
    assert shown["notification"]["id"] == "a"
    assert any(line.startswith("body ") for line in lines(await cli(world.url, "deadletter", "show", "a")))
    found = await cli(world.url, "deadletter", "replay", "a", "nobody")
    assert (found.exit_code, found.stdout.split(), found.stderr) == (1, ["REPLAYED", "a"], "nobody: no dead letter\n")
    assert lines(await cli(world.url, "deadletter", "replay", "--sink", "team/webhook/0")) == ["REPLAYED", "b"]
    assert lines(await cli(world.url, "deadletter", "replay", "--sink", "team/webhook/0")) == ["nothing to replay"]


async def test_what_is_not_there_is_1(world: Stage) -> None:
    for arguments in (["deadletter", "show", "nobody"], ["silence", "expire", "nobody"]):
        found = await cli(world.url, *arguments)
        assert (found.exit_code, found.stdout) == (1, "")
        assert found.stderr.startswith("there is no ")


async def test_a_silence_is_added_queried_and_expired(world: Stage) -> None:
    assert lines(await cli(world.url, "silence", "query")) == ["no silences"]
    made = await cli(world.url, "silence", "add", "Failed", 'project="my-shop"', "-d", "2h", "-c", "known", "-a", "ann")
    assert (made.exit_code, made.stderr) == (0, "fits no alerts now\n")
    name = made.stdout.strip()
    heading, row = lines(await cli(world.url, "silence", "query"))
    assert heading.split() == ["ID", "STATE", "MATCHERS", "ENDS", "BY", "COMMENT"]
    assert row.split() == [
        *(name, "active", 'alertname="Failed",', 'project="my-shop"', "2027-01-15T10:00:00Z", "ann", "known")
    ]
    assert len(lines(await cli(world.url, "silence", "expire", name))) == 2
    assert lines(await cli(world.url, "silence", "query")) == ["no silences"]
    assert len(lines(await cli(world.url, "silence", "query", "--ended"))) == 2


async def test_who_adds_a_silence_hears_what_it_fits(world: Stage) -> None:
    await with_alerts(world.store)
    for name, fits in (("Failed", "fits 1 alert now\n"), ("alertname=~Failed|Known", "fits 2 alerts now\n")):
        made = await cli(world.url, "silence", "add", name, "-d", "2h", "-c", "known")
        assert (made.exit_code, made.stderr) == (0, fits)


async def test_a_silence_may_last_until_the_next_deployment_and_its_author_is_who_is_logged_in(world: Stage) -> None:
    arguments = ["silence", "add", 'deployment="shop"', "--until-deployment", "--comment", "x", "--output", "json"]
    found = json.loads("\n".join(lines(await cli(world.url, *arguments, LOGNAME="carol"))))
    assert (found["untilDeployment"], found["author"]) == (True, "carol")
    assert "at the next deployment, " in lines(await cli(world.url, "silence", "query"))[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["silence", "add", "a=b", "-c", "x"], "say when it ends: --duration or --until-deployment"),
        (["silence", "add", "a=b", "-d", "1h"], "Missing option '-c'"),
        (["silence", "add", "-c", "x", "-d", "1h"], "Missing argument 'MATCHERS...'"),
        (["silence", "add", "a=~(", "-c", "x", "-d", "1h"], "matchers.0: at position 4: not a valid RE2 pattern"),
        (["silence", "add", "a=b", "-c", "x", "-d", "soon"], "duration: not a duration: 'soon'"),
        (["alerts", "a=~("], "filter.0: at position 4"),
        (["alerts", "--limit", "0"], "0 is not in the range"),
        (["deadletter", "replay"], "give either ids or --sink"),
        (["deadletter", "replay", "a", "--sink", "s"], "give either ids or --sink"),
        (["alerts", "--output", "xml"], "'xml' is not one of"),
    ],
)
async def test_wrong_usage_is_2_and_says_what(world: Stage, arguments: list[str], said: str) -> None:
    found = await cli(world.url, *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://host", "http://user:canary@host", "http://host/?a=b", "http://[::1"]
)
async def test_a_url_has_to_be_one(url: str) -> None:
    found = await cli(url, "alerts")
    assert found.exit_code == 2
    assert "write it like http://127.0.0.1:8080" in found.stderr
    assert "canary" not in found.stderr


async def test_a_daemon_that_is_not_there_is_1_and_the_way_out_is_said() -> None:
    found = await cli("http://127.0.0.1:1", "alerts")
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr == (
        "no daemon answers: 127.0.0.1:1: cannot connect (Connection refused); "
        "is it running, and is --url where it listens?\n"
    )


@pytest.mark.parametrize("body", ["<html>", "[]", '{"message": "x"}'])
async def test_something_else_that_answers_is_no_connect_watcher(body: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, status=502)

    async with web_server(answer) as url:
        found = await cli(url, "alerts")
    assert found.exit_code == 1
    assert found.stderr == f"{url} answered 502 in words of its own: is that a connect-watcher?\n"


async def test_the_token_comes_from_a_file_and_is_presented(tmp_path: Path) -> None:
    presented: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        presented.append(request.headers.get("Authorization"))
        return web.json_response({"silences": []})

    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    async with web_server(answer) as url:
        assert (await cli(url, "silence", "query", "--token-file", str(file))).exit_code == 0
        assert (await cli(url, "silence", "query", CONNECT_WATCHER_TOKEN_FILE=str(file))).exit_code == 0
        assert (await cli(url, "silence", "query")).exit_code == 0
        lost = await cli(url, "silence", "query", "--token-file", str(tmp_path / "nothing"))
    assert presented == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", None]
    assert lost.exit_code == 2
    assert "nothing: No such file or directory" in lost.stderr


async def test_a_token_that_is_refused_is_1(world: Stage, tmp_path: Path) -> None:
    world.token = TOKEN
    file = tmp_path / "token"
    file.write_text("another token")
    found = await cli(world.url, "alerts", "--token-file", str(file))
    assert (found.exit_code, found.stderr) == (1, "this is not the token of [web] token or token_file\n")


async def test_a_terminal_is_not_told_what_to_do_by_what_is_shown(world: Stage) -> None:
    await world.ask(
        "POST", "/silences", {"matchers": ['a="\x1b]0;x\x07b"'], "comment": "\x1b[31mred\nrow", "duration": "1h"}
    )
    rows = lines(await cli(world.url, "silence", "query"))
    assert len(rows) == 2
    assert all(each.isprintable() for each in rows)
