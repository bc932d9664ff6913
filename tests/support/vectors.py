"""Translation cases of requests and whole answers, and what they expect of the result.

A vector's expectations all have to hold. Each names a path into the result, such as
`messages.0.content`, and what has to stand there, or speaks of the refusal or of the headers that
go upstream. A word without a check here fails, so that none is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared.errors import GatewayError

MATERIAL = Path(__file__).resolve().parents[3] / "shared"
MISSING = object()

Json = dict[str, Any]

needs_vectors = pytest.mark.skipif(
    not MATERIAL.joinpath("vectors").is_dir(), reason="no ../shared/vectors beside the checkout"
)


@dataclass(frozen=True)
class Vector:
    """One case.

    Attributes:
        id: Its name.
        kind: Such as `req:openai->anthropic` or `resp:anthropic->openai`.
        strength: `must`, `should` or `policy`.
        input: The request or the answer to translate; of `headers`, an object that holds them.
        expect: Expectations, all of which hold.
        note: What its author remarks.
    """

    id: str
    kind: str
    strength: str
    input: Json
    expect: tuple[Json, ...]
    note: str


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        body: The translated request or answer; None when it was refused.
        error: The refusal.
        headers: What goes upstream beside a request, names in lower case.
    """

    body: Json | None = None
    error: GatewayError | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def outcome_of(translate: Callable[[], Json], headers: Mapping[str, str] | None = None) -> Outcome:
    """Call a translation; a refusal is an outcome as well."""
    try:
        return Outcome(translate(), headers=headers or {})
    except GatewayError as error:
        return Outcome(error=error)


def vectors(kind: str) -> list[Vector]:
    """All vectors of one kind; none without the material."""
    found = (json.loads(path.read_text()) for path in sorted(MATERIAL.glob("vectors/*.json")))
    return [
        Vector(
            each["id"],
            each["kind"],
            each["strength"],
            each["input"],
            tuple(each["expect"]),
            each["note"],
        )
        for each in found
        if each["kind"] == kind
    ]


def vector_params(kind: str, *strengths: str) -> list[Any]:
    """Parameters of a test, of all strengths when none is named."""
    return [
        pytest.param(vector, id=vector.id)
        for vector in vectors(kind)
        if not strengths or vector.strength in strengths
    ]


def observed(direction: str) -> list[Any]:
    """(input, upstream bodies by peer) of every probe: `o2a` or `a2o`, as test parameters."""
    paths = sorted(MATERIAL.glob(f"vectors/differential/{direction}-*.json"))
    return [
        pytest.param(
            probe["input"],
            {peer: seen.get("upstream") for peer, seen in probe["observed"].items()},
            id=path.stem,
        )
        for path in paths
        for probe in [json.loads(path.read_text())]
    ]


def unmet(vector: Vector, outcome: Outcome) -> list[str]:
    """What a vector expects and does not find, a line each; empty when all holds."""
    return [
        f"{json.dumps(expected)}: found {_shown(expected, outcome)}"
        for expected in vector.expect
        if not _holds(expected, outcome)
    ]


def value_at(body: object, path: str) -> Any:
    """What stands at a path such as `messages.0.role`, or MISSING."""
    for step in path.split("."):
        if isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        elif isinstance(body, dict) and step in body:
            body = body[step]
        else:
            return MISSING
    return body


def text_of(content: object) -> str | None:
    """The text of a content, blocks joined without a separator; None when there is no content."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    return "".join(block.get("text") or "" for block in content if isinstance(block, dict))


def _holds(expected: Json, outcome: Outcome) -> bool:
    words = set(expected) - {"path"}
    if "path" in expected:
        value = MISSING if outcome.body is None else value_at(outcome.body, expected["path"])
        return outcome.error is None and all(
            _VALUE_CHECKS[word](value, expected[word]) for word in words
        )
    return all(_OUTCOME_CHECKS[word](outcome, expected[word]) for word in words)


def _any_of(outcome: Outcome, alternatives: Iterable[Iterable[Json]]) -> bool:
    return any(all(_holds(each, outcome) for each in one) for one in alternatives)


def _refused(outcome: Outcome, expected: bool) -> bool:
    refused = outcome.error is not None and outcome.error.status == 400
    return refused is expected


def _headers(outcome: Outcome, expected: Mapping[str, str]) -> bool:
    return expected.items() <= outcome.headers.items()


def _as_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else MISSING


def _types(value: object) -> Iterator[object]:
    """Every `type` within a value."""
    if isinstance(value, dict):
        yield value.get("type")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _types(item)


def _same(value: Any, expected: Any) -> bool:
    """Equality in which true is not 1."""
    return value == expected and isinstance(value, bool) == isinstance(expected, bool)


_VALUE_CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": _same,
    "not_equals": lambda value, expected: not _same(value, expected),
    "one_of": lambda value, expected: any(_same(value, each) for each in expected),
    "absent": lambda value, expected: (value is MISSING) is expected,
    "length": lambda value, expected: isinstance(value, list) and len(value) == expected,
    "matches": lambda value, expected: isinstance(value, str) and bool(re.search(expected, value)),
    "json_equals": lambda value, expected: _as_json(value) == expected,
    "text_equals": lambda value, expected: text_of(value) == expected,
    "text_contains": lambda value, expected: all(
        each in (text_of(value) or "") for each in expected
    ),
    "not_contains_text": lambda value, expected: (
        value is not MISSING and expected not in json.dumps(value, ensure_ascii=False)
    ),
    "contains_block": lambda value, expected: isinstance(value, list) and expected in value,
    "no_block_of_type": lambda value, expected: (
        value is not MISSING and expected not in _types(value)
    ),
}
_OUTCOME_CHECKS: dict[str, Callable[[Outcome, Any], bool]] = {
    "one_of": _any_of,
    "error": _refused,
    "client_error": _refused,
    "upstream_header": _headers,
}


def _shown(expected: Json, outcome: Outcome) -> str:
    if outcome.error is not None:
        return f"a refusal: {outcome.error}"
    if "path" not in expected:
        return json.dumps({"body": outcome.body, "headers": dict(outcome.headers)})
    value = value_at(outcome.body, expected["path"])
    return "nothing" if value is MISSING else json.dumps(value)
