import pytest

from shared.domain.retries import RetryBudget


@pytest.mark.parametrize(("live", "allowed"), [(0, 3), (1, 3), (15, 3), (20, 4), (500, 100)])
def test_retries_are_a_share_of_the_live_requests(live: int, allowed: int) -> None:
    budget = RetryBudget()
    assert [budget.take(live) for _ in range(allowed + 2)] == [True] * allowed + [False] * 2
    budget.give_back()
    assert budget.take(live)
    assert not budget.take(live)
