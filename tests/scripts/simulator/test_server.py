from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from scripts.simulator.options import OptionsError, SimulatorOptions
from scripts.simulator.server import start
from tests.support.simulator import PROJECT, SimulatorClient, running_simulator

COMMAND = [sys.executable, "-m", "scripts.simulator"]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], cwd=PROJECT, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once(number: signal.Signals) -> None:
    with (
        subprocess.Popen(
            [*COMMAND, "--port", "0"], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(STALLING)
            assert sock.recv(1) == b"H"
            os.kill(process.pid, number)
            assert process.wait(5) == 0


BODY = b'{"model":"sim-stall-1","stream":true,"messages":[{"role":"user","content":"x"}]}'
STALLING = (
    b"POST /v1/chat/completions HTTP/1.1\r\nx-api-key: k\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY


def test_a_port_in_use_is_one_clear_line(simulator: SimulatorClient) -> None:
    result = run("--port", str(simulator.port))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{simulator.port}" in result.stderr
    assert "--port" in result.stderr


def test_wrong_options_are_one_clear_line() -> None:
    result = run("--cases", "/nowhere/at/all")
    assert (result.returncode, result.stderr) == (2, "--cases: /nowhere/at/all is no folder\n")


async def test_an_unusable_certificate(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate", encoding="utf-8")
    with pytest.raises(OptionsError, match="cannot be used"):
        await start(SimulatorOptions(port=0, tls_cert=bad, tls_key=bad))


async def test_it_runs_inside_an_event_loop() -> None:
    running = await start(SimulatorOptions(port=0))
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{running.base_url}/_connections")
    assert response.json() == {"opened": 0, "open": 0}
    running.stop()
    await running.server.wait_closed()


def test_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: it makes the certificate of this test")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    context = ssl.create_default_context(cafile=str(cert))
    with running_simulator(tls_cert=cert, tls_key=key) as running:
        assert running.base_url.startswith("https://")
        url = f"{running.base_url}/v1/chat/completions"
        with httpx.Client(verify=context, headers={"x-api-key": "k"}) as client:
            body = {"model": "sim-cut-2", "messages": [{"role": "user", "content": "x"}]}
            with pytest.raises(httpx.TransportError):
                client.post(url, json=body | {"stream": True})
            response = client.post(url, json=body | {"model": "sim-echo"})
        assert response.status_code == 200
        assert [entry["answer"]["end"] for entry in running.log()] == ["reset", "complete"]
