"""Log records and rules for benchmarks: what applications on Connect write, and what is looked for in it."""

import json
import os
import random  # noqa: TID251  seeded
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from tests.fakes import START, deployment
from watcher import config
from watcher.app import compile_rules
from watcher.core.rule import Rule
from watcher.core.snapshot import Application, Deployment

PROJECT, REGION = "my-shop", "europe-west1.gcp"
PAGE = 1_000
RATED = 50
"""The number of kinds of errors that occur."""
SHARE = 0.017
"""How many records are of one of them."""
APPLICATIONS = ("order-sync", "payment-events", "tax-service", "search-index", "erp-export")
EVENTS = ("order-sync", "payment-events")
DEPLOYMENTS = tuple(f"shop-{name}" for name in ("emea", "us", "apac", "b2b"))

Fields = dict[str, Any]
Pages = Sequence[tuple[str, bytes]]
"""Bodies, each with the id of the Deployment that was asked about."""


class Kind(NamedTuple):
    """One kind of error: what finds it, and what it says; `{id}`, `{n}` and `{x}` differ from record to record."""

    pattern: str
    message: str


def kinds(count: int) -> list[Kind]:
    """Kinds of errors as rules look for them: words, codes, alternatives, classes, in any case or at the beginning."""
    found = []
    for number, word in zip(range(count), words(), strict=False):
        status = 500 + number % 5
        found.append(
            (
                Kind(rf"PSP-{number:04d} refused", f"PSP-{number:04d} refused payment {{id}} of cart {{x}}"),
                Kind(
                    rf"(?i){word} (timed out|unavailable)",
                    f"Upstream {word.title()} timed out after {{n}} ms for {{id}}",
                ),
                Kind(rf"\bE{number:04d}: .*rejected", f"E{number:04d}: order {{id}} of {{x}} rejected by the ledger"),
                Kind(
                    rf"^(Order|Cart) [0-9a-f]{{8}}-\S+ failed in {word}",
                    f"Order {{id}} failed in {word} after {{n}} attempts, customer {{x}}",
                ),
                Kind(
                    rf"status code {status} from {word}",
                    f"Request failed with status code {status} from {word}, id {{id}}",
                ),
            )[number % 5]
        )
    return found


def words() -> Iterator[str]:
    """Names that look like those of services, each once."""
    syllables = ("ta", "ri", "no", "ve", "lo", "ka", "mi", "su", "do", "pe", "ra", "zi")
    at = 0
    while True:
        parts = [syllables[at // 12**power % 12] for power in range(3)]
        yield "".join([*parts, "bank" if at % 2 else "hub"])
        at += 1


USUAL = (
    "Order {id} exported to the warehouse in {n} ms, batch {x}",
    "Processed message {id} from subscription orders-v2, attempt 1 of 5, {n} bytes",
    "Request succeeded with status code 200 from tarihub, {n} ms, correlation {id} {x}",
    "Cart {id} recalculated: {n} line items, tax category standard, country DE",
    "Cache miss for product projection {id}, fetched in {n} ms, store {x}",
    "Upstream answered after {n} ms for {id}; the next poll is due in 30 s",
    "Payment {id} authorised by the provider, amount {n} EUR, interface {x}",
    "Skipping customer {id}: no changes since the last synchronisation ({n})",
)


def corpus(count: int, share: float = SHARE) -> list[Fields]:
    """DeploymentLogs of a few applications. `share` of them are of the first fifty kinds of errors, the first most often."""
    rng = random.Random(7)
    errors = kinds(RATED)
    found = []
    for number in range(count):
        error = None
        if rng.random() < share:
            error = errors[0 if rng.random() < 0.2 else rng.randrange(RATED)]
        found.append(record(rng, number, error))
    return found


def record(rng: random.Random, number: int, error: Kind | None) -> Fields:
    """A record: a request, or what an application says as JSON, in colours, or plainly."""
    place = rng.randrange(len(DEPLOYMENTS) * len(APPLICATIONS))
    application = APPLICATIONS[place % len(APPLICATIONS)]
    shape = rng.random()
    kind, severity, details = "APPLICATION_TEXT", "DEFAULT", cast("Fields", {})
    text = spoken(rng, error.message if error else rng.choice(USUAL))
    if shape < 0.12 and error is None:
        kind, severity, details = "HTTP_REQUEST", "INFO", request(rng, application)
    elif shape < 0.65:
        kind = "APPLICATION_JSON"
        details = {
            "level": "error" if error else "info",
            "name": application,
            "correlationId": uuid(rng),
            "message": text,
        }
    elif shape < 0.85 and (error is None or not error.pattern.startswith("^")):
        colour, word = (31, "error") if error else (32, "info")
        details = {"message": f"\x1b[{colour}m{word}\x1b[39m:    {text}"}
    else:
        details = {"message": text}
    at = datetime.fromtimestamp((START + number) / 1000, UTC)
    return {
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "type": kind,
        "deploymentId": f"id-{DEPLOYMENTS[place // len(APPLICATIONS)]}",
        "applicationName": application,
        "severity": severity,
        "details": details,
    }


def spoken(rng: random.Random, template: str) -> str:
    """A message about something, of about 130 characters."""
    text = template.format(id=uuid(rng), n=rng.randrange(10, 9000), x=f"{rng.getrandbits(48):012x}")
    return text if len(text) > 110 else f"{text} requestId={uuid(rng)}"


def uuid(rng: random.Random) -> str:
    """An id."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def request(rng: random.Random, application: str) -> Fields:
    """A request as the platform logs it."""
    return {
        "requestMethod": "POST",
        "requestUrl": f"https://{application}.a.run.app/service",
        "requestSize": str(rng.randrange(400, 9000)),
        "status": 200,
        "responseSize": str(rng.randrange(120, 4000)),
        "userAgent": "commercetools-sdk-javascript-v3/3.4.1 node.js/20.20.2",
        "remoteIp": f"203.0.113.{rng.randrange(1, 255)}",
        "latency": f"{rng.randrange(4, 1900) / 1000:.3f}s",
        "protocol": "HTTP/1.1",
    }


def pages(records: Sequence[Fields]) -> Pages:
    """The API's answers, each with the Deployment that was asked about: every one has its own pages."""
    found: list[tuple[str, bytes]] = []
    for each in DEPLOYMENTS:
        mine = [record for record in records if record["deploymentId"] == f"id-{each}"]
        for at in range(0, len(mine), PAGE):
            body = {"data": mine[at : at + PAGE], "next": "" if at + PAGE >= len(mine) else f"token-{at}"}
            found.append((f"id-{each}", json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()))
    return found


def lines(records: Sequence[Fields]) -> Iterator[str]:
    """The text in which patterns are looked for; of a request that is its JSON."""
    for each in records:
        yield each["details"].get("message") or json.dumps(each["details"], separators=(",", ":"), ensure_ascii=False)


def directory() -> dict[str, Deployment]:
    """The Deployments that are known."""
    found = {}
    for name in DEPLOYMENTS:
        applications = tuple(
            Application(
                id=f"id-{each}", name=each, topic=each if each in EVENTS else "", url="" if each in EVENTS else each
            )
            for each in APPLICATIONS
        )
        found[f"id-{name}"] = deployment(name, applications=applications)
    return found


def rules(count: int, pack: str = "") -> list[Rule]:
    """A rule on logs for each of the first kinds of errors, written as a user writes them; the rules of a pack, too."""
    text = "\n".join(
        f'[[rules]]\nname = "Kind{number:04d}"\non = "log"\npattern = [\'{each.pattern}\']\ncount = 5\nwithin = "10m"\n'
        for number, each in enumerate(kinds(count))
    )
    return [
        rule
        for each in (text, config.pack_text(pack) if pack else "")
        if each
        for rule in compile_rules(config.parse_rules(each))
    ]


# ── the machine ──────────────────────────────────────────────────────────────


@contextmanager
def pinned(core: int = 0) -> Iterator[None]:
    """On one core, as far as the system can do that; what is started meanwhile stays there, too."""
    before = cores()
    if len(before) > core:
        os.sched_setaffinity(0, {before[core]})
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)


def cores() -> list[int]:
    """The cores there are; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def describe_load() -> str:
    """How busy the machine is with other things."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
