"""New errors, what is measured once a minute, what a failure says of the last good deployment: as a person hears it."""

from dataclasses import replace

from tests.fakes import START, deployment
from tests.log_rules import ABSENT, BURST, NEW, RATIO, made
from tests.unit.builders import DAY, HOUR, MINUTE, PROJECT, SECOND, Desk, event, failed
from tests.unit.log_desk import EVENTS, SERVICE, LogDesk, desk, hit, known, picture, read, running
from watcher.core.logrecord import Tally
from watcher.core.picture import Activity

# ── new errors ───────────────────────────────────────────────────────────────


def says(found: LogDesk, at: int, *templates: str, spot: tuple[str, str] = SERVICE) -> list[str]:
    found.take(*(read(hit(at, "New", template=each, spot=spot), at) for each in templates))
    return found.told


def test_new_errors_are_told_once_each_after_an_hour_in_which_all_is_usual() -> None:
    found = known(desk(NEW), running())

    assert says(found, 0, "a", "b") == []
    assert says(found, HOUR - 1, "c") == []
    assert says(found, HOUR, "a", "b", "c") == []
    assert says(found, HOUR, "d") == ["+New"]
    assert says(found, 2 * HOUR, "d", "a") == ["+New"]
    assert says(found, 3 * HOUR, "e", "e") == ["+New"] * 2


def test_a_hundred_thousand_lines_of_five_known_kinds_and_a_new_one_are_one_message() -> None:
    """What varies within a line is not part of its kind; that much is done before."""
    found = known(desk(NEW), running())
    usual = [f"kind {n}" for n in range(5)]
    says(found, 0, *usual)
    for at in range(2 * HOUR, 3 * HOUR, 3 * MINUTE):
        found.take(*(read(hit(at, "New", template=each, count=1_000), at) for each in usual))
        found.take(read(hit(at, "New", template="boom"), at))
        found.restart()

    assert found.told == ["+New"]


def test_each_application_of_each_deployment_is_known_on_its_own() -> None:
    found = known(desk(NEW), running(), running("other"))
    for spot in (SERVICE, EVENTS, ("id-other", "service")):
        says(found, 0, "usual", spot=spot)

    for number, spot in enumerate((SERVICE, EVENTS, ("id-other", "service")), 1):
        assert says(found, 2 * HOUR, "boom", spot=spot) == ["+New"] * number


def test_a_new_error_is_named_by_its_kind_so_that_one_can_be_silenced() -> None:
    found = known(desk(NEW), running())
    says(found, 0, "usual")
    says(found, 2 * HOUR, "boom")

    (message,) = found.outbox.values()
    (alert,) = message.notification.alerts
    assert alert.fact
    assert alert.labels["error_id"] == "boom"
    assert alert.labels["application"] == "service"


def test_the_first_error_of_an_application_that_has_been_heard_for_long_is_told() -> None:
    """It was quiet because it was well, not because nobody listened."""
    found = known(desk(NEW), running())
    found.ledger.logs.hear(PROJECT, {SERVICE: Activity(START - DAY, START)})

    assert says(found, 10 * MINUTE, "boom") == ["+New"]


def test_the_first_error_of_an_application_that_has_just_been_heard_is_not() -> None:
    found = known(desk(NEW), running())
    found.ledger.logs.hear(PROJECT, {SERVICE: Activity(START, START)})

    assert says(found, HOUR - 1, "boom") == []
    assert says(found, HOUR, "bang") == ["+New"]


def test_a_rule_that_is_new_learns_what_is_usual_first() -> None:
    found = known(desk(NEW), running())
    found.ledger.introduce(START + DAY)
    found.commit()
    found.restart()
    found.ledger.introduce(START + 2 * DAY)
    found.ledger.logs.hear(PROJECT, {SERVICE: Activity(START, START)})

    assert says(found, DAY + 10 * MINUTE, "usual") == []
    assert says(found, DAY + 2 * HOUR, "usual", "boom") == ["+New"]


def test_what_a_rule_knew_that_was_gone_for_a_while_does_not_count() -> None:
    found = known(desk(NEW), running())
    says(found, 0, "usual")
    found.ledger.introduce(START)
    found.commit()
    found.restart(rules=made(BURST))
    found.ledger.introduce(START + HOUR)
    found.commit()

    assert found.memories == {}


def deployed(found: LogDesk, at: int, build: str) -> None:
    """A build is deployed, as polling sees it."""
    for minutes, status in ((0, "Deploying"), (2, "Deployed")):
        of = deployment(status=status, build=build)
        found.take(event("status", at + minutes * MINUTE, of=of, source="deployments"))


def test_an_error_that_comes_back_after_a_good_build_without_it_is_told_again() -> None:
    found = known(desk(NEW), running())
    says(found, 0, "usual")
    says(found, 2 * HOUR, "boom", "other")
    assert found.told == ["+New"] * 2
    deployed(found, DAY, "b2")
    says(found, DAY + HOUR, "other")
    assert found.told == ["+New"] * 2, "the build before had it"

    deployed(found, 2 * DAY, "b3")
    says(found, 2 * DAY + HOUR, "other")
    assert found.told == ["+New"] * 2, "the build before had it"
    says(found, 2 * DAY + HOUR, "boom")
    found.restart()
    says(found, 2 * DAY + 2 * HOUR, "boom")
    assert found.told == ["+New"] * 3


def test_a_failed_build_between_two_good_ones_makes_nothing_news() -> None:
    found = known(desk(NEW), running())
    says(found, 0, "usual")
    for at, status, build in ((DAY, "Deploying", "b2"), (DAY + 1, "Failed", "b2"), (2 * DAY, "Deployed", "b3")):
        found.take(event("status", at, of=deployment(status=status, build=build), source="deployments"))

    assert says(found, 2 * DAY + HOUR, "usual") == []


def test_of_a_deployment_that_is_gone_nothing_is_remembered() -> None:
    found = known(desk(NEW), running(), running("other"))
    says(found, 0, "usual")
    says(found, 0, "usual", spot=("id-other", "service"))
    found.take(event("gone", HOUR, of=deployment(), source="deployments"))

    assert list(found.runs) == ["my-shop/id-other"]
    assert {each.deployment_id for each in found.memories.values()} == {"id-other"}


# ── measured once a minute ───────────────────────────────────────────────────


def test_a_share_begins_goes_on_and_ends_and_is_told_twice() -> None:
    found = known(desk(RATIO), running())
    for minute, errors in enumerate([0, 9, 9, 9, 0, 0]):
        at = HOUR + minute * MINUTE
        tally = Tally(records=10, errors=errors)
        found.measure(picture(at, running(), wrote={(at - 5 * MINUTE, at): tally}))
        found.restart()

    assert found.told_at == [(HOUR + MINUTE, "+Errors"), (HOUR + 4 * MINUTE, "-Errors")]


def test_what_is_measured_in_one_project_says_nothing_about_another() -> None:
    found = known(desk(RATIO), running(), replace(running(), project="your-shop"))
    span = (HOUR - 5 * MINUTE, HOUR)
    found.measure(picture(HOUR, running(), wrote={span: Tally(records=10, errors=9)}))
    event_ = replace(event("tally", HOUR + MINUTE, source="logs"), project="your-shop")
    found.ledger.measure(replace(picture(HOUR + MINUTE), project="your-shop"), event_)
    found.ledger.advance([], START + HOUR + MINUTE)
    found.commit()

    assert found.told == ["+Errors"]


def test_a_redeploy_is_no_sign_of_life() -> None:
    """Silent, redeployed and still silent is one silence; a word ends it."""
    found = known(desk(ABSENT), running())
    last = {SERVICE: (0, 0)}
    found.measure(picture(2 * HOUR, heard=last))
    deployed(found, 2 * HOUR, "b2")
    for minute in range(3, 200, 10):
        found.measure(picture(2 * HOUR + minute * MINUTE, heard=last))
    assert found.told == ["+Silent"]

    found.measure(picture(6 * HOUR, heard={SERVICE: (0, 6 * HOUR)}))
    assert found.told == ["+Silent", "-Silent"]


def test_what_is_silent_and_then_removed_has_ended() -> None:
    found = known(desk(ABSENT), running())
    found.measure(picture(2 * HOUR, heard={SERVICE: (0, 0)}))
    found.take(event("gone", 3 * HOUR, of=deployment(), source="deployments"))
    found.measure(picture(3 * HOUR, heard={SERVICE: (0, 0)}))

    assert found.told == ["+Silent", "-Silent"]


# ── what a failure says ──────────────────────────────────────────────────────


def last_good(*events: tuple[int, str, str]) -> str:
    """What the failure that is told last says of the last good deployment."""
    found: Desk = LogDesk([failed()])
    for at, status, build in events:
        found.judge(event("status", at, of=deployment(status=status, build=build)), now=at)
    (alert,) = found.ledger.alerts.values()
    return alert.values["last_good"]


def test_a_failure_says_when_the_last_good_deployment_was() -> None:
    assert last_good((0, "Deployed", "b1"), (HOUR, "Deploying", "b2"), (2 * HOUR, "Failed", "b2")) == str(START)
    assert last_good((0, "Deployed", "b1"), (HOUR, "Deployed", "b2"), (2 * HOUR, "Failed", "b3")) == str(START + HOUR)
    again = last_good((0, "Deployed", "b1"), (HOUR, "Failed", "b2"), (DAY, "Queued", "b3"), (2 * DAY, "Failed", "b3"))
    assert again == str(START)


def test_a_failure_of_what_never_was_good_says_nothing_of_it() -> None:
    assert last_good((0, "Queued", "b1"), (SECOND, "Failed", "b1")) == ""
    assert last_good((0, "Failed", "b1"), (SECOND, "Failed", "b2")) == ""
