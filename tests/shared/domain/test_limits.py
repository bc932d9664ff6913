from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.accounts import RateState, Tier
from shared.domain.limits import (
    BUCKETS,
    WINDOW_S,
    Balances,
    SlidingWindow,
    TierLimits,
    limit_of,
    rate_state,
)

TIERS = TierLimits(dev=300, pro=1000)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tier", "account_rpm", "key_rpm", "limit"),
    [
        (Tier.DEV, None, None, 300),
        (Tier.PRO, None, None, 1000),
        (Tier.DEV, 50, None, 50),
        (Tier.PRO, 2000, None, 2000),
        (Tier.DEV, None, 7, 7),
        (Tier.DEV, 50, 70, 70),
    ],
)
def test_the_nearest_limit_rules(
    tier: Tier, account_rpm: int | None, key_rpm: int | None, limit: int
) -> None:
    assert limit_of(tier, account_rpm, key_rpm, TIERS) == limit


@pytest.mark.parametrize(
    ("main", "held", "referral", "referral_held", "expires_in_s", "lifted"),
    [
        (0, 0, 1, 0, None, True),
        (5, 5, 1, 0, None, True),
        (-3, 0, 1, 0, None, True),
        (6, 5, 1, 0, None, False),
        (0, 0, 0, 0, None, False),
        (0, 0, 4, 4, None, False),
        (9, 0, 1, 0, -1, True),
        (9, 0, 1, 0, 0, True),
        (9, 0, 1, 0, 1, False),
        (9, 0, 0, 0, -1, False),
    ],
)
def test_when_referral_credits_pay(
    main: int,
    held: int,
    referral: int,
    referral_held: int,
    expires_in_s: int | None,
    lifted: bool,
) -> None:
    expiry = None if expires_in_s is None else NOW + timedelta(seconds=expires_in_s)
    balances = Balances(main, held, referral, referral_held, expiry)
    assert balances.pays_by_referral(NOW) is lifted


def test_rate_state() -> None:
    assert rate_state(10, 3, 0) == RateState(limit=10, remaining=7, reset_s=1)
    assert rate_state(10, 10, WINDOW_S) == RateState(limit=10, remaining=0, reset_s=61)
    assert rate_state(10, 12, 5).remaining == 0
    assert rate_state(10, 0, -1) == RateState(limit=10, remaining=10, reset_s=0)


def test_a_request_leaves_when_its_second_has_left() -> None:
    window = SlidingWindow()
    assert window.admit(1000, 1)
    assert not window.admit(1000 + WINDOW_S, 1)
    assert window.state(1).reset_s == 1
    assert window.admit(1000 + BUCKETS, 1)
    assert window.state(1) == RateState(limit=1, remaining=0, reset_s=61)


def test_a_step_back_is_waited_out() -> None:
    window = SlidingWindow()
    assert window.admit(1000, 2)
    assert window.admit(960, 2)
    assert window.sec == 1000
    assert not window.admit(1060, 2)
    assert window.admit(1061, 2)


def test_a_large_step_back_holds_no_key_for_longer_than_a_window() -> None:
    window = SlidingWindow()
    for second in range(1000, 1003):
        assert window.admit(second, 3)
    assert not window.admit(10, 3)
    assert not window.admit(70, 3)
    assert window.admit(71, 3)


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 1, 2, 7, 30, 59, 60, 61, 200])), max_size=300),
)
def test_never_more_than_the_limit_and_never_less_than_must_be(
    limit: int, steps: list[tuple[int]]
) -> None:
    window = SlidingWindow()
    now_s = 5_000
    admitted: list[int] = []
    for (step,) in steps:
        now_s += step
        allowed = window.admit(now_s, limit)
        counted = sum(1 for second in admitted if second >= now_s - WINDOW_S)
        assert allowed is (counted < limit)
        if allowed:
            admitted.append(now_s)
