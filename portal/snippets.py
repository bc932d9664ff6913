"""How each client is pointed at this server, ready to paste."""

from __future__ import annotations

from dataclasses import dataclass

KEY_PLACEHOLDER = "sk-troll-YOUR-KEY"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One client: `id` for the page, `label` for people, `code` to paste."""

    id: str
    label: str
    code: str


def snippets(gateway: str, key: str, openai_model: str, anthropic_model: str) -> list[Snippet]:
    """Snippets for the clients people use most.

    Args:
        gateway: Origin of the gateway.
        key: An API key, or a placeholder.
        openai_model: Model named in OpenAI's dialect.
        anthropic_model: Model named in Anthropic's dialect.
    """
    return [
        Snippet("openai", "OpenAI SDK", _openai(gateway, key, openai_model)),
        Snippet("anthropic", "Anthropic SDK", _anthropic(gateway, key, anthropic_model)),
        Snippet("claude-code", "Claude Code", _claude_code(gateway, key, anthropic_model)),
        Snippet("curl", "curl", _curl(gateway, key, openai_model)),
    ]


def _openai(gateway: str, key: str, model: str) -> str:
    return f"""from openai import OpenAI

client = OpenAI(
    base_url="{gateway}/v1",
    api_key="{key}",
)
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Hello!"}}],
)
print(answer.choices[0].message.content)"""


def _anthropic(gateway: str, key: str, model: str) -> str:
    return f"""from anthropic import Anthropic

client = Anthropic(
    base_url="{gateway}",
    api_key="{key}",
)
answer = client.messages.create(
    model="{model}",
    max_tokens=1024,
    messages=[{{"role": "user", "content": "Hello!"}}],
)
print(answer.content[0].text)"""


def _claude_code(gateway: str, key: str, model: str) -> str:
    return f"""export ANTHROPIC_BASE_URL="{gateway}"
export ANTHROPIC_AUTH_TOKEN="{key}"
export ANTHROPIC_MODEL="{model}"
claude"""


def _curl(gateway: str, key: str, model: str) -> str:
    return f"""curl {gateway}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'"""
