import tomllib
from pathlib import Path

import pytest

from tests.unit.configs import SMALL, WRONG_RULE, problems, small
from watcher.config import labels, load, loads, pack_text, read_secret
from watcher.errors import ConfigError

HINT = """; quote the value and put the matcher in single quotes, like 'name=~"value"'"""
RULE_KEYS = (
    "above, absent, added, annotations, at_least, baseline, by, count, events, exclude, for, from, labels, learn, matchers, "
    "missed_run, name, new, of, on, pattern, resolve, slower_than, spike, to, verdict, within"
)
LOG_RULE = WRONG_RULE.replace("deployment", "log")
MISSING_RESOLVE = (
    "rules[0].resolve: is required, because the matchers are not about the status: say what ends it, like "
    """resolve = ['status="Deployed"'] (of a connector: "Published"), or resolve = [] for as soon as the matchers no longer match"""
)
DURATION = 'write a duration like "30s", "5m" or "1h30m"'
KNOWN = "known are disable_rules, egress, heartbeat, http, log, otlp, projects, receivers, route, rule_packs, rules, slack, store, web"

ALERTMANAGER = 'alertmanager = [{ urls = ["https://alertmanager.example.com"], resolve_after = "8h" }]'

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
    (small(receiver="webhook = [{}]"), "receivers[0].webhook[0].url: is required, here or in url_file"),
    (small(receiver="slack = [1]"), "receivers[0].slack[0]: must be a table, like { … }"),
    (
        small(receiver="pagerduty = [{}]"),
        "receivers[0].pagerduty[0].routing_key: is required, here or in routing_key_file",
    ),
    (
        small(receiver='pagerduty = [{ routing_key = "canary" }]'),
        (
            "receivers[0].pagerduty[0].routing_key: is not an integration key of Events API v2: "
            "it has 32 letters and digits"
        ),
    ),
    (small(receiver="alertmanager = [{}]"), "receivers[0].alertmanager[0].urls: is required"),
    (
        small(receiver=ALERTMANAGER.replace(".com", ".com/?x=1")),
        "receivers[0].alertmanager[0].urls[0]: must have no query and no fragment",
    ),
    *(
        (
            small(receiver=ALERTMANAGER.replace("8h", length)),
            'receivers[0].alertmanager[0].resolve_after: write a duration like "3h", of at least 3m',
        )
        for length in ("never", "2m59s")
    ),
    (small(project='poll_interval = "500ms"'), "projects[0].poll_interval: must be at least 1s"),
    (small(project="poll_interval = 30"), f"projects[0].poll_interval: {DURATION}"),
    (
        small(project='blind_after = "1 hour"'),
        f"projects[0].blind_after: is not a duration; {DURATION} (y w d h m s ms)",
    ),
    (small(project='logs = { source = "x" }'), 'projects[0].logs.source: must be "off", "poll" or "otlp"'),
    (
        small(project='logs = { source = "otlp" }'),
        "projects[0].logs.key: is required, here or in key_file: what the sender of logs has to present",
    ),
    (
        small(project='logs = { source = "poll", key = "0123456789abcdef" }'),
        'projects[0].logs.key: has a meaning only with source = "otlp"',
    ),
    (
        small(project='logs = { source = "otlp", key = "short" }'),
        "projects[0].logs.key: must be at least 16 visible ASCII characters, no blank at either end and no apostrophe",
    ),
    *(
        (
            small(project=f'logs = {{ source = "otlp", next_key = "{key}", key = "0123456789abcdef" }}'),
            "projects[0].logs.next_key: must be at least 16 visible ASCII characters, no blank at either end and no apostrophe",
        )
        for key in (" 0123456789abcdef", "0123456789abc'def", "0123456789ab\\ncdef", "0123456789abcdéf")
    ),
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
    (
        small('[route]\nreceiver = "team"\nfallback = "taem"'),
        'route.fallback: no receiver has this name; did you mean "team"?',
    ),
    (
        small('[route]\nreceiver = "team"\n[[route.routes]]\nfallback = "team"'),
        "route.routes[0].fallback: has a meaning at the top only",
    ),
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
    (
        small(WRONG_RULE.replace("deployment", "x")),
        'rules[0].on: must be "deployment", "connector", "report", "log" or "source"',
    ),
    (
        small(LOG_RULE + "pattern = ['a(']"),
        "rules[0].pattern[0]: not a valid RE2 pattern: missing ): a(",
    ),
    (
        small(LOG_RULE + "pattern = ['(?=x)']"),
        "rules[0].pattern[0]: not a valid RE2 pattern: invalid perl operator: (?=",
    ),
    (small(LOG_RULE + 'within = "2d"'), "rules[0].within: must be at most 1d"),
    (
        small(LOG_RULE + 'for = "5m"'),
        "rules[0].for: has no meaning on logs: say count and within, or one of new, of, spike, absent, missed_run, verdict",
    ),
    (small(LOG_RULE + 'new = true\nabsent = "1h"'), "rules[0].absent: cannot stand beside new: make two rules"),
    (small(LOG_RULE + "new = true\ncount = 5"), "rules[0].count: has no meaning beside new"),
    (small(LOG_RULE + 'absent = "1h"\nwithin = "5m"'), "rules[0].within: has no meaning beside absent"),
    (
        small(LOG_RULE + """verdict = "5m"\nby = ["application"]"""),
        "rules[0].by[0]: application is a label of single applications, which verdict does not see",
    ),
    (
        small(LOG_RULE + """verdict = "5m"\nmatchers = ['heard="true"']"""),
        "rules[0].matchers[0]: heard is a label of single applications, which verdict does not see",
    ),
    (small(LOG_RULE + 'of = "5xx"'), "rules[0].above: is required beside of: which share is too much, like 0.05"),
    (small(LOG_RULE + "above = 0.5"), "rules[0].above: has a meaning only beside of"),
    (
        small(LOG_RULE + """absent = "1h"\nmatchers = ['level="ERROR"']"""),
        "rules[0].matchers[0]: level is a label of single records, which absent does not see",
    ),
    (
        small(LOG_RULE + """spike = 3\nby = ["path"]"""),
        "rules[0].by[0]: path is a label of single records, which spike does not see",
    ),
    (
        small(LOG_RULE + """spike = 3\npattern = ["x"]"""),
        "rules[0].pattern: has no meaning beside spike, which sees how much was written, and no records",
    ),
    (
        small(WRONG_RULE + 'events = ["hit"]'),
        'rules[0].events[0]: is what rules with on = "log" look at, and no event of its own',
    ),
    (small(WRONG_RULE + 'to = "x"\ncount = 3'), 'rules[0].count: is about logs: it needs on = "log"'),
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
        small(WRONG_RULE + "to = 'x'\nregexes = []"),
        f"rules[0].regexes: unknown key; known are {RULE_KEYS}",
    ),
    (small(top='rule_packs = ["builtni"]'), 'rule_packs[0]: must be "builtin", "logs", "deployed" or "changes"'),
    (
        small(top='disable_rules = ["DeploymentFaild"]'),
        'disable_rules[0]: no rule has this name; did you mean "DeploymentFailed"?',
    ),
    (
        small('[egress]\nallow = ["10.0.0.1/8"]'),
        'egress.allow[0]: write a network like "10.0.0.0/8", "127.0.0.1/32" or "fd00::/8", without host bits',
    ),
    (
        small('[web]\ntoken = "too-short"'),
        "web.token: must be at least 16 visible ASCII characters, no blank at either end and no apostrophe",
    ),
    (
        small('[heartbeat]\nurl = "canary.example/ping"'),
        "heartbeat.url: is not a URL that begins with https:// or http://",
    ),
    (small('[heartbeat]\ninterval = "1s"'), "heartbeat.interval: must be at least 10s"),
    (
        small('[heartbeat]\nurl = "https://hc.example/canary"\nurl_file = "x"'),
        "heartbeat.url_file: give either url or url_file",
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
    on = "logs"
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
    (
        small(LOG_RULE + """matchers = ['sevrity="ERROR"']"""),
        'rules[0].matchers[0]: nothing here has a label "sevrity"; did you mean "severity"?',
    ),
    (
        small(LOG_RULE + """by = ["deploymnt"]"""),
        'rules[0].by[0]: nothing here has a label "deploymnt"; did you mean "deployment"?',
    ),
    (
        small(WRONG_RULE + """matchers = ['status="Failed"', 'tpye="preview"']"""),
        'rules[0].matchers[1]: nothing here has a label "tpye"; did you mean "type"?',
    ),
    (
        small(WRONG_RULE + """matchers = ['status="Faild"']"""),
        "rules[0].matchers[0]: the API documents no status 'Faild'; did you mean \"Failed\"?",
    ),
    (
        small(WRONG_RULE + 'to = "Failed"\nannotations = { summary = "{{ deplyment }} broke" }'),
        'rules[0].annotations.summary: no value is called "deplyment"; did you mean "deployment"?',
    ),
    (
        small(LOG_RULE + """matchers = ['level="error"']"""),
        (
            "rules[0].matchers[0]: no record has the level 'error': there are DEFAULT, DEBUG, INFO, NOTICE, WARNING, ERROR, "
            "CRITICAL, ALERT, EMERGENCY"
        ),
    ),
    (
        small(
            '[route]\nreceiver = "team"\nroutes = [{ matchers = [\'alertname="DeploymentFaild"\'], receiver = "team" }]'
        ),
        'route.routes[0].matchers[0]: no rule is called "DeploymentFaild"; did you mean "DeploymentFailed"?',
    ),
    (
        SMALL.replace("europe-west1.gcp", "europe-wset1.gcp"),
        'projects[0].region: is no region that is documented; did you mean "europe-west1.gcp"?',
    ),
    (small(SECOND + '[route]\nreceiver = "team"'), "receivers[1]: no route leads to this receiver"),
    (SMALL.replace("console = [{}]", ""), "receivers[0]: has no sinks: what is routed to it is told to nobody"),
    (
        small(WRONG_RULE + 'to = "x"\nlabels = { severity = "critcal" }'),
        "rules[0].labels.severity: is none of critical, warning, info; only critical is never given up",
    ),
    (
        small(project='poll_interval = "10s"\nfast_poll_interval = "11s"'),
        "projects[0].fast_poll_interval: is longer than poll_interval, which is 10s",
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
        small(
            SECOND
            + '[route]\nreceiver = "team"\n[[route.routes]]\nmatchers = [\'severty="critical"\']\nreceiver = "other"'
        ),
        'route.routes[0].matchers[0]: no alert has a label "severty"; did you mean "severity"?',
    ),
    (
        small('[route]\nreceiver = "team"\ngroup_by = ["deploymet"]'),
        'route.group_by[0]: no alert has a label "deploymet"; did you mean "deployment"?',
    ),
    (
        small('[heartbeat]\nurl = "https://10.1.2.3/canary"'),
        "heartbeat.url: 10.1.2.3 is a private address; it will not be pinged unless [egress] allow names it",
    ),
    (
        small(receiver='alertmanager = [{ urls = ["https://am.example.com", "http://10.1.2.3:9093"] }]'),
        (
            "receivers[0].alertmanager[0].urls[1]: 10.1.2.3 is a private address; nothing will be delivered "
            "unless [egress] allow names it"
        ),
    ),
    (
        small('[route]\nreceiver = "team"\nrepeat_interval = "1m"'),
        "route.repeat_interval: is shorter than group_interval, which is what reminders then wait for",
    ),
)


@pytest.mark.parametrize(("text", "line"), DOUBTFUL)
def test_what_is_allowed_but_looks_like_a_mistake_is_a_warning(text: str, line: str) -> None:
    assert loads(text, {}).warnings == (line,)


def test_what_a_rule_adds_itself_and_a_status_that_resembles_none_are_taken() -> None:
    shown = (
        WRONG_RULE
        + 'to = "Failed"\nlabels = { owner = "a" }\nannotations = { summary = "{{ owner }} {{ since | ago }}" }'
    )
    assert loads(small(shown), {}).warnings == ()
    assert loads(small(WRONG_RULE + """matchers = ['status="Hibernating"']"""), {}).warnings == ()
    logs = 'new = true\nannotations = { summary = "{{ message }} since {{ at | time }}, good {{ last_good }} {{ error_id }}" }'
    assert loads(small(LOG_RULE + logs), {}).warnings == ()


@pytest.mark.parametrize("pack", ["builtin", "logs", "deployed", "changes"])
def test_the_packs_name_nothing_that_is_not_there(pack: str) -> None:
    rules = tomllib.loads(pack_text(pack))["rules"]
    assert [said for rule in rules for said in labels.warnings(("rules", str(rule["name"])), rule)] == []


def test_an_alertmanager_may_forget_sooner_than_its_routes_repeat() -> None:
    assert loads(small('[route]\nreceiver = "team"\nrepeat_interval = "7d"', receiver=ALERTMANAGER), {}).warnings == ()


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
