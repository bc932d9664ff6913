import socket

import pytest

from scripts.cli.ports import gateway_port, origin, require_free
from shared.errors import SettingsError
from shared.settings import Settings


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_flag_goes_before_the_setting_before_the_file_before_8080(tmp_path):
    env = {"CONFIG_PATH": str(tmp_path / "config.json")}
    assert gateway_port(None, Settings.load(env)) == 8080
    (tmp_path / "config.json").write_text('{"port": 9001}')
    assert gateway_port(None, Settings.load(env)) == 9001
    assert gateway_port(None, Settings.load({**env, "PORT": "9002"})) == 9002
    assert gateway_port(9003, Settings.load({**env, "PORT": "9002"})) == 9003


def test_a_taken_port_is_one_line_that_names_the_setting(taken, free):
    with pytest.raises(SettingsError) as caught:
        require_free("127.0.0.1", {"PORT": taken, "PORTAL_PORT": free})
    assert caught.value.problems == (
        f"port {taken} on 127.0.0.1 is in use: stop what uses it, or choose another with PORT",
    )


def test_one_port_for_both_is_refused(free):
    with pytest.raises(SettingsError, match="PORT and PORTAL_PORT name the same port"):
        require_free("127.0.0.1", {"PORT": free, "PORTAL_PORT": free})


def test_an_address_that_is_not_ours_is_told(free):
    with pytest.raises(SettingsError, match="cannot be had"):
        require_free("192.0.2.1", {"PORT": free})


def test_free_ports_pass(free):
    assert require_free("127.0.0.1", {"PORT": free}) is None


@pytest.mark.parametrize(
    ("bind", "host"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_what_listens_is_reached_where_it_listens(bind, host):
    assert origin(bind, 80) == f"http://{host}:80"
