from __future__ import annotations

from pathlib import Path

import pytest

from scripts.simulator.options import OptionsError, SimulatorOptions


def test_defaults_listen_on_loopback() -> None:
    assert SimulatorOptions().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cases": Path("/nowhere/at/all")}, "--cases: /nowhere/at/all is no folder"),
        ({"tls_cert": Path("c.pem")}, "belong together"),
        ({"tls_key": Path("k.pem")}, "belong together"),
        ({"split": -1}, "--split: -1 is negative"),
    ],
)
def test_refuses_what_does_not_fit(options: dict[str, Path], words: str) -> None:
    with pytest.raises(OptionsError, match=words):
        SimulatorOptions(**options)  # type: ignore[arg-type]
