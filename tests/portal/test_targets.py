from __future__ import annotations

import pytest

from portal.targets import local_target


@pytest.mark.parametrize("path", ["/", "/logs", "/logs?cursor=1.req_a", "/keys#connect", "/a%20b"])
def test_paths_of_this_server(path):
    if "%20" in path:
        assert local_target(path) is None  # a blank, which none of our paths has
    else:
        assert local_target(path) == path


@pytest.mark.parametrize(
    "wish",
    [
        None,
        "",
        "logs",
        "//evil",
        "///evil",
        "/\\evil",
        "\\\\evil",
        "/%5Cevil",
        "/%2Fevil",
        "/%252Fevil",
        "/%25255Cevil",
        "https://evil",
        "javascript:alert(1)",
        "/\tevil",
        "/\n/evil",
        " /logs",
        "/x" * 2_000,
    ],
)
def test_anything_else_is_refused(wish):
    assert local_target(wish) is None
