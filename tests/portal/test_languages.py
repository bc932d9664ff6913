from __future__ import annotations

import pytest
from werkzeug.datastructures import LanguageAccept

from portal.languages import choose_language, choose_zone


def accept(*languages: str) -> LanguageAccept:
    return LanguageAccept([(name, 1 - rank / 10) for rank, name in enumerate(languages)])


@pytest.mark.parametrize(
    ("wishes", "accepted", "chosen"),
    [
        (["vi", "zh", "en"], accept("en"), "vi"),
        ([None, "zh", "en"], accept("en"), "zh"),
        (["xx", "", None], accept("vi"), "vi"),
        ([None], accept("fr", "zh-CN", "en"), "zh"),
        ([None], accept("vi-VN"), "vi"),
        ([None], accept("fr"), "en"),
        ([None], accept(), "en"),
    ],
)
def test_choice_by_precedence(wishes, accepted, chosen):
    assert choose_language(wishes, accepted) == chosen


@pytest.mark.parametrize(
    ("wish", "zone"),
    [
        ("Asia/Ho_Chi_Minh", "Asia/Ho_Chi_Minh"),
        ("Mars/Olympus", "UTC"),
        ("../../etc/passwd", "UTC"),
        ("", "UTC"),
        (None, "UTC"),
    ],
)
def test_only_known_zones(wish, zone):
    assert choose_zone(wish) == zone
