from pathlib import Path

from portal.addresses import Addresses
from scripts.cli.banner import banner, curl

ADDRESSES = Addresses(gateway="http://127.0.0.1:8080", portal="http://127.0.0.1:3000")
MADE = {
    "ADMIN_USERNAME": "admin",
    "ADMIN_PASSWORD": "admin-secret",
    "DEMO_USERNAME": "demo",
    "DEMO_PASSWORD": "demo-secret",
    "DEMO_API_KEY": "sk-troll-demo",
}


def test_the_first_start_shows_what_it_made(tmp_path):
    text = banner(ADDRESSES, tmp_path, MADE, demo=True)
    assert all(secret in text for secret in ("admin-secret", "demo-secret", "sk-troll-demo"))
    assert "SIMULATOR" in text
    assert "http://127.0.0.1:3000" in text
    assert curl(ADDRESSES.gateway, tmp_path, MADE) in text


def test_a_later_start_shows_no_secret(tmp_path):
    text = banner(ADDRESSES, tmp_path, {}, demo=True)
    assert "secret" not in text
    assert str(tmp_path / "demo.env") in text
    assert "sed -n s/^DEMO_API_KEY=//p" in text


def test_beside_real_upstreams_nothing_speaks_of_a_simulator(tmp_path):
    text = banner(ADDRESSES, tmp_path, {}, demo=False)
    assert "SIMULATOR" not in text
    assert "curl" not in text
    assert "trollllm key create" in text


def test_a_folder_with_blanks_is_quoted():
    assert "'/a folder/demo.env'" in curl("http://x", Path("/a folder"), {})
