"""Back-off for guessing passwords and for probing names, counted in MongoDB.

Counted there, and not in a process, so that neither a restart nor a second portal resets it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from limits import RateLimitItem, parse_many
from limits.storage import MongoDBStorage
from limits.strategies import FixedWindowRateLimiter

from shared.store.client import SyncDatabase

# One account from one address; one account from everywhere; one address against all accounts.
LOGIN_PAIR = "5/minute;20/hour"
LOGIN_ACCOUNT = "100/hour"
LOGIN_ADDRESS = "30/minute;300/hour"
REGISTER_ADDRESS = "10/minute;60/hour"


class SharedClientStorage(MongoDBStorage):
    """Counters in the portal's own database, over the client it has already."""

    STORAGE_SCHEME = ["trollllm-mongodb"]  # noqa: RUF012 - the library's own way to register

    def __init__(self, database: SyncDatabase) -> None:
        """Count in collections of `database`, which expire by themselves."""
        self._shared = database.client
        super().__init__(
            "trollllm-mongodb://",
            database_name=database.name,
            counter_collection_name="portal_throttle",
            window_collection_name="portal_throttle_windows",
        )

    def _init_mongo_client(self, uri: str | None, **options: int | str | bool) -> Any:  # noqa: ARG002
        return self._shared

    def __del__(self) -> None:
        """Leave the client open: it is the portal's, and the library would close it here."""


class Throttle:
    """Attempts at logging in and registering."""

    def __init__(self, database: SyncDatabase, clock: Callable[[], float] = time.time) -> None:
        """Count in `database`; `clock` gives seconds since the epoch."""
        self._limiter = FixedWindowRateLimiter(SharedClientStorage(database))
        self._clock = clock

    def login_wait_s(self, username: str, address: str) -> int:
        """Count an attempt; seconds to wait before it may be tried, 0 to go ahead.

        Counted before the password is looked at, so that attempts side by side count too.
        """
        return self._count(LOGIN_PAIR, "pair", username, address) or max(
            self._count(LOGIN_ACCOUNT, "account", username),
            self._wait(LOGIN_ADDRESS, "address", address),
        )

    def login_failed(self, address: str) -> None:
        """Count a wrong password against the address, whatever account it was for."""
        self._count(LOGIN_ADDRESS, "address", address)

    def login_succeeded(self, username: str, address: str) -> None:
        """Forget the attempts on this account from this address: its owner is there."""
        for limit in parse_many(LOGIN_PAIR):
            self._limiter.clear(limit, "pair", username, address)

    def register_wait_s(self, address: str) -> int:
        """Count an attempt to register; seconds to wait, 0 to go ahead."""
        return self._count(REGISTER_ADDRESS, "register", address)

    def _count(self, limits: str, *names: str) -> int:
        refused = [one for one in parse_many(limits) if not self._limiter.hit(one, *names)]
        return max((self._reset_s(one, *names) for one in refused), default=0)

    def _wait(self, limits: str, *names: str) -> int:
        spent = [one for one in parse_many(limits) if not self._limiter.test(one, *names)]
        return max((self._reset_s(one, *names) for one in spent), default=0)

    def _reset_s(self, limit: RateLimitItem, *names: str) -> int:
        reset_at, _ = self._limiter.get_window_stats(limit, *names)
        return max(1, math.ceil(reset_at - self._clock()))
