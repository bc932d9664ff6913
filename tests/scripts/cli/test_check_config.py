import json

GOOD = {
    "upstreams": {"u": {"dialect": "openai", "baseUrl": "https://x.example", "apiKey": "${U_KEY}"}},
    "models": [
        {
            "id": "m",
            "type": "openai",
            "upstream": "u",
            "pricing": {"input": 1, "output": 2, "cacheWrite": 1, "cacheHit": 1},
        }
    ],
}


def test_a_good_file(command, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD))
    done = command("check-config", str(path), U_KEY="k")
    assert done.code == 0
    assert done.out == f"{path} is fine\n"
    found = json.loads(command("check-config", "--json", CONFIG_PATH=str(path)).out)
    assert found["ok"]
    assert found["models"] == ["m"]


def test_what_can_only_answer_503_is_noted(command, tmp_path):
    config = json.loads(json.dumps(GOOD))
    del config["upstreams"]["u"]["apiKey"]
    config["upstreams"]["u"]["requireProxy"] = True
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    done = command("check-config", str(path))
    assert done.code == 0
    *notes, last = done.out.splitlines()
    assert [note.split(": ")[:2] for note in notes] == [
        ["note", "upstreams.u.requireProxy"],
        ["note", "upstreams.u.apiKey"],
    ]
    assert last == f"{path} is fine"
    told = command("check-config", str(path), "--json")
    assert told.code == 0
    assert [f"note: {note}" for note in json.loads(told.out)["notes"]] == notes


def test_every_error_is_told_with_its_path(command, tmp_path):
    bad = json.loads(json.dumps(GOOD))
    bad["models"][0]["pricing"]["input"] = "cheap"
    bad["models"][0]["upstream"] = "nowhere"
    bad["port"] = 0
    path = tmp_path / "config.json"
    path.write_text(json.dumps(bad))
    done = command("check-config", str(path), U_KEY="k")
    assert done.code == 1
    paths = {line.split(": ")[1] for line in done.err.splitlines()}
    assert paths == {"port", "models[0].pricing.input", "models[0].upstream"}
    found = command("check-config", str(path), "--json")
    assert found.code == 1
    assert {error["path"] for error in json.loads(found.out)["errors"]} == paths


def test_a_missing_file_is_one_line(command):
    done = command("check-config", "none.json")
    assert done.code == 1
    assert "none.json does not exist" in done.err
