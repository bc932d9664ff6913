from __future__ import annotations

import re
from html import unescape

import pytest


def way_back(text: str) -> str:
    return unescape(re.search(r'name="next" value="([^"]*)"', text)[1])


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/", "/"),
        ("/login?next=%2Flogs", "/login?next=%2Flogs"),
        ("/?lang=vi", "/"),
        ("/login?lang=vi&next=%2Fkeys", "/login?next=%2Fkeys"),
        ("/nope?x=1", "/"),
    ],
)
def test_the_language_menu_comes_back_to_the_page(visitor, path, back):
    assert way_back(visitor.get(path).get_data(as_text=True)) == back


def test_from_an_answer_to_a_post_it_goes_to_a_page_that_can_be_fetched(member, store):
    created = member.post("/keys", {"label": "laptop"})
    assert way_back(created.get_data(as_text=True)) == "/keys"
    key_id = store["user_keys"].find_one({})["_id"]
    rotated = member.post(f"/keys/{key_id}/rotate", page="/keys")
    assert way_back(rotated.get_data(as_text=True)) == "/"


@pytest.mark.parametrize(("path", "label"), [("/dashboard", "Dashboard"), ("/logs", "Requests")])
def test_the_menu_marks_where_one_is(member, path, label):
    text = member.get(path).get_data(as_text=True)
    marked = re.findall(r'aria-current="page">.*?</i>\s*([^<]+)</a>', text)
    assert marked == [label]
