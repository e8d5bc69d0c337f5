"""Seeded chance: the same seed gives the same ids, so a run can be repeated and two runs compared."""

from random import Random  # noqa: TID251  the one seeded generator of the simulator, never the shared one
from uuid import UUID


class Chance:
    """Everything random in one simulated world."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(seed)

    def uuid(self) -> str:
        """A version 4 UUID, which is what clients of the API insist on."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def letters(self, length: int) -> str:
        """Lower-case hexadecimal letters."""
        return f"{self._random.getrandbits(4 * length):0{length}x}"
