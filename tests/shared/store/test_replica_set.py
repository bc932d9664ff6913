import pytest

from shared.errors import MongodError
from shared.store.embedded import free_port
from shared.store.replica_set import Credentials, prepare_node


def test_waiting_ends_when_the_process_has_ended():
    def ended() -> None:
        raise MongodError("mongod stopped")

    with pytest.raises(MongodError, match="mongod stopped"):
        prepare_node(free_port(), "trollllm", Credentials("u", "p"), ended)


def test_a_node_that_is_ready_stays_as_it_is(mongod):
    home = mongod.home.directory
    credentials = Credentials("trollllm", (home / "credentials").read_text())
    pid = mongod.pid
    prepare_node(mongod.port, "trollllm", credentials, lambda: None)
    assert mongod.pid == pid


def test_wrong_credentials_are_named(mongod):
    with pytest.raises(MongodError, match="refuses the kept credentials"):
        prepare_node(mongod.port, "trollllm", Credentials("trollllm", "wrong"), lambda: None)
