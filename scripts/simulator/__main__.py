"""`python -m scripts.simulator`: the simulator alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.simulator.options import OptionsError, SimulatorOptions
from scripts.simulator.server import serve


def read_options(arguments: Sequence[str]) -> SimulatorOptions:
    """Reads a command line.

    Raises:
        OptionsError: the options do not fit together.
    """
    parser = argparse.ArgumentParser("simulator", description="Stands in for the LLM providers.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one")
    parser.add_argument("--cases", type=Path, help="folder of recorded cases for replay:CASE#TURN")
    parser.add_argument("--split", type=int, default=0, help="bytes a piece of a replay; 0: whole")
    parser.add_argument("--key", action="append", default=[], help="accepted key; repeatable")
    parser.add_argument("--redact", action="store_true", help="hide secrets in GET /_log")
    parser.add_argument("--tls-cert", type=Path, help="PEM certificate chain: serve TLS")
    parser.add_argument("--tls-key", type=Path, help="PEM private key of it")
    found = parser.parse_args(arguments)
    return SimulatorOptions(
        host=found.host,
        port=found.port,
        cases=found.cases,
        split=found.split,
        keys=tuple(found.key),
        redact=found.redact,
        tls_cert=found.tls_cert,
        tls_key=found.tls_key,
    )


def main(arguments: Sequence[str]) -> int:
    """Runs until it is told to stop; 1 is a start that failed, 2 wrong usage."""
    try:
        options = read_options(arguments)
    except OptionsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        serve(options)
    except OptionsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
