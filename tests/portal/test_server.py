from __future__ import annotations

from dataclasses import replace

from gunicorn.config import Config

from portal.server import gunicorn_options


def test_options_are_ones_that_gunicorn_knows(settings):
    config = Config()
    for name, value in gunicorn_options(replace(settings, bind="::1"), 3000).items():
        config.set(name, value)
    assert config.address == [("::1", 3000)]
    assert config.worker_class_str == "gthread"
    assert config.accesslog is None


def test_nobody_is_believed_by_gunicorn_itself(settings):
    assert gunicorn_options(settings, 3000)["forwarded_allow_ips"] == ""
