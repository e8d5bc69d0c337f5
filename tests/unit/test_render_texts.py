import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.notifications import MINUTE, MIXED, alert, notification, notification_of, notifications, resolved, texts
from watcher import render
from watcher.core.notification import AlertView, Notification, NotifyReason

REPEAT, AGAIN = NotifyReason.REPEAT, NotifyReason.NEW_ATTEMPT
PLACE = "my-shop / stripe-prod"
NOWHERE = {"project": "", "connector": "", "deployment": ""}


@pytest.mark.parametrize(
    ("told", "title"),
    [
        (notification(), f"FIRING · DeploymentFailed · {PLACE}"),
        (notification(alert(attempts=2), reason=AGAIN), f"FIRING again · DeploymentFailed · {PLACE}"),
        (notification(alert(fresh=False), reason=REPEAT), f"still FIRING · DeploymentFailed · {PLACE}"),
        (notification(resolved()), f"RESOLVED · DeploymentFailed · {PLACE}"),
        (notification(alert("WasBlind", "", fact=True)), "NOTICE · WasBlind · my-shop / stripe"),
        (
            notification(alert("SourceBlind", "", labels={"connector": "", "source": "deployments"})),
            "FIRING · SourceBlind · my-shop / deployments",
        ),
        (notification(alert(labels={"application": "service"})), f"FIRING · DeploymentFailed · {PLACE} / service"),
        (notification(alert(), alert(deployment="b")), "2 firing · DeploymentFailed · my-shop / stripe"),
        (notification(alert(), alert("Stuck")), f"2 firing · {PLACE}"),
        (notification(alert(), resolved("b")), "1 firing, 1 resolved · DeploymentFailed · my-shop / stripe"),
        (
            notification(alert("SinkRefusing", labels=NOWHERE), alert("DeadLetter", labels=NOWHERE), group_labels={}),
            "2 firing · DeadLetter, SinkRefusing",
        ),
        (notification(resolved("a"), resolved("b")), "2 resolved · DeploymentFailed · my-shop / stripe"),
        (notification(alert("A", fact=True), alert("B", fact=True)), f"2 notices · {PLACE}"),
        (
            notification(alert(fresh=False), alert(deployment="b", fresh=False), reason=REPEAT),
            "still 2 firing · DeploymentFailed · my-shop / stripe",
        ),
        (MIXED, "2 firing (1 again), 1 notice, 1 resolved · my-shop / stripe"),
        (notification_of(()), "resolved · my-shop"),
        (
            notification(alert(labels={"deployment": "two\nlines\x1b[31m"})),
            "FIRING · DeploymentFailed · my-shop / two lines",
        ),
    ],
)
def test_a_title_says_what_where_and_how_many(told: Notification, title: str) -> None:
    assert render.title(told) == title


@given(notifications())
def test_a_title_is_one_printable_line(told: Notification) -> None:
    title = render.title(told)
    assert title == " ".join(title.split())
    assert all(unicodedata.category(character) not in {"Cc", "Cs"} for character in title)


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (alert(), "stripe-prod failed in my-shop"),
        (alert(annotations={}), f"DeploymentFailed: {PLACE}"),
        (alert(annotations={"summary": " \n "}), f"DeploymentFailed: {PLACE}"),
        (alert(annotations={"summary": "two\n lines"}), "two lines"),
        (AlertView(fingerprint="f", labels={}, annotations={}, state="firing", starts_at=0), "Alert"),
    ],
)
def test_an_alert_is_its_summary_or_a_built_in_text(view: AlertView, text: str) -> None:
    assert render.line(view) == text


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (alert(), "firing"),
        (alert(attempts=3), "firing again"),
        (alert(attempts=3, fresh=False), "firing for 12m"),
        (alert(fact=True), "notice"),
        (resolved(), "resolved after 12m"),
        (resolved(attempts=2, fact=True), "resolved after 12m"),
        (resolved(ends_at=START - 10 * MINUTE), "resolved after 2m"),
    ],
)
def test_how_an_alert_stands(view: AlertView, text: str) -> None:
    assert render.standing(view, START) == text


def test_a_body_lists_news_first_and_counts_the_rest() -> None:
    assert render.body(MIXED, 3).splitlines() == [
        "firing again: stripe-prod failed in my-shop",
        "notice: now watching 300",
        "resolved after 12m: klarna-prod recovered",
        "+1 more (1 firing)",
    ]


def test_what_silences_held_back_is_counted_under_the_alerts() -> None:
    told = notification(held_back=3)
    assert render.body(told).splitlines()[1:] == ["3 held back by a silence"]
    assert render.held_back(notification()) == ""


@given(notifications(), st.integers(0, 50))
def test_a_body_counts_every_alert_once(told: Notification, limit: int) -> None:
    lines = render.body(told, limit).splitlines()
    more = len(told.alerts) - limit
    assert len(lines) == (limit + 1 if more > 0 else len(told.alerts))
    assert more <= 0 or lines[-1].startswith(f"+{more} more (")


@given(texts, st.integers(0, 200))
def test_what_is_clipped_fits_and_says_so(text: str, limit: int) -> None:
    made = render.clip(text, limit)
    assert len(made) <= limit
    assert made == text or not made or "…" in made


@pytest.mark.parametrize("visible", ["e\u0301", "👩\u200d👩\u200d👧", "❤\ufe0f"])
def test_a_cut_never_goes_through_a_visible_character(visible: str) -> None:
    for keep in range(1, len(visible)):
        assert render.cut(f"ab{visible}", 2 + keep) == f"ab… +{len(visible)} chars"


@given(texts)
def test_printable_text_cannot_steer_a_terminal_or_break_a_line(text: str) -> None:
    made = render.printable(text)
    assert all(character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs"} for character in made)
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029") & set(made)
    assert "\n" not in render.one_line(text)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (START, "2027-01-15T08:00:00Z"),
        (START + 7, "2027-01-15T08:00:00.007Z"),
        (-1, "1970-01-01T00:00:00Z"),
        (2**62, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_rfc_3339_within_the_calendar(at: int, text: str) -> None:
    assert render.rfc3339(at) == text
