"""Figures as tables in Markdown, and their place in a page; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

BEGIN = "<!-- Measured by scripts/bench, which replaces all up to the end. -->"
END = "<!-- End of what scripts/bench measured. -->"
NEW_PAGE = f"# Performance\n\n{BEGIN}\n{END}\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured run: answers a second, CPU ms an answer of the target and of all others."""

    rate: float
    cpu_ms: float
    others_cpu_ms: float


Samples = Mapping[tuple[str, str], Sequence[Sample]]


def figure(values: Sequence[float]) -> str:
    """A median and its spread: `12.3 (11.9-13.0)`."""
    digits = 0 if median(values) >= 100 else 1 if median(values) >= 10 else 2
    low, mid, high = (f"{value:,.{digits}f}" for value in _range(values))
    return f"{mid} ({low}-{high})"


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), median(values), max(values)


def throughput_table(samples: Samples, unpaced: Sequence[str], targets: Sequence[str]) -> str:
    """A row for each scenario and target."""
    rows = ["| request | target | answers/s | CPU ms an answer | CPU ms of the rest |"]
    rows.append("|---|---|---|---|---|")
    for scenario in unpaced:
        for target in targets:
            found = samples.get((scenario, target))
            if found:
                rows.append(_row(scenario, target, found))
    return "\n".join(rows)


def _row(scenario: str, target: str, found: Sequence[Sample]) -> str:
    rate = figure([sample.rate for sample in found])
    cpu = figure([sample.cpu_ms for sample in found])
    others = figure([sample.others_cpu_ms for sample in found])
    return f"| {scenario} | {target} | {rate} | {cpu} | {others} |"


def latency_table(first_byte_ms: Mapping[str, Sequence[float]], rss: Mapping[str, float]) -> str:
    """First byte of a lone stream and memory after the load, a row for each target."""
    rows = ["| target | first byte of a lone stream, ms: median (p5-p95) | RSS after load, MB |"]
    rows.append("|---|---|---|")
    for target, values in first_byte_ms.items():
        ordered = sorted(values)
        low, high = ordered[len(ordered) // 20], ordered[-(len(ordered) // 20) - 1]
        shown = f"{median(ordered):.2f} ({low:.2f}-{high:.2f})"
        rows.append(f"| {target} | {shown} | {rss[target]:.0f} |")
    return "\n".join(rows)


def has_place(page: str) -> bool:
    """Whether a page says, by `BEGIN` and `END`, where a report goes."""
    _, begin, behind = page.partition(BEGIN)
    return bool(begin) and END in behind


def with_report(page: str, report: str) -> str:
    """The page with another report; what is written before and behind it stays.

    Args:
        page: One that `has_place`.
        report: Markdown.
    """
    before, _, behind = page.partition(BEGIN)
    rest = behind.partition(END)[2]
    return f"{before}{BEGIN}\n\n{report.strip()}\n\n{END}{rest}"
