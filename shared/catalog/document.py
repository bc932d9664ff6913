"""The text of config.json as a JSON object, with exact numbers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

from shared.catalog.section import Faults


def read_document(text: str, faults: Faults) -> dict[str, Any]:
    """Parse; numbers with a fraction become Decimal, never float.

    What is no JSON object is a fault and reads as an empty one; so is a key that stands twice.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, value in items:
            if key in fields:
                faults.add(key, "this key stands twice in one object")
            fields[key] = value
        return fields

    try:
        document = json.loads(
            text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=pairs
        )
    except json.JSONDecodeError as error:
        faults.add(f"line {error.lineno}, column {error.colno}", f"no valid JSON: {error.msg}")
        return {}
    except (ValueError, RecursionError) as error:
        faults.add("config.json", f"no valid JSON: {error}")
        return {}
    if not isinstance(document, dict):
        faults.add("config.json", "must be an object")
        return {}
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
