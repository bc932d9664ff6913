import os

import pytest

from shared.private_files import write_private


def test_it_is_for_the_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_private(tmp_path / "secret", "one")
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secret").read_text() == "one"


@pytest.mark.parametrize(("replace", "kept"), [(True, "two"), (False, "one")])
def test_replacing_is_a_choice(tmp_path, replace, kept):
    write_private(tmp_path / "secret", "one")
    write_private(tmp_path / "secret", "two", replace=replace)
    assert (tmp_path / "secret").read_text() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "none" / "secret", "one")
