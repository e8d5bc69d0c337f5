"""The official CLI against the simulator: every command that works on Connect, by what it shows and by what it did."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers import package
from tests.peers.cli import Cli, Ended, official_cli
from tests.peers.shop import PROJECT, hurried
from watcher.simulator import Simulator
from watcher.simulator.clock import iso
from watcher.simulator.lifecycle import Outcome

DEPLOYMENT = ("connect", "deployment")
DRAFT = ("connect", "connectorstaged")
LOGIN = ("auth", "login", "--client-credentials", "--region", "europe-west1.gcp", "--client-id", "cid")
YES = ("cannot be undone", "y\r")
OF_DRAFT = (
    *("--repository-url", "https://github.com/example/email-campaigns.git", "--repository-tag", "v1.0.0"),
    *("--creator-email", "dev@example.com", "--integration-types", "email"),
    *("--supported-regions", "europe-west1.gcp,us-east-2.aws", "--private-projects", f"europe-west1.gcp:{PROJECT}"),
)
HOUR = 3_600_000
MORE = ("Logs from.*see the next page", "y\r")


@dataclass(frozen=True)
class Shop:
    simulator: Simulator
    cli: Cli

    def deployment(self, key: str) -> dict[str, Any]:
        """A Deployment as it is now."""
        self.simulator.world.catch_up()
        return self.simulator.world.by_key(PROJECT, key).payload

    def draft(self, key: str) -> dict[str, Any]:
        """A ConnectorStaged as it is now."""
        self.simulator.world.catch_up()
        return self.simulator.world.draft_by_key(key).payload

    def asked(self) -> list[tuple[str, str]]:
        """The requests so far, as method and path."""
        return [(entry.method, entry.path) for entry in self.simulator.requests]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with hurried() as simulator:
        cli = official_cli(simulator.url, tmp_path)
        await cli.sign_in(PROJECT)
        yield Shop(simulator, cli)


def in_order(text: str, *parts: str) -> bool:
    """Whether the parts stand in the text, one after the other."""
    rest = text
    for part in parts:
        _, found, rest = rest.partition(part)
        if not found:
            return False
    return True


COMMANDS = {
    "deployment": {"list", "describe", "logs", "create", "redeploy", "delete"},
    "connectorstaged": {
        *("list", "describe", "create", "update", "validate", "publish", "certify"),
        *("preview", "deploy"),  # the first is validate and then the second, which has no name of its own
    },
}
"""The commands that work on Connect, all of which are run below."""


def test_no_command_is_forgotten() -> None:
    folder = package("@commercetools/cli").parent / "cli-topic-connect" / "dist" / "commands" / "connect"
    assert {topic: {file.stem for file in (folder / topic).glob("*.js")} for topic in COMMANDS} == COMMANDS


# ── who one is ───────────────────────────────────────────────────────────────


async def test_login_and_whoami(tmp_path: Path) -> None:
    async with hurried() as simulator:
        cli = official_cli(simulator.url, tmp_path)
        assert await cli("auth", "whoami") == Ended(code=0, shown="Principal is not logged in")
        login = await cli(*LOGIN, "--client-secret", "secret", "--project-key", PROJECT)
        assert login == Ended(code=0, shown="Authentication successful")
        kept = json.loads(cli.credentials.read_text("utf-8"))
        assert (kept["clientId"], kept["projectKey"]) == ("cid", PROJECT)
        me, listed = await asyncio.gather(cli("auth", "whoami"), cli(*DEPLOYMENT, "list"))
        assert (me.code, listed.code) == (0, 0)
        assert in_order(
            me.shown, "Logged in as cid", f"Project key: {PROJECT}", "Region: europe-west1.gcp", f":{PROJECT}"
        )
        assert "first" in listed.shown


async def test_a_revoked_token_is_replaced_without_a_word(shop: Shop) -> None:
    assert shop.simulator.tokens.revoke() == 1
    assert (await shop.cli(*DEPLOYMENT, "list")).code == 0
    statuses = [entry.status for entry in shop.simulator.requests[1:]]
    assert statuses == [401, 200, 200]
    assert [path for _, path in shop.asked()[1:]] == [
        f"/{PROJECT}/deployments",
        "/oauth/token",
        f"/{PROJECT}/deployments",
    ]


# ── Deployments ──────────────────────────────────────────────────────────────


async def test_deployments_are_listed_and_described(shop: Shop) -> None:
    made = shop.simulator.create(PROJECT, count=6)
    listed, reverse, by_key, by_id = await asyncio.gather(
        shop.cli(*DEPLOYMENT, "list"),
        shop.cli(*DEPLOYMENT, "list", "--limit", "2", "--offset", "1", "--sort=-createdAt"),
        shop.cli(*DEPLOYMENT, "describe", "--key", made[0]["key"]),
        shop.cli(*DEPLOYMENT, "describe", "--id", made[1]["id"]),
    )
    assert {listed.code, reverse.code, by_key.code, by_id.code} == {0}
    assert in_order(listed.shown, "ID KEY VERSION STATUS", *(one["key"] for one in made), "Showing items 1–7 of 7.")
    assert in_order(reverse.shown, made[4]["key"], made[3]["key"], "Showing items 2–3 of 7.")
    assert made[5]["key"] not in reverse.shown
    assert in_order(by_key.shown, "with the following key:", f"id: '{made[0]['id']}'", "status: 'Deployed'")
    assert in_order(by_id.shown, f"with the following id: {made[1]['id']}", f"key: '{made[1]['key']}'")


async def test_a_deployment_is_created_redeployed_and_deleted(shop: Shop) -> None:
    where = ("--key", "mail", "--region", "europe-west1.gcp", "--connector-key", "email-campaigns")
    values = ("--configuration", "MAILING_ACCOUNT=acme,profile-sync.LOG_LEVEL=debug,profile-sync.API_KEY=sesame")
    created = await shop.cli(*DEPLOYMENT, "create", *where, *values)
    first = shop.deployment("mail")
    assert created.code == 0
    assert (
        f"mail has been successfully created with ID: {first['id']} and it's currently in Queued status"
        in created.shown
    )
    assert (first["status"], first["type"], first["preview"]) == ("Deployed", "sandbox", False)
    assert {"key": "MAILING_ACCOUNT", "value": "acme"} in first["globalConfiguration"]["standardConfiguration"]
    assert {"key": "LOG_LEVEL", "value": "debug"} in first["applications"][0]["standardConfiguration"]
    assert [one["key"] for one in first["applications"][0]["securedConfiguration"]] == ["API_KEY"]

    again = ("--configuration", "profile-sync.LOG_LEVEL=info", "--updateConnector", "--skipScripts")
    redeployed = await shop.cli(*DEPLOYMENT, "redeploy", "--key", "mail", *again)
    second = shop.deployment("mail")
    assert redeployed.code == 0
    assert f"Deployment with mail - '{first['id']}' has been successfully redeployed." in redeployed.shown
    assert second["status"] == "Deployed"
    assert second["version"] > first["version"]
    assert second["details"]["build"]["id"] != first["details"]["build"]["id"]
    assert {"key": "LOG_LEVEL", "value": "info"} in second["applications"][0]["standardConfiguration"]

    deleted = await shop.cli(*DEPLOYMENT, "delete", "--key", "mail", answers=(YES,))
    assert deleted.code == 0
    assert "Deployment with key - 'mail' has been successfully deleted." in deleted.shown
    shop.simulator.world.catch_up()
    assert [one.key for one in shop.simulator.world.deployments(PROJECT).values()] == ["first"]


async def test_deployments_are_created_from_drafts_and_for_production(shop: Shop) -> None:
    (draft,) = shop.simulator.world.create_drafts(
        1, {"key": "tax", "connector": "tax-calculation", "isPreviewable": "true"}
    )
    first = shop.simulator.world.by_key(PROJECT, "first").id
    europe = ("--region", "europe-west1.gcp")
    staged, production, redeployed, kept = await asyncio.gather(
        shop.cli(*DEPLOYMENT, "create", "--key", "staged", "--connector-id", draft.id, "--connector-staged", *europe),
        shop.cli(
            *DEPLOYMENT, "create", "--key", "live", "--connector-key", "gift-cards", "--type", "production", *europe
        ),
        shop.cli(*DEPLOYMENT, "redeploy", "--id", first),
        shop.cli(*DEPLOYMENT, "delete", "--id", first, answers=((YES[0], "n\r"),)),
    )
    assert (staged.code, production.code, redeployed.code, kept.code) == (0, 0, 0, 0)
    assert (shop.deployment("staged")["type"], shop.deployment("staged")["preview"]) == ("preview", True)
    assert shop.deployment("staged")["connector"]["id"] == draft.id
    assert shop.deployment("live")["type"] == "production"
    assert (shop.deployment("first")["version"] > 1, shop.deployment("first")["status"]) == (True, "Deployed")
    assert kept.shown.endswith("The operation was cancelled.")
    assert "DELETE" not in {method for method, _ in shop.asked()}


# ── logs ─────────────────────────────────────────────────────────────────────


async def test_logs_are_shown_page_by_page(shop: Shop) -> None:
    logbook, now = shop.simulator.logbook, shop.simulator.clock.now()
    payload, silent = shop.simulator.create(PROJECT, count=2, connector="order-export")
    logbook.burst(payload, "order-listener", "http-ok", 110, now - 60_000, 50_000)
    logbook.burst(payload, "nightly-reconciliation", "info", 2, now - 60_000, 50_000)
    logs = (*DEPLOYMENT, "logs")
    paged, enough, of_one, none = await asyncio.gather(
        shop.cli(*logs, "--key", payload["key"], "--application", "order-listener", answers=(MORE, MORE)),
        shop.cli(*logs, "--key", payload["key"], "--application", "order-listener", answers=((MORE[0], "n\r"),)),
        shop.cli(*logs, "--id", payload["id"], "--application", "nightly-reconciliation"),
        shop.cli(*logs, "--key", silent["key"]),
    )
    assert (paged.code, enough.code, of_one.code, none.code) == (0, 0, 0, 0)
    assert paged.shown.count("Logs from ") == 3
    assert paged.shown.endswith(f"No more logs found for Deployment with key - '{payload['key']}'.")
    assert enough.shown.count(" order-listener ") == 50
    assert (of_one.shown.count(" nightly-reconciliation {"), of_one.shown.count("order-listener")) == (2, 0)
    assert none.shown.endswith(f"No logs found for Deployment with key - '{silent['key']}'.")


async def test_logs_of_a_window(shop: Shop) -> None:
    now = shop.simulator.clock.now()
    (payload,) = shop.simulator.create(PROJECT, connector="tax-calculation")
    for hours in (30, 3, 1):
        shop.simulator.logbook.burst(payload, start_ms=now - hours * HOUR, shape="text")
    begin, end = (stamp(now - hours * HOUR) for hours in (4, 2))
    logs = (*DEPLOYMENT, "logs", "--key", payload["key"])
    inside, after, before = await asyncio.gather(
        shop.cli(*logs, "--startDate", begin, "--endDate", end),
        shop.cli(*logs, "--startDate", end),
        shop.cli(*logs, "--endDate", begin),
    )
    for shown, hours in ((inside, 3), (after, 1), (before, 30)):
        assert shown.code == 0
        assert shown.shown.count("tax-calculator") == 1
        assert iso(now - hours * HOUR) in shown.shown


def stamp(at: int) -> str:
    """A moment as the CLI wants it."""
    return iso(at)[:19].replace("T", " ")


# ── ConnectorStaged ──────────────────────────────────────────────────────────


async def test_drafts_are_created_listed_and_described(shop: Shop) -> None:
    made = shop.simulator.world.create_drafts(3, {})
    keys = [str(one.key) for one in made]
    created, listed, by_key, by_id = await asyncio.gather(
        shop.cli(*DRAFT, "create", "--key", "mailing", "--name", "Mailing", *OF_DRAFT),
        shop.cli(*DRAFT, "list", "--limit", "2", "--sort", "+createdAt"),
        shop.cli(*DRAFT, "describe", "--key", keys[0]),
        shop.cli(*DRAFT, "describe", "--id", made[1].id),
    )
    assert (created.code, listed.code, by_key.code, by_id.code) == (0, 0, 0, 0)
    draft = shop.draft("mailing")
    assert f"The staged Connector Mailing has been successfully created. (id: {draft['id']})" in created.shown
    assert draft["creator"] == {"email": "dev@example.com"}
    assert draft["repository"] == {"url": "https://github.com/example/email-campaigns.git", "tag": "v1.0.0"}
    assert (draft["supportedRegions"], draft["integrationTypes"]) == (["europe-west1.gcp", "us-east-2.aws"], ["email"])
    assert (draft["privateProjects"], draft["status"]) == ([f"europe-west1.gcp:{PROJECT}"], "Draft")
    assert in_order(listed.shown, "ID KEY NAME STATUS", keys[0], "Draft", keys[1], "Draft", "Showing items 1–2 of")
    assert in_order(by_key.shown, f"id: '{made[0].id}'", "isPreviewable: 'none'")
    assert in_order(by_id.shown, f"key: '{keys[1]}'", "isPreviewable: 'none'")


async def test_drafts_are_updated_validated_published_and_certified(shop: Shop) -> None:
    world = shop.simulator.world
    for key in ("named", "moved", "checked", "private", "public"):
        world.create_drafts(1, {"key": key, "connector": "tax-calculation", "privateProjects": ["eu:a-shop"]})
    world.update_draft(world.draft_by_key("named").id, {"status": "Published"})
    world.plan("publish", "public", Outcome(result="InCertification"), 1)
    named, moved, checked, private, public = await asyncio.gather(
        shop.cli(*DRAFT, "update", "--key", "named", "--name", "Taxes", "--private-projects", "eu:b-shop"),
        shop.cli(*DRAFT, "update", "--key", "moved", "--repository-tag", "v9.9.9", "--creator-email", "x@example.com"),
        shop.cli(*DRAFT, "validate", "--key", "checked"),
        shop.cli(*DRAFT, "publish", "--key", "private"),
        shop.cli(*DRAFT, "certify", "--key", "public"),
    )
    assert (named.code, moved.code, checked.code, private.code, public.code) == (0, 0, 0, 0, 0)
    assert f"successfully updated. (version: {shop.draft('named')['version']})" in named.shown
    assert shop.draft("named")["status"] == "Published"  # the same repository again is not another one
    assert (shop.draft("named")["name"], shop.draft("named")["privateProjects"]) == ("Taxes", ["eu:b-shop"])
    assert (shop.draft("moved")["repository"]["tag"], shop.draft("moved")["creator"]["email"]) == (
        "v9.9.9",
        "x@example.com",
    )
    assert shop.draft("checked")["isPreviewable"] == "true"
    assert in_order(checked.shown, "Starting validation", "Image security analysis check succeeded", "succeeded!")
    assert shop.draft("private")["status"] == "Published"
    assert in_order(private.shown, "Starting the publishing process", "check succeeded", "Publishing succeeded for")
    assert world.connector_by_key("private").payload["certified"] is False
    assert shop.draft("public")["status"] == "InCertification"
    assert f"ID '{shop.draft('public')['id']}' and Git tag 'v2.4.1' is under review" in public.shown


async def test_a_draft_is_previewed_in_one_go(shop: Shop) -> None:
    shop.simulator.world.create_drafts(1, {"key": "mailing", "connector": "email-campaigns"})
    where = ("--deployment-key", "trial", "--region", "europe-west1.gcp", "--configuration", "MAILING_ACCOUNT=acme")
    for version in ("created", "redeployed"):
        previewed = await shop.cli(*DRAFT, "preview", "--key", "mailing", *where)
        assert (version, previewed.code) == (version, 0)
        assert in_order(
            previewed.shown, "Validation for Connector", "succeeded!", "Deployed Applications", "profile-sync"
        )
        assert "'trial' for Git tag 'v4.2.0' was successfully deployed." in previewed.shown
    trial = shop.deployment("trial")
    assert (trial["type"], trial["preview"], trial["status"]) == ("preview", True, "Deployed")


async def test_what_fails_is_told_with_its_report(shop: Shop) -> None:
    world = shop.simulator.world
    for key in ("bad", "cancelled", "unpublished", "broken"):
        world.create_drafts(1, {"key": key, "connector": "tax-calculation", "isPreviewable": "none"})
    world.plan("preview", "bad", Outcome(result="false", cause="CVE-2026-0001 in base image"), 1)
    world.plan("preview", "cancelled", Outcome(result="none"), 1)
    world.plan("publish", "unpublished", Outcome(result="Failed", cause="connect.yaml: no such endpoint"), 1)
    world.plan("deploy", "trial", Outcome(result="Failed", cause="npm ERR! missing script: build"), 1)
    trial = ("--deployment-key", "trial", "--region", "europe-west1.gcp")
    bad, cancelled, unpublished, broken = await asyncio.gather(
        shop.cli(*DRAFT, "validate", "--key", "bad"),
        shop.cli(*DRAFT, "validate", "--key", "cancelled"),
        shop.cli(*DRAFT, "publish", "--key", "unpublished"),
        shop.cli(*DRAFT, "preview", "--key", "broken", *trial),
    )
    assert (bad.code, cancelled.code, unpublished.code, broken.code) == (2, 2, 2, 2)
    assert in_order(
        bad.shown, "Error", "check failed", "CVE-2026-0001 in base image", "Validation failed for Connector"
    )
    assert "was canceled. Please try again." in cancelled.shown
    assert in_order(unpublished.shown, "connect.yaml: no such endpoint", "Publishing failed for the Connector")
    assert in_order(
        broken.shown, "npm ERR! missing script: build", "The preview Deployment with key 'trial'", "failed."
    )
    assert shop.draft("bad")["isPreviewable"] == "false"
    assert shop.draft("cancelled")["isPreviewable"] == "none"
    assert shop.draft("unpublished")["status"] == "Failed"
    assert shop.deployment("trial")["status"] == "Failed"
