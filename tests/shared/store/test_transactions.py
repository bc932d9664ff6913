from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import pytest
from pymongo.client_session import ClientSession

from shared.errors import Conflict
from shared.store.client import SyncDatabase
from shared.store.transactions import in_transaction, utc_now


def test_the_present_is_what_mongodb_can_keep(prepared: SyncDatabase) -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    prepared.scratch.insert_one({"at": now})
    stored = prepared.scratch.find_one()
    assert stored is not None
    assert stored["at"] == now


def test_all_or_nothing(prepared: SyncDatabase) -> None:
    def act(session: ClientSession) -> None:
        prepared.scratch.insert_one({"_id": 1}, session=session)
        prepared.scratch.insert_one({"_id": 1}, session=session)

    with pytest.raises(Conflict):
        in_transaction(prepared, act)
    assert prepared.scratch.count_documents({}) == 0


def test_transactions_in_each_others_way_are_all_made(prepared: SyncDatabase) -> None:
    prepared.scratch.insert_one({"_id": 1, "count": 0})

    def act(session: ClientSession) -> int:
        found = prepared.scratch.find_one({"_id": 1}, session=session)
        assert found is not None
        change = {"$set": {"count": found["count"] + 1}}
        prepared.scratch.update_one({"_id": 1}, change, session=session)
        return int(found["count"])

    with ThreadPoolExecutor(5) as pool:
        seen = list(pool.map(lambda _: in_transaction(prepared, act), range(20)))
    assert sorted(seen) == list(range(20))
