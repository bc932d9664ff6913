"""Pools of upstream keys, as one gateway worker serves from them.

Requests are served from a snapshot in memory, whether or not the database answers. One task keeps
the two in step: it tells the database what requests have learnt, reads what other workers and
operators have changed, and has backups stand in for keys that are out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.stand_ins import dismissals, vacancies
from shared.domain.upstream_keys import Fault, HealthPolicy, backup_for
from shared.errors import StoreError
from shared.periodic import attempt
from shared.pools.snapshot import Entry, Snapshot, Tripped
from shared.store.interfaces import KeyPoolStore
from shared.store.sealing import Sealer
from shared.store.transactions import Clock, utc_now

log = logging.getLogger(__name__)

RELOAD_S = 30.0
POLL_S = 0.5
RETRY_S = 2.0
# What a reader asks for again and again, so that no write is missed that took long to be seen.
CHANGED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class PickedKey:
    """A key to send a request with."""

    id: str
    secret: str = field(repr=False)


class KeyPools:
    """Keys by pool. Belongs to one event loop.

    Args:
        store: Where workers share what they know.
        sealer: Opens secrets.
        reload_s: How often all keys are read; changes are read every `POLL_S` seconds.
        policy: When a key is taken out.
        clock: UTC, whole milliseconds.
        monotonic: Seconds, for the age of what was read.
    """

    def __init__(
        self,
        store: KeyPoolStore,
        sealer: Sealer,
        *,
        reload_s: float = RELOAD_S,
        policy: HealthPolicy | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._snapshot = Snapshot(sealer, clock, policy or HealthPolicy())
        self._reload_s = reload_s
        self._monotonic = monotonic
        self._read_at_s = self._read_whole_at_s = float("-inf")
        self._in_step = asyncio.Lock()
        self._learnt = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read all keys, and stay in step from now on.

        Raises:
            StoreUnavailable: The database did not answer.
        """
        await self.refresh()
        self._task = asyncio.create_task(self._keep_in_step(), name="upstream keys")

    async def close(self) -> None:
        """Stop, and tell the database what it does not know yet."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        async with self._in_step:
            await attempt("saving what was learnt of upstream keys", self._save)

    async def pick(
        self, pool: str, conversation: str | None = None, tried: Collection[str] = ()
    ) -> PickedKey | None:
        """A key of a pool, None when none can serve now.

        Args:
            pool: Which.
            conversation: Equal for the turns of one conversation, which stays with its key.
            tried: Ids of keys that the request has tried.
        """
        passed = set(tried)
        while (entry := self._snapshot.choose(pool, conversation, passed)) is not None:
            if entry.key.rpm is None or await self._has_room(entry):
                return PickedKey(entry.key.id, entry.secret)
            passed.add(entry.key.id)
        return None

    def report(self, key_id: str, fault: Fault | None, retry_after_s: float | None = None) -> None:
        """Note what became of an attempt with a key; the next `pick` goes by it.

        Args:
            key_id: Which.
            fault: What was wrong that concerns the key, None when its upstream took it.
            retry_after_s: What the upstream asked for, if it did.
        """
        if self._snapshot.report(key_id, fault, retry_after_s):
            log.warning("upstream key %s: %s", key_id, fault.value if fault else "works again")
            self._learnt.set()

    def earliest(self, pool: str) -> datetime | None:
        """When the first of a pool's limited keys may serve again, None when none is limited."""
        return self._snapshot.earliest(pool)

    def status(self) -> list[dict[str, Any]]:
        """All keys as operators see them, never their secrets; see `status_row`."""
        return self._snapshot.status()

    async def refresh(self) -> None:
        """Get in step with the database, reading all keys.

        Raises:
            StoreUnavailable: No answer; what was in memory stays.
        """
        async with self._in_step:
            await self._save()
            await self._read_whole()
            await self._fill_vacancies()

    async def refresh_changed(self) -> None:
        """The same, reading what changed lately; all, when that was not read in time.

        Raises:
            StoreUnavailable: No answer; what was in memory stays.
        """
        async with self._in_step:
            await self._save()
            now_s = self._monotonic()
            missed = now_s - self._read_at_s > CHANGED_WITHIN_S / 2
            if missed or now_s - self._read_whole_at_s >= self._reload_s:
                await self._read_whole()
            else:
                await self._read_changed()
            await self._fill_vacancies()

    async def _keep_in_step(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._learnt.wait()
            self._learnt.clear()
            if not await attempt("refreshing upstream keys", self.refresh_changed):
                await asyncio.sleep(RETRY_S)

    async def _has_room(self, entry: Entry) -> bool:
        """Count a request in the key's own limit.

        Without an answer it goes out: the limit spares the key, and its upstream has one too.
        """
        try:
            wait_s = await self._store.admit(entry.key.id)
        except StoreError as error:
            log.warning("the limit of upstream key %s was not asked: %s", entry.key.id, error)
            return True
        if wait_s:
            self._snapshot.limited(entry, wait_s)
        return wait_s == 0

    async def _save(self) -> None:
        for entry, change in self._snapshot.unsaved():
            if isinstance(change, Tripped):
                await self._store.record_fault(entry.key.id, change.health, change.at)
            else:
                await self._store.record_success(entry.key.id, change.until)
            self._snapshot.saved(entry, change)
        counts = self._snapshot.uncounted()
        # Without an answer they are counted again, maybe twice: they bill nobody.
        await self._store.count(counts)
        self._snapshot.counted(counts)

    async def _read_whole(self) -> None:
        began_s = self._monotonic()
        self._snapshot.merge(await self._store.load(), whole=True)
        self._read_at_s = self._read_whole_at_s = began_s

    async def _read_changed(self) -> None:
        began_s = self._monotonic()
        self._snapshot.merge(await self._store.load_changed(CHANGED_WITHIN_S), whole=False)
        self._read_at_s = began_s

    async def _fill_vacancies(self) -> None:
        keys, stand_ins = self._snapshot.keys(), self._snapshot.stand_ins()
        dismissed = dismissals(keys, stand_ins)
        for backup_id in dismissed:
            await self._store.dismiss(backup_id, stand_ins[backup_id])
        idle, appointed = self._snapshot.idle_backups(), False
        for vacant in vacancies(keys, stand_ins):
            backup = backup_for(idle, vacant)
            if backup is not None:
                idle.remove(backup)
                appointed = True
                if await self._store.appoint(backup.id, vacant.id):
                    log.warning("upstream key %s stands in for %s", backup.id, vacant.id)
        if dismissed or appointed:
            await self._read_changed()
