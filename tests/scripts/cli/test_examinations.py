import http.server
import resource
import shutil
import threading
from collections import namedtuple

import pytest

from scripts.cli import examinations as examine
from shared.settings import Settings

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def settings(tmp_path):
    return Settings.load({"TROLLLM_HOME": str(tmp_path), "CONFIG_PATH": str(tmp_path / "c.json")})


def test_few_open_files_are_told(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    finding = examine.open_files()
    assert not finding.ok
    assert finding.to_json()["remedy"].startswith("ulimit")


def test_a_full_disk_is_told(settings, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 5 << 20))
    assert examine.disk(settings).detail.startswith("5 MB free")
    assert not examine.disk(settings).ok


def test_a_secret_that_others_can_read_is_told(settings):
    (settings.home / "secret.key").write_text("x")
    (settings.home / "secret.key").chmod(0o644)
    assert examine.home(settings).remedy == f"chmod 600 {settings.home / 'secret.key'}"
    (settings.home / "secret.key").chmod(0o600)
    assert examine.home(settings).ok


def test_a_home_not_made_yet_is_fine(tmp_path):
    assert examine.home(Settings.load({"TROLLLM_HOME": str(tmp_path / "none")})).ok


class Degraded(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"degraded"}')

    def log_message(self, *_: object) -> None:
        pass


def test_a_degraded_gateway_is_told(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Degraded) as server:
        threading.Thread(target=server.serve_forever).start()
        env = {"PORT": str(server.server_port), "PORTAL_PORT": "9", "TROLLLM_HOME": str(tmp_path)}
        gateway, portal = examine.listeners(Settings.load(env))
        server.shutdown()
    assert not gateway.ok
    assert portal.ok
    assert "not started" in portal.detail


def test_a_port_that_only_a_broken_file_knows_is_left_out(settings):
    settings.config_path.write_text("{")
    assert examine.listeners(settings) == []
    assert not examine.configuration(settings).ok


def test_models_are_counted(settings):
    settings.config_path.write_text("{}")
    assert examine.configuration(settings).detail.endswith("0 models")
