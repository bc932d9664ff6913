"""The tables of rules, and the page that shows them."""

from __future__ import annotations

import pytest

from shared.wire.translation.rules import carried, dropped, left_out, refused, table, with_table

RULES = (
    carried("a", "as `b`"),
    dropped("c", "means nothing"),
    refused("n", "other than 1"),
    dropped("d[].e", "nested"),
)


def test_what_is_left_out() -> None:
    body = {"zz": 0, "a": 1, "c": False, "n": 1, "d": [], "y": None}
    assert left_out(body, RULES) == ("zz", "c", "d")


def test_a_table() -> None:
    assert table(RULES[:2]) == (
        "| parameter | is | how, or why |\n"
        "|---|---|---|\n"
        "| `a` | carried | as `b` |\n"
        "| `c` | dropped | means nothing |"
    )


def test_a_page_gets_its_table() -> None:
    page = "x\n<!-- t -->\nold\n<!-- end of t -->\ny\n"
    filled = with_table(page, "t", RULES)
    assert filled == f"x\n<!-- t -->\n{table(RULES)}\n<!-- end of t -->\ny\n"
    assert with_table(filled, "t", RULES) == filled
    with pytest.raises(ValueError, match="no comments for u"):
        with_table(page, "u", RULES)
