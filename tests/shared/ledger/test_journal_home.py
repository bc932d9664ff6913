from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.ledger.journal_home import JournalDirectory, dead_journals, journals_of


def test_journals_lie_under_home(tmp_path: Path) -> None:
    assert journals_of(tmp_path) == tmp_path / "journals"


def test_a_living_worker_keeps_its_directory(tmp_path: Path) -> None:
    directory = JournalDirectory.create(tmp_path / "journals", "worker-1")
    assert directory.path == tmp_path / "journals" / "worker-1"
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert JournalDirectory.adopt(directory.path) is None
    assert list(dead_journals(tmp_path / "journals")) == []
    directory.unlock()


def test_a_dead_one_is_adopted_by_one(tmp_path: Path) -> None:
    JournalDirectory.create(tmp_path, "worker-1").unlock()
    [adopted] = dead_journals(tmp_path)
    assert adopted.worker_id == "worker-1"
    assert list(dead_journals(tmp_path)) == []
    adopted.remove()
    assert list(tmp_path.iterdir()) == []
    assert JournalDirectory.adopt(adopted.path) is None


def test_a_name_is_given_once(tmp_path: Path) -> None:
    first = JournalDirectory.create(tmp_path, "worker-1")
    (first.path / "00000000.journal").touch()
    with pytest.raises(OSError, match="not empty"):
        JournalDirectory.create(tmp_path, "worker-1")
    first.unlock()


def test_who_waited_for_the_lock_of_a_removed_directory_gets_nothing(tmp_path: Path) -> None:
    """Between opening the lock file and locking it, its holder may have removed it."""
    directory = JournalDirectory.create(tmp_path, "worker-1")
    path = directory.path
    real_open = os.open

    def open_then_remove(*args: object, **kwargs: object) -> int:
        descriptor = real_open(*args, **kwargs)  # type: ignore[arg-type]
        if str(args[0]).endswith("worker-1/lock"):
            directory.remove()
        return descriptor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_then_remove)
        assert JournalDirectory.adopt(path) is None


def test_remains_are_cleared_once_they_are_old(tmp_path: Path) -> None:
    for name in (".new-a", ".done-b", ".new-young"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "00000000.journal").touch()
    for name in (".new-a", ".done-b"):
        os.utime(tmp_path / name, (0, 0))
    assert list(dead_journals(tmp_path)) == []
    assert [path.name for path in tmp_path.iterdir()] == [".new-young"]


def test_no_directory_holds_no_journals(tmp_path: Path) -> None:
    assert list(dead_journals(tmp_path / "nowhere")) == []


def test_stray_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README").touch()
    assert list(dead_journals(tmp_path)) == []
