from __future__ import annotations

from pathlib import Path

import pytest

from scripts.simulator.__main__ import main, read_options
from scripts.simulator.options import SimulatorOptions


def test_defaults_of_the_command_are_those_of_the_options() -> None:
    assert read_options([]) == SimulatorOptions()


def test_options(tmp_path: Path) -> None:
    line = f"--port 7 --host ::1 --cases {tmp_path} --split 9 --key a --key b --redact"
    assert read_options(line.split()) == SimulatorOptions(
        host="::1", port=7, cases=tmp_path, split=9, keys=("a", "b"), redact=True
    )


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--split", "-1"]) == 2
    assert capsys.readouterr().err == "--split: -1 is negative; 0 sends bodies whole\n"
