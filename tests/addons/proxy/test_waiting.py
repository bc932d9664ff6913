from typing import Any

import pytest

from addons.proxy.waiting import Waiting, surplus

NOBODY: Any = None


def waiting(address: str, *since_s: float) -> list[Waiting]:
    return [Waiting(address, since, False, NOBODY) for since in since_s]


@pytest.mark.parametrize(
    ("since_s", "closed"),
    [
        ((), []),
        ((1, 2, 3), []),
        ((4, 1, 3, 2), [1]),
        ((5, 4, 3, 2, 1), [1, 2]),
        # Too many, but they came a moment ago.
        ((9, 9, 9, 9, 9), []),
        ((1, 9, 9, 9, 9), [1]),
        ((8, 9, 9, 9), [8]),
    ],
)
def test_those_that_waited_longest_are_too_many(
    since_s: tuple[float, ...], closed: list[float]
) -> None:
    found = surplus(waiting("10.0.0.1", *since_s), cap=3, until_s=8)
    assert [one.since_s for one in found] == closed


def test_every_address_has_its_own_share() -> None:
    many = [*waiting("10.0.0.1", 1, 2, 3), *waiting("10.0.0.2", 1, 2)]
    assert surplus(many, cap=2, until_s=8) == waiting("10.0.0.1", 1)
