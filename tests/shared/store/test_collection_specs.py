from __future__ import annotations

import pytest

from shared.store.collection_specs import CollectionSpec, collections


@pytest.mark.parametrize("spec", collections(30), ids=lambda spec: spec.name)
def test_money_is_long_and_required_fields_are_typed(spec: CollectionSpec) -> None:
    for name, rule in spec.fields.items():
        if name.endswith("Nano"):
            assert rule == {"bsonType": "long"}
    assert set(spec.required) <= set(spec.fields)
    assert spec.validator["$jsonSchema"]["required"] == list(spec.required)


def test_the_collections_there_must_be() -> None:
    names = [spec.name for spec in collections(30)]
    assert len(names) == len(set(names))
    assert {"users", "user_keys", "ledger", "request_logs", "prices", "workers"} <= set(names)
    assert {"upstream_keys", "audit_log"} <= set(names)


def test_request_logs_live_as_long_as_told() -> None:
    logs = next(spec for spec in collections(30) if spec.name == "request_logs")
    lifetimes = [model.document.get("expireAfterSeconds") for model in logs.indexes]
    assert lifetimes == [None, 30 * 86_400]
