"""`trollllm connect CLIENT`: the exact lines that point a client here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click

from portal.addresses import addresses_of
from scripts.cli.demo_env import DEMO_KEY, read_demo_env
from scripts.cli.output import json_option, print_json
from scripts.cli.simulator_process import CONFIG, needs_simulator
from shared.catalog.demo import KEY_VARIABLE
from shared.catalog.loading import load_catalog_file
from shared.domain.catalog import Catalog, Dialect
from shared.settings import Settings, environment

PLACEHOLDER = "sk-troll-YOUR-KEY"
_FALLBACKS = {Dialect.ANTHROPIC: "claude-sonnet-4-20250514", Dialect.OPENAI: "gpt-4.1"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client is pointed: origin of the gateway, a key, a model of each dialect."""

    gateway: str
    key: str
    anthropic_model: str
    openai_model: str


def claude_code(target: Target) -> str:
    """Claude Code: environment of the shell that starts it."""
    return f"""\
export ANTHROPIC_BASE_URL={target.gateway}
export ANTHROPIC_AUTH_TOKEN={target.key}
export ANTHROPIC_MODEL={target.anthropic_model}
export ANTHROPIC_SMALL_FAST_MODEL={target.anthropic_model}
claude"""


def openai(target: Target) -> str:
    """What OpenAI's SDKs and most tools built on them read."""
    return f"""\
export OPENAI_BASE_URL={target.gateway}/v1
export OPENAI_API_KEY={target.key}
# model: {target.openai_model}"""


def anthropic(target: Target) -> str:
    """What Anthropic's SDKs read; the path /v1 is theirs to add."""
    return f"""\
export ANTHROPIC_BASE_URL={target.gateway}
export ANTHROPIC_API_KEY={target.key}
# model: {target.anthropic_model}"""


def aider(target: Target) -> str:
    """Aider, which wants its model named with the provider in front."""
    return f"""\
export OPENAI_API_BASE={target.gateway}/v1
export OPENAI_API_KEY={target.key}
aider --model openai/{target.openai_model}"""


def codex(target: Target) -> str:
    """Codex: a provider of its own, which speaks the responses API.

    The key's variable is none of `TROLLLM_*`, which are settings of the gateway.

    Web search is off, since it is offered upstream in every request unless told otherwise, and
    refused for a model without a price for it.
    """
    provider = {
        "name": "TrollLLM",
        "base_url": f"{target.gateway}/v1",
        "env_key": "TROLL_KEY",
        "wire_api": "responses",
    }
    settings = [f"model_providers.trollllm.{name}={value}" for name, value in provider.items()]
    settings += ["model_provider=trollllm", "web_search=disabled"]
    lines = [f"  -c {setting} \\\n" for setting in settings]
    return f"""\
export TROLL_KEY={target.key}
codex \\
{"".join(lines)}  -m {target.openai_model}"""


CLIENTS: dict[str, Callable[[Target], str]] = {
    "claude-code": claude_code,
    "openai": openai,
    "anthropic": anthropic,
    "aider": aider,
    "codex": codex,
}


@click.command()
@click.argument("client", type=click.Choice(list(CLIENTS)))
@click.option("--key", help="API key to fill in; else the demo key, if there is one.")
@click.option("--model", help="Model to fill in; else the first one of config.json that fits.")
@json_option
def connect(client: str, key: str | None, model: str | None, as_json: bool) -> None:
    """Print the lines that point CLIENT here, to be pasted into a shell."""
    settings = Settings.load()
    target = _target(settings, key, model)
    lines = CLIENTS[client](target)
    if as_json:
        print_json({"client": client, "gateway": target.gateway, "lines": lines.splitlines()})
    else:
        click.echo(lines)


def _target(settings: Settings, key: str | None, model: str | None) -> Target:
    kept = read_demo_env(settings.home).get(DEMO_KEY)
    catalog = _catalog(settings)
    return Target(
        gateway=addresses_of(settings, catalog.port).gateway,
        key=key or kept or PLACEHOLDER,
        anthropic_model=model or _first(catalog, Dialect.ANTHROPIC),
        openai_model=model or _first(catalog, Dialect.OPENAI),
    )


def _catalog(settings: Settings) -> Catalog:
    """That of config.json; that of the demo where the simulator stands in."""
    demo = settings.home / CONFIG
    if needs_simulator(settings) and demo.exists():
        return load_catalog_file(demo, settings, environment() | {KEY_VARIABLE: "unused"})
    return load_catalog_file(settings.config_path, settings, environment())


def _first(catalog: Catalog, dialect: Dialect) -> str:
    listed = (m.id for m in catalog.models.values() if m.listed and m.dialect is dialect)
    return next(listed, _FALLBACKS[dialect])
