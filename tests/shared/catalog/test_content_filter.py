from __future__ import annotations

from typing import Any

import pytest

from shared.catalog.content_filter import read_content_filter
from shared.catalog.section import Faults, Section
from shared.domain.catalog import FilterRule, FilterSpec, ThinkingMode
from shared.errors import ConfigFault


def read(content_filter: Any) -> tuple[FilterSpec, list[ConfigFault]]:
    found = Faults({})
    spec = read_content_filter(Section({"contentFilter": content_filter}, "", found))
    return spec, found.found


def faults(content_filter: Any) -> list[str]:
    return [fault.path.removeprefix("contentFilter.") for fault in read(content_filter)[1]]


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
        ({"replace": [{"find": "a(?=b)", "with": "x", "regex": True}]}, ["replace[0].find"]),
        ({"replace": [{"find": "a*", "with": "x", "regex": True}]}, ["replace[0].find"]),
        ({"replace": [{"find": "a" * 257, "with": "x"}]}, ["replace[0].find"]),
        (
            {"replace": [{"find": "x\\pL{100}", "with": "x", "regex": True}] * 30},
            ["replace"],
        ),
        ({"replace": [{"find": "a", "with": "x", "regex": "yes"}]}, ["replace[0].regex"]),
        ({"replace": [{"find": "a", "with": "x", "flags": "i"}]}, ["replace[0].flags"]),
    ],
)
def test_faults(bad: Any, paths: list[str]) -> None:
    assert faults(bad) == paths


def test_what_is_read() -> None:
    rules = [{"find": "Droid", "with": ""}, {"find": "a+", "with": "b", "regex": True}]
    assert read({"thinking": "strip", "replace": rules}) == (
        FilterSpec(
            (FilterRule("Droid", ""), FilterRule("a+", "b", regex=True)), ThinkingMode.STRIP
        ),
        [],
    )
    assert read(None) == read({}) == (FilterSpec(), [])


def test_a_bad_pattern_is_told_why() -> None:
    [fault] = read({"replace": [{"find": "a(?!b)", "with": "", "regex": True}]})[1]
    assert str(fault) == (
        "contentFilter.replace[0].find: is no regular expression of RE2: invalid perl operator: (?!"
    )
