import msgspec
import pytest

from watcher.simulator.faults import Fault, Faults, matches, meet


@pytest.mark.parametrize(
    ("pattern", "path", "met"),
    [
        ("/shop/deployments", "/shop/deployments", True),
        ("/shop/deployments", "/shop/deployments/1", False),
        ("/shop/*", "/shop/deployments/1", True),
        ("*", "/oauth/token", True),
        ("/*/deployments", "/shop/deployments", True),
        ("/SHOP/deployments", "/shop/deployments", False),
        ("/shop/deployments/key=[a]", "/shop/deployments/key=[a]", True),
    ],
)
def test_path_is_exact_or_a_pattern(pattern: str, path: str, met: bool) -> None:
    assert matches(Fault(path=pattern), path) is met


def test_the_oldest_matching_fault_is_met_and_its_count_used_up() -> None:
    faults = {3: Fault(path="/a", count=2), 5: Fault(path="*", status=500)}
    first, left = meet(faults, "/a")
    second, rest = meet(left, "/a")
    third, last = meet(rest, "/a")
    assert (first, second, third) == (3, 3, 5)
    assert left[3].count == 1
    assert 3 not in rest
    assert last == {5: Fault(path="*", status=500)}


def test_nothing_is_met_on_another_path() -> None:
    assert meet({1: Fault(path="/a", count=1)}, "/b") == (None, {1: Fault(path="/a", count=1)})


def test_dropped_and_cleared_faults_are_gone_and_ids_are_not_reused() -> None:
    faults = Faults()
    one, two = faults.add(Fault(path="/a")), faults.add(Fault(path="/a"))
    assert faults.drop(one)
    assert not faults.drop(one)
    assert faults.meet("/a")[0] == two
    faults.clear()
    assert faults.meet("/a") == (None, None)
    assert faults.add(Fault(path="/a")) not in {one, two}


@pytest.mark.parametrize(
    ("fault", "answers"),
    [({}, False), ({"delay": 1}, False), ({"status": 200}, True), ({"body": None}, True), ({"body": ""}, True)],
)
def test_a_body_of_null_is_a_body(fault: dict[str, object], answers: bool) -> None:
    assert msgspec.convert({"path": "/a", **fault}, Fault).answers is answers


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"path": ""},
        {"path": "/a", "status": 42},
        {"path": "/a", "count": 0},
        {"path": "/a", "delay": -1},
        {"path": "/a", "truncate": -1},
        {"path": "/a", "statsu": 503},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fault, Fault)
