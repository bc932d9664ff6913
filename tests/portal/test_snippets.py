from __future__ import annotations

import ast
import json
import shlex

from portal.snippets import snippets

GATEWAY = "https://llm.example.org"
MADE = {one.id: one.code for one in snippets(GATEWAY, "sk-troll-x", "gpt-5", "claude-4")}


def test_python_parses_and_names_server_key_and_model():
    expected = (("openai", f"{GATEWAY}/v1", "gpt-5"), ("anthropic", GATEWAY, "claude-4"))
    for name, base, model in expected:
        texts = {n.value for n in ast.walk(ast.parse(MADE[name])) if isinstance(n, ast.Constant)}
        assert {base, "sk-troll-x", model} <= texts


def test_shell_parses():
    words = shlex.split(MADE["curl"].replace("\\\n", " "))
    assert words[1] == f"{GATEWAY}/v1/chat/completions"
    assert "Authorization: Bearer sk-troll-x" in words
    assert json.loads(words[-1])["model"] == "gpt-5"
    assert f"ANTHROPIC_BASE_URL={GATEWAY}" in shlex.split(MADE["claude-code"])
