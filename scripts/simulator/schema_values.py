"""A value that a JSON Schema accepts: the arguments of simulated tool calls; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 12
FORMATS = {
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

Schema = Mapping[str, Any]


def example_of(schema: object, root: Schema | None = None, depth: int = 0) -> Any:
    """The smallest telling value: required properties alone, the first of any choice.

    Args:
        schema: A JSON Schema of the subset that providers take for tools. `pattern` is ignored.
        root: Where `$ref` points into; the schema itself by default.
        depth: How deep in `root` this is; a schema that needs itself ends in None.

    Source: JSON Schema 2020-12, validation vocabulary.
    """
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return None if schema is not True else "value"
    root = schema if root is None else root
    whole = _resolved(schema, root, depth)
    for key in ("const", "default"):
        if key in whole:
            return whole[key]
    for key in ("enum", "examples"):
        if whole.get(key):
            return whole[key][0]
    return _by_type(whole, root, depth)


def _resolved(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    """Follows `$ref`, merges `allOf` and takes the first of `anyOf` and `oneOf`."""
    whole = dict(schema)
    parts: list[object] = []
    if isinstance(reference := whole.pop("$ref", None), str):
        parts.append(_referred(reference, root))
    parts += whole.pop("allOf", ())
    for key in ("anyOf", "oneOf"):
        parts += whole.pop(key, ())[:1]
    for part in parts:
        if isinstance(part, Mapping) and depth <= MAX_DEPTH:
            whole = _merged(_resolved(part, root, depth + 1), whole)
    return whole


def _merged(base: Schema, over: Schema) -> dict[str, Any]:
    merged = {**base, **over}
    if "properties" in base and "properties" in over:
        merged["properties"] = {**base["properties"], **over["properties"]}
    if "required" in base and "required" in over:
        merged["required"] = [*base["required"], *over["required"]]
    return merged


def _referred(reference: str, root: Schema) -> object:
    target: object = root
    for name in reference.removeprefix("#").split("/")[1:]:
        step = name.replace("~1", "/").replace("~0", "~")
        target = target.get(step) if isinstance(target, Mapping) else None
    return target


def _by_type(schema: Schema, root: Schema, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})] * schema.get("minItems", 1)
        return [example_of(item, root, depth + 1) for item in items]
    if kind in {"integer", "number"}:
        return _number(schema, 1 if kind == "integer" else 1.5)
    return {"boolean": True, "null": None}.get(str(kind), _string(schema))


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    names = schema.get("required") or list(properties)[:1]
    return {name: example_of(properties.get(name, True), root, depth + 1) for name in names}


def _number(schema: Schema, value: float) -> float:
    if "exclusiveMinimum" in schema:
        value = max(value, schema["exclusiveMinimum"] + 1)
    value = max(value, schema.get("minimum", value))
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        value = schema["exclusiveMaximum"] - 1
    value = min(value, schema.get("maximum", value))
    step = schema.get("multipleOf")
    return value if not step else -(-value // step) * step


def _string(schema: Schema) -> str:
    text = FORMATS.get(str(schema.get("format")), "value")
    if "minLength" in schema:
        text = text.ljust(schema["minLength"], "x")
    return text[: schema.get("maxLength", len(text))]
