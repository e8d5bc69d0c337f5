import re
import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.unit.configs import ENVIRON, EXAMPLE, SMALL, small
from watcher.config import json_schema, load, loads, pack_text, parse_rules, to_route
from watcher.core import route
from watcher.errors import ConfigError
from watcher.sinks import SINKS


def test_credentials_and_one_receiver_are_enough() -> None:
    loaded = loads(SMALL, {})
    project = loaded.settings.projects[0]
    assert (project.poll_interval, project.fast_interval, project.blind_limit) == (30_000, 5_000, 150_000)
    assert "DeploymentFailed" in {each.name for each in loaded.settings.rules}
    assert set(loaded.origins.values()) == {"builtin", "logs"}
    assert to_route(loaded.settings).receiver == "team"
    assert loaded.settings.web.listen == ("127.0.0.1", 8080)
    assert loaded.settings.store.retention == 30 * 86_400_000
    assert not loaded.warnings


def test_the_example_loads_cleanly() -> None:
    loaded = load(EXAMPLE, ENVIRON)
    assert loaded.warnings == ()
    assert [each.receiver for each in route.walk(to_route(loaded.settings))] == ["team", "oncall", "log", "team"]
    assert loaded.origins["ProductionFailed"] == "config"
    assert {*ENVIRON.values()} - {"canary-token-1"} <= {*loaded.secrets}
    assert "Bearer canary-token-1" in loaded.secrets


def test_the_example_shows_every_sink_and_nearly_every_key() -> None:
    text = EXAMPLE.read_text()
    kinds = {key for receiver in tomllib.loads(text)["receivers"] for key in receiver}
    assert {each.kind for each in SINKS} <= kinds
    schema = json_schema()
    for name in (
        "ProjectSettings",
        "RuleSettings",
        "RouteSettings",
        "StoreSettings",
        "WebSettings",
        "LogSettings",
        "LogsSettings",
        "OtlpSettings",
    ):
        for key in schema["$defs"][name]["properties"]:
            assert re.search(rf"\b{key.removesuffix('_file')}\b", text), f"{name}.{key}"


def test_credentials_come_from_the_environment_from_files_and_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    (tmp_path / "secret").chmod(0o600)
    text = (
        small().replace('"id"', '"${ID}"').replace('client_secret = "canary-secret"', 'client_secret_file = "secret"')
    )
    loaded = loads(text, {"ID": "from-env"}, base=tmp_path)
    access = loaded.settings.projects[0].access()
    assert (access.client_id, access.client_secret) == ("from-env", "from-a-file")
    assert {"from-env", "from-a-file"} <= set(loaded.secrets)
    assert loaded.warnings == ()
    (tmp_path / "secret").write_text("rotated")
    assert loaded.settings.projects[0].access().client_secret == "rotated"
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match="No such file"):
        loaded.settings.projects[0].access()


@pytest.mark.parametrize(
    ("written", "environ", "read"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("a-${A}-${B}", {"A": "x", "B": "y"}, "a-x-y"),
        ("${A:-d}", {}, "d"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A:-d}", {"A": "x"}, "x"),
        ("${A:-}", {}, ""),
        ("$${A}", {"A": "x"}, "${A}"),
        ("a$$b", {}, "a$b"),
        ("a$b", {"b": "x"}, "a$b"),
        ("${A}", {"A": "${B}", "B": "x"}, "${B}"),
    ],
)
def test_environment(written: str, environ: dict[str, str], read: str) -> None:
    text = small(f'[[rules]]\nname = "X"\non = "source"\nlabels = {{ note = "{written}" }}')
    assert loads(text, environ).settings.rules[-1].labels["note"] == read


def test_a_rule_of_ones_own_takes_the_place_of_a_packs() -> None:
    extra = """
    [[rules]]
    name = "DeploymentFailed"
    on = "deployment"
    matchers = ['status="Failed"']
    [[rules]]
    name = "Mine"
    on = "deployment"
    to = "Deployed"
    """
    loaded = loads(
        small(extra, top='rule_packs = ["builtin", "deployed"]\ndisable_rules = ["Deployed", "UnknownValue"]'), {}
    )
    names = [each.name for each in loaded.settings.rules]
    assert names.count("DeploymentFailed") == 1
    assert names[0] == "DeploymentFailed"
    assert (loaded.origins["DeploymentFailed"], loaded.origins["PreviewFailed"]) == ("config", "builtin")
    assert not {"Deployed", "UnknownValue"} & set(names)
    assert names[-1] == "Mine"


def test_no_packs_means_no_rules_but_ones_own() -> None:
    assert loads(small(top="rule_packs = []"), {}).settings.rules == ()


@pytest.mark.parametrize("pack", ["builtin", "deployed", "changes"])
def test_the_packs_are_sound(pack: str) -> None:
    assert parse_rules(pack_text(pack))


def test_what_rules_say_reaches_the_rules() -> None:
    text = """
    [[rules]]
    name = "State"
    on = "deployment"
    matchers = ['status=~"Failed|UndeployFailed"']
    for = "1h30m"
    labels = { severity = "critical" }
    annotations = { summary = "{{ deployment }}" }
    [[rules]]
    name = "Entries"
    on = "report"
    added = true
    [[rules]]
    name = "Transition"
    on = "deployment"
    from = "Failed"
    to = "Deployed"
    """
    state, entries, transition = (each.text() for each in parse_rules(text))
    assert (state.wait, state.resolve, state.labels) == (5_400_000, None, {"severity": "critical"})
    assert entries.events == ("report",)
    assert (transition.from_, transition.to) == ("Failed", "Deployed")
    assert [each.is_fact for each in parse_rules(text)] == [False, True, True]


def test_routes_inherit_and_keep_their_order() -> None:
    extra = """
    [route]
    receiver = "team"
    group_by = ["project"]
    group_wait = "0s"
    [[route.routes]]
    matchers = ['severity="critical"', 'type=production']
    continue = true
    repeat_interval = "1d"
    """
    tree = to_route(loads(small(extra), {}).settings)
    child = tree.routes[0]
    assert (child.receiver, child.group_by, child.group_wait, child.continue_) == ("team", ("project",), 0, True)
    assert child.repeat_interval == 86_400_000
    assert [each.receiver for each in route.match(tree, {"severity": "critical", "type": "production"})] == ["team"]


def test_a_fallback_hears_of_what_could_not_be_delivered_and_takes_it_from_nobody() -> None:
    extra = """
    [[receivers]]
    name = "oncall"
    [[receivers]]
    name = "last"
    [route]
    receiver = "team"
    fallback = "last"
    [[route.routes]]
    matchers = ['severity="critical"']
    receiver = "oncall"
    """
    tree = to_route(loads(small(extra), {}).settings)
    heard = {
        (name, severity): [each.receiver for each in route.match(tree, {"alertname": name, "severity": severity})]
        for name, severity in (
            ("DeadLetter", "warning"),
            ("SinkRefusing", "critical"),
            ("DeploymentFailed", "critical"),
        )
    }
    assert heard == {
        ("DeadLetter", "warning"): ["last", "team"],
        ("SinkRefusing", "critical"): ["last", "oncall"],
        ("DeploymentFailed", "critical"): ["oncall"],
    }
    without = {
        each.id for each in route.walk(to_route(loads(small(extra.replace('fallback = "last"', "")), {}).settings))
    }
    assert {each.id for each in route.walk(tree)} - without == {"fallback -> last", f"{tree.id}"}
    assert len(list(route.walk(tree))) == len({each.id for each in route.walk(tree)})


def test_the_way_out_is_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    extra = """
    [egress]
    allow = ["10.0.0.0/8", "::1/128"]
    [http]
    proxy_url = "http://user:canary-proxy@proxy:3128"
    ca_file = "ca.pem"
    """
    loaded = loads(small(extra), {}, base=tmp_path)
    assert loaded.settings.egress.allow == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert loaded.settings.http.proxy_url == "http://user:canary-proxy@proxy:3128"
    assert loaded.settings.http.ca_file == tmp_path / "ca.pem"
    assert "canary" not in repr(loaded)


def test_sinks_have_ids_that_say_where_they_stand() -> None:
    receiver = loads(
        small(receiver='[[receivers.console]]\nformat = "json"').replace("console = [{}]", ""), {}
    ).settings.receivers[0]
    assert [sink_id for sink_id, _ in receiver.sinks()] == ["team/console/0"]


@pytest.mark.parametrize(
    ("url", "allow", "warned"),
    [
        ("http://127.0.0.1:8989/slack/hook/secret-path", "[]", "127.0.0.1 is a loopback address"),
        ("https://10.0.0.5/hook", "[]", "10.0.0.5 is a private address"),
        ("http://127.0.0.1:8989/hook", '["127.0.0.0/8"]', ""),
        ("https://example.com/hook", "[]", ""),
    ],
)
def test_a_url_that_the_egress_guard_will_refuse_is_warned_of(url: str, allow: str, warned: str) -> None:
    text = f"""
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "client-secret"
[[receivers]]
name = "team"
webhook = [{{ url = "{url}" }}]
[egress]
allow = {allow}
"""
    found = [each for each in loads(text, {}).warnings if "egress" in each]
    assert len(found) == bool(warned)
    assert all(warned in each and "secret-path" not in each for each in found)
    assert all(each.startswith("receivers[0].webhook[0].url: ") for each in found)
