"""Notifications to render and send: a few that people know, and arbitrary ones full of foreign text."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.fakes import START
from watcher.core.delivery import Delivery
from watcher.core.notification import AlertView, Notification, NotifyReason

MINUTE = 60_000
DELIVERY_ID = "cw_7f3a5b0c9d1e2f4a6b8c0d2e4f6a8b0c"


def alert(name: str = "DeploymentFailed", deployment: str = "stripe-prod", **fields: Any) -> AlertView:
    labels = {
        "alertname": name,
        "project": "my-shop",
        "region": "europe-west1.gcp",
        "type": "production",
        "connector": "stripe",
        "deployment": deployment,
        "severity": "critical",
    }
    base = AlertView(
        fingerprint=f"fp-{name}-{deployment}",
        labels=labels | fields.pop("labels", {}),
        annotations={"summary": f"{deployment} failed in my-shop"},
        state="firing",
        starts_at=START - 12 * MINUTE,
    )
    return replace(base, **fields)


def notification(*alerts: AlertView, reason: NotifyReason = NotifyReason.FIRST, **fields: Any) -> Notification:
    """A notification whose counts are right."""
    shown = alerts or (alert(),)
    firing = sum(each.state == "firing" for each in shown)
    base = Notification(
        id=DELIVERY_ID,
        receiver="team",
        group_key='{}:{project="my-shop"}',
        group_labels={"project": "my-shop"},
        reason=reason,
        status="firing" if firing else "resolved",
        at=START,
        alerts=shown,
        firing=firing,
        resolved=len(shown) - firing,
        fresh=sum(each.fresh for each in shown),
        external_url="",
    )
    return replace(base, **fields)


def resolved(deployment: str = "stripe-prod", **fields: Any) -> AlertView:
    ended: dict[str, Any] = {
        "state": "resolved",
        "ends_at": START,
        "annotations": {"summary": f"{deployment} recovered"},
    }
    return alert(deployment=deployment, **(ended | fields))


def delivery(body: bytes | None, **fields: Any) -> Delivery:
    base = Delivery(
        id=DELIVERY_ID,
        sink="team/sink/0",
        lane="team/sink/0|group",
        seq=1,
        notification=b"{}",
        created_at=START,
        observed_at=START,
        attempts=1,
        body=body,
    )
    return replace(base, **fields)


FAILED = notification(
    alert(
        annotations={
            "summary": "stripe-prod failed in my-shop",
            "description": "The build ended with an error.",
            "error": "postDeploy: exit status 1\n<Error> cannot reach `db` & gave up",
            "runbook_url": "https://wiki.example.com/failed?a=1&b=2",
            "build": "b-17",
        }
    ),
    external_url="https://watcher.example.com/groups/1",
)
MIXED = notification(
    alert(deployment="stripe-prod", attempts=2, starts_at=START - 90 * MINUTE),
    alert(deployment="paypal-prod", fresh=False, starts_at=START - 26 * 60 * MINUTE),
    alert("NowWatching", "", fact=True, labels={"severity": "info"}, annotations={"summary": "now watching 300"}),
    resolved("klarna-prod"),
    reason=NotifyReason.NEW_ATTEMPT,
)
WELL_KNOWN: Mapping[str, Notification] = {"failed": FAILED, "mixed": MIXED}

EVIL: Sequence[str] = (
    *("<!channel>", "<!here|x>", "<@U123>", "<#C123>", "<https://evil.example|click>", "&lt;!channel&gt;", "&amp", "&"),
    *(
        "```",
        "`",
        "*",
        "_",
        "\\",
        '"',
        "\n",
        "\r\n",
        "\x00",
        "\x1b[31mred",
        "\ud800",
        "\u202e",
        "👩‍👩‍👧",
        "e\u0301",
        "@channel",
    ),
    *("{{ 7 * 7 }}", "<" * 400, "&" * 3_001, "x" * 151, "`" * 50, "\n" * 40, '"' * 2_000),
)
texts = st.lists(st.sampled_from(EVIL) | st.text(max_size=40), max_size=3).map("".join)
_names = st.sampled_from(
    ("alertname", "project", "deployment", "connector", "application", "source", "type", "region", "severity", "team")
)
_annotations = st.sampled_from(("summary", "description", "error", "runbook_url", "status", "build"))
alerts = st.builds(
    AlertView,
    fingerprint=st.sampled_from(("0123456789abcdef", "fedcba9876543210")),
    labels=st.dictionaries(_names, texts, max_size=5),
    annotations=st.dictionaries(_annotations, texts, max_size=3),
    state=st.sampled_from(("firing", "resolved")),
    starts_at=st.integers(-1, 2**62),
    ends_at=st.none() | st.integers(0, 2**62),
    fact=st.booleans(),
    fresh=st.booleans(),
    attempts=st.integers(1, 1_000),
)


@st.composite
def notifications(draw: st.DrawFn) -> Notification:
    shown = draw(st.lists(alerts, max_size=3))
    times = draw(st.sampled_from((1, 1, 10)))
    return notification_of(
        tuple(shown) * times,
        reason=draw(st.sampled_from(NotifyReason)),
        group_key=draw(texts),
        group_labels=draw(st.dictionaries(_names, texts, max_size=1)),
        receiver=draw(texts),
    )


def notification_of(shown: tuple[AlertView, ...], **fields: Any) -> Notification:
    """Also of no alerts at all, which no flush makes and every sink survives."""
    made = notification(*shown, **fields)
    return made if shown else replace(made, alerts=(), firing=0, resolved=0, fresh=0, status="resolved")
