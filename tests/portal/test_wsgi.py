from __future__ import annotations

import subprocess
import sys

from scripts.demo_portal import PROJECT


def test_importing_does_no_work():
    code = "import portal.wsgi, portal.server, socket; print('ok')"
    guard = "import socket; socket.socket.connect = None; "
    done = subprocess.run(
        [sys.executable, "-c", guard + code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ok\n"
