import os
import shutil
from collections import namedtuple

import pytest

from shared.errors import MongodError
from shared.store.mongod_home import MongodHome

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def open_home(tmp_path):
    """Opens the same folder again and again; lets it go at the end."""
    homes = []

    def open_it() -> MongodHome:
        for home in homes:
            home.release()
        homes.append(MongodHome(tmp_path))
        return homes[-1]

    yield open_it
    homes[-1].release()


def test_a_full_disk_is_one_line(open_home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 5 << 20))
    with pytest.raises(MongodError, match="has 5 MB left and mongod needs 300 MB: make room"):
        open_home().acquire()


def test_the_password_is_kept_once_the_server_took_it(open_home):
    home = open_home()
    first = home.acquire()
    home.keep_credentials()
    assert open_home().acquire() == first


def test_an_interrupted_first_start_leaves_nothing_behind(open_home):
    home = open_home()
    first = home.acquire()
    (home.data / "WiredTiger").touch()
    again = open_home()
    assert again.acquire() != first
    assert list(again.data.iterdir()) == []


def test_a_pid_file_of_another_program_is_no_orphan(open_home):
    home = open_home()
    home.acquire()
    home.pid_file.write_text(f"{os.getpid()}\n")
    assert home.orphan() is None


def test_the_log_before_is_kept(open_home):
    home = open_home()
    home.acquire()
    home.turn_log()
    home.log.write_text("old")
    home.turn_log()
    assert home.log.with_suffix(".log.1").read_text() == "old"
    assert home.last_words() == ""
