import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from shared.store.embedded import free_port


@pytest.fixture
def start(clean_environment, database_uri, tmp_path):
    """Starts `trollllm …` as a process; gives the process."""
    running = []
    (clean_environment / "config.json").write_text("{}")

    def launch(*arguments: str, **env: str) -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "scripts.cli", *arguments],
                env={**os.environ, "MONGODB_URI": database_uri, **env},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return running[-1]

    yield launch
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def answer(url: str, process: subprocess.Popen[str]) -> httpx.Response:
    deadline = time.monotonic() + 40
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(process.communicate(timeout=60)[0])


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("command", "path"), [("gateway", "/health"), ("portal", "/healthz"), ("simulator", "/_log")]
)
def test_each_serves_alone_and_ends_well_on_sigterm(start, command, path):
    port = free_port()
    process = start(command, "--port", str(port))
    assert answer(f"http://127.0.0.1:{port}{path}", process).status_code == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.mark.e2e
@pytest.mark.parametrize("command", ["gateway", "simulator"])
def test_a_taken_port_is_told_without_a_traceback(start, command):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(command, "--port", str(port))
        output, _ = process.communicate(timeout=60)
    assert process.returncode in {1, 2}
    assert str(port) in output
    assert "in use" in output
    assert "Traceback" not in output


@pytest.mark.e2e
def test_housekeeping_holds_its_lease_until_sigterm(start, database):
    process = start("housekeeping")
    deadline = time.monotonic() + 40
    while process.poll() is None and not database.leases.find_one() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert database.leases.find_one()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_the_simulator_has_help_of_its_own(start):
    process = start("simulator", "--help")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "--cases" in output


def test_a_server_without_a_database_is_one_line(command):
    done = command("gateway")
    assert done.code == 1
    assert done.err == "trollllm: no database: set MONGODB_URI, or start all with `trollllm up`\n"
