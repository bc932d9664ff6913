from __future__ import annotations

import pytest

from scripts.benchmark.report import (
    BEGIN,
    END,
    NEW_PAGE,
    Sample,
    figure,
    has_place,
    latency_table,
    throughput_table,
    with_report,
)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1.0], "1.00 (1.00-1.00)"),
        ([3.0, 1.0, 2.0], "2.00 (1.00-3.00)"),
        ([12.34, 11.0, 13.0], "12.3 (11.0-13.0)"),
        ([1234.5, 999.9, 5000.0], "1,234 (1,000-5,000)"),
    ],
)
def test_figure(values: list[float], shown: str) -> None:
    assert figure(values) == shown


def test_a_row_for_what_was_measured() -> None:
    samples = {("json", "gateway"): [Sample(100, 1, 0.5)], ("json", "other"): [Sample(9, 2, 0)]}
    table = throughput_table(samples, ["json", "stream"], ["gateway", "other"])
    rows = table.splitlines()[2:]
    assert rows == [
        "| json | gateway | 100 (100-100) | 1.00 (1.00-1.00) | 0.50 (0.50-0.50) |",
        "| json | other | 9.00 (9.00-9.00) | 2.00 (2.00-2.00) | 0.00 (0.00-0.00) |",
    ]


def test_latency() -> None:
    table = latency_table({"gateway": [float(n) for n in range(1, 101)]}, {"gateway": 81.6})
    assert table.splitlines()[2] == "| gateway | 50.50 (6.00-95.00) | 82 |"


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (NEW_PAGE, True),
        (f"text\n{BEGIN}\nold\n{END}\nmore", True),
        ("", False),
        ("# Performance\n", False),
        (f"{BEGIN}\n", False),
        (f"{END}\n{BEGIN}\n", False),
    ],
)
def test_the_place_of_a_report(page: str, found: bool) -> None:
    assert has_place(page) is found


def test_what_is_written_by_hand_stays() -> None:
    page = f"# Title\n\nBefore.\n\n{BEGIN}\n\nold\n\n{END}\n\nBehind.\n"
    new = with_report(page, "| new |\n")
    assert new == page.replace("old", "| new |")
    assert with_report(new, "old") == page


def test_a_new_page_is_ready_for_the_next_report() -> None:
    assert has_place(with_report(NEW_PAGE, "one"))
