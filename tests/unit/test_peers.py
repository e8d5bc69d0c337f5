"""What becomes of a test whose peer is missing."""

import pytest

from tests.peers import need


def test_a_peer_that_is_here_is_handed_over() -> None:
    assert need("amtool", "/usr/bin/amtool", "get it", {"REQUIRE_PEERS": "1"}) == "/usr/bin/amtool"


@pytest.mark.parametrize(
    ("environ", "end"),
    [
        ({}, pytest.skip.Exception),
        ({"REQUIRE_PEERS": "0"}, pytest.skip.Exception),
        ({"REQUIRE_PEERS": "1"}, pytest.fail.Exception),
    ],
)
def test_a_missing_peer_ends_the_test_and_says_how_to_get_it(environ: dict[str, str], end: type[BaseException]) -> None:
    with pytest.raises(end, match="amtool is not here: get it"):
        need("amtool", None, "get it", environ)
