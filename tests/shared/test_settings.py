import dataclasses
from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.settings import NAMES, Settings, adopt, environment, keep_secret_key

STRONG = "0123456789abcdef0123456789abcdef"


def problems_of(env):
    with pytest.raises(SettingsError) as caught:
        Settings.load(env)
    return caught.value.problems


def test_defaults_are_those_of_the_contract():
    settings = Settings.load({})
    assert settings.home == Path("var").absolute()
    assert settings.config_path == Path("config.json").absolute()
    assert settings.port is None
    assert (settings.portal_port, settings.mitmweb_port) == (3000, 8081)
    assert settings.bind == "127.0.0.1"
    assert settings.workers >= 1
    assert settings.max_body == 32 * 1024 * 1024
    assert settings.binding_reload_interval_s == 30
    assert (settings.rpm_dev, settings.rpm_pro) == (300, 1000)
    assert settings.signup == "open"
    assert not settings.names_an_upstream


def test_every_name_is_parsed(tmp_path):
    settings = Settings.load(
        {
            "MONGODB_URI": "mongodb://db/x",
            "PORT": "9000",
            "PORTAL_PORT": "9001",
            "MITMWEB_PORT": "9002",
            "CONFIG_PATH": str(tmp_path / "c.json"),
            "TROLLLM_HOME": str(tmp_path),
            "TROLLLM_BIND": "0.0.0.0",
            "TROLLLM_WORKERS": "3",
            "TROLLLM_SECRET_KEY": STRONG,
            "MAIN_TARGET_SERVER": "https://api.example.com/",
            "MAIN_UPSTREAM_KEY": "sk-main",
            "OPENHANDS_TARGET_SERVER": "https://oh.example.com",
            "TROLL_TARGET_SERVER": "https://troll.example.com",
            "TROLL_API_KEY": "troll",
            "PROXY_API_KEY": "p" * 24,
            "BINDING_RELOAD_INTERVAL": "1m",
            "DEBUG": "true",
            "STRIPE_SECRET_KEY": "sk_test",
            "STRIPE_WEBHOOK_SECRET": "whsec",
            "STRIPE_API_BASE": "http://127.0.0.1:12111",
            "TROLLLM_PUBLIC_URL": "https://llm.example.com",
            "TROLLLM_TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8",
            "TROLLLM_METRICS_TOKEN": "metrics",
            "TROLLLM_MAX_BODY": "1MB",
            "TROLLLM_MAX_LIVE": "7",
            "TROLLLM_SIGNUP": "invite",
            "TROLLLM_SIGNUP_CREDITS": "0.50",
            "TROLLLM_REFERRAL_CREDITS": "2",
            "TROLLLM_CREDIT_DAYS": "30",
            "TROLLLM_LOG_DAYS": "10",
            "TROLLLM_RPM_DEV": "5",
            "TROLLLM_RPM_PRO": "6",
            "SEPAY_WEBHOOK_KEY": "sepay",
            "SEPAY_ACCOUNT": "123",
            "SEPAY_BANK": "VCB",
            "SEPAY_VND_PER_USD": "26000",
        }
    )
    assert settings == Settings(
        home=tmp_path,
        config_path=tmp_path / "c.json",
        mongodb_uri="mongodb://db/x",
        bind="0.0.0.0",
        port=9000,
        portal_port=9001,
        mitmweb_port=9002,
        workers=3,
        secret_key=STRONG,
        public_url="https://llm.example.com",
        trusted_proxies=("127.0.0.1/32", "10.0.0.0/8"),
        main_target_server="https://api.example.com",
        main_upstream_key="sk-main",
        openhands_target_server="https://oh.example.com",
        troll_target_server="https://troll.example.com",
        troll_api_key="troll",
        proxy_api_key="p" * 24,
        metrics_token="metrics",
        binding_reload_interval_s=60.0,
        debug=True,
        max_body=1 << 20,
        max_live=7,
        signup="invite",
        signup_credits_nano=500_000_000,
        referral_credits_nano=2_000_000_000,
        credit_days=30,
        log_days=10,
        rpm_dev=5,
        rpm_pro=6,
        stripe_secret_key="sk_test",
        stripe_webhook_secret="whsec",
        stripe_api_base="http://127.0.0.1:12111",
        sepay_webhook_key="sepay",
        sepay_account="123",
        sepay_bank="VCB",
        sepay_vnd_per_usd=26000,
    )
    assert settings.names_an_upstream


def test_every_field_has_a_name_and_every_name_a_field():
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert {rule.field for rule in NAMES.values()} == fields


def test_all_problems_are_told_at_once_one_line_each():
    problems = problems_of(
        {"PORT": "http", "TROLLLM_MAX_BODY": "lots", "TROLLLM_SIGNUP_CREDITS": "-1", "DEBUG": "?"}
    )
    assert len(problems) == 4
    assert problems[0] == "PORT must be a whole number from 1 to 65535, not 'http'"
    assert all("\n" not in line for line in problems)


def test_unknown_names_are_refused_with_a_suggestion():
    typo, odd = problems_of({"TROLLLM_WORKER": "2", "TROLLLM_ZZZ": "1"})
    assert typo == "TROLLLM_WORKER is no setting: did you mean TROLLLM_WORKERS?"
    assert "TROLLLM_ZZZ is no setting: docs/configuration.md" in odd
    assert Settings.load({"OTHER_ZZZ": "1"})


def test_a_secret_value_is_never_shown():
    secret = "postgres://user:hunter2@db"
    (line,) = problems_of({"MONGODB_URI": secret})
    assert "hunter2" not in line
    settings = Settings.load({"TROLLLM_SECRET_KEY": STRONG, "PROXY_API_KEY": "p" * 30})
    assert STRONG not in repr(settings)
    assert "ppp" not in repr(settings)


@pytest.mark.parametrize("name", ["MAIN_UPSTREAM_KEY", "TROLL_API_KEY"])
def test_an_upstream_key_fits_a_header(name):
    (line,) = problems_of({name: "sk-canary x"})
    assert line.startswith(f"{name} must be an upstream key: ")
    assert "canary" not in line


def test_every_secret_field_is_hidden_from_repr():
    hidden = {field.name for field in dataclasses.fields(Settings) if not field.repr}
    assert {rule.field for rule in NAMES.values() if rule.secret} == hidden


@pytest.mark.parametrize("key", ["", " ", "p" * 23])
def test_a_proxy_key_that_is_empty_or_short_is_refused(key):
    (line,) = problems_of({"PROXY_API_KEY": key})
    assert "at least 24 characters" in line


def test_a_name_set_to_nothing_is_unset():
    assert Settings.load({"PORT": "", "TROLL_API_KEY": " "}).troll_api_key is None


@pytest.mark.parametrize("secret", ["", "short", "a" * 40, "changeme" * 4])
def test_an_open_address_wants_a_strong_secret(secret, tmp_path):
    env = {"TROLLLM_BIND": "0.0.0.0", "TROLLLM_SECRET_KEY": secret, "TROLLLM_HOME": str(tmp_path)}
    (line,) = problems_of(env)
    assert "TROLLLM_SECRET_KEY" in line
    assert "openssl rand -hex 32" in line


def test_the_secret_key_is_made_once_and_found_again(tmp_path):
    env = {"TROLLLM_HOME": str(tmp_path / "var")}
    settings = keep_secret_key(Settings.load(env))
    assert len(settings.secret_key) == 64
    path = tmp_path / "var" / "secret.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert Settings.load(env).secret_key == settings.secret_key
    assert keep_secret_key(Settings.load(env)) == settings
    assert Settings.load({**env, "TROLLLM_BIND": "0.0.0.0"}).secret_key == settings.secret_key
    assert keep_secret_key(Settings.load({**env, "TROLLLM_SECRET_KEY": "x"})).secret_key == "x"


def test_a_home_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    settings = Settings.load({"TROLLLM_HOME": str(tmp_path / "file" / "var")})
    with pytest.raises(SettingsError, match="cannot be written: Not a directory"):
        keep_secret_key(settings)


def test_the_environment_goes_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / ".env"
    file.write_text(
        "# comment\nexport PORT=1000\nMAIN_UPSTREAM_KEY='a$b#c'\nTROLL_API_KEY=\"x y\"\nDEBUG\n"
    )
    monkeypatch.setenv("PORT", "2000")
    env = environment(file)
    assert env["PORT"] == "2000"
    assert env["MAIN_UPSTREAM_KEY"] == "a$b#c"
    assert env["TROLL_API_KEY"] == "x y"
    assert "DEBUG" not in env
    assert environment(tmp_path / "none")["PORT"] == "2000"


def test_load_reads_the_process_environment_by_default(monkeypatch):
    monkeypatch.setenv("PORTAL_PORT", "4321")
    assert Settings.load().portal_port == 4321


def test_adopted_values_are_loaded(monkeypatch):
    monkeypatch.setenv("PORTAL_PORT", "1")
    adopt({"PORTAL_PORT": "4322"})
    assert Settings.load().portal_port == 4322
