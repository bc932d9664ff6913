from __future__ import annotations

import re

import pytest

from portal.assets import _stamp


def test_everything_a_page_loads_is_served_from_here(visitor):
    text = visitor.get("/").get_data(as_text=True)
    paths = re.findall(r'(?:href|src)="(/[^"]+\?v=[^"]+)"', text)
    assert len(paths) >= 7
    for path in paths:
        with visitor.get(path) as answer:
            assert answer.status_code == 200, path


@pytest.mark.parametrize(
    "path",
    ["/static/chartkick/Chart.bundle.js", "/bootstrap/static/css/font/bootstrap-icons.min.css"],
)
def test_files_of_packages(visitor, path):
    with visitor.get(path) as answer:
        assert answer.status_code == 200


def test_no_file_beside_the_static_ones(visitor):
    assert visitor.get("/static/../__init__.py").status_code == 404
    assert visitor.get("/static/%2e%2e/__init__.py").status_code == 404


def test_the_version_changes_with_the_files(tmp_path):
    (tmp_path / "a.css").write_text("a")
    before = _stamp(tmp_path)
    assert _stamp(tmp_path) == before
    (tmp_path / "a.css").write_text("b")
    assert _stamp(tmp_path) != before
