"""Finds where documents and tests have drifted from the code: `python -m scripts.drift`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from scripts.cli.commands import SUBCOMMANDS, LazyGroup, trollllm
from shared.settings import NAMES

PROJECT = Path(__file__).resolve().parents[1]
SETTINGS_PAGE = "docs/configuration.md"
CODE = ("addons", "portal", "shared", "scripts")

# Modules without a test file of their own, and why.
UNTESTED = {
    "portal/gunicorn.conf.py": "three lines that Gunicorn reads; portal/server.py is tested",
    "scripts/demo_portal.py": "starts what tests/browser drives",
    "scripts/demo_state.py": "fills what tests/browser looks at",
    "scripts/screens.py": "takes pictures of what tests/browser looks at",
    "shared/domain/accounts.py": "values without behaviour",
    "shared/errors.py": "values without behaviour",
    "shared/ledger/interfaces.py": "a protocol; its implementations are tested",
    "shared/store/interfaces.py": "protocols; their implementations are tested",
    "shared/wire/filtering/readers.py": "a protocol; its implementations are tested",
    "shared/wire/translation/interfaces.py": "a protocol; its implementations are tested",
}

_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
_ELSEWHERE = ("http://", "https://", "mailto:", "#")
_PIN = re.compile(r"^\s*([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", re.MULTILINE)
_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Print every fault; 1 if there is any."""
    files = tracked_files(PROJECT)
    faults = [
        *broken_links(PROJECT, files),
        *undocumented_settings(PROJECT),
        *undocumented_commands(PROJECT, files),
        *untested_modules(files, UNTESTED),
        *unlocked_requirements(PROJECT),
    ]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def tracked_files(project: Path) -> list[str]:
    """Files under version control, and new ones that are not ignored, that exist."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    return sorted(name for name in listed.stdout.splitlines() if (project / name).is_file())


def broken_links(project: Path, files: Sequence[str]) -> Iterator[str]:
    """Links of documents to files that are not there."""
    for name in _documents(files):
        text = _CODE_BLOCK.sub("", (project / name).read_text(encoding="utf-8"))
        for target in _LINK.findall(text):
            path = target.partition("#")[0]
            if (
                not target.startswith(_ELSEWHERE)
                and not (project / name).parent.joinpath(path).exists()
            ):
                yield f"{name}: the link {target} leads nowhere"


def undocumented_settings(project: Path) -> Iterator[str]:
    """Settings that the page of settings does not name, and rows there that are no settings."""
    page = project / SETTINGS_PAGE
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    rows = set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE))
    for name in NAMES:
        if name not in rows:
            yield f"{SETTINGS_PAGE}: no row for {name}"
    for name in sorted(rows - set(NAMES)):
        yield f"{SETTINGS_PAGE}: {name} is no setting"


def undocumented_commands(project: Path, files: Sequence[str]) -> Iterator[str]:
    """Subcommands that no document shows."""
    text = "\n".join((project / name).read_text(encoding="utf-8") for name in _documents(files))
    for command in command_lines():
        if not re.search(rf"\btrollllm {re.escape(command)}\b", text):
            yield f"no document shows: trollllm {command}"


def command_lines() -> Iterator[str]:
    """Every subcommand as it is typed, such as `user create`."""
    context = click.Context(trollllm)
    for name in SUBCOMMANDS:
        command = LazyGroup().get_command(context, name)
        if isinstance(command, click.Group):
            yield from (f"{name} {inner}" for inner in command.list_commands(context))
        else:
            yield name


def untested_modules(files: Sequence[str], exceptions: dict[str, str]) -> Iterator[str]:
    """Modules without the test file that mirrors them, and exceptions that are none."""
    known = set(files)
    modules = {name for name in files if name.endswith(".py") and name.startswith(CODE)}
    modules = {name for name in modules if not Path(name).name.startswith("__")}
    for name in sorted(modules - set(exceptions)):
        if mirror(name) not in known:
            yield f"{name}: has no {mirror(name)}"
    for name in exceptions:
        if name not in modules or mirror(name) in known:
            yield f"scripts/drift.py: {name} is no exception any more"


def unlocked_requirements(project: Path) -> Iterator[str]:
    """Pins of setup.cfg that the locks do not hold: scripts/lock was forgotten."""
    lock = (project / "requirements" / "dev.txt").read_text(encoding="utf-8")
    held = {(_plain(name), version) for name, version in _PIN.findall(lock)}
    for name, version in _PIN.findall((project / "setup.cfg").read_text(encoding="utf-8")):
        if (_plain(name), version) not in held:
            yield f"requirements/dev.txt: no {name}=={version}: run scripts/lock"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def mirror(module: str) -> str:
    """Test file of a module: a/b.py is tested by tests/a/test_b.py."""
    path = Path(module)
    return str(Path("tests") / path.parent / f"test_{path.name}")


def _documents(files: Sequence[str]) -> list[str]:
    return [name for name in files if name.endswith(".md")]


if __name__ == "__main__":
    sys.exit(main())
