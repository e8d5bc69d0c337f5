"""What the tests of the simulated Connect API share."""

from collections.abc import AsyncIterator

import pytest

from tests.facts.caller import Caller
from tests.facts.stage import Stage, stage_of_one_s_own


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A simulated Connect API with nothing in it."""
    async with stage_of_one_s_own() as made:
        yield made


@pytest.fixture
def caller(stage: Stage) -> Caller:
    """Its caller."""
    return stage.caller
