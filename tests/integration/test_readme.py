"""The README is held to what the program does."""

import re
import shlex
from collections.abc import Iterator
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from standardwebhooks import WebhookVerificationError

from tests.fakes import connector, deployment, draft
from tests.loopback import web_server
from tests.notifications import FAILED, delivery
from watcher import app
from watcher.cli import VERBS, main
from watcher.config import loads, pack_text, parse_rules, read_secret
from watcher.config.labels import LABELS
from watcher.core.event import Event, EventType
from watcher.http import Http
from watcher.metrics import Metrics
from watcher.rules import subject
from watcher.sinks import SINKS, WebhookConfig, Wiring

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DELIVERY = (ROOT / "docs" / "delivery.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
KEY = "whsec_YSBzaWduaW5nIGtleSBvZiAzMiBieXRlcywgcmVhZHk="
ENVIRON = {
    "CTP_CLIENT_ID": "id",
    "CTP_CLIENT_SECRET": "client-secret",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "ONCALL_WEBHOOK_URL": "https://example.com/hook",
    "ONCALL_WEBHOOK_SECRET": KEY,
    "SLACK_BOT_TOKEN": "xoxb-1-2-x",
    "SLACK_APP_TOKEN": "xapp-1-2-x",
    "HEARTBEAT_URL": "https://example.com/ping",
}


def fenced(language: str, page: str = README) -> list[str]:
    """The blocks of a language, without what indents them."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", page, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


WHOLE = [block for block in fenced("toml") if "[[projects]]" in block]
TENANT = next(block for block in WHOLE if "CTP_CLIENT_ID" in block)
PARTS = [block for page in (README, DELIVERY) for block in fenced("toml", page) if "[[projects]]" not in block]

LINES = [
    line
    for page in (README, DELIVERY)
    for block in fenced("sh", page)
    for line in block.splitlines()
    if line.startswith("connect-watcher ")
]


def rows(heading: str) -> Iterator[list[str]]:
    """The rows of the tables of a section, as cells, where the first names something."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("text", [*WHOLE, *(TENANT + part for part in PARTS)])
def test_every_configuration_loads_without_a_warning(text: str) -> None:
    assert loads(text, ENVIRON).warnings == ()


def test_there_are_configurations_to_load() -> None:
    assert (len(WHOLE), len(PARTS)) == (3, 5)


def test_every_verb_that_is_named_exists() -> None:
    code = [*re.findall(r"`[^`\n]+`", README), *fenced("sh"), *re.findall(r"^    .*$", README, re.MULTILINE)]
    named = set(re.findall(r"\bconnect-watcher ([a-z][a-z-]*)", "\n".join(code)))
    assert {"run", "check-config", "simulate", "schema", "db"} <= named
    assert named <= VERBS.keys()


@pytest.mark.parametrize("line", LINES)
def test_every_command_takes_what_it_is_given(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("config.toml", "records.ndjson"):
        (tmp_path / name).touch()
    verb: click.Command = main
    rest = shlex.split(line, comments=True)[1:]
    while isinstance(verb, click.Group):
        found = verb.get_command(click.Context(verb), rest.pop(0))
        assert found
        verb = found
    assert verb.make_context(verb.name, rest).command is verb


def test_every_make_target_that_is_named_exists() -> None:
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test", "check"} <= named
    assert named <= set(re.findall(r"[a-z]+", " ".join(re.findall(r"^(?:\.PHONY|TIERS).*$", MAKEFILE, re.MULTILINE))))


def test_the_table_of_rules_is_that_of_the_packs() -> None:
    told = [(name.strip("`"), severity, pack) for name, _, severity, pack in rows("What you hear")]
    packs = [
        (rule.name, rule.labels["severity"], pack)
        for pack in ("builtin", "logs", "deployed", "changes")
        for rule in parse_rules(pack_text(pack))
    ]
    assert sorted(told) == sorted(packs)


def test_every_metric_that_is_named_exists_with_these_labels() -> None:
    metrics = Metrics(CollectorRegistry(), version="0")
    known = {
        (family.name, frozenset(getattr(metric, "_labelnames", ())))
        for metric in list(metrics.registry._collector_to_names)
        for family in metric.collect()
    }
    named = [row[0].strip("`") for row in rows("Probes and metrics") if row[0].startswith("`connect_watcher")]
    assert len(named) > 5
    for each in named:
        name, _, labels = each.removesuffix("}").partition("{")
        assert (name.removesuffix("_total"), frozenset(labels.split(",")) - {""}) in known, each


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda each: each.name
)
def test_every_file_that_is_linked_exists(page: Path) -> None:
    linked = re.findall(r"\]\((?!#|https?:)([^)#]+)", page.read_text())
    assert linked or page.name == "simulator.md"
    assert [link for link in linked if not (page.parent / link).exists()] == []


def test_the_table_of_destinations_names_every_kind() -> None:
    named = set(re.findall(r"^\| `([a-z]+)`", DELIVERY, re.MULTILINE))
    assert named == {each.kind for each in SINKS}


async def test_the_snippet_reads_what_the_sink_sends() -> None:
    arrived: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        arrived.append((dict(request.headers), await request.read()))
        return web.Response()

    async with web_server(take) as url, Http(allow=(ip_network("127.0.0.0/8"),)) as http:
        wiring = Wiring(http=http, env=app.system_env(), read=read_secret, stream=StringIO())
        sink = WebhookConfig.model_validate({"url": f"{url}/hook", "secret": KEY}).build("team/webhook/0", wiring)
        for _attempt in range(2):
            await sink.send(delivery(sink.render(FAILED)))

    receive, seen = snippet(), set[str]()
    (first, body), (second, _) = arrived
    assert receive(KEY, first, body, seen) == [FAILED.alerts[0].annotations["summary"]]
    assert receive(KEY, second, body, seen) == []
    with pytest.raises(WebhookVerificationError):
        receive(KEY, first, body.replace(b"firing", b"resolved"), set())


def snippet() -> Any:
    """The function that the README has for receivers."""
    (text,) = fenced("python")
    names: dict[str, Any] = {}
    exec(text, names)
    return names["receive"]


ABOUT = {
    '`on = "deployment"`': Event(type=EventType.STATUS, project="p", at=1, deployment=deployment()),
    '`on = "connector"`, a draft': Event(type=EventType.STATUS, project="p", at=1, draft=draft()),
    '`on = "connector"`, a published Connector': Event(type=EventType.DRIFT, project="p", at=1, connector=connector()),
}


@pytest.mark.parametrize("about", ABOUT)
def test_the_labels_of_each_subject_are_those_there_are(about: str) -> None:
    table = README.partition("## What a rule can match on and show")[2].partition("## Who")[0]
    rows_ = {cells[1].strip(): cells[2] for line in table.splitlines() if len(cells := line.split("|")) > 3}
    said = {name for where in (about, "all of them") for name in re.findall(r"`(\w+)`", rows_[where])}
    found = subject.labels(ABOUT[about])
    values = {"deployment", "draft", "published"} - found.keys()  # the values of `kind`
    unsaid = {"previous_build", "previous_status"} - said  # nothing that these subjects have
    assert said - values == found.keys() - unsaid
    assert found.keys() <= LABELS["deployment" if "deployment" in about else "connector"]
