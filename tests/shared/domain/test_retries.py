import pytest

from shared.domain.retries import RetryBudget, counts_in_budget, falls_back_first
from shared.domain.upstream_keys import Fault


@pytest.mark.parametrize(("live", "allowed"), [(0, 3), (1, 3), (15, 3), (20, 4), (500, 100)])
def test_retries_are_a_share_of_the_live_requests(live: int, allowed: int) -> None:
    budget = RetryBudget()
    assert [budget.take(live) for _ in range(allowed + 2)] == [True] * allowed + [False] * 2
    budget.give_back()
    assert budget.take(live)
    assert not budget.take(live)


@pytest.mark.parametrize(
    ("fault", "attempts", "first"),
    [
        (Fault.CONNECT, 1, True),
        (Fault.RATE_LIMITED, 1, False),
        (Fault.SERVER, 1, False),
        (Fault.RATE_LIMITED, 2, True),
        (Fault.SERVER, 2, True),
    ],
)
def test_when_a_fallback_comes_before_another_key(fault: Fault, attempts: int, first: bool) -> None:
    assert falls_back_first(fault, attempts) is first


@pytest.mark.parametrize("fault", list(Fault))
def test_what_one_key_is_to_blame_for_needs_no_permit(fault: Fault) -> None:
    of_the_key = {Fault.RATE_LIMITED, Fault.AUTH, Fault.BUDGET}
    assert counts_in_budget(fault) is (fault not in of_the_key)
