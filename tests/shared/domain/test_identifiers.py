from __future__ import annotations

import pytest

from shared.domain.identifiers import BASE62, base62, new_id


@pytest.mark.parametrize(
    ("number", "length", "text"),
    [(0, 3, "000"), (61, 1, "z"), (62, 2, "10"), (62**3 - 1, 3, "zzz"), (35, 2, "0Z")],
)
def test_base62(number: int, length: int, text: str) -> None:
    assert base62(number, length) == text


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit 2"):
        base62(62**2, 2)


def test_ids_name_their_kind_and_use_the_given_randomness() -> None:
    asked: list[int] = []

    def randomness(count: int) -> bytes:
        asked.append(count)
        return b"\xff" * count

    found = new_id("usr", randomness)
    kind, _, rest = found.partition("_")
    assert (kind, len(rest), asked) == ("usr", 22, [16])
    assert set(rest) <= set(BASE62)


def test_ids_differ() -> None:
    assert len({new_id("key") for _ in range(1000)}) == 1000
