"""Keys that the gateway holds at upstreams: their health, and which one serves a request. Pure.

A key is healthy until something fails with it. What happens then depends on the fault: a limit of
the upstream's cools it down; a refused or unpaid key is out at once; faults that may be anybody's
count, and several in a short time open a breaker. Whatever took a key out, when its time has
passed it is half-open: one request tries it, and its outcome decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Fault(StrEnum):
    """What went wrong with an attempt, as far as it concerns the key."""

    RATE_LIMITED = "rate_limited"
    AUTH = "auth"
    BUDGET = "budget"
    SERVER = "server"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    BROKEN = "broken"


class Health(StrEnum):
    """A key as operators see it."""

    HEALTHY = "healthy"
    COOLING = "cooling"
    OPEN = "open"
    DISABLED = "disabled"
    HALF_OPEN = "half_open"
    OFF = "off"


DISABLING = frozenset({Fault.AUTH, Fault.BUDGET})
# Beyond any longest time; a float has room for 1,023.
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """When a key is taken out, and for how long; all times in seconds.

    Attributes:
        faults: That many countable faults within `window_s` open the breaker.
        window_s: How long a fault counts.
        open_s: How long the breaker stays open at first; it doubles up to `open_max_s`.
        cool_s: Cool-down of a limited key whose upstream named no time.
        cool_max_s: The longest cool-down that an upstream may ask for.
        disabled_s: How long a refused key is left alone at first; it doubles up to
            `disabled_max_s`.
    """

    faults: int = 5
    window_s: float = 30.0
    open_s: float = 30.0
    open_max_s: float = 300.0
    cool_s: float = 5.0
    cool_max_s: float = 3600.0
    disabled_s: float = 600.0
    disabled_max_s: float = 7200.0


@dataclass(frozen=True, slots=True)
class KeyHealth:
    """What is known of a key's health.

    Attributes:
        reason: The fault that took it out; None while it is in.
        until: When it may be tried again; None while it is in. UTC.
        faults: Times of countable faults, the newest last. UTC.
        trips: How often in a row it was taken out without a success between.
    """

    reason: Fault | None = None
    until: datetime | None = None
    faults: tuple[datetime, ...] = ()
    trips: int = 0


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    """A key of a pool, without its secret.

    Attributes:
        id: `uk_…`.
        pool: Name of its pool.
        label: For operators.
        enabled: The operator's switch.
        backup: Serves only while it stands in for a disabled key.
        stands_in: It does.
        rpm: Requests per minute, over all workers; None for no limit.
        health: What is known of it.
    """

    id: str
    pool: str
    label: str = ""
    enabled: bool = True
    backup: bool = False
    stands_in: bool = False
    rpm: int | None = None
    health: KeyHealth = field(default_factory=KeyHealth)


def health_of(key: UpstreamKey, now: datetime) -> Health:
    """How a key stands at a time."""
    if not key.enabled:
        return Health.OFF
    reason, until = key.health.reason, key.health.until
    if reason is None or until is None:
        return Health.HEALTHY
    if until <= now:
        return Health.HALF_OPEN
    if reason is Fault.RATE_LIMITED:
        return Health.COOLING
    return Health.DISABLED if reason in DISABLING else Health.OPEN


def after_fault(
    health: KeyHealth,
    fault: Fault,
    now: datetime,
    retry_after_s: float | None = None,
    policy: HealthPolicy = HealthPolicy(),
) -> KeyHealth:
    """A key's health after a fault at `now`.

    Args:
        health: Before.
        fault: What happened.
        now: UTC.
        retry_after_s: What the upstream asked for, if it did.
        policy: How long it is taken out.
    """
    is_out = health.until is not None and health.until > now
    if is_out and (health.reason in DISABLING or fault not in (*DISABLING, Fault.RATE_LIMITED)):
        return health  # of a request that began before the key was taken out
    if fault is Fault.RATE_LIMITED:
        return _cooling(health, now, retry_after_s, policy)
    if fault in DISABLING:
        return _tripped(health, fault, now, policy.disabled_s, policy.disabled_max_s)
    since = now - timedelta(seconds=policy.window_s)
    faults = (*(at for at in health.faults if at > since), now)
    if len(faults) < policy.faults and health.until is None:
        return replace(health, faults=faults)
    return _tripped(health, fault, now, policy.open_s, policy.open_max_s)


def _cooling(
    health: KeyHealth, now: datetime, retry_after_s: float | None, policy: HealthPolicy
) -> KeyHealth:
    """Several requests meet the same limit: the longest wait counts."""
    wait_s = policy.cool_s if retry_after_s is None else retry_after_s
    until = now + timedelta(seconds=min(max(wait_s, 1.0), policy.cool_max_s))
    if health.until is not None:
        until = max(until, health.until)
    return replace(health, reason=Fault.RATE_LIMITED, until=until)


def _tripped(
    health: KeyHealth, fault: Fault, now: datetime, first_s: float, longest_s: float
) -> KeyHealth:
    """Out for twice as long as the time before, if there was no success between."""
    span_s = min(first_s * 2 ** min(health.trips, _MOST_DOUBLINGS), longest_s)
    return KeyHealth(fault, now + timedelta(seconds=span_s), (), health.trips + 1)


def after_success(health: KeyHealth, now: datetime) -> KeyHealth:
    """A key's health after a good answer: one that was half-open is in again.

    A success of a request that began before the key was taken out proves nothing about it.
    """
    if health.until is not None and health.until > now:
        return health
    return KeyHealth()


def choose(
    keys: Iterable[UpstreamKey],
    now: datetime,
    *,
    conversation: str | None = None,
    turn: int = 0,
    tried: Collection[str] = (),
    probed: Collection[str] = (),
) -> UpstreamKey | None:
    """The key that serves a request, None when none can.

    A conversation stays with its key, by rendezvous hashing, so that prompt caches stay warm and
    a key that comes or goes moves no other's conversations. Without one, keys take turns. A
    half-open key is tried by one request at a time.

    Args:
        keys: Of one pool.
        now: UTC.
        conversation: Equal for the turns of one conversation, None when there is none.
        turn: Counts up, for taking turns.
        tried: Ids of keys that this request has tried already.
        probed: Ids of half-open keys that some request is trying.
    """
    usable = [key for key in keys if key.id not in tried and _is_usable(key, now, probed)]
    if not usable:
        return None
    if conversation is None:
        return sorted(usable, key=lambda key: key.id)[turn % len(usable)]
    return max(usable, key=lambda key: _weight(key.id, conversation))


def earliest(keys: Iterable[UpstreamKey], now: datetime) -> datetime | None:
    """When the first of some limited keys may be tried again; None when none is cooling."""
    waits = [
        key.health.until
        for key in keys
        if key.health.until is not None and health_of(key, now) is Health.COOLING
    ]
    return min(waits, default=None)


def backup_for(keys: Sequence[UpstreamKey], disabled: UpstreamKey) -> UpstreamKey | None:
    """The backup that takes the place of a key that was disabled, None when none is left."""
    idle = [
        key
        for key in keys
        if key.pool == disabled.pool and key.backup and key.enabled and not key.stands_in
    ]
    return min(idle, key=lambda key: key.id, default=None)


def _is_usable(key: UpstreamKey, now: datetime, probed: Collection[str]) -> bool:
    if key.backup and not key.stands_in:
        return False
    state = health_of(key, now)
    return state is Health.HEALTHY or (state is Health.HALF_OPEN and key.id not in probed)


def _weight(key_id: str, conversation: str) -> bytes:
    return hashlib.blake2b(f"{key_id}\0{conversation}".encode(), digest_size=8).digest()
