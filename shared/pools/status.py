"""What operators see of a key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.domain.upstream_keys import Health, UpstreamKey, health_of
from shared.store.upstream_key_documents import KeyCounts

UNREADABLE = "unreadable"


def status_row(
    key: UpstreamKey, counts: KeyCounts, now: datetime, *, readable: bool = True
) -> dict[str, Any]:
    """A key as `/keys/status` and `trollllm pool list` show it, in the names of the API.

    Args:
        key: Which.
        counts: Of attempts with it.
        now: UTC.
        readable: Whether its secret could be opened.
    """
    state = health_of(key, now)
    reason = key.health.reason.value if key.health.reason else None
    return {
        "id": key.id,
        "pool": key.pool,
        "label": key.label,
        "healthy": readable and state is Health.HEALTHY,
        "state": state.value,
        "reason": reason if readable else UNREADABLE,
        "until": key.health.until,
        "requests": counts.requests,
        "errors": counts.errors,
        "backup": key.backup,
        "standsIn": key.stands_in,
        "rpm": key.rpm,
    }
