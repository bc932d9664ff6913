"""Whether OpenAI can hold a model to a JSON schema."""

from __future__ import annotations

from typing import Any

_UNSUPPORTED = frozenset(
    {
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "prefixItems",
        "patternProperties",
        "dependentRequired",
        "dependentSchemas",
    }
)


def fits_strict_mode(schema: dict[str, Any]) -> bool:
    """Whether a schema may be sent with `strict`, without which it is a mere hint.

    OpenAI asks that the whole is an object, and that every object in it requires all of its
    properties and allows no others. It answers 400 to `strict` with any other schema.
    """
    return schema.get("type") == "object" and "anyOf" not in schema and _fits(schema)


def _fits(schema: object) -> bool:
    if not isinstance(schema, dict):
        return False
    if _UNSUPPORTED & schema.keys() or (_is_object(schema) and not _is_closed(schema)):
        return False
    return all(_fits(inner) for inner in _within(schema))


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return (
        "properties" in schema or kind == "object" or (isinstance(kind, list) and "object" in kind)
    )


def _is_closed(schema: dict[str, Any]) -> bool:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return False
    names = {name for name in required if isinstance(name, str)}
    return schema.get("additionalProperties") is False and properties.keys() <= names


def _within(schema: dict[str, Any]) -> list[Any]:
    named = [schema.get(name) or {} for name in ("properties", "$defs", "definitions")]
    inner = [each for group in named if isinstance(group, dict) for each in group.values()]
    choices = schema.get("anyOf")
    inner += choices if isinstance(choices, list) else []
    return [*inner, schema["items"]] if "items" in schema else inner
