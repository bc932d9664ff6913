from typing import Any

import pytest

from addons.upstream_keys import CONFIG_KEY_ID, UpstreamKeys
from shared.domain.catalog import Dialect, Upstream
from shared.domain.upstream_keys import Fault
from tests.support.gateway_fakes import FakePools
from tests.support.gateway_worker import UPSTREAM_KEY, upstream


def place(**fields: Any) -> Upstream:
    return upstream(Dialect.OPENAI, 1, **fields)


def filled(*secrets: str) -> FakePools:
    pools = FakePools()
    pools.add("a", *secrets)
    return pools


async def picked(pools: FakePools | None, where: Upstream, *tried: str) -> tuple[str, str] | None:
    key = await UpstreamKeys(pools).pick(where, None, tried)
    return None if key is None else (key.id, key.secret)


CONFIGURED = (CONFIG_KEY_ID, UPSTREAM_KEY)


@pytest.mark.parametrize(
    ("pools", "fields", "tried", "expected"),
    [
        (None, {}, (), CONFIGURED),
        (None, {}, (CONFIG_KEY_ID,), None),
        (None, {"api_key": None}, (), None),
        (None, {"key_pool": "a"}, (), CONFIGURED),
        (filled("s1", "s2"), {"key_pool": "a"}, (), ("uk_1", "s1")),
        (filled("s1", "s2"), {"key_pool": "a"}, ("uk_1",), ("uk_2", "s2")),
        (filled("s1"), {"key_pool": "a"}, ("uk_1",), CONFIGURED),
        (filled("s1"), {"key_pool": "a", "api_key": None}, ("uk_1",), None),
        (filled("s1"), {}, (), CONFIGURED),
        (filled(), {"key_pool": "b", "api_key": None}, (), None),
    ],
)
async def test_which_key_is_taken(
    pools: FakePools | None,
    fields: dict[str, Any],
    tried: tuple[str, ...],
    expected: tuple[str, str] | None,
) -> None:
    assert await picked(pools, place(**fields), *tried) == expected


@pytest.mark.parametrize(
    ("pools", "fields", "expected"),
    [
        (filled(), {"key_pool": "a"}, None),
        (filled("s1"), {"key_pool": "a"}, ("uk_1", "s1")),
        (filled(), {}, CONFIGURED),
        (None, {"key_pool": "a"}, CONFIGURED),
    ],
)
async def test_a_key_that_is_pooled_is_used_only_as_its_pool_allows(
    pools: FakePools | None, fields: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    key = await UpstreamKeys(pools, (None, UPSTREAM_KEY)).pick(place(**fields), None, ())
    assert (None if key is None else (key.id, key.secret)) == expected


async def test_a_conversation_reaches_the_pool() -> None:
    pools = filled("s1")
    await UpstreamKeys(pools).pick(place(key_pool="a"), "talk", ())
    assert pools.asked == ["talk"]


async def test_a_secret_is_not_shown() -> None:
    key = await UpstreamKeys(None).pick(place(), None, ())
    assert UPSTREAM_KEY not in repr(key)


def test_what_became_of_a_key_is_told() -> None:
    pools = filled("s1")
    UpstreamKeys(pools).report("uk_1", Fault.RATE_LIMITED, 7)
    assert pools.told == [("uk_1", Fault.RATE_LIMITED, 7)]


@pytest.mark.parametrize("key_id", ["", CONFIG_KEY_ID])
def test_of_a_key_without_a_pool_nothing_is_told(key_id: str) -> None:
    pools = filled("s1")
    UpstreamKeys(pools).report(key_id, Fault.AUTH)
    UpstreamKeys(None).report(key_id, Fault.AUTH)
    assert pools.told == []


def test_how_long_the_first_cooling_key_takes() -> None:
    pools = filled("s1", "s2")
    keys = UpstreamKeys(pools)
    assert keys.wait_s(place(key_pool="a")) is None
    pools.cool("uk_1", 90)
    pools.cool("uk_2", 30)
    assert keys.wait_s(place(key_pool="a")) == 30
    assert keys.wait_s(place()) is None
    assert UpstreamKeys(None).wait_s(place(key_pool="a")) is None
    pools.cool("uk_2", -5)
    assert keys.wait_s(place(key_pool="a")) == 1
