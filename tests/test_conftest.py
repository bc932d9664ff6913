import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def run(file: Path, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest over some code with the shared fixtures and hooks."""
    file.write_text(f"import pytest\n{code}")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "setup.cfg"]
    return subprocess.run(
        [*command, "-q", "--rootdir", str(PROJECT), str(file)],
        cwd=PROJECT,
        env={**{name: value for name, value in os.environ.items() if name != "CI"}, **env},
        capture_output=True,
        text=True,
        check=False,
    )


SKIPPED = "def test_it():\n    pytest.skip('no reason')\n"
SKIPPED_FILE = "pytest.skip('no reason', allow_module_level=True)\n"
MARKED = "@pytest.mark.skip(reason='no reason')\ndef test_it(): pass\n"
EXPECTED = "@pytest.mark.xfail(strict=True)\ndef test_it(): assert False\n"


@pytest.mark.parametrize("code", [SKIPPED, SKIPPED_FILE, MARKED])
def test_a_skip_fails_in_ci_alone(tmp_path, code):
    file = tmp_path / "test_planted.py"
    assert run(file, code).returncode in {0, 5}
    done = run(file, code, CI="true")
    assert done.returncode in {1, 2}
    assert "was skipped, which CI does not allow" in done.stdout


def test_an_expected_failure_is_none_in_ci(tmp_path):
    assert run(tmp_path / "test_planted.py", EXPECTED, CI="true").returncode == 0


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com", "2001:db8::1"])
def test_sockets_stay_on_loopback(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        with pytest.raises(AssertionError, match="tests stay on loopback"):
            probe.connect((host, 80))
        with pytest.raises(AssertionError, match="tests stay on loopback"):
            probe.connect_ex((host, 80))


def test_each_test_has_a_database_of_its_own(database, database_uri):
    assert database.name in database_uri
    assert database.list_collection_names() == []
    database.things.insert_one({"_id": 1})
    assert database.client.admin.command("hello")["isWritablePrimary"]
