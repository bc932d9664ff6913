import logging
import os
from dataclasses import dataclass

import pytest

from scripts.cli.run import run

NAMES = ("MONGODB_URI", "PORT", "CONFIG_PATH", "DEBUG", "PROXY_API_KEY")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def clean_environment(monkeypatch, tmp_path):
    """An environment without settings, a working directory without .env; both put back."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("TROLLLM_") or name in NAMES]:
        monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TROLLLM_HOME", str(tmp_path / "home"))
    yield work
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def command(clean_environment, monkeypatch, capsys):
    """Runs a command line in this process; gives exit code, stdout and stderr."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run_it(*arguments: str, **env: str) -> Done:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        code = run(arguments)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    yield run_it
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def with_database(command, database_uri, monkeypatch):
    """`command`, on the test's own database."""
    monkeypatch.setenv("MONGODB_URI", database_uri)
    return command
