"""Upstream keys as one worker has them in memory, with their secrets.

What requests learn of a key counts here at once. It is kept as unsaved until the database has it,
and what the database says goes over all that is saved.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain.stand_ins import candidates
from shared.domain.upstream_keys import (
    Fault,
    Health,
    HealthPolicy,
    KeyHealth,
    UpstreamKey,
    after_fault,
    after_success,
    choose,
    earliest,
    health_of,
)
from shared.errors import Unsealable
from shared.pools.status import status_row
from shared.store.sealing import Sealer
from shared.store.transactions import Clock
from shared.store.upstream_key_documents import KeyCounts, StoredKey, place_of

log = logging.getLogger(__name__)

# A request that never tells what became of it keeps others from trying the key no longer than this.
PROBE = timedelta(seconds=60)
# When to come back to a limited key that one request is trying.
_SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Tripped:
    """A key was taken out."""

    health: KeyHealth
    at: datetime


@dataclass(frozen=True, slots=True)
class Recovered:
    """A key that had been out until then works."""

    until: datetime


@dataclass(slots=True)
class Entry:
    """One key.

    Attributes:
        stored: As the database had it last.
        secret: Empty if it could not be opened.
        key: With what this worker knows of its health.
        unsaved: What of that the database does not know.
        counts: Attempts that the database does not know of.
        full_until: When its own limit has room again, if it had none.
        probed_until: While one request tries it.
    """

    stored: StoredKey
    secret: str = field(repr=False)
    key: UpstreamKey
    unsaved: Tripped | Recovered | None = None
    counts: KeyCounts = field(default_factory=KeyCounts)
    full_until: datetime | None = None
    probed_until: datetime | None = None

    @property
    def serves(self) -> bool:
        """Whether it is one of those that requests are shared among."""
        return bool(self.secret) and (not self.key.backup or self.key.stands_in)


class Snapshot:
    """All keys; decides and remembers, and asks nobody.

    Args:
        sealer: Opens secrets.
        clock: UTC, whole milliseconds: what MongoDB keeps of it is the same.
        policy: When a key is taken out.
    """

    def __init__(self, sealer: Sealer, clock: Clock, policy: HealthPolicy) -> None:
        self._sealer = sealer
        self._clock = clock
        self._policy = policy
        self._entries: dict[str, Entry] = {}
        self._pools: dict[str, list[Entry]] = {}
        self._turn = 0

    def merge(self, found: Iterable[StoredKey], *, whole: bool) -> None:
        """Take over what the database says.

        Args:
            found: Keys.
            whole: Whether these are all; those that are missing are gone then.
        """
        entries = {} if whole else dict(self._entries)
        for stored in found:
            entries[stored.key.id] = self._merged(stored)
        pools: dict[str, list[Entry]] = {}
        for entry in entries.values():
            pools.setdefault(entry.key.pool, []).append(entry)
        self._entries, self._pools = entries, pools

    def choose(self, pool: str, conversation: str | None, tried: Collection[str]) -> Entry | None:
        """The key for a request, None when none can serve it; see `upstream_keys.choose`."""
        now = self._clock()
        entries = [each for each in self._pools.get(pool, ()) if each.serves]
        usable = [each.key for each in entries if not _is_ahead(each.full_until, now)]
        probed = [each.key.id for each in entries if _is_ahead(each.probed_until, now)]
        key = choose(
            usable, now, conversation=conversation, turn=self._turn, tried=tried, probed=probed
        )
        if key is None:
            return None
        if conversation is None:
            self._turn += 1
        entry = self._entries[key.id]
        if health_of(key, now) is Health.HALF_OPEN:
            entry.probed_until = now + PROBE
        return entry

    def limited(self, entry: Entry, wait_s: int) -> None:
        """A key that was chosen had no room: it is left alone for that long."""
        entry.full_until = self._clock() + timedelta(seconds=wait_s)
        entry.probed_until = None

    def report(self, key_id: str, fault: Fault | None, retry_after_s: float | None) -> bool:
        """Note what became of an attempt; whether the key went out or came in by it."""
        entry = self._entries.get(key_id)
        if entry is None:
            return False
        now, before = self._clock(), entry.key.health
        if fault is None:
            after = after_success(before, now)
        else:
            after = after_fault(before, fault, now, retry_after_s, self._policy)
        entry.counts += KeyCounts(1, 0 if fault is None else 1)
        entry.probed_until = None
        entry.key = replace(entry.key, health=after)
        if (after.reason, after.until) == (before.reason, before.until):
            return False
        if after.until is not None:
            entry.unsaved = Tripped(after, now)
        elif before.until is not None:
            entry.unsaved = Recovered(before.until)
        return True

    def earliest(self, pool: str) -> datetime | None:
        """When the first of a pool's limited keys may serve again, None when none is limited."""
        now = self._clock()
        entries = [each for each in self._pools.get(pool, ()) if each.serves and each.key.enabled]
        waits = [each.full_until for each in entries if _is_ahead(each.full_until, now)]
        waits += [now + _SOON for each in entries if _is_limited_and_tried(each, now)]
        waits.append(earliest([each.key for each in entries], now))
        return min((wait for wait in waits if wait is not None), default=None)

    def unsaved(self) -> list[tuple[Entry, Tripped | Recovered]]:
        """What the database does not know of keys' health."""
        return [(each, each.unsaved) for each in self._entries.values() if each.unsaved]

    def saved(self, entry: Entry, change: Tripped | Recovered) -> None:
        """The database knows that; what came meanwhile stays unsaved."""
        if entry.unsaved is change:
            entry.unsaved = None

    def uncounted(self) -> dict[str, KeyCounts]:
        """Attempts that the database does not know of, by key."""
        return {
            key_id: entry.counts for key_id, entry in self._entries.items() if entry.counts.requests
        }

    def counted(self, counts: Mapping[str, KeyCounts]) -> None:
        """The database knows of those."""
        for key_id, known in counts.items():
            entry = self._entries[key_id]
            entry.counts -= known
            entry.stored = replace(entry.stored, counts=entry.stored.counts + known)

    def keys(self) -> list[UpstreamKey]:
        """All keys."""
        return [each.key for each in self._entries.values()]

    def idle_backups(self) -> list[UpstreamKey]:
        """Backups that could stand in."""
        return candidates(each.key for each in self._entries.values() if each.secret)

    def stand_ins(self) -> dict[str, str]:
        """Id of each backup that serves to the id of the key that it stands in for."""
        return {
            each.key.id: each.stored.stands_in_for
            for each in self._entries.values()
            if each.stored.stands_in_for is not None
        }

    def status(self) -> list[dict[str, Any]]:
        """All keys as operators see them, by pool and id."""
        now = self._clock()
        rows = [
            status_row(each.key, each.stored.counts + each.counts, now, readable=bool(each.secret))
            for each in self._entries.values()
        ]
        return sorted(rows, key=lambda row: (row["pool"], row["id"]))

    def _merged(self, stored: StoredKey) -> Entry:
        entry = self._entries.get(stored.key.id)
        if entry is None:
            return Entry(stored, self._open(stored), stored.key)
        if entry.stored.sealed != stored.sealed:
            entry.secret = self._open(stored)
        entry.stored = stored
        known = entry.key.health
        if entry.unsaved is None:
            faults = known.faults if stored.key.health.until is None else ()
            known = replace(stored.key.health, faults=faults)
        entry.key = replace(stored.key, health=known)
        if stored.key.rpm is None:
            entry.full_until = None
        return entry

    def _open(self, stored: StoredKey) -> str:
        try:
            return self._sealer.open(stored.sealed, place_of(stored.key.id))
        except Unsealable as error:
            log.error("an upstream key cannot be used: %s", error)  # noqa: TRY400 - one clear line
            return ""


def _is_ahead(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now


def _is_limited_and_tried(entry: Entry, now: datetime) -> bool:
    """Whether a limit may be over, which one request is finding out."""
    return (
        entry.key.health.reason is Fault.RATE_LIMITED
        and health_of(entry.key, now) is Health.HALF_OPEN
        and _is_ahead(entry.probed_until, now)
    )
