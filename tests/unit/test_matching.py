"""Which records a rule takes, and what becomes of them: the same as asking every rule about every record."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import deployment
from tests.unit.builders import quick
from watcher import config, pattern, rules, scan
from watcher.core.logrecord import HTTP_REQUEST, JSON, MINUTE, TEXT, LogRecord, Matched, Place
from watcher.core.snapshot import Application, Deployment
from watcher.redact import Redactor
from watcher.rules.matching import SINGLES, LogMatcher

PROJECT, REGION, NOW = "my-shop", "europe-west1.gcp", 1_800_000_000_000
SHOP = deployment(
    "shop", applications=(Application(id="a", name="api"), Application(id="j", name="nightly", schedule="0 3 * * *"))
)
KNOWN = {SHOP.id: SHOP}


def record(message: str = "it broke", level: str = "ERROR", **fields: Any) -> LogRecord:
    base = LogRecord(
        deployment_id=SHOP.id,
        application="api",
        type=TEXT,
        severity="DEFAULT",
        level=level,
        at=NOW,
        message=message,
        key=hash_of(message),
    )
    return base._replace(**fields)


def hash_of(text: str) -> int:
    return sum(text.encode())


def http(status: int = 503, path: str = "/orders", latency: int = 20, **fields: Any) -> LogRecord:
    return record(
        f"POST {path}", "INFO", type=HTTP_REQUEST, method="POST", path=path, status=status, latency=latency, **fields
    )


def structured(**details: Any) -> LogRecord:
    return record(str(details.get("message", "")), type=JSON, details=msgspec.json.encode(details))


def matcher(text: str) -> LogMatcher:
    written = config.parse_rules(
        "".join(f'[[rules]]\nname = "R{at}"\non = "log"\n{one}\n' for at, one in enumerate(text.split(";")))
    )
    specs = rules.log_specs([rules.make(each.text()) for each in written])
    return LogMatcher(specs, scan.compile_set(rules.pattern_table(specs)), Redactor(()).clean)


def match(text: str, *records: LogRecord, known: dict[str, Deployment] | None = None) -> Matched:
    return matcher(text).match(PROJECT, REGION, records, KNOWN if known is None else known)


def hit(text: str, one: LogRecord) -> bool:
    return bool(match(text, one).hits)


@pytest.mark.parametrize(
    ("rule", "one", "taken"),
    [
        ("", record(), True),
        ("""matchers = ['level="ERROR"']""", record(), True),
        ("""matchers = ['level="ERROR"']""", record(level="INFO"), False),
        ("""matchers = ['level=~"ERROR|CRITICAL"']""", record(level="CRITICAL"), True),
        ("""matchers = ['deployment="shop"', 'type="production"', 'connector="stripe"']""", record(), True),
        ("""matchers = ['deployment="other"']""", record(), False),
        ("""matchers = ['application_kind="job"']""", record(), False),
        ("""matchers = ['application_kind="job"']""", record(application="nightly"), True),
        ("""matchers = ['application_kind=""']""", record(application="unheard of"), True),
        ("""matchers = ['log_type="HTTP_REQUEST"', 'status=~"5.."']""", http(503), True),
        ("""matchers = ['log_type="HTTP_REQUEST"', 'status=~"5.."']""", http(200), False),
        ("""matchers = ['status=""']""", record(), True),
        ("""matchers = ['path=~"/orders.*"', 'method="POST"']""", http(path="/orders/5"), True),
        ("""matchers = ['path=~"/orders.*"']""", http(path="/carts"), False),
        ("""matchers = ['details.err.code="E42"']""", structured(err={"code": "E42"}), True),
        ("""matchers = ['details.err.code="E42"']""", structured(err={"code": "E43"}), False),
        ("""matchers = ['details.err.code="E42"']""", structured(err="E42"), False),
        ("""matchers = ['details.err.code="E42"']""", record(details=b"{broken"), False),
        ("""matchers = ['details.count="3"']""", structured(count=3), True),
        ("""matchers = ['details.nothing=""']""", structured(count=3), True),
        ("slower_than = '8s'", http(latency=8_001), True),
        ("slower_than = '8s'", http(latency=8_000), False),
        ("slower_than = '8s'", record(), False),
        ("pattern = ['br.ke']", record(), True),
        ("pattern = ['^broke']", record(), False),
        ("pattern = ['nothing', 'broke$']", record(), True),
        ("pattern = ['broke']\nexclude = ['^it']", record(), False),
        ("pattern = ['broke']\nexclude = ['^that']", record(), True),
        ("""pattern = ['broke']\nmatchers = ['level="INFO"']""", record(), False),
        ("exclude = ['broke']", record(), False),
    ],
)
def test_a_rule_takes_what_its_labels_and_its_patterns_say(rule: str, one: LogRecord, taken: bool) -> None:
    assert hit(rule, one) is taken


def test_a_hit_has_the_labels_that_name_its_alert_and_those_that_a_message_shows() -> None:
    (found,) = match("""by = ["deployment", "application", "path", "details.order"]""", http(503, "/orders?id=1")).hits
    assert (found.rule, found.level, found.at, found.last, found.count) == ("R0", "INFO", NOW, NOW, 1)
    assert found.labels == {
        "project": PROJECT,
        "region": REGION,
        "type": "production",
        "connector": "stripe",
        "connector_version": "3",
        "deployment": "shop",
        "deployment_id": SHOP.id,
        "build": "b1",
        "application": "api",
        "application_kind": "service",
        "log_type": HTTP_REQUEST,
        "severity": "DEFAULT",
        "level": "INFO",
        "method": "POST",
        "status": "503",
        "path": "/orders?id=1",
        "latency": "20",
    }


def test_what_is_kept_of_a_record_is_redacted() -> None:
    canary = "hunter2-canary-value"
    found = match(
        """by = ["deployment", "path", "details.token"]""",
        record(f"login failed: password={canary}"),
        http(path=f"/login/token={canary}"),
        structured(message="m", token=f"secret={canary}"),
    )
    assert len(found.hits) == 3
    assert canary not in msgspec.json.encode(found.hits).decode()


def test_a_deployment_that_is_not_known_is_named_by_its_id_until_it_is() -> None:
    asked = matcher("")
    (before,) = asked.match(PROJECT, REGION, [record()], {}).hits
    (after,) = asked.match(PROJECT, REGION, [record()], KNOWN).hits
    renamed = {SHOP.id: replace(SHOP, key="renamed")}
    (later,) = asked.match(PROJECT, REGION, [record()], renamed).hits
    assert [each.labels["deployment"] for each in (before, after, later)] == [SHOP.id, "shop", "renamed"]


def test_many_hits_of_a_minute_become_one_with_their_number_and_those_of_another_minute_another() -> None:
    records = [record(f"failure {n}", at=NOW + n * 1_000) for n in range(100)]
    hits = match("", *records).hits
    assert sum(each.count for each in hits) == 100
    assert len(hits) <= SINGLES + 3
    assert all(each.last // MINUTE == each.at // MINUTE for each in hits)
    assert {each.message for each in hits} <= {each.message for each in records}
    assert len({each.key for each in hits}) == len(hits)


def test_a_trace_that_was_written_line_by_line_is_one_message() -> None:
    lines = ["Error: boom", "    at send (client.js:12:3)", "    at post (event.js:4:9)", "ready"]
    records = [record(text, "ERROR" if n == 0 else "DEFAULT", at=NOW + n // 2) for n, text in enumerate(lines)]
    other = record("    at nobody (x.js:1:1)", "DEFAULT", application="nightly")
    hits = match("""matchers = ['level="ERROR"']""", records[0], other, *records[1:]).hits
    assert [each.message for each in hits] == ["\n".join(lines[:3])]


def test_a_kind_of_message_has_one_name_whatever_numbers_are_in_it() -> None:
    hits = match("new = true", record("order 17 failed"), record("order 18 failed"), record("no such cart")).hits
    assert Counter(each.template for each in hits).most_common(1)[0][1] == 2
    assert len({each.template for each in hits}) == 2


def test_tallies_count_records_errors_and_requests_by_minute_and_application() -> None:
    records = [
        record(),
        record(level="INFO"),
        record(level="EMERGENCY"),
        http(503),
        http(404),
        http(200),
        record(application="nightly", at=NOW + MINUTE),
    ]
    tallies = match("", *records).tallies
    api, nightly = Place(PROJECT, SHOP.id, "api", NOW // MINUTE), Place(PROJECT, SHOP.id, "nightly", NOW // MINUTE + 1)
    assert set(tallies) == {api, nightly}
    found = tallies[api]
    assert (found.records, found.errors, found.http, found.http_4xx, found.http_5xx) == (6, 2, 3, 1, 1)
    assert tallies[nightly].records == 1


# ── as if every rule were asked about every record ───────────────────────────

LEVELS, APPLICATIONS = ("INFO", "ERROR"), ("api", "nightly")
PATTERNS = ("timeout", "^retry", "(?i)ORDER [0-9]+", "a.c", "$")
TEXTS = ("timeout of order 5", "retry: timeout", "Order 12 abc", "", "axc\nretry", "nothing")
RULES = st.lists(
    st.tuples(
        st.sampled_from((*LEVELS, "")),
        st.sampled_from((*APPLICATIONS, "")),
        st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True),
        st.sampled_from(("", "retry", "5")),
    ),
    min_size=1,
    max_size=6,
)
RECORDS = st.lists(
    st.builds(
        lambda text, level, application, at: record(text, level, application=application, at=NOW + at),
        st.sampled_from(TEXTS),
        st.sampled_from(LEVELS),
        st.sampled_from(APPLICATIONS),
        st.integers(0, 3 * MINUTE),
    ),
    max_size=40,
)
Written = tuple[str, str, list[str], str]


def written(level: str, application: str, patterns: Sequence[str], exclude: str) -> str:
    labels = [f"level={level!r}"] * bool(level) + [f"application={application!r}"] * bool(application)
    lines = [f"matchers = {[each.replace(chr(39), chr(34)) for each in labels]}"] * bool(labels)
    lines += [f"pattern = {patterns}"] * bool(patterns) + [f"exclude = ['{exclude}']"] * bool(exclude)
    return "\n".join(lines)


@quick
@given(RULES, RECORDS)
def test_all_rules_at_once_find_what_each_would_find_alone(asked: list[Written], records: list[LogRecord]) -> None:
    found = match(";".join(written(*each) for each in asked), *records)
    expected: Counter[str] = Counter()
    for at, (level, application, patterns, exclude) in enumerate(asked):
        for each in records:
            fits = level in ("", each.level) and application in ("", each.application)
            said = not patterns or any(pattern.search(one)(each.message) for one in patterns)
            unwanted = exclude and pattern.search(exclude)(each.message)
            expected[f"R{at}"] += bool(fits and said and not unwanted)
    counted: Counter[str] = Counter()
    for one in found.hits:
        counted[one.rule] += one.count
    assert counted == +expected
    assert sum(each.records for each in found.tallies.values()) == len(records)
