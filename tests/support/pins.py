"""Fingerprints of functions of other people's code that ours overrides or leans on.

Nothing of its text is stored: a hash of the syntax tree without comments, docstrings and layout,
the signature, and the names that are called.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pin:
    """What one function looks like.

    Attributes:
        digest: Of its syntax tree.
        signature: As `inspect` tells it.
        statements: How many.
        calls: Names of what it calls, sorted.
    """

    digest: str
    signature: str
    statements: int
    calls: tuple[str, ...]


@dataclass(frozen=True)
class Pins:
    """What of a distribution is pinned, and where its fingerprints are kept.

    Attributes:
        distribution: Its name.
        version: The one that was read and tested.
        folder: Holds a file for that version.
        methods: Names by class.
        functions: Plain ones.
    """

    distribution: str
    version: str
    folder: Path
    methods: Mapping[type, tuple[str, ...]]
    functions: tuple[Callable[..., Any], ...] = ()

    def all(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Everything that is pinned, by name."""
        for owner, names in self.methods.items():
            for name in names:
                member = inspect.getattr_static(owner, name)
                function = getattr(member, "__func__", member)
                yield f"{owner.__name__}.{name}", inspect.unwrap(function)
        for function in self.functions:
            yield f"{function.__module__}.{function.__name__}", inspect.unwrap(function)

    def stored(self) -> dict[str, Pin]:
        """The fingerprints that ours was tested with."""
        content = json.loads((self.folder / f"{self.version}.json").read_text())
        return {
            name: Pin(**{**fields, "calls": tuple(fields["calls"])})
            for name, fields in content.items()
        }

    def write(self) -> None:
        """Keep the fingerprints of the installed version."""
        self.folder.mkdir(exist_ok=True)
        content = {name: asdict(pin(function)) for name, function in self.all()}
        path = self.folder / f"{version(self.distribution)}.json"
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        print(f"{len(content)} functions pinned in {path}")


def pin(function: Callable[..., Any]) -> Pin:
    """The fingerprint of a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:] or [ast.Pass()]
    called = {_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    statements = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
    digest = hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()[:16]
    return Pin(digest, str(inspect.signature(function)), statements, tuple(sorted(called)))


def difference(name: str, old: Pin, new: Pin) -> str:
    """What has changed, in words; empty when nothing has."""
    if old == new:
        return ""
    lines = [f"{name} has changed:"]
    if old.signature != new.signature:
        lines += [f"  signature was {old.signature}", f"            is  {new.signature}"]
    if old.statements != new.statements:
        lines.append(f"  statements: {old.statements} -> {new.statements}")
    lines += [f"  no longer calls {each}" for each in sorted({*old.calls} - {*new.calls})]
    lines += [f"  now calls {each}" for each in sorted({*new.calls} - {*old.calls})]
    if len(lines) == 1:
        lines.append("  same signature, same calls: the logic between them differs")
    return "\n".join(lines)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


def _plain(node: object) -> object:
    """A tree without positions and without what is empty: alike in every Python."""
    if isinstance(node, ast.AST):
        fields = [(name, _plain(value)) for name, value in ast.iter_fields(node)]
        skipped = ("ctx", "kind", "type_comment")
        kept = [(n, value) for n, value in fields if value not in (None, []) and n not in skipped]
        return (type(node).__name__, kept)
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return node
