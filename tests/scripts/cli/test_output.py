from datetime import UTC, datetime

import pytest

from scripts.cli.output import counted, print_json, print_rows

NOON = datetime(2026, 1, 2, 12, 0, 5, 999, tzinfo=UTC)
ROWS = [
    {"name": "a", "on": True, "rpm": None, "at": NOON, "hidden": 1},
    {"name": "longer", "on": False, "rpm": 7, "at": NOON, "hidden": 2},
]


def test_people_see_a_table_of_chosen_columns(capsys):
    print_rows(ROWS, ("name", "on", "rpm", "at"), as_json=False, none="none")
    assert capsys.readouterr().out.splitlines() == [
        "name    on   rpm  at",
        "a       yes  -    2026-01-02T12:00:05Z",
        "longer  no   7    2026-01-02T12:00:05Z",
    ]


def test_machines_see_all_fields(capsys):
    print_rows(ROWS[:1], ("name",), as_json=True, none="none")
    assert capsys.readouterr().out == (
        '[{"name": "a", "on": true, "rpm": null, "at": "2026-01-02T12:00:05Z", "hidden": 1}]\n'
    )


@pytest.mark.parametrize(("as_json", "out"), [(True, "[]\n"), (False, "none yet\n")])
def test_no_rows(capsys, as_json, out):
    print_rows([], ("name",), as_json=as_json, none="none yet")
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_counts(count, text):
    assert counted(count, "row") == text


def test_letters_of_every_language_stay(capsys):
    print_json({"label": "khóa"})
    assert capsys.readouterr().out == '{"label": "khóa"}\n'
