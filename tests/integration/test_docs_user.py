"""The pages for users are held to the program: their tables name what there is, all of it, and their snippets run."""

import json
import re
from collections.abc import Mapping
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from standardwebhooks import WebhookVerificationError

from tests.docs import known
from tests.docs.pages import KEY, ROOT, blocks, rows, section
from tests.fakes import connector, deployment, draft
from tests.loopback import web_server
from tests.notifications import FAILED, delivery
from watcher import app
from watcher.cli import EX_CONFIG
from watcher.config import read_secret
from watcher.config.labels import LABELS
from watcher.config.serving import OtlpSettings
from watcher.core import level
from watcher.core.event import Event, EventType
from watcher.errors import Blindness
from watcher.http import Http
from watcher.rules import subject
from watcher.sinks import SINKS, WebhookConfig, Wiring
from watcher.sinks.outcome import Reason
from watcher.sources.otlp import MAX_RECORDS
from watcher.web.api_models import AlertModel, Membership
from watcher.web.otlp import Listening

DOCS = ROOT / "docs"
HEAR, LOGS, METRICS = DOCS / "what-you-hear.md", DOCS / "logs.md", DOCS / "metrics.md"
WEBHOOKS, TROUBLE, SECURITY = DOCS / "webhooks.md", DOCS / "troubleshooting.md", DOCS / "security.md"
COLLECTOR = ROOT / "deploy" / "otel-collector" / "config.yaml"


def names(page: Path, heading: str) -> set[str]:
    """What the first cells of a section's tables have in backquotes."""
    return {name for row in rows(page, heading) for name in re.findall(r"`([^`]+)`", row[0])}


# ── what-you-hear.md ─────────────────────────────────────────────────────────


def test_the_table_of_rules_is_that_of_the_packs() -> None:
    told = {name.strip("`"): (severity, pack) for name, _, severity, pack in rows(HEAR, "The rules")}
    assert told == known.rules()


ABOUT = {
    '`on = "deployment"`': Event(type=EventType.STATUS, project="p", at=1, deployment=deployment()),
    '`on = "connector"`, a draft': Event(type=EventType.STATUS, project="p", at=1, draft=draft()),
    '`on = "connector"`, a published Connector': Event(type=EventType.DRIFT, project="p", at=1, connector=connector()),
}


@pytest.mark.parametrize("about", ABOUT)
def test_the_labels_of_each_subject_are_those_there_are(about: str) -> None:
    table = section(HEAR, "What a rule can match on and show")
    rows_ = {cells[1].strip(): cells[2] for line in table.splitlines() if len(cells := line.split("|")) > 3}
    said = {name for where in (about, "all of them") for name in re.findall(r"`(\w+)`", rows_[where])}
    found = subject.labels(ABOUT[about])
    values = {"deployment", "draft", "published"} - found.keys()  # the values of `kind`
    unsaid = {"previous_build", "previous_status"} - said  # nothing that these subjects have
    assert said - values == found.keys() - unsaid
    assert found.keys() <= LABELS["deployment" if "deployment" in about else "connector"]


# ── metrics.md ───────────────────────────────────────────────────────────────


def test_every_metric_is_in_a_table_with_its_labels() -> None:
    named = names(METRICS, "Metrics to alert on") | names(METRICS, "Metrics to look at")
    told = {
        name: frozenset(labels.split(",")) - {""} for name, _, labels in (n.rstrip("}").partition("{") for n in named)
    }
    there = {
        re.sub(r"_bucket$", "", name): labels - {"le"}
        for name, labels in known.metrics().items()
        if not name.endswith(("_sum", "_count"))
    }
    assert told == there


def test_every_probe_is_in_the_table() -> None:
    assert names(METRICS, "Probes") == {path for path in known.paths() if path.startswith(("/-/", "/metrics"))} - {
        "/-/reload"
    }


# ── delivery.md, sinks.md ────────────────────────────────────────────────────


def test_the_table_of_destinations_names_every_kind() -> None:
    pages = "".join((DOCS / name).read_text("utf-8") for name in ("delivery.md", "sinks.md") if (DOCS / name).exists())
    assert {each.kind for each in SINKS} <= set(re.findall(r"^\| \[?`([a-z]+)`", pages, re.MULTILINE))


# ── webhooks.md ──────────────────────────────────────────────────────────────


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
    """The function that the page has for receivers."""
    (block,) = blocks(WEBHOOKS, "python")
    found: dict[str, Any] = {}
    exec(block.text, found)
    return found["receive"]


# ── logs.md ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("record", "said"), [(row[0].strip("`"), row[1].strip("`")) for row in rows(LOGS, "The effective level")]
)
def test_the_levels_shown_are_those_that_records_get(record: str, said: str) -> None:
    fields = json.loads(record) if record.startswith("{") else {}
    value = fields.get("level")
    assert level.effective("DEFAULT", value, str(fields.get("message", "")) if fields else record) == said


def test_the_outcomes_of_records_are_those_that_are_counted() -> None:
    polled = (ROOT / "watcher" / "pipeline" / "logpages.py").read_text("utf-8")
    pushed = (ROOT / "watcher" / "web" / "otlp.py").read_text("utf-8")
    counted: dict[str, set[str]] = {}
    for where, pattern, text in (("polled", r'counts\["(\w+)"\]', polled), ("pushed", r'_count\("(\w+)"', pushed)):
        for outcome in re.findall(pattern, text):
            counted.setdefault(outcome, set()).add(where)
    told = {
        row[0].strip("`"): {"polled", "pushed"} if row[1] == "both" else {row[1]}
        for row in rows(LOGS, "What becomes of records")
    }
    assert told == counted


def test_the_limits_of_the_listener_are_those_it_has() -> None:
    told = section(LOGS, "What a sender may expect")
    assert f"{limits().wire // 2**20} MiB as sent" in told
    assert f"{limits().decoded // 2**20} MiB inflated" in told
    assert f"{MAX_RECORDS:,} records" in told


def limits() -> Listening:
    return Listening(header="x", keys=())


def providers() -> list[Mapping[str, Any]]:
    """What the page gives to Platform Insights."""
    found = [json.loads(block.text) for block in blocks(LOGS, "json")]
    return [
        each
        for body in found
        for each in body.get("providers", [action["provider"] for action in body.get("actions", ())])
    ]


def test_platform_insights_is_given_what_its_description_allows() -> None:
    """Of the official API description: OtlpHttpProviderDraft, OtlpProviderHeaderDraft."""
    assert len(providers()) == 2
    for each in providers():
        assert each.keys() <= {"type", "endpoint", "headers", "auth", "eventTypes"}
        assert (each["type"], each["eventTypes"]) == ("OtlpHttp", ["Logs"])
        assert each["endpoint"].startswith("https://")
        (header,) = each["headers"]
        assert header["name"] == OtlpSettings().header
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-_]*", header["name"])
        assert re.fullmatch(r"[^']{16,}", header["value"])


EXPORTER = frozenset(
    {
        *("endpoint", "logs_endpoint", "metrics_endpoint", "traces_endpoint", "encoding", "compression", "timeout"),
        *(
            "headers",
            "tls",
            "auth",
            "read_buffer_size",
            "write_buffer_size",
            "max_idle_conns",
            "http2_read_idle_timeout",
        ),
        *("sending_queue", "retry_on_failure"),
    }
)
"""What the Collector's otlphttp exporter can be told, by its schema and that of its HTTP client."""
QUEUE = frozenset({"enabled", "num_consumers", "queue_size", "sizer", "block_on_overflow", "storage", "batch"})
RETRIES = frozenset(
    {"enabled", "initial_interval", "randomization_factor", "multiplier", "max_interval", "max_elapsed_time"}
)


def exporters() -> list[Mapping[str, Any]]:
    texts = [COLLECTOR.read_text("utf-8"), *(block.text for block in blocks(LOGS, "yaml"))]
    return [each for text in texts for each in yaml.safe_load(text)["exporters"].values()]


def test_the_collector_is_told_what_its_exporter_knows() -> None:
    assert len(exporters()) == 2
    whole, shown = exporters()
    for each in exporters():
        assert each.keys() <= EXPORTER
        assert each["sending_queue"].keys() <= QUEUE
        assert each["retry_on_failure"].keys() <= RETRIES
        assert each["headers"].keys() == {OtlpSettings().header}
        assert each["endpoint"] == f"http://{OtlpSettings().listen.host}:{OtlpSettings().listen.port}"
    for key, value in shown.items():  # the page shows a part of the file
        assert value.items() <= whole[key].items() if isinstance(value, dict) else value == whole[key]


def test_the_collector_uses_what_it_defines() -> None:
    found = yaml.safe_load(COLLECTOR.read_text("utf-8"))
    pipeline = found["service"]["pipelines"]["logs"]
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == found[kind].keys()
    assert set(found["service"]["extensions"]) == found["extensions"].keys()
    assert found["receivers"]["otlp"]["protocols"]["http"]["auth"]["authenticator"] in found["extensions"]
    assert exporters()[0]["sending_queue"]["storage"] in found["extensions"]
    assert found["processors"]["batch"]["send_batch_max_size"] < limits().wire // 1024


# ── troubleshooting.md ───────────────────────────────────────────────────────


def test_every_reason_for_no_message_is_explained() -> None:
    assert names(TROUBLE, "Why was I not told?") >= known.suppressed()


def test_the_reasons_of_failed_deliveries_are_those_there_are() -> None:
    text = section(TROUBLE, "Why was I not told?").partition("**8. Did it go out?**")[2].partition("**9.")[0]
    told = {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert told <= {each.value for each in Reason}
    assert len(told) > 10


def test_every_kind_of_blindness_is_explained() -> None:
    assert names(TROUBLE, "It says blind") == {each.value for each in Blindness}


def test_every_event_of_the_log_is_explained() -> None:
    assert names(TROUBLE, "What the log says") == known.log_events()


def test_the_fields_of_an_alert_that_are_named_are_those_there_are() -> None:
    text = section(TROUBLE, "Why was I not told?").partition("**5.")[2].partition("**6.")[0]
    told = set(re.findall(r"`(\w+)`", "\n".join(line for line in text.splitlines() if line.startswith("| `"))))
    states = {"pending"}
    labels = {"for", "DeploymentStuck"}
    assert told - states - labels <= AlertModel.model_fields.keys() | Membership.model_fields.keys()


def test_the_exit_codes_are_those_there_are() -> None:
    told = set(re.findall(r"^\| ([\d, ]+) \|", section(TROUBLE, "Exit codes"), re.MULTILINE))
    assert told == {"0", "1", "2", str(EX_CONFIG), "130, 143"}


def test_the_pod_that_is_asked_is_the_one_that_the_chart_makes() -> None:
    """`kubectl exec` goes to the StatefulSet, which has the name of the release that the README makes."""
    (asked,) = re.findall(r"kubectl exec .*?(\w+)/(\S+) --", TROUBLE.read_text("utf-8"))
    release = re.search(r"helm install (\S+) ", (ROOT / "README.md").read_text("utf-8"))
    template = (ROOT / "deploy" / "helm" / "connect-watcher" / "templates" / "statefulset.yaml").read_text("utf-8")
    assert release
    assert asked == ("statefulset", release[1])
    assert "kind: StatefulSet" in template


# ── security.md ──────────────────────────────────────────────────────────────


def test_the_container_is_fenced_in_as_the_page_says() -> None:
    """The `docker run` of "security.md" mounts what the image looks for."""
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    text = section(SECURITY, "Hardening")
    for path in re.findall(r"-v \S+?:(/[\w/-]+)", text):
        assert path.removesuffix("/secrets") in dockerfile
    assert {"--read-only", "--cap-drop", "--security-opt"} <= set(text.split())
