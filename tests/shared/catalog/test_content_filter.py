from __future__ import annotations

from typing import Any

import pytest

from shared.catalog.content_filter import read_content_filter
from shared.catalog.section import Faults, Section


def faults(content_filter: Any) -> list[str]:
    found = Faults({})
    read_content_filter(Section({"contentFilter": content_filter}, "", found))
    return [fault.path.removeprefix("contentFilter.") for fault in found.found]


@pytest.mark.parametrize(
    "good",
    [
        None,
        {},
        {"thinking": "blank", "replace": []},
        {
            "replace": [
                {"find": "Claude Code", "with": ""},
                {"find": "a(b|c)+", "regex": True, "with": "x"},
            ]
        },
        {"replace": [{"find": "${NOT_SET} (", "with": "literal"}]},
    ],
)
def test_good_filters(good: Any) -> None:
    assert faults(good) == []


@pytest.mark.parametrize(
    ("bad", "paths"),
    [
        (5, ["contentFilter"]),
        ({"thinking": "hide"}, ["thinking"]),
        ({"thinkin": "pass"}, ["thinkin"]),
        ({"replace": {}}, ["replace"]),
        ({"replace": ["x"]}, ["replace[0]"]),
        ({"replace": [{}]}, ["replace[0].find", "replace[0].with"]),
        ({"replace": [{"find": "", "with": "x"}]}, ["replace[0].find"]),
        ({"replace": [{"find": "(", "with": "x", "regex": True}]}, ["replace[0].find"]),
        ({"replace": [{"find": "a", "with": "x", "regex": "yes"}]}, ["replace[0].regex"]),
        ({"replace": [{"find": "a", "with": "x", "flags": "i"}]}, ["replace[0].flags"]),
    ],
)
def test_faults(bad: Any, paths: list[str]) -> None:
    assert faults(bad) == paths
