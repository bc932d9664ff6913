from __future__ import annotations

from pathlib import Path

import pytest

from scripts.benchmark.__main__ import FULL, QUICK, Bench, heading, main, page_of, read_options
from scripts.benchmark.report import NEW_PAGE

PROJECT = Path(__file__).resolve().parents[3]


def test_options() -> None:
    assert read_options([]) == (FULL, None)
    assert read_options(["--quick"]) == (QUICK, None)
    line = "--repeats 2 --seconds 0.5 --connections 3 --without gateway --output x.md"
    options, output = read_options(line.split())
    assert (options.repeats, options.seconds, options.connections) == (2, 0.5, 3)
    assert (options.without, output) == (("gateway",), Path("x.md"))


def test_the_heading_names_the_command() -> None:
    assert heading(QUICK, ["--quick"]).startswith("`scripts/bench --quick` on ")


def test_the_page_of_a_report(tmp_path: Path) -> None:
    assert page_of(tmp_path / "new.md") == NEW_PAGE
    ours = PROJECT / "docs" / "performance.md"
    assert page_of(ours) == ours.read_text(encoding="utf-8")


def test_a_page_without_a_place_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("by hand")
    assert main(["--output", str(page)]) == 1
    assert f"{page} has no place for a report" in capsys.readouterr().err
    assert page.read_text() == "by hand"


def test_a_report_leaves_the_rest_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "run", lambda _self: "| figures |")
    page = tmp_path / "page.md"
    page.write_text(NEW_PAGE + "\nBy hand.\n")
    for _ in range(2):
        assert main(["--quick", "--output", str(page)]) == 0
    text = page.read_text()
    assert text.count("| figures |") == 1
    assert text.endswith("\nBy hand.\n")


@pytest.mark.e2e
def test_a_short_run_beside_a_bare_mitmdump() -> None:
    line = "--quick --repeats 1 --seconds 0.6 --connections 2 --without gateway"
    report = Bench(read_options(line.split())[0]).run()
    assert report.count("| bare mitmdump |") == 5 + 1
    assert report.count("| simulator alone |") == 5 + 1
