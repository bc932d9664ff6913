"""The `trollllm` command: the one place that may put gateway and portal together."""

from __future__ import annotations

import sys

from scripts.cli.run import run


def main() -> None:
    """Entry point of the console command."""
    sys.exit(run(sys.argv[1:]))
