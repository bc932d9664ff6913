import json
import shlex

import pytest

from scripts.cli.connect import CLIENTS
from scripts.cli.demo_env import keep_demo_env
from shared.catalog.demo import demo_config


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_address_key_and_model(command, client):
    done = command("connect", client, "--key", "sk-troll-k", "--model", "my-model", PORT="8123")
    assert done.code == 0
    assert "http://127.0.0.1:8123" in done.out
    assert "sk-troll-k" in done.out
    assert "my-model" in done.out


@pytest.mark.parametrize("client", CLIENTS)
def test_lines_are_a_shell_s(command, client):
    for line in command("connect", client).out.replace("\\\n", "").splitlines():
        words = shlex.split(line, comments=True)
        assert not words or words[0] in {"export", "claude", "aider", "codex"}


def test_codex_is_given_a_provider(command):
    """Values that are no TOML are text to it."""
    out = command("connect", "codex", "--key", "sk-troll-k", "--model", "m").out
    export, call = out.replace("\\\n", "").splitlines()
    words = shlex.split(call)
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    assert words[-2:] == ["-m", "m"]
    assert words.count("-c") == len(settings)
    provider = "model_providers." + settings["model_provider"]
    assert settings[f"{provider}.base_url"] == "http://127.0.0.1:8080/v1"
    assert settings[f"{provider}.wire_api"] == "responses"
    assert settings[f"{provider}.name"] == "TrollLLM"
    assert export == f"export {settings[f'{provider}.env_key']}=sk-troll-k"
    assert settings["web_search"] == "disabled"


def test_openai_clients_want_v1_and_anthropic_s_add_it(command):
    assert "8080/v1" in command("connect", "openai").out
    assert "/v1" not in command("connect", "anthropic").out
    assert "/v1" not in command("connect", "claude-code").out


def test_the_demo_key_and_model_are_filled_in(command, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    keep_demo_env(home, {"DEMO_API_KEY": "sk-troll-demo"})
    (home / "demo.config.json").write_text(demo_config("http://127.0.0.1:1"))
    found = json.loads(command("connect", "anthropic", "--json").out)
    assert "export ANTHROPIC_API_KEY=sk-troll-demo" in found["lines"]
    assert "# model: claude-sonnet-4-20250514" in found["lines"]


def test_without_a_key_there_is_a_placeholder(command):
    assert "sk-troll-YOUR-KEY" in command("connect", "openai").out


def test_an_unknown_client_is_wrong_usage(command):
    assert command("connect", "emacs").code == 2
