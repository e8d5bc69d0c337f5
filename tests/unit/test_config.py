import random  # noqa: TID251  seeded, to mutate with
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config import json_schema, load, loads, pack_text, parse_rules, read_secret, to_route
from watcher.core import route
from watcher.errors import ConfigError
from watcher.sinks import SINKS

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
ENVIRON = {
    "CTP_CLIENT_ID": "canary-id-1",
    "CTP_CLIENT_SECRET": "canary-secret-1",
    "CTP_OTHER_CLIENT_ID": "canary-id-2",
    "CTP_OTHER_CLIENT_SECRET": "canary-secret-2",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/canary-slack-1",
    "SLACK_ONCALL_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/canary-slack-2",
    "ONCALL_WEBHOOK_URL": "https://example.com/canary-webhook",
    "ONCALL_WEBHOOK_SECRET": "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
    "ONCALL_WEBHOOK_TOKEN": "canary-token-1",
}
SMALL = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "canary-secret"
[[receivers]]
name = "team"
console = [{}]
"""


def problems(text: str, environ: dict[str, str] | None = None, base: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loads(text, environ or {}, base=base)
    return caught.value.problems


def small(extra: str = "", *, project: str = "", receiver: str = "", top: str = "") -> str:
    """The smallest configuration there is, with something added."""
    text = SMALL.replace("[[receivers]]", f"{project}\n[[receivers]]")
    return f"{top}\n{text}\n{receiver}\n{extra}"


# ── what is right ────────────────────────────────────────────────────────────


def test_credentials_and_one_receiver_are_enough() -> None:
    loaded = loads(SMALL, {})
    project = loaded.settings.projects[0]
    assert (project.poll_interval, project.fast_interval, project.blind_limit) == (30_000, 5_000, 150_000)
    assert "DeploymentFailed" in {each.name for each in loaded.settings.rules}
    assert set(loaded.origins.values()) == {"builtin"}
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
    for name in ("ProjectSettings", "RuleSettings", "RouteSettings", "StoreSettings", "WebSettings", "LogSettings"):
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


# ── what is wrong ────────────────────────────────────────────────────────────

WRONG_RULE = """[[rules]]\nname = "X"\non = "deployment"\n"""
HINT = """; quote the value and put the matcher in single quotes, like 'name=~"value"'"""
RULE_KEYS = "added, annotations, events, for, from, labels, matchers, name, on, resolve, to"
MISSING_RESOLVE = (
    "rules[0].resolve: is required, because the matchers are not about the status: say what ends it, like "
    """resolve = ['status="Deployed"'], or resolve = [] for as soon as the matchers no longer match"""
)
DURATION = 'write a duration like "30s", "5m" or "1h30m"'
KNOWN = "known are disable_rules, egress, http, log, projects, receivers, route, rule_packs, rules, store, web"

BAD: tuple[tuple[str, str], ...] = (
    (small(top="typo = 1"), f"typo: unknown key; {KNOWN}"),
    (small(top="rule_pack = []"), 'rule_pack: unknown key; did you mean "rule_packs"?'),
    (small(project='regoin = "x"'), 'projects[0].regoin: unknown key; did you mean "region"?'),
    (
        small(project="rule_packs = []"),
        "projects[0].rule_packs: unknown key; it belongs at the top of the file, above the first [table]",
    ),
    (small(receiver="slakc = []"), 'receivers[0].slakc: unknown key; did you mean "slack"?'),
    (small().replace("[{}]", "{}"), "receivers[0].console: must be a list, like [ … ]"),
    (small(receiver="slack = {}"), "receivers[0].slack: must be a list, like [ … ]"),
    (small(receiver="slack = [{}]"), "receivers[0].slack[0].url: is required, here or in url_file"),
    (small(receiver="slack = [1]"), "receivers[0].slack[0]: must be a table, like { … }"),
    (small(project='poll_interval = "500ms"'), "projects[0].poll_interval: must be at least 1s"),
    (small(project="poll_interval = 30"), f"projects[0].poll_interval: {DURATION}"),
    (
        small(project='blind_after = "1 hour"'),
        f"projects[0].blind_after: is not a duration; {DURATION} (y w d h m s ms)",
    ),
    (small(project='logs = { source = "poll" }'), 'projects[0].logs.source: "poll" is not part of this version'),
    (small(project='logs = { source = "x" }'), 'projects[0].logs.source: must be "off"'),
    (small(project='api_url = "ftp://x"'), "projects[0].api_url: must be a URL that begins with https:// or http://"),
    (
        small(project='auth_url = "https://u:p@x"'),
        "projects[0].auth_url: must have no user name, password, query or fragment",
    ),
    (
        small(project='client_id_file = "x"'),
        "projects[0].client_id_file: give either client_id or client_id_file",
    ),
    (
        SMALL.replace('client_secret = "canary-secret"', ""),
        "projects[0].client_secret: is required, here or in client_secret_file",
    ),
    (
        SMALL.replace('client_secret = "canary-secret"', 'client_secret_file = "/nowhere/x"'),
        "projects[0].client_secret_file: /nowhere/x: No such file or directory",
    ),
    (SMALL.replace('"id"', '"${UNSET}"'), "projects[0].client_id: environment variable UNSET is not set"),
    (
        SMALL.replace('"id"', '"${1}"'),
        "projects[0].client_id: has a ${ that is no ${NAME} or ${NAME:-default}; write $${ for the characters themselves",
    ),
    (SMALL.replace("my-shop", "my shop"), "projects[0].key: may have letters, digits, - and _ only"),
    (SMALL.replace("europe-west1.gcp", "Europe"), "projects[0].region: must be a region like europe-west1.gcp"),
    (SMALL.replace('key = "my-shop"', "key = 1"), "projects[0].key: must be a string"),
    (SMALL.replace('key = "my-shop"', ""), "projects[0].key: is required"),
    (
        SMALL.replace("[[receivers]]", SMALL.split("[[receivers]]", maxsplit=1)[0] + "[[receivers]]"),
        "projects[1].key: is watched by projects[0] already; one daemon watches a project once",
    ),
    (
        small('[[receivers]]\nname = "team"\n[route]\nreceiver = "team"'),
        "receivers[1].name: is the name of receivers[0] already",
    ),
    (small('[[receivers]]\nname = "other"'), "route: is required where there is more than one receiver"),
    (small('[route]\nreceiver = "taem"'), 'route.receiver: no receiver has this name; did you mean "team"?'),
    (small("[route]"), "route.receiver: is required: it gets whatever no other route takes"),
    (
        small("""[route]\nreceiver = "team"\nmatchers = ['a=b']"""),
        "route.matchers: must not stand at the top: that route takes everything; put them on a route below",
    ),
    (small('[route]\nreceiver = "team"\ncontinue = true'), "route.continue: has no meaning at the top"),
    (
        small('[route]\nreceiver = "team"\ngroup_by = ["...", "project"]'),
        'route.group_by: has "..." and other labels; "..." alone means every label',
    ),
    (small('[route]\nreceiver = "team"\ngroup_by = ["a", "a"]'), "route.group_by: has a label twice"),
    (small('[route]\nreceiver = "team"\nrepeat_interval = "0s"'), "route.repeat_interval: must be at least 1ms"),
    (
        small('[route]\nreceiver = "team"\n[[route.routes]]\nreceiver = "nobody-at-all"'),
        "route.routes[0].receiver: no receiver has this name; known are team",
    ),
    (
        small("""[route]\nreceiver = "team"\n[[route.routes]]\nmatchers = ['severity="critical']"""),
        f"route.routes[0].matchers[0]: at position 10: expected a closing quote for this one{HINT}",
    ),
    (
        small("""[route]\nreceiver = "team"\n[[route.routes]]\nmatchers = 'a=b'"""),
        "route.routes[0].matchers: must be a list, like [ … ]",
    ),
    (
        small(WRONG_RULE + """matchers = ['status=~"("']"""),
        "rules[0].matchers[0]: at position 9: not a valid RE2 pattern: missing ): (",
    ),
    (small(WRONG_RULE + 'to = "("'), "rules[0].to: not a valid RE2 pattern: missing ): ("),
    (
        small(WRONG_RULE + """matchers = ['type="preview"']"""),
        MISSING_RESOLVE,
    ),
    (
        small(WRONG_RULE + 'to = "Failed"\nfor = "1m"'),
        "rules[0].for: has no meaning here: a rule with from, to, events or added tells facts, once",
    ),
    (small(WRONG_RULE + 'to = "Failed"\nevents = ["gone"]'), "rules[0].events: give either events, or from and to"),
    (small(WRONG_RULE + "added = true"), 'rules[0].added: is about report entries: it needs on = "report"'),
    (small(WRONG_RULE.replace("deployment", "log")), 'rules[0].on: "log" is not part of this version'),
    (small(WRONG_RULE.replace("deployment", "x")), 'rules[0].on: must be "deployment", "report" or "source"'),
    (small(WRONG_RULE + 'to = "x"\n' + WRONG_RULE + 'to = "y"'), "rules[1].name: is the name of rules[0] already"),
    (
        small(WRONG_RULE + 'to = "x"\nlabels = { project = "y" }'),
        "rules[0].labels.project: is given by what the rule is about and cannot be set",
    ),
    (
        small(WRONG_RULE + 'to = "x"\nlabels = { "a b" = "y" }'),
        "rules[0].labels.'a b': is not a label name: letters, digits and _ only, no digit first",
    ),
    (
        small(WRONG_RULE + 'to = "x"\nannotations = { summary = "{{ x" }'),
        "rules[0].annotations.summary: line 1: unexpected end of template, expected 'end of print statement'.",
    ),
    (
        small(WRONG_RULE + "to = 'x'\npattern = []"),
        f"rules[0].pattern: unknown key; known are {RULE_KEYS}",
    ),
    (small(top='rule_packs = ["builtni"]'), 'rule_packs[0]: must be "builtin", "deployed" or "changes"'),
    (
        small(top='disable_rules = ["DeploymentFaild"]'),
        'disable_rules[0]: no rule has this name; did you mean "DeploymentFailed"?',
    ),
    (
        small('[egress]\nallow = ["10.0.0.1/8"]'),
        'egress.allow[0]: write a network like "10.0.0.0/8", "127.0.0.1/32" or "fd00::/8", without host bits',
    ),
    (
        small('[web]\nlisten = "8080"'),
        'web.listen: write an address like "127.0.0.1:8080" or "[::1]:8080"; port 0 takes any free one',
    ),
    (
        small('[store]\nurl = "postgresql://u:canary-pw@h/db"'),
        "store.url: must be sqlite:///relative.db or sqlite:////absolute/path.db",
    ),
    (small('[store]\nretention = "1m"'), "store.retention: must be at least 1h"),
    (small('[log]\nlevel = "trace"'), 'log.level: must be "debug", "info", "warning" or "error"'),
    (small("[http]\nca_file = '/nowhere.pem'"), "http.ca_file: /nowhere.pem: No such file or directory"),
    ("a = ", "end of document: Invalid value"),
    ("a = \nb = 1", "line 1, column 5: Invalid value"),
    ('a = "x\nb = 1', "line 1, column 7: Illegal character '\\n'"),
    ("[[projects]]\nkey = 'a'\nkey = 'b'\n\n", "line 3, column 10: Cannot overwrite a value"),
    ("x = " + "[" * 200 + "]" * 200, "the file is nested too deeply"),
)


@pytest.mark.parametrize(("text", "line"), BAD)
def test_each_mistake_is_told_with_its_path_and_alone(text: str, line: str) -> None:
    assert problems(text) == (line,)


def test_the_smallest_mistake_is_nothing_at_all() -> None:
    assert problems("") == ("projects: is required", "receivers: is required")
    assert problems("projects = []\nreceivers = []") == (
        "projects: must have at least one entry",
        "receivers: must have at least one entry",
    )


def test_every_mistake_is_told_at_once_each_once_in_the_order_of_their_paths() -> None:
    text = """
    typo = 1
    [[projects]]
    key = "a"
    region = "EU"
    client_id = "${UNSET}"
    client_secret_file = "/nowhere"
    poll_interval = "0s"
    [[projects]]
    key = "a"
    [[rules]]
    name = "X"
    on = "log"
    matchers = ["a"]
    [route]
    receiver = "nobody"
    [[receivers]]
    name = "team"
    slack = [{ url = "https://x", url_file = "y" }]
    """
    found = problems(text)
    assert [line.partition(": ")[0] for line in found] == [
        "projects[0].client_id",
        "projects[0].client_secret_file",
        "projects[0].poll_interval",
        "projects[0].region",
        "projects[1].client_id",
        "projects[1].client_secret",
        "projects[1].key",
        "projects[1].region",
        "receivers[0].slack[0].url_file",
        "route.receiver",
        "rules[0].matchers[0]",
        "rules[0].on",
        "typo",
    ]


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    def problem(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        return str(caught.value)

    assert problem(tmp_path / "none.toml").endswith("none.toml: No such file or directory")
    assert problem(tmp_path).endswith(": Is a directory")
    (tmp_path / "binary.toml").write_bytes(b"a = '\xff'")
    assert problem(tmp_path / "binary.toml").endswith("is not UTF-8, at byte 5")
    (tmp_path / "large.toml").write_bytes(b"#" * 2_000_000)
    assert problem(tmp_path / "large.toml").endswith("is larger than 1048576 bytes")


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load(tmp_path / "config.toml", {}).settings.projects[0].key == "my-shop"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * 70_000, "holds more than 65536 bytes"),
    ],
)
def test_secret_files_that_hold_no_secret(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    text = SMALL.replace('client_secret = "canary-secret"', 'client_secret_file = "secret"')
    assert problems(text, base=tmp_path) == (f"projects[0].client_secret_file: {tmp_path}/secret: {words}",)


def test_only_the_newline_at_the_end_of_a_secret_goes(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" a\nb \r\n")
    assert read_secret(tmp_path / "secret") == " a\nb "


# ── what looks wrong ─────────────────────────────────────────────────────────

SECOND = '[[receivers]]\nname = "other"\nconsole = [{}]\n'
DOUBTFUL: tuple[tuple[str, str], ...] = (
    (small(SECOND + '[route]\nreceiver = "team"'), "receivers[1]: no route leads to this receiver"),
    (SMALL.replace("console = [{}]", ""), "receivers[0]: has no sinks: what is routed to it is told to nobody"),
    (
        small(WRONG_RULE + 'to = "x"\nlabels = { severity = "critcal" }'),
        "rules[0].labels.severity: is none of critical, warning, info; only critical is never given up",
    ),
    (
        small(project='api_url = "http://connect.example.com"'),
        "projects[0].api_url: is plain http: credentials would cross the network readable",
    ),
    (
        small(SECOND + '[route]\nreceiver = "team"\n[[route.routes]]\n[[route.routes]]\nreceiver = "other"'),
        "route.routes[1]: is never reached: the route before it takes everything",
    ),
    (
        small('[route]\nreceiver = "team"\nrepeat_interval = "1m"'),
        "route.repeat_interval: is shorter than group_interval, which is what reminders then wait for",
    ),
)


@pytest.mark.parametrize(("text", "line"), DOUBTFUL)
def test_what_is_allowed_but_looks_like_a_mistake_is_a_warning(text: str, line: str) -> None:
    assert loads(text, {}).warnings == (line,)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8989", "http://localhost:1", "http://[::1]:1", "https://x"])
def test_plain_http_to_this_machine_is_no_mistake(url: str) -> None:
    assert loads(small(project=f'api_url = "{url}"\nauth_url = "{url}/"'), {}).warnings == ()
    assert loads(small(project=f'auth_url = "{url}/"'), {}).settings.projects[0].auth_url == url


def test_a_secret_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary-secret")
    (tmp_path / "secret").chmod(0o644)
    text = SMALL.replace('client_secret = "canary-secret"', 'client_secret_file = "secret"')
    (line,) = loads(text, {}, base=tmp_path).warnings
    assert line == f"projects[0].client_secret_file: {tmp_path}/secret can be read by others: chmod 600 it"


# ── nothing is shown ─────────────────────────────────────────────────────────


def told(text: str, environ: dict[str, str]) -> str:
    """Everything that loading says, whether it works or not."""
    try:
        return "\n".join(loads(text, environ).warnings)
    except ConfigError as error:
        return str(error)


def leaks(said: str) -> list[str]:
    return [value for value in ENVIRON.values() if value in said]


def test_nothing_that_prints_a_configuration_shows_a_secret() -> None:
    loaded = load(EXAMPLE, ENVIRON)
    assert leaks(repr(loaded) + str(loaded) + loaded.settings.model_dump_json()) == []


@dataclass
class Leaf:
    """One value in a tree, and how to replace it."""

    holder: Any
    key: Any

    def put(self, value: object) -> None:
        self.holder[self.key] = value


def leaves(tree: Any) -> Iterator[Leaf]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield Leaf(tree, key)
        if isinstance(value, dict | list):
            yield from leaves(value)


def written(value: Any) -> str:
    """TOML for a value, in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key!r} = {written(item)}".replace("'", '"', 2) for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


STRANGE: tuple[Any, ...] = (
    *("", "x", "${NOPE}", "${", "$", "\\u0000", "https://", "-1s", "a=~(", "{{", "../..", "/etc", "team", "é" * 300),
    *(
        "${CTP_CLIENT_SECRET}",
        "x ${ONCALL_WEBHOOK_TOKEN}",
        "${SLACK_WEBHOOK_URL}",
        0,
        -1,
        10**30,
        True,
        [],
        {},
        [[]],
        [{}],
    ),
    *({"x": 1}, ["x"], [1, "x"], {"source": "off"}),
)


@pytest.mark.parametrize("seed", range(250))
def test_no_mutation_crashes_or_shows_a_secret(seed: int) -> None:
    rng = random.Random(seed)
    tree = tomllib.loads(EXAMPLE.read_text())
    for _ in range(rng.randint(1, 4)):
        leaf = rng.choice(list(leaves(tree)))
        action = rng.random()
        if action < 0.2 and isinstance(leaf.holder, dict):
            leaf.holder[leaf.key + rng.choice("xs_")] = leaf.holder.pop(leaf.key)
        elif action < 0.35:
            del leaf.holder[leaf.key]
        elif action < 0.5:
            leaf.put(rng.choice(list(leaves(tree))).key)
        else:
            leaf.put(rng.choice(STRANGE))
    text = "\n".join(f"{key} = {written(value)}" for key, value in tree.items())
    assert leaks(told(text, ENVIRON)) == []


@given(st.integers(0, 7_000), st.integers(0, 40), st.text(max_size=10))
def test_no_torn_file_crashes_or_shows_a_secret(at: int, gone: int, put: str) -> None:
    text = EXAMPLE.read_text()
    assert leaks(told(text[:at] + put + text[at + gone :], ENVIRON)) == []


# ── the schema ───────────────────────────────────────────────────────────────


KINDS: dict[str, type] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "null": type(None),
}


def under(key: str, schema: dict[str, Any]) -> Any:
    """The schema of what stands under a key of an object; `False` where the key may not be there."""
    named = schema.get("properties", {}).get(key)
    patterns = schema.get("patternProperties", {}).items()
    return named or next(
        (each for pattern, each in patterns if re.search(pattern, key)), schema.get("additionalProperties", False)
    )


def fits(value: Any, schema: Any, root: dict[str, Any]) -> bool:
    """Whether a value fits the part of JSON Schema that our schema uses."""
    if schema is False:
        return False
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return any(fits(value, each, root) for each in schema["anyOf"])
    fine = isinstance(value, KINDS[schema["type"]])
    if isinstance(value, str):
        allowed = value in schema.get("enum", [value]) and value == schema.get("const", value)
        fine = fine and allowed and bool(re.search(schema.get("pattern", ""), value))
    elif isinstance(value, list):
        fine = fine and all(fits(each, schema["items"], root) for each in value)
    elif isinstance(value, dict):
        fine = fine and all(key in value for key in schema.get("required", ()))
        fine = fine and all(fits(item, under(key, schema), root) for key, item in value.items())
    return fine


def test_the_schema_is_of_this_draft_and_describes_every_key() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"projects", "receivers"}
    assert {"for", "from", "to"} <= set(schema["$defs"]["RuleSettings"]["properties"])
    assert schema["$defs"]["ProjectSettings"]["properties"]["poll_interval"]["default"] == "30s"


def test_the_example_fits_the_schema() -> None:
    schema = json_schema()
    assert fits(tomllib.loads(EXAMPLE.read_text()), schema, schema)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"30s"', "30"),
        ("region", "regoin"),
        ('"off"', '"poll"'),
        ('level = "info"', 'level = "x"'),
        ("key = ", "kye = "),
    ],
)
def test_what_does_not_load_does_not_fit_the_schema_either(old: str, new: str) -> None:
    schema = json_schema()
    text = EXAMPLE.read_text()
    assert old in text
    assert not fits(tomllib.loads(text.replace(old, new, 1)), schema, schema)
