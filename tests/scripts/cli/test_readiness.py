import http.server
import threading

import pytest

from scripts.cli.readiness import wait_until_ready


class Warming(http.server.BaseHTTPRequestHandler):
    """503 at first, 200 from the third request on."""

    asked = 0

    def do_GET(self) -> None:
        Warming.asked += 1
        self.send_response(200 if Warming.asked > 2 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def warming():
    Warming.asked = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Warming) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_it_waits_for_200(warming):
    assert wait_until_ready([warming], 10.0) == []
    assert Warming.asked == 3


def test_it_names_what_stays_silent(warming):
    silent = "http://127.0.0.1:9/"
    assert wait_until_ready([warming, silent], 1.0) == [silent]


def test_it_gives_up_when_waiting_is_of_no_use():
    assert wait_until_ready(["http://127.0.0.1:9/"], 600.0, lambda: True) == ["http://127.0.0.1:9/"]
