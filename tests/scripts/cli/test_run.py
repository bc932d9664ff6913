import sys
from types import ModuleType

import click
import pytest

from scripts.cli import commands


@pytest.fixture
def broken(monkeypatch):
    """A subcommand that fails with whatever it is given."""

    def plant(error: BaseException) -> None:
        @click.command()
        def fail() -> None:
            raise error

        module = ModuleType("scripts.cli.planted")
        module.fail = fail
        monkeypatch.setitem(sys.modules, "scripts.cli.planted", module)
        monkeypatch.setitem(commands.SUBCOMMANDS, "fail", ("planted", "fail", "Fails."))

    return plant


def test_help_is_a_success(command):
    done = command("--help")
    assert done.code == 0
    assert "up" in done.out


@pytest.mark.parametrize(
    "line", [["nonsense"], ["user", "create"], ["user", "create", "x", "--rpm", "0"], ["--odd"]]
)
def test_wrong_usage_is_2(command, line):
    done = command(*line)
    assert done.code == 2
    assert "Error:" in done.err


def test_what_goes_wrong_on_purpose_is_one_line_each(command):
    done = command("user", "list", PORT="x", DEBUG="perhaps")
    assert done.code == 1
    assert done.err.splitlines() == [
        "trollllm: PORT must be a whole number from 1 to 65535, not 'x'",
        "trollllm: DEBUG must be true or false, not 'perhaps'",
    ]


def test_what_goes_wrong_unforeseen_shows_no_traceback(command, broken):
    broken(ZeroDivisionError("by zero"))
    done = command("fail")
    assert done.code == 1
    assert done.err == "trollllm: unexpected ZeroDivisionError: by zero (DEBUG=true shows where)\n"


def test_an_error_without_words_is_still_a_line(command, broken):
    broken(click.ClickException(""))
    assert command("fail").code == 1


def test_an_interruption_is_130(command, broken):
    broken(KeyboardInterrupt())
    assert command("fail").code == 130


def test_the_dotenv_file_is_read(command, clean_environment):
    (clean_environment / ".env").write_text("PORTAL_PORT=none\n")
    done = command("user", "list")
    assert "PORTAL_PORT must be" in done.err
