"""Backup keys: for which keys they stand in, and until when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.domain.upstream_keys import DISABLING, UpstreamKey


def is_out(key: UpstreamKey) -> bool:
    """Whether a key is out until somebody acts: switched off, refused or unpaid.

    One that may be tried again stays out until it has proved itself.
    """
    return not key.enabled or key.health.reason in DISABLING


def vacancies(keys: Iterable[UpstreamKey], stand_ins: Mapping[str, str]) -> list[UpstreamKey]:
    """Keys that are out and that nobody stands in for, in the order of their ids.

    Args:
        keys: Of any pools.
        stand_ins: Id of a backup to the id of the key that it stands in for.
    """
    covered = set(stand_ins.values())
    vacant = [key for key in keys if _takes_part(key) and is_out(key) and key.id not in covered]
    return sorted(vacant, key=lambda key: key.id)


def dismissals(keys: Iterable[UpstreamKey], stand_ins: Mapping[str, str]) -> list[str]:
    """Ids of backups that are not needed any more.

    Their key is in again, is gone, or was itself a backup that has been dismissed.
    """
    by_id = {key.id: key for key in keys}
    return sorted(
        backup
        for backup, key_id in stand_ins.items()
        if (key := by_id.get(key_id)) is None or not _takes_part(key) or not is_out(key)
    )


def candidates(keys: Iterable[UpstreamKey]) -> list[UpstreamKey]:
    """Backups that could stand in: idle and not out themselves."""
    return [key for key in keys if key.backup and not key.stands_in and not is_out(key)]


def _takes_part(key: UpstreamKey) -> bool:
    return not key.backup or key.stands_in
