import pytest

from addons.__main__ import main


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "--listener" in capsys.readouterr().err


def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TROLLLM_WORKERS", "many")
    assert main(["--listener", "0"]) == 1
    (record,) = [one for one in caplog.records if one.name == "addons"]
    assert "cannot start" in record.getMessage()
    assert "TROLLLM_WORKERS" in record.getMessage()
    assert record.exc_info is None
