from pathlib import Path

import pytest

from scripts import drift
from scripts.drift import (
    broken_links,
    command_lines,
    mirror,
    undocumented_commands,
    undocumented_settings,
    unlocked_requirements,
    untested_modules,
)
from shared.settings import NAMES


@pytest.fixture
def project(tmp_path):
    (tmp_path / "docs").mkdir()
    return tmp_path


def test_links_that_lead_nowhere_are_found(project):
    (project / "docs" / "a.md").write_text(
        "[ok](b.md#part) [web](https://x.example) [part](#here) ![pic](none.png)\n"
        "[up](../README.md)\n```\n[code](not-a-link.md)\n```\n"
    )
    (project / "docs" / "b.md").write_text("")
    assert list(broken_links(project, ["docs/a.md", "docs/b.md"])) == [
        "docs/a.md: the link none.png leads nowhere",
        "docs/a.md: the link ../README.md leads nowhere",
    ]


def test_settings_and_rows_must_agree(project):
    rows = [f"| `{name}` | x | y |" for name in NAMES if name != "PORT"]
    (project / "docs" / "configuration.md").write_text("\n".join([*rows, "| `OLD_NAME` | |"]))
    assert list(undocumented_settings(project)) == [
        "docs/configuration.md: no row for PORT",
        "docs/configuration.md: OLD_NAME is no setting",
    ]


def test_commands_must_be_shown(project):
    commands = list(command_lines())
    assert {"up", "user create", "key revoke", "ledger verify"} <= set(commands)
    shown = [f"`trollllm {name} X`" for name in commands if name != "doctor"]
    (project / "a.md").write_text("\n".join(shown))
    assert list(undocumented_commands(project, ["a.md"])) == ["no document shows: trollllm doctor"]


def test_modules_mirror_their_tests():
    files = ["shared/a.py", "shared/b.py", "shared/__init__.py", "tests/shared/test_a.py", "x.py"]
    assert mirror("shared/domain/money.py") == "tests/shared/domain/test_money.py"
    assert list(untested_modules(files, {})) == ["shared/b.py: has no tests/shared/test_b.py"]
    assert list(untested_modules(files, {"shared/b.py": "values"})) == []
    assert list(untested_modules(files, {"shared/b.py": "values", "shared/a.py": "old"})) == [
        "scripts/drift.py: shared/a.py is no exception any more"
    ]


def test_pins_must_be_locked(project):
    (project / "requirements").mkdir()
    (project / "requirements" / "dev.txt").write_text("a-b==1.0 \\\n    --hash=sha256:0\nc==2\n")
    (project / "setup.cfg").write_text("install_requires =\n    A_B==1.0\n    c==3\n")
    assert list(unlocked_requirements(project)) == [
        "requirements/dev.txt: no c==3: run scripts/lock"
    ]


def test_only_what_exists_is_looked_at():
    files = drift.tracked_files(drift.PROJECT)
    assert "scripts/drift.py" in files
    assert all((drift.PROJECT / name).is_file() for name in files)
    assert not any(Path(name).parts[0] == ".venv" for name in files)


@pytest.mark.parametrize(("faults", "code"), [([], 0), (["a fault"], 1)])
def test_the_exit_code_tells(monkeypatch, capsys, faults, code):
    for check in (
        "broken_links",
        "undocumented_commands",
        "untested_modules",
        "unlocked_requirements",
    ):
        monkeypatch.setattr(drift, check, lambda *_: [])
    monkeypatch.setattr(drift, "undocumented_settings", lambda _: faults)
    assert drift.main() == code
    assert capsys.readouterr().out == "".join(f"{fault}\n" for fault in faults)
