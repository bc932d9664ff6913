from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.simulator import SimulatorClient


def request(model: str, *, stream: bool = True, path: str = "/v1/chat/completions") -> bytes:
    messages = [{"role": "user", "content": "one two three"}]
    body = json.dumps({"model": model, "stream": stream, "messages": messages}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def connected(simulator: SimulatorClient) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as sock:
        yield sock


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = sock.recv(65536)
        assert piece, f"closed after {data[-200:]!r}"
        data += piece
    return data


def read_to_reset(sock: socket.socket) -> bytes:
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data
        assert piece, "closed in order instead of reset"
        data += piece


def chunks(data: bytes) -> list[bytes]:
    body = data.partition(b"\r\n\r\n")[2]
    found = []
    while body:
        line, _, body = body.partition(b"\r\n")
        size = int(line, 16)
        found.append(body[:size])
        body = body[size + 2 :]
    return found


def test_each_event_is_a_chunk(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-echo"))
        *events, last = chunks(read_until(sock, b"\r\n0\r\n\r\n"))
    assert last == b""
    assert len(events) == 6
    assert all(event.count(b"\n\n") == 1 and event.endswith(b"\n\n") for event in events)
    assert simulator.log()[0]["answer"]["events"] == 6


@pytest.mark.parametrize("split", [1, 7])
def test_a_replay_comes_in_chunks_of_the_split(simulator: SimulatorClient, split: int) -> None:
    with connected(simulator) as sock:
        sock.sendall(request(f"replay:provider/case--1#0@{split}"))
        data = read_until(sock, b"\r\n0\r\n\r\n")
    *pieces, short, last = chunks(data)
    assert {len(piece) for piece in pieces} == {split}
    assert len(short) <= split
    assert last == b""
    assert b"".join([*pieces, short]).endswith('{"né": 1}\r\n\r\ndata: [DONE]\r\n\r\n'.encode())
    head = data.partition(b"\r\n\r\n")[0].lower()
    assert b"x-odd: kept" in head
    assert b"9999" not in head
    assert b"content-encoding" not in head


def test_connections_are_kept_and_pipelined_requests_answered_in_turn(
    simulator: SimulatorClient,
) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-slow-50") + request("sim-echo", stream=False))
        data = read_until(sock, b'"system_fingerprint":"fp_simulator01"}')
    assert data.index(b"text/event-stream") < data.index(b"application/json")
    assert [entry["model"] for entry in simulator.log()] == ["sim-slow-50", "sim-echo"]


def test_connections_are_counted(simulator: SimulatorClient) -> None:
    before = simulator.connections()
    with connected(simulator) as first, connected(simulator) as second:
        for sock in (first, second, first):
            sock.sendall(request("sim-echo"))
            read_until(sock, b"\r\n0\r\n\r\n")
        during = simulator.connections()
    assert during["opened"] == before["opened"] + 2
    assert during["open"] == before["open"] + 2
    wait_until(lambda: simulator.connections()["open"] == before["open"])


def test_a_cut_is_a_reset_after_n_events(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-cut-3"))
        data = read_to_reset(sock)
    assert len(chunks(data)) == 3
    answer = simulator.log()[0]["answer"]
    assert (answer["end"], answer["events"], answer["clientLeft"]) == ("reset", 3, False)


def test_a_cut_after_nothing_sends_no_head(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-cut-0"))
        assert read_to_reset(sock) == b""


def test_a_cut_body_is_short(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-cut-1", stream=False))
        head, _, body = read_to_reset(sock).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert 0 < len(body) < length


def test_a_stall_is_silent_and_stays_open(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-stall-2"))
        data = read_until(sock, b"\n\n\r\n")
        while len(chunks(data)) < 2:
            data += read_until(sock, b"\n\n\r\n")
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert simulator.log()[0]["answer"]["end"] == "stalled"
    left = simulator.wait_for(lambda log: log[0]["answer"]["clientLeft"])
    assert left[0]["answer"]["events"] == 2


def test_a_client_that_leaves_is_noted(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-pace-1000-20"))
        read_until(sock, b"\r\n")
        left_at = time.time()
    answer = simulator.wait_for(lambda log: log[0]["answer"]["clientLeft"])[0]["answer"]
    assert 0 < answer["events"] < 1000
    assert answer["endedAt"] >= left_at


def test_a_slow_reader_slows_the_reply(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-pace-200000-0"))
        sent = settled(lambda: simulator.log()[0]["answer"]["events"])
        assert 0 < sent < 200_000
        end = b""
        while not end.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            end = end[-64:] + sock.recv(1 << 20)
    assert simulator.log()[0]["answer"]["events"] == 200_003


def test_pace_spaces_words(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        started = time.monotonic()
        sock.sendall(request("sim-pace-4-50"))
        read_until(sock, b"\r\n0\r\n\r\n")
    assert time.monotonic() - started >= 0.14


def test_what_is_no_request_is_logged(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(b"GET /v1/models HTTP/1.1\r\nX : y\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
    (entry,) = simulator.log()
    assert entry["note"] == "malformed: no header line"
    assert entry["body"] == "GET /v1/models HTTP/1.1\r\nX : y"


def test_a_client_that_waits_for_leave_gets_it(simulator: SimulatorClient) -> None:
    head, _, body = request("sim-echo").partition(b"\r\n\r\n")
    with connected(simulator) as sock:
        sock.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_until(sock, b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_http_1_0_gets_a_body_without_chunks(simulator: SimulatorClient) -> None:
    with connected(simulator) as sock:
        sock.sendall(request("sim-echo").replace(b"HTTP/1.1", b"HTTP/1.0"))
        data = b""
        while piece := sock.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_many_pipelined_requests(simulator: SimulatorClient) -> None:
    one = request("sim-empty", stream=False)
    with connected(simulator) as sock:
        sock.sendall(one * 1500)
        data = b""
        while data.count(b"HTTP/1.1 200 OK") < 1500:
            data += sock.recv(65536)
    assert len(simulator.log()) == 1500


def wait_until(is_so: object, timeout_s: float = 5.0) -> None:
    assert callable(is_so)
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def settled(value: object) -> int:
    """A number once it no longer changes."""
    assert callable(value)
    last = -1
    while (now := value()) != last or now == 0:
        last = now
        time.sleep(0.1)
    return last
