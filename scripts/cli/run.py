"""Runs one command line: settings in, exit code out, errors in one line each."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from scripts.cli.commands import trollllm
from shared.errors import TrollError
from shared.settings import adopt, environment

SUCCESS, FAILURE, WRONG_USAGE = 0, 1, 2
_INTERRUPTED = 130

logger = logging.getLogger(__name__)


def run(arguments: Sequence[str]) -> int:
    """Run `trollllm ARGUMENTS`; 0 is success, 1 failure, 2 wrong usage."""
    adopt(environment(Path(".env")))
    try:
        result = trollllm.main(list(arguments), prog_name="trollllm", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has enough, `head` for one; stdout cannot be flushed any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    except Exception as error:  # noqa: BLE001 - the last boundary: no traceback for users
        return _report(error)
    return result if isinstance(result, int) else SUCCESS


def _report(error: Exception) -> int:
    if isinstance(error, click.ClickException):
        error.show()
        return WRONG_USAGE if isinstance(error, click.UsageError) else FAILURE
    message = str(error)
    if not isinstance(error, TrollError):
        logger.debug("unexpected error", exc_info=error)
        message = f"unexpected {type(error).__name__}: {error} (DEBUG=true shows where)"
    for line in message.splitlines() or ["failed"]:
        click.echo(f"trollllm: {line}", err=True)
    return FAILURE
