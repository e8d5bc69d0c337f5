"""`backtest` as a person runs it, its counts held against others that are made in another way."""

import asyncio
import gzip
import json
import random  # noqa: TID251  seeded
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from watcher.cli import main
from watcher.simulator import Simulator, serve
from watcher.simulator.logbook import Manners, Record

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BEGIN = 1_793_000_040_000
"""A whole minute."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONFIG = """
rule_packs = []
[[projects]]
key = "shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "canary-secret"
logs = { source = "poll", max_requests_per_second = 100.0 }
PLACE
[[rules]]
name = "Timeouts"
on = "log"
pattern = ['timed out']
count = 3
within = "10m"
[[rules]]
name = "News"
on = "log"
new = true
learn = "30m"
matchers = ['level="ERROR"', 'message!~".*timed out.*"']
[[rules]]
name = "Broken"
on = "log"
of = "5xx"
above = 0.2
at_least = 10
within = "5m"
[[rules]]
name = "Silent"
on = "log"
absent = "30m"
[route]
receiver = "team"
group_by = ["alertname", "deployment", "application"]
group_wait = "0s"
group_interval = "0s"
repeat_interval = "30d"
[[receivers]]
name = "team"
console = [{}]
"""
KINDS = ("tax has no rate", "cart is locked", "stock is unknown", "customer has no mail")
APPLICATIONS = tuple((f"deployment-{one}", name) for one in "abc" for name in ("service", "events"))


class Written(NamedTuple):
    """A record as this test thinks of it."""

    at: int
    deployment: str
    application: str
    kind: str
    message: str = ""
    status: int = 0

    @property
    def api(self) -> dict[str, Any]:
        at = (EPOCH + timedelta(milliseconds=self.at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        details = {"message": self.message, "level": "error" if self.kind == "error" else "info"}
        if self.kind == "http":
            details = {"requestMethod": "POST", "requestUrl": "https://a.example/x", "status": self.status}  # type: ignore[dict-item]  # as JSON has it
        return {
            "type": "HTTP_REQUEST" if self.kind == "http" else "APPLICATION_JSON",
            "deploymentId": self.deployment,
            "applicationName": self.application,
            "severity": "INFO" if self.kind == "http" else "DEFAULT",
            "timestamp": at,
            "details": details,
        }


class Episode(NamedTuple):
    first: int
    end: int | None


def generated(seed: int) -> list[Written]:
    """Six hours of six applications, one of which is silent for two of them, no two records at the same time."""
    chance = random.Random(seed)
    found: list[Written] = []
    for deployment, application in APPLICATIONS:
        at = BEGIN + chance.randrange(40 * MINUTE)
        broken = range(BEGIN + 2 * HOUR, BEGIN + 2 * HOUR + chance.randrange(5, 25) * MINUTE)
        slow = chance.uniform(0.01, 0.08)
        while at < BEGIN + 6 * HOUR:
            if (deployment, application) == APPLICATIONS[0] and 3 * HOUR < at - BEGIN < 5 * HOUR:
                at += 2 * HOUR
            draw = chance.random()
            place = (at, deployment, application)
            if draw < slow:
                found.append(Written(*place, "error", f"call {at} timed out"))
            elif draw < slow + 0.02:
                found.append(Written(*place, "error", f"order {at}: {chance.choice(KINDS)}"))
            elif draw < 0.6:
                status = 500 if chance.random() < (0.5 if at in broken else 0.05) else 200
                found.append(Written(*place, "http", status=status))
            else:
                found.append(Written(*place, "info", f"order {at} exported"))
            at += 12_001 + chance.randrange(20_000)
    taken: set[int] = set()
    return sorted(each for each in found if not (each.at in taken or taken.add(each.at)))  # type: ignore[func-returns-value]  # adds


def of_place(records: Iterable[Written], deployment: str, application: str) -> list[Written]:
    return [each for each in records if (each.deployment, each.application) == (deployment, application)]


def timeouts(records: Sequence[Written]) -> list[Episode]:
    """Three within ten minutes, again and again until the oldest of the last three is ten minutes old."""
    times = [each.at for each in records if "timed out" in each.message]
    found: list[Episode] = []
    for at, oldest in zip(times[2:], times, strict=False):
        if at - oldest > 10 * MINUTE:
            continue
        if found and at <= (found[-1].end or 0):
            found[-1] = found[-1]._replace(end=oldest + 10 * MINUTE)
        else:
            found.append(Episode(at, oldest + 10 * MINUTE))
    return found


def news(records: Sequence[Written]) -> list[Episode]:
    """The first of each kind, unless within half an hour of the application's first minute."""
    begin = records[0].at // MINUTE * MINUTE + 30 * MINUTE
    firsts = [
        next((each.at for each in records if each.kind == "error" and each.message.endswith(kind)), 0) for kind in KINDS
    ]
    return [Episode(at, None) for at in sorted(firsts) if at >= begin]


def measured(holds: Iterable[tuple[int, bool]]) -> list[Episode]:
    """Episodes of what is true at some minutes."""
    found: list[Episode] = []
    for minute, true in holds:
        firing = bool(found) and found[-1].end is None
        if true and not firing:
            found.append(Episode(minute, None))
        if firing and not true:
            found[-1] = found[-1]._replace(end=minute)
    return found


def broken(records: Sequence[Written], until: int) -> list[Episode]:
    def holds(minute: int) -> bool:
        whole = [each.status for each in records if each.status and minute - 5 * MINUTE <= each.at < minute]
        return len(whole) >= 10 and sum(each == 500 for each in whole) > 0.2 * len(whole)

    return measured((minute, holds(minute)) for minute in range(BEGIN, until + 10 * MINUTE, MINUTE))


def silent(records: Sequence[Written], until: int) -> list[Episode]:
    def holds(minute: int) -> bool:
        heard = [each.at // MINUTE * MINUTE for each in records if each.at < minute]
        return bool(heard) and minute - heard[-1] >= 30 * MINUTE

    return measured((minute, holds(minute)) for minute in range(BEGIN, until + MINUTE, MINUTE))


def expected(records: Sequence[Written]) -> dict[tuple[str, str, str], list[Episode]]:
    """Who fires when, by rule, Deployment and application."""
    found: dict[tuple[str, str, str], list[Episode]] = {}
    until = -(-records[-1].at // MINUTE) * MINUTE
    for place in APPLICATIONS:
        own = of_place(records, *place)
        answers = (timeouts(own), news(own), broken(own, until), silent(own, until))
        for rule, episodes in zip(("Timeouts", "News", "Broken", "Silent"), answers, strict=True):
            if episodes:
                found[(rule, *place)] = episodes
    return found


def told(outcome: dict[str, Any]) -> dict[tuple[str, str, str], tuple[int, int, int, int | None]]:
    """The rows of an outcome: how often each fired, first and last, and its end. Kinds of news are one."""
    found: dict[tuple[str, str, str], tuple[int, int, int, int | None]] = {}
    for row in outcome["rows"]:
        labels = row["labels"]
        name = (row["rule"], labels["deployment"], labels["application"])
        fired, first, last = row["fired"], millis(row["first"]), millis(row["last"])
        end = millis(row["ended_at"]) if row["ended_at"] else None
        if name in found:
            fired, first, last = fired + found[name][0], min(first, found[name][1]), max(last, found[name][2])
        found[name] = (fired, first, last, end)
    return found


def millis(text: str) -> int:
    return round((datetime.fromisoformat(text) - EPOCH) / timedelta(milliseconds=1))


def lines(records: Iterable[Written]) -> str:
    return "".join(json.dumps(each.api) + "\n" for each in records)


def invoke(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["backtest", *arguments], input=stdin, catch_exceptions=False)


def outcome_of(*arguments: str, stdin: str | None = None) -> dict[str, Any]:
    result = invoke(*arguments, "--output", "json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.replace("PLACE", ""))
    return str(path)


# ── files ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rules_fire_and_end_as_often_and_when_a_plain_count_says(tmp_path: Path, config: str, seed: int) -> None:
    records = generated(seed)
    path = tmp_path / "records.ndjson"
    path.write_text(lines(records))
    outcome = outcome_of("-c", config, "--file", str(path))
    wanted = expected(records)
    assert {rule for rule, _, _ in wanted} == {"Timeouts", "News", "Broken", "Silent"}
    assert told(outcome) == {
        name: (len(each), each[0].first, each[-1].first, each[-1].end) for name, each in wanted.items()
    }
    episodes = [each for those in wanted.values() for each in those]
    ended = sum(each.end is not None for each in episodes)
    assert outcome["alerts"] == {"fired": len(episodes), "ended": ended, "unlisted": 0}
    assert outcome["messages"] == {
        "total": len(episodes) + ended,
        "by_sink": {"team/console/0": len(episodes) + ended},
    }
    assert (outcome["records"], outcome["refused"]) == (len(records), 0)
    assert (millis(outcome["since"]), millis(outcome["until"])) == (records[0].at, records[-1].at)
    assert outcome["hits"]["by_rule"] == {
        "News": sum(each.kind == "error" and "timed out" not in each.message for each in records),
        "Timeouts": sum("timed out" in each.message for each in records),
    }


def test_how_records_arrive_does_not_matter(tmp_path: Path, config: str) -> None:
    records = generated(4)
    plain = tmp_path / "records.ndjson"
    plain.write_text(lines(records))
    answer = outcome_of("-c", config, "--file", str(plain))
    assert answer["rows"]
    shuffled = records.copy()
    random.Random(4).shuffle(shuffled)
    mixed = tmp_path / "shuffled.ndjson"
    mixed.write_text(lines(shuffled))
    assert outcome_of("-c", config, "--file", str(mixed)) == answer
    packed = tmp_path / "records.ndjson.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert outcome_of("-c", config, "--file", str(packed)) == answer
    assert outcome_of("-c", config, "--file", "-", stdin=lines(reversed(records))) == answer
    parts = [tmp_path / f"{name}.ndjson" for name in ("one", "two")]
    for part, path in enumerate(parts):
        path.write_text(lines(shuffled[part::2]))
    assert outcome_of("-c", config, "--file", str(parts[0]), "--file", str(parts[1])) == answer


def test_people_see_a_table_and_what_it_comes_to(config: str) -> None:
    records = [Written(BEGIN + at * SECOND, "d1", "service", "error", f"call {at} timed out") for at in (0, 60, 120)]
    result = invoke("-c", config, "--file", "-", stdin=lines(records))
    assert result.exit_code == 0
    assert (
        result.stdout
        == """\
RULE      WHERE                FIRED  FIRST                 LAST                  HOW IT ENDED                MESSAGE
Timeouts  shop / d1 / service  1      2026-10-26T07:36:00Z  2026-10-26T07:36:00Z  ended 2026-10-26T07:44:00Z  call 120 timed out

3 records from 2026-10-26T07:34:00Z to 2026-10-26T07:36:00Z: 3 hits, 1 alerts (1 ended, 0 still firing), \
2 messages (team/console/0 2).
"""
    )


def test_nothing_to_say_is_said(config: str) -> None:
    result = invoke("-c", config, "--file", "-", stdin=lines([Written(BEGIN, "d1", "service", "info", "hello")]))
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing would have been said.\n1 records ")
    empty = invoke("-c", config, "--file", "-", stdin="\n")
    assert empty.exit_code == 0
    assert empty.stdout.startswith("Nothing would have been said.\n0 records: 0 hits")


def test_what_is_said_holds_no_secret(config: str) -> None:
    records = [
        Written(BEGIN + at, "d1", "service", "error", f"password=hunter22 canary-secret timed out {at}")
        for at in range(3)
    ]
    result = invoke("-c", config, "--file", "-", "--output", "json", stdin=lines(records))
    assert "timed out" in result.stdout
    assert "hunter22" not in result.output
    assert "canary" not in result.output


def test_a_bad_line_is_told_with_its_number_and_left_out(tmp_path: Path, config: str) -> None:
    good = Written(BEGIN, "d1", "service", "info", "hello").api
    bad = [
        "canary {",
        "[1]",
        json.dumps({**good, "timestamp": "canary"}),
        json.dumps({**good, "deploymentId": 7}),
        json.dumps({**good, "project": "canary"}),
        '{"a":' * 5_000,
    ]
    half = json.dumps(good).replace("hello", "hello \\ud83d")
    path = tmp_path / "records.ndjson"
    path.write_text("\ufeff" + "\n".join([json.dumps(good), "", half, *bad]))
    result = invoke("-c", config, "--file", str(path))
    assert result.exit_code == 0
    assert "2 records from " in result.stdout
    assert [line for line in result.stderr.splitlines() if line.startswith(str(path))] == [
        f"{path}:4: is no JSON object",
        f"{path}:5: is no JSON object",
        f"{path}:7: has no deploymentId",
        f"{path}:8: is of a project that the configuration does not have",
        f"{path}:9: is no JSON object",
        f"{path}:6: is no log record with a timestamp",
    ]
    assert "note: 6 lines are no log record and left out\n" in result.stderr
    assert "canary" not in result.output


def test_only_bad_lines_are_1(config: str) -> None:
    result = invoke("-c", config, "--file", "-", stdin="one\ntwo\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("none of the 2 lines is a log record\n")


def test_a_torn_archive_is_1(tmp_path: Path, config: str) -> None:
    path = tmp_path / "records.ndjson.gz"
    path.write_bytes(gzip.compress(lines(generated(1)).encode())[:-2_000])
    result = invoke("-c", config, "--file", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{path} cannot be read beyond line " in result.stderr


def test_where_there_are_several_projects_records_say_theirs_or_the_command_line_does(
    tmp_path: Path, config: str
) -> None:
    other = '[[projects]]\nkey = "other"\nregion = "x"\nclient_id = "id"\nclient_secret = "canary-secret"\n'
    path = tmp_path / "two.toml"
    path.write_text(Path(config).read_text().replace("[[projects]]", f"{other}[[projects]]", 1))
    records = [Written(BEGIN + at, "d1", "service", "error", f"call {at} timed out").api for at in range(3)]
    said = [json.dumps({**each, "project": "other"}) for each in records]
    silent = [json.dumps(each) for each in records]
    text = "\n".join([*said, *silent])
    outcome = outcome_of("-c", str(path), "--file", "-", stdin=text)
    assert [row["labels"]["project"] for row in outcome["rows"]] == ["other"]
    assert "3 lines are no log record and left out" in outcome["notes"]
    outcome = outcome_of("-c", str(path), "--file", "-", "--project", "shop", stdin=text)
    assert sorted(row["labels"]["project"] for row in outcome["rows"]) == ["other", "shop"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--file", "-", "--since", "7d"],
        ["--file", "-", "--deployment", "orders"],
        ["--file", "-", "--project", "nobody"],
        ["--file", "nobody.ndjson"],
        ["--since", "soon"],
        ["--since", "31d"],
        ["--since", "0"],
    ],
)
def test_wrong_usage_is_2(config: str, arguments: list[str]) -> None:
    assert invoke("-c", config, *arguments).exit_code == 2


def test_a_bad_configuration_is_78(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("nonsense")
    assert invoke("-c", str(path), "--file", "-").exit_code == 78


# ── log endpoints ────────────────────────────────────────────────────────────


@pytest.fixture
async def shop() -> AsyncIterator[Simulator]:
    async with serve(seed=5) as simulator:
        yield simulator


def pointed(simulator: Simulator, config: str) -> str:
    path = Path(config)
    path.write_text(CONFIG.replace("PLACE", f'api_url = "{simulator.url}"\nauth_url = "{simulator.url}"'))
    return str(path)


def now_of(simulator: Simulator) -> int:
    return simulator.logbook.clock.now() // MINUTE * MINUTE


def write(simulator: Simulator, deployment: dict[str, Any], application: str, moments: Iterable[int]) -> None:
    records = [
        Record(timestamp=at, type="APPLICATION_JSON", details={"message": f"call {at} timed out", "level": "info"})
        for at in moments
    ]
    simulator.logbook.append(deployment["id"], application, records)


async def polled(*arguments: str) -> Result:
    return await asyncio.to_thread(invoke, *arguments, "--output", "json")


@pytest.mark.parametrize("manners", [Manners(), Manners(page_size=7, reverse=True, ending="absent")])
async def test_the_log_endpoints_are_read_and_say_what_a_plain_count_says(
    shop: Simulator, config: str, manners: Manners
) -> None:
    shop.logbook.manners = manners
    orders = shop.create("shop", key="orders", connector="order-export")[0]
    shop.create("shop", key="quiet", connector="order-export")
    now = now_of(shop)
    often = [now - 3 * DAY + 37 * SECOND + at * 100 * SECOND for at in range(60)]
    twice = [now - HOUR, now - HOUR, now - HOUR + SECOND]  # one record that was written twice
    once = [now - 2 * DAY, now - 2 * DAY + SECOND]
    write(shop, orders, "order-listener", [*often, *twice, *once, now - 8 * DAY])
    result = await polled("-c", pointed(shop, config), "--since", "7d")
    assert result.exit_code == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert outcome["records"] == 65
    rows = [row for row in outcome["rows"] if row["rule"] == "Timeouts"]
    assert [(row["labels"]["deployment"], row["labels"]["connector"], row["fired"]) for row in rows] == [
        ("orders", "order-export", 2)
    ]
    assert [(millis(row["first"]), millis(row["last"])) for row in rows] == [(often[2], twice[-1])]
    silent = {row["labels"]["deployment"] for row in outcome["rows"] if row["rule"] == "Silent"}
    assert silent == {"orders", "quiet"}
    assert shop.messages == []


async def test_only_what_is_asked_for_is_read(shop: Simulator, config: str) -> None:
    for key in ("orders", "search"):
        deployment = shop.create("shop", key=key, connector="order-export")[0]
        write(shop, deployment, "order-listener", [now_of(shop) - HOUR + at for at in range(3)])
    path = pointed(shop, config)
    result = await polled("-c", path, "--since", "1d", "--project", "shop", "--deployment", "search")
    outcome = json.loads(result.stdout)
    assert outcome["records"] == 3
    assert {row["labels"]["deployment"] for row in outcome["rows"]} == {"search"}
    unknown = await polled("-c", path, "--since", "1d", "--deployment", "nobody")
    assert (unknown.exit_code, unknown.stdout, unknown.stderr) == (1, "", "there is no Deployment nobody\n")


async def test_regions_that_want_an_application_get_one(shop: Simulator, config: str) -> None:
    deployment = shop.create("shop", key="orders", connector="order-export", deployedRegion="us-east-2.aws")[0]
    for name in ("order-listener", "nightly-reconciliation"):
        write(shop, deployment, name, [now_of(shop) - HOUR + at for at in range(3)])
    outcome = json.loads((await polled("-c", pointed(shop, config), "--since", "1d")).stdout)
    assert outcome["records"] == 6
    timeouts = [row for row in outcome["rows"] if row["rule"] == "Timeouts"]
    assert {row["labels"]["application"] for row in timeouts} == {"order-listener", "nightly-reconciliation"}


@pytest.mark.parametrize("status", [404, 410])
async def test_endpoints_that_are_gone_are_1_and_files_still_work(shop: Simulator, config: str, status: Any) -> None:
    shop.create("shop", key="orders", connector="order-export")
    shop.remove_logs(status=status)
    result = await polled("-c", pointed(shop, config), "--since", "7d")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "shop: the log endpoints are gone, only --file works now" in result.stderr
    assert f"answered {status}" in result.stderr


async def test_a_page_that_cannot_be_had_right_now_is_asked_for_again(shop: Simulator, config: str) -> None:
    deployment = shop.create("shop", key="orders", connector="order-export")[0]
    write(shop, deployment, "order-listener", [now_of(shop) - HOUR + at for at in range(3)])
    shop.fault("/shop/deployments/*/logs", status=429, count=1)
    outcome = json.loads((await polled("-c", pointed(shop, config), "--since", "1d")).stdout)
    assert outcome["records"] == 3


async def test_a_walk_whose_token_expires_begins_anew_and_counts_nothing_twice(shop: Simulator, config: str) -> None:
    shop.logbook.manners = Manners(page_size=5)
    deployment = shop.create("shop", key="orders", connector="order-export")[0]
    write(shop, deployment, "order-listener", [now_of(shop) - HOUR + at * SECOND for at in range(60)])
    path = Path(pointed(shop, config))
    path.write_text(path.read_text().replace("max_requests_per_second = 100.0", "max_requests_per_second = 20.0"))
    reading = asyncio.create_task(polled("-c", str(path), "--since", "12h"))
    await shop.wait_requests(lambda seen: len(asked(seen)) >= 7, 20)
    shop.logbook.expire_cursors()
    outcome = json.loads((await reading).stdout)
    assert outcome["records"] == 60
    assert len(asked(shop.requests)) > 12


def asked(seen: Iterable[Any]) -> list[Any]:
    return [each for each in seen if each.path.endswith("/logs")]


async def test_an_endpoint_that_wants_an_application_gets_one(shop: Simulator, config: str) -> None:
    deployment = shop.create("shop", key="orders", connector="order-export")[0]
    for name in ("order-listener", "nightly-reconciliation"):
        write(shop, deployment, name, [now_of(shop) - HOUR + at for at in range(3)])
    error = {"code": "DeploymentLogMissingApplicationName", "message": "x"}
    shop.fault("*/logs", status=400, body={"statusCode": 400, "message": "x", "errors": [error]}, count=1)
    outcome = json.loads((await polled("-c", pointed(shop, config), "--since", "1d")).stdout)
    assert outcome["records"] == 6
