from __future__ import annotations

from typing import Any

import pytest

from scripts.simulator.schema_values import example_of

REFERRING = {
    "$defs": {"a/b": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 5}}}},
    "type": "object",
    "properties": {"x": {"$ref": "#/$defs/a~1b"}},
    "required": ["x"],
}
RECURSIVE: dict[str, Any] = {
    "type": "object",
    "properties": {"next": {"$ref": "#"}},
    "required": ["next"],
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "value"),
        ({"type": "string", "enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "exclusiveMaximum": 1}, 0),
        ({"type": "integer", "minimum": 3, "multipleOf": 5}, 5),
        ({"type": "number"}, 1.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["string", "null"]}, "value"),
        ({"type": "string", "minLength": 8}, "valuexxx"),
        ({"type": "string", "maxLength": 2}, "va"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}]}, [None, 1]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, "a"),
        (
            {
                "allOf": [
                    {"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]},
                ]
            },
            {"a": 1, "b": 2},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "required": ["b"],
            },
            {"b": 1},
        ),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": "value"}),
        ({"type": "object"}, {}),
        (REFERRING, {"x": {"n": 5}}),
    ],
)
def test_example_of(schema: dict[str, Any], value: object) -> None:
    assert example_of(schema) == value


def test_a_schema_that_needs_itself_ends() -> None:
    value, depth = example_of(RECURSIVE), 0
    while value is not None:
        value, depth = value["next"], depth + 1
    assert depth > 1
