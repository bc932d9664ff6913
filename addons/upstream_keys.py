"""The key that a request is sent with: of its upstream's pool, or the one of config.json."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from shared.domain.catalog import Upstream
from shared.domain.upstream_keys import Fault

# What requests are logged with that went out with the key of config.json.
CONFIG_KEY_ID = "config"


class PooledKey(Protocol):
    """A key of a pool with its secret."""

    @property
    def id(self) -> str:
        """`uk_…`."""

    @property
    def secret(self) -> str:
        """What is sent."""


class KeySource(Protocol):
    """Pools of upstream keys, as one worker has them."""

    async def pick(
        self, pool: str, conversation: str | None, tried: Collection[str]
    ) -> PooledKey | None:
        """A usable key that was not tried; equal conversations get equal keys."""

    def report(self, key_id: str, fault: Fault | None, retry_after_s: float | None = None) -> None:
        """What became of a request with a key: None when its upstream took it."""

    def earliest(self, pool: str) -> datetime | None:
        """When the first of a pool's cooling keys may be tried again, None when none cools."""

    async def refresh(self) -> None:
        """Learn what other workers know; raises `StoreUnavailable`."""

    def status(self) -> list[dict[str, Any]]:
        """All keys as operators see them, with `pool`; never their secrets."""


@dataclass(frozen=True, slots=True)
class ChosenKey:
    """The key of one attempt."""

    id: str
    secret: str = field(repr=False)


class UpstreamKeys:
    """Keys of upstreams, wherever they come from.

    Args:
        pools: Keys of pools; None where there are only those of config.json.
        pooled: Secrets that upstreams name by themselves and that are in pools as well: whether
            they can be used is the pool's to say.
    """

    def __init__(self, pools: KeySource | None, pooled: Collection[str | None] = ()) -> None:
        self._pools = pools
        self._pooled = pooled

    async def pick(
        self, upstream: Upstream, conversation: str | None, tried: Collection[str]
    ) -> ChosenKey | None:
        """A key for an upstream that was not tried, None when there is none to be used now."""
        if self._pools is not None and upstream.key_pool:
            found = await self._pools.pick(upstream.key_pool, conversation, tried)
            if found is not None:
                return ChosenKey(found.id, found.secret)
            if upstream.api_key in self._pooled:
                return None
        if upstream.api_key and CONFIG_KEY_ID not in tried:
            return ChosenKey(CONFIG_KEY_ID, upstream.api_key)
        return None

    def report(self, key_id: str, fault: Fault | None, retry_after_s: float | None = None) -> None:
        """Tell the pool what became of a request; the key of config.json has no health."""
        if self._pools is not None and key_id not in ("", CONFIG_KEY_ID):
            self._pools.report(key_id, fault, retry_after_s)

    def wait_s(self, upstream: Upstream) -> int | None:
        """Seconds until the first cooling key of an upstream is back, None when none cools."""
        if self._pools is None or not upstream.key_pool:
            return None
        until = self._pools.earliest(upstream.key_pool)
        if until is None:
            return None
        return max(1, math.ceil((until - datetime.now(UTC)).total_seconds()))
