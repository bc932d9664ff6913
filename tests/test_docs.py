"""Holds documents to the code: what they say in tables and code blocks is what is there."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from mitmproxy import hooks

import addons.proxy.attempts  # noqa: F401 - registers its hook
from addons import gateway_addons
from addons.lifecycle import Lifecycle
from addons.proxy.head import head_too_large
from scripts import drift
from scripts.cli.connect import CLIENTS, PLACEHOLDER, Target
from shared.catalog.loading import load_catalog
from shared.settings import Settings
from shared.wire import errors
from tests.support.gateway_flows import services

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
REQUEST_PATH = (PROJECT / "docs/request-path.md").read_text(encoding="utf-8")
HERE = Target("http://127.0.0.1:8080", PLACEHOLDER, "claude-sonnet-4-20250514", "gpt-4.1")

# Errors that nothing raises yet.
UNUSED = {
    "friend_key_inactive",
    "friend_key_limit_exceeded",
    "model_not_allowed",
}
# Hooks as a request meets them.
IN_ORDER = (
    "requestheaders",
    "request",
    "upstream_attempt_failed",
    "responseheaders",
    "response",
    "error",
)


def rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the table whose head begins with `heading`."""
    lines = text[text.index(f"| {heading} |") :].splitlines()
    table = lines[2 : next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_the_table_of_hooks_is_the_chain() -> None:
    chain = gateway_addons(services(), Lifecycle(1))
    assert {name for name in hooks.all_hooks for one in chain if hasattr(one, name)} == set(
        IN_ORDER
    )
    acting = [
        (name, type(one).__name__) for name in IN_ORDER for one in chain if hasattr(one, name)
    ]
    assert [(hook, addon) for hook, addon, _does in rows(REQUEST_PATH, "hook")] == acting


def test_the_table_of_errors_is_all_there_is() -> None:
    written = {
        (int(status), code.strip("`"), kind.strip("`"))
        for status, code, kind, _when in rows(REQUEST_PATH, "status")
    }
    too_large = head_too_large("x")
    of_heads = {(too_large.status, too_large.code, too_large.kind)}
    assert written == {raised(name) for name in constructors() - UNUSED} | of_heads


def test_errors_that_are_unused_are_still_unused() -> None:
    code = "".join(path.read_text() for path in (PROJECT / "addons").rglob("*.py"))
    assert [name for name in sorted(UNUSED) if name in code] == []


def constructors() -> set[str]:
    """Names of the functions that make an error."""
    functions = inspect.getmembers(errors, inspect.isfunction)
    return {
        name
        for name, function in functions
        if not name.startswith("_")
        and inspect.signature(function).return_annotation == "GatewayError"
    }


def raised(name: str) -> tuple[int, str, str]:
    """Status, code and type of an error."""
    examples = {"int": 1, "int | None": 1, "str": "x", "str | None": "x", "Sequence[str]": ["GET"]}
    constructor = getattr(errors, name)
    arguments = [examples[p.annotation] for p in inspect.signature(constructor).parameters.values()]
    error = constructor(*arguments)
    return error.status, error.code, error.kind


def test_the_readme_shows_what_connect_prints() -> None:
    for name in ("claude-code", "openai", "anthropic", "aider"):
        assert f"```sh\n{CLIENTS[name](HERE)}\n```" in README, name


def test_the_configuration_of_the_readme_is_sound(tmp_path: Path) -> None:
    text = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[0]
    names = re.findall(r"\$\{(\w+)\}", text)
    environment = dict.fromkeys(names, "a key")
    settings = Settings.load({"TROLLLM_HOME": str(tmp_path)})
    catalog = load_catalog(text, settings, environment)
    assert catalog.notes == ()
    assert [model["id"] for model in json.loads(text)["models"]] == list(catalog.models)
    assert all(model.price for model in catalog.models.values())


def test_links_lead_to_headings() -> None:
    missing = []
    for name in drift.tracked_files(PROJECT):
        if not name.endswith(".md"):
            continue
        page = PROJECT / name
        for path, anchor in re.findall(r"\]\(([^)\s#:]*)#([^)\s]+)\)", page.read_text("utf-8")):
            target = page.parent / path if path else page
            if anchor not in anchors(target.read_text(encoding="utf-8")):
                missing.append(f"{name}: {path}#{anchor}")
    assert missing == []


def anchors(text: str) -> set[str]:
    """What headings are called in links."""
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
