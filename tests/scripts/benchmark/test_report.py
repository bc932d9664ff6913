from __future__ import annotations

import pytest

from scripts.benchmark.report import Sample, figure, latency_table, throughput_table


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
