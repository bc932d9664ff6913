from __future__ import annotations

from pathlib import Path

import pytest

from scripts.benchmark.__main__ import FULL, QUICK, Bench, heading, read_options


def test_options() -> None:
    assert read_options([]) == (FULL, None)
    assert read_options(["--quick"]) == (QUICK, None)
    line = "--repeats 2 --seconds 0.5 --connections 3 --without gateway --output x.md"
    options, output = read_options(line.split())
    assert (options.repeats, options.seconds, options.connections) == (2, 0.5, 3)
    assert (options.without, output) == (("gateway",), Path("x.md"))


def test_the_heading_names_the_command() -> None:
    assert heading(QUICK, ["--quick"]).startswith("`scripts/bench --quick` on ")


@pytest.mark.e2e
def test_a_short_run_beside_a_bare_mitmdump() -> None:
    line = "--quick --repeats 1 --seconds 0.6 --connections 2 --without gateway"
    report = Bench(read_options(line.split())[0]).run()
    assert report.count("| bare mitmdump |") == 3 + 1
    assert report.count("| simulator alone |") == 3 + 1
