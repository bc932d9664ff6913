"""`$TROLLLM_HOME/demo.env`: the secrets of the first start, for their owner alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dotenv

from shared.private_files import write_private

FILE = "demo.env"
ADMIN_NAME, ADMIN_PASSWORD = "ADMIN_USERNAME", "ADMIN_PASSWORD"
DEMO_NAME, DEMO_PASSWORD, DEMO_KEY = "DEMO_USERNAME", "DEMO_PASSWORD", "DEMO_API_KEY"
_HEADER = "# Made by the first `trollllm up`. Delete what you no longer need.\n"


def read_demo_env(home: Path) -> dict[str, str]:
    """What is kept; nothing when there is no such file."""
    values = dotenv.dotenv_values(home / FILE, interpolate=False)
    return {name: value for name, value in values.items() if value}


def keep_demo_env(home: Path, values: Mapping[str, str]) -> None:
    """Add values to the file (0600)."""
    merged = read_demo_env(home) | dict(values)
    lines = [f"{name}={value}\n" for name, value in merged.items()]
    write_private(home / FILE, _HEADER + "".join(lines))
