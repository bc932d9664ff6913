from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from gunicorn.config import Config

from portal.server import gunicorn_options
from scripts.demo_portal import running_portal


def test_options_are_ones_that_gunicorn_knows(settings):
    config = Config()
    for name, value in gunicorn_options(replace(settings, bind="::1"), 3000).items():
        config.set(name, value)
    assert config.address == [("::1", 3000)]
    assert config.worker_class_str == "gthread"
    assert config.accesslog is None


def test_nobody_is_believed_by_gunicorn_itself(settings):
    assert gunicorn_options(settings, 3000)["forwarded_allow_ips"] == ""


@pytest.mark.e2e
def test_gunicorn_serves_names_no_version_and_ends_well(mongod, tmp_path):
    with running_portal(tmp_path, mongod.uri("portal")) as origin:
        answer = httpx.get(f"{origin}/")
        assert answer.status_code == 200
        assert answer.headers["Server"] == "gunicorn"
        assert "claude-sonnet-4-20250514" in answer.text
        assert httpx.get(f"{origin}/?q=secret-query").status_code == 200
        assert httpx.get(f"{origin}/nope").status_code == 404
    log = (tmp_path / "portal.log").read_text()
    assert "Shutting down" in log
    assert "Traceback" not in log
    assert "secret-query" not in log
    assert not (tmp_path / "gunicorn.ctl").exists()
