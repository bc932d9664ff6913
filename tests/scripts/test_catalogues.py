from __future__ import annotations

import pytest
from babel.messages.catalog import Message
from click.testing import CliRunner

from portal.languages import LANGUAGES
from scripts import catalogues


def test_nothing_is_missing_fuzzy_or_stale():
    assert list(catalogues.problems()) == []


def test_every_language_has_its_catalogue_and_its_line():
    assert catalogues.languages() == sorted(LANGUAGES)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (Message("Hello", "Xin chào"), None),
        (Message("Hello", ""), "not translated"),
        (Message("Hello", "Xin chào", flags=["fuzzy"]), "fuzzy"),
        (Message("%(n)s keys", "%(m)s khóa"), "unknown placeholder"),
        (Message("%(n)s keys", "khóa"), "placeholder missing"),
        (Message(("%(n)s key", "%(n)s keys"), ("%(n)s khóa",)), None),
        (Message(("%(n)s key", "%(n)s keys"), ("",)), "not translated"),
    ],
)
def test_faults_of_a_message(message, fault):
    assert catalogues._fault(message) == fault


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Catalogues of their own, as they are now."""
    for path in catalogues.FOLDER.rglob("*"):
        if path.suffix in {".cfg", ".po", ".pot", ".mo"}:
            target = tmp_path / path.relative_to(catalogues.FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    monkeypatch.setattr(catalogues, "FOLDER", tmp_path)
    monkeypatch.setattr(catalogues, "TEMPLATE", tmp_path / "messages.pot")
    return tmp_path


def test_running_it_twice_changes_nothing(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.*o*") if path.is_file()}
    assert CliRunner().invoke(catalogues.main, []).exit_code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_new_language_starts_empty_and_fails_the_check(folder):
    runner = CliRunner()
    assert runner.invoke(catalogues.main, ["init", "fr"]).exit_code == 0
    result = runner.invoke(catalogues.main, ["check"])
    assert result.exit_code == 1
    assert "fr: not translated: 'Sign in'" in result.output
    assert runner.invoke(catalogues.main, ["init", "fr"]).exit_code == 1


def test_a_message_that_went_missing_is_found(folder):
    path = catalogues.po_path("vi")
    path.write_text(path.read_text().replace('msgid "Sign in"', 'msgid "Sign inn"'))
    found = list(catalogues.problems())
    assert any("vi: missing" in line and "'Sign in'" in line for line in found)
    assert any("vi: stale" in line and "'Sign inn'" in line for line in found)
    assert "vi: messages.mo is stale: run scripts/i18n" in found
