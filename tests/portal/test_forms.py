from __future__ import annotations

import io

import pytest
from wtforms import StringField

from portal.forms import Form


class One(Form):
    name = StringField("Name")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"name": "x"}, None),
        ({"name": "x", "csrf_token": "t"}, None),
        ({}, None),
        ({"name": "x", "role": "admin"}, "This form has no such field: role"),
        ({"name": ["x", "y"]}, "A field was sent twice: name"),
        ({"name": (io.BytesIO(b"x"), "x.txt")}, "This form has no such field: name"),
    ],
)
def test_what_a_form_takes(app, data, fault):
    with app.test_request_context("/", method="POST", data=data):
        assert One().fault() == fault


def test_json_fills_no_field(app):
    with app.test_request_context("/", method="POST", json={"name": {"$ne": None}}):
        assert One().name.data is None
