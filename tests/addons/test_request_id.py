import re
import time

from addons.request_id import new_request_id


def test_ids_are_short_names_without_dots_or_dollars() -> None:
    for _ in range(100):
        assert re.fullmatch(r"req_[0-9a-v]{26}", new_request_id())


def test_ids_are_unique() -> None:
    assert len({new_request_id() for _ in range(10_000)}) == 10_000


def test_ids_are_ordered_by_time() -> None:
    made = []
    for _ in range(5):
        made.append(new_request_id())
        time.sleep(0.002)
    assert made == sorted(made)
