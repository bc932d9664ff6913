"""Holds setup.cfg to the code: what is installed with the project is used by it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("addons", "portal", "shared", "scripts")


def pinned() -> list[str]:
    """Names of the libraries that setup.cfg installs with the project."""
    parser = ConfigParser()
    parser.read(PROJECT / "setup.cfg", encoding="utf-8")
    lines = parser["options"]["install_requires"].split()
    return [normal(line.partition("==")[0]) for line in lines]


def normal(name: str) -> str:
    """A name of a distribution as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> Iterator[str]:
    """Top-level modules that the project imports."""
    for path in (path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


@pytest.fixture(scope="module")
def used() -> set[str]:
    """Distributions of all that the project imports."""
    found = packages_distributions()
    return {normal(name) for module in set(imported()) for name in found.get(module, ())}


@pytest.mark.parametrize("name", pinned())
def test_what_is_pinned_is_imported(name: str, used: set[str]) -> None:
    assert name in used
