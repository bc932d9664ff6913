import subprocess
import sys

import click
import pytest

from scripts.cli.commands import SUBCOMMANDS, LazyGroup, trollllm


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_entry_leads_to_a_command_with_help(command, name):
    assert isinstance(LazyGroup().get_command(click.Context(trollllm), name), click.Command)
    if name == "simulator":
        return  # its own parser exits by itself; test_serve covers it
    done = command(name, "--help")
    assert done.code == 0
    assert "Usage: trollllm" in done.out


def test_an_unknown_name_is_none():
    assert LazyGroup().get_command(click.Context(trollllm), "x") is None


def test_help_imports_no_subcommand():
    script = (
        "import sys; from scripts.cli.run import run; run(['--help']);"
        "heavy = {'pymongo', 'flask', 'mitmproxy', 'httpx'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
