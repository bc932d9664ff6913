import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from pymongo import MongoClient

from shared.store.embedded import find_binary, free_port
from tests.support.scripted_mongod import running_scripted_mongod

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
READY = "TrollLLM is ready."
CURL = re.compile(r"^ *(curl -N .*)$", re.MULTILINE)


class Up:
    """A `trollllm up` in a process group of its own, on free ports, its state in a folder."""

    def __init__(self, place: Path, *arguments: str, **env: str) -> None:
        self.place = place
        self.home = place / "home"
        self.output = place / f"up-{time.monotonic_ns()}.log"
        self.gateway, self.portal = free_port(), free_port()
        settings = {
            "PATH": os.environ["PATH"],
            "TROLLLM_HOME": str(self.home),
            "PORT": str(self.gateway),
            "PORTAL_PORT": str(self.portal),
            "TROLLLM_WORKERS": "1",
        }
        self.started = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scripts.cli", "up", *arguments],
                cwd=place,
                env=settings | env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def ready(self) -> str:
        while READY not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() - self.started < 60, self.text
            time.sleep(0.05)
        time.sleep(0.1)  # the banner is one write, which the reader may have met halfway
        return self.text

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(90)


def still_alive(family: list[psutil.Process], timeout_s: float = 30) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def paste(text: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("no curl: install Debian's curl")
    line = CURL.search(text)
    assert line, text
    done = subprocess.run(["sh", "-c", line[1]], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def up(tmp_path):
    """Starts `up` again and again in one place; whatever still runs is stopped."""
    runs: list[Up] = []

    def start(*arguments: str, **env: str) -> Up:
        runs.append(Up(tmp_path, *arguments, **env))
        return runs[-1]

    yield start
    for one in runs:
        if one.process.poll() is None:
            one.stop()


def test_first_and_second_start(up):
    first = up()
    text = first.ready()
    assert "SIMULATOR" in text
    assert f"http://127.0.0.1:{first.portal}" in text
    demo_env = first.home / "demo.env"
    assert demo_env.stat().st_mode & 0o777 == 0o600
    secrets = [
        line.split("=", 1)[1].strip()
        for line in demo_env.read_text().splitlines()
        if "PASSWORD" in line or "KEY" in line
    ]
    assert len(secrets) == 3
    assert all(text.count(secret) >= 1 for secret in secrets)
    assert "Hello," in paste(text)
    assert paste(text).rstrip().endswith("data: [DONE]")
    family = first.family()
    assert {"mongod", "gunicorn"} & {process.name() for process in family}
    assert first.stop() == 0, first.text
    assert still_alive(family, 0.5) == []
    second = up()
    text = second.ready()
    assert time.monotonic() - second.started < 10
    assert not any(secret in text for secret in secrets)
    assert paste(text).rstrip().endswith("data: [DONE]")
    assert second.stop(signal.SIGINT) == 0, second.text


def test_ctrl_c_lets_a_stream_finish(up):
    one = up()
    one.ready()
    key = re.search(r"DEMO_API_KEY=(\S+)", (one.home / "demo.env").read_text())[1]
    body = {
        "model": "sim-pace-50-100",
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    url = f"http://127.0.0.1:{one.gateway}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key}"}
    with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        os.killpg(one.process.pid, signal.SIGINT)
        assert list(lines)[-2:] == ["data: [DONE]", ""]
    assert one.stop() == 0, one.text


def test_a_killed_up_leaves_nothing_behind_and_does_not_block_the_next(up):
    one = up()
    one.ready()
    family = one.family()
    one.process.kill()
    one.process.wait()
    assert still_alive(family) == []
    assert up(PORT=str(one.gateway), PORTAL_PORT=str(one.portal)).ready()


@pytest.mark.parametrize(("victim", "name"), [("mongod", "mongod"), ("simulator", "simulator")])
def test_what_ends_by_itself_is_named(up, victim, name):
    one = up()
    one.ready()
    (process,) = [p for p in one.family() if victim in " ".join(p.cmdline()[:4])]
    process.kill()
    assert one.process.wait(90) == 1
    assert f"trollllm: stopped, because {name} ended with code -9" in one.text


def test_a_gateway_that_ends_is_named(up):
    one = up()
    one.ready()
    (supervisor,) = [p for p in one.family() if "gateway" in p.cmdline() and "sh" not in p.name()]
    supervisor.kill()
    assert one.process.wait(90) == 1
    assert "trollllm: stopped, because gateway ended with code -9" in one.text


def test_a_signal_while_it_starts_stops_what_was_started(up):
    one = up()
    while not (one.home / "mongo" / "mongod.pid").exists():
        assert one.process.poll() is None, one.text
        time.sleep(0.01)
    family = one.family()
    assert one.stop() == 0, one.text
    assert still_alive(family, 5) == []
    assert up().ready()


def test_taken_ports_are_told_before_anything_starts(up):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        one = up("--port", port)
        assert one.process.wait(60) == 1
    (line,) = one.text.splitlines()
    assert f"port {port} on 127.0.0.1 is in use" in line
    assert not (one.home / "mongo").exists()


def test_a_home_that_cannot_be_written_is_one_line(up, tmp_path):
    (tmp_path / "file").touch()
    one = up(TROLLLM_HOME=str(tmp_path / "file" / "home"))
    assert one.process.wait(60) == 1
    (line,) = one.text.splitlines()
    assert "cannot be written: Not a directory" in line


def test_every_fault_of_config_json_is_told(up, tmp_path):
    (tmp_path / "config.json").write_text('{"port": 0, "models": [{"id": 1}], "odd": 1}')
    one = up()
    assert one.process.wait(60) == 1
    assert all(path in one.text for path in ("port", "models[0].id", "odd"))
    assert "Traceback" not in one.text
    assert not (one.home / "mongo").exists()


def test_an_unreachable_database_is_one_line(up):
    one = up(MONGODB_URI="mongodb://127.0.0.1:9/x")
    assert one.process.wait(60) == 1
    (line,) = one.text.splitlines()
    assert "no usable MongoDB server at 127.0.0.1:9" in line


@pytest.fixture
def standalone(tmp_path):
    """A mongod that is no replica set; gives its port."""
    port, data = free_port(), tmp_path / "standalone"
    data.mkdir()
    options = ["--dbpath", str(data), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]
    command = [str(find_binary()), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        with MongoClient("127.0.0.1", port) as client:
            client.admin.command("ping")
        yield port
        process.terminate()


def test_a_database_that_is_no_replica_set_is_told_what_mends_it(up, standalone):
    one = up(MONGODB_URI=f"mongodb://127.0.0.1:{standalone}/x")
    assert one.process.wait(60) == 1
    (line,) = one.text.splitlines()
    assert "rs.initiate(" in line


@pytest.mark.parametrize(
    ("version", "wire_version", "told"),
    [
        ((4, 4, 29), 9, "MongoDB 4.4.29 is too old: 6.0 or newer is needed"),
        ((5, 0, 31), 13, "MongoDB 5.0.31 is too old: 6.0 or newer is needed"),
        ((4, 0, 28), 7, "MongoDB is too old for the driver: 6.0 or newer is needed"),
    ],
)
def test_a_database_that_is_too_old_is_one_line(up, version, wire_version, told):
    with running_scripted_mongod(version, wire_version) as server:
        one = up(MONGODB_URI=f"mongodb://127.0.0.1:{server.port}/x")
        assert one.process.wait(60) == 1
    assert one.text == f"trollllm: {told}\n"


def test_an_open_address_without_a_secret_is_refused(up):
    one = up(TROLLLM_BIND="0.0.0.0")
    assert one.process.wait(60) == 1
    (line,) = one.text.splitlines()
    assert "TROLLLM_SECRET_KEY is missing" in line


def test_an_open_address_with_a_secret_is_served(up):
    one = up(TROLLLM_BIND="0.0.0.0", TROLLLM_SECRET_KEY="0123456789abcdef" * 4)
    assert paste(one.ready()).rstrip().endswith("data: [DONE]")
    assert one.stop() == 0, one.text


def test_a_second_up_in_the_same_home_is_told_who_is_first(up):
    first = up()
    first.ready()
    second = up()
    assert second.process.wait(60) == 1
    assert f"in use by running process {first.process.pid}" in second.text


def test_with_a_database_and_upstreams_of_its_own(up, tmp_path, database_uri):
    (tmp_path / ".env").write_text("MAIN_TARGET_SERVER=http://127.0.0.1:9\nMAIN_UPSTREAM_KEY=k\n")
    one = up(MONGODB_URI=database_uri)
    text = one.ready()
    assert "SIMULATOR" not in text
    assert "Admin: admin, password" in text
    assert "DEMO" not in (one.home / "demo.env").read_text()
    assert not any("mongod" in p.name() or "simulator" in p.cmdline() for p in one.family())
    assert one.stop() == 0, one.text
