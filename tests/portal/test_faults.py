from __future__ import annotations

import pytest
from flask_babel import force_locale

from portal.faults import DOMAIN_FAULTS, sentence
from shared.domain.passwords import password_fault
from shared.domain.usernames import username_fault


def test_every_sentence_of_the_rules_is_listed(app):
    said = {
        password_fault("short", "ada"),
        password_fault("x" * 1025, "ada"),
        password_fault("adelaide-lovelace", "adelaide-lovelace"),
        password_fault("password123", "ada"),
        username_fault("!"),
        username_fault("null"),
    }
    with app.test_request_context():
        assert {listed() for listed in DOMAIN_FAULTS} == said


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "This user name is reserved."),
        ("vi", "Tên người dùng này được dành riêng."),
        ("zh", "此用户名已保留。"),
    ],
)
def test_a_sentence_in_the_readers_language(app, language, words):
    with app.test_request_context(), force_locale(language):
        assert sentence("this user name is reserved") == words
