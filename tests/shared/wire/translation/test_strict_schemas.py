from __future__ import annotations

from typing import Any

import pytest

from shared.wire.translation.strict_schemas import fits_strict_mode

X = {"type": "integer"}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        closed(x=X),
        {"type": "object", "additionalProperties": False},
        closed(x=closed(y=X), z={"type": "array", "items": closed(y=X)}),
        closed(x={"anyOf": [closed(y=X), {"type": "null"}]}),
        {**closed(x={"$ref": "#/$defs/d"}), "$defs": {"d": closed(y=X)}},
        closed(properties=X, items=X, oneOf=X),
        closed(x={"enum": ["a"], "default": {"properties": 1}}),
    ],
)
def test_schemas_that_fit(schema: Any) -> None:
    assert fits_strict_mode(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "array", "items": X},
        {"type": "string"},
        {**closed(x=X), "required": []},
        {**closed(x=X), "required": "x"},
        {**closed(x=X), "properties": []},
        {**closed(x=X), "additionalProperties": True},
        {**closed(), "anyOf": [closed()]},
        closed(x={"type": "object"}),
        closed(x={"type": ["object", "null"]}),
        closed(x={"properties": {"y": X}}),
        closed(x={"type": "array", "items": {"type": "object"}}),
        closed(x={"anyOf": [{"type": "object"}]}),
        closed(x={"allOf": [X]}),
        closed(x=5),
        {**closed(x=X), "$defs": {"d": {"type": "object"}}},
    ],
)
def test_schemas_that_do_not(schema: Any) -> None:
    assert not fits_strict_mode(schema)
