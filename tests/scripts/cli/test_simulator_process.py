import httpx
import psutil
import pytest

from scripts.cli import simulator_process
from scripts.cli.simulator_process import SimulatorProcess, needs_simulator
from shared.catalog.loading import load_catalog_file
from shared.errors import SettingsError
from shared.settings import Settings


def test_it_demands_its_key_and_its_configuration_leads_to_it(tmp_path):
    with SimulatorProcess(tmp_path) as simulator:
        env = simulator.settings
        settings = Settings.load({"CONFIG_PATH": env["CONFIG_PATH"]})
        catalog = load_catalog_file(settings.config_path, settings, env)
        upstream = catalog.resolve("sim-echo").upstream
        url = f"http://{upstream.host}:{upstream.port}/v1/chat/completions"
        body = {"model": "sim-echo", "messages": [{"role": "user", "content": "hi"}]}
        refused = httpx.post(url, json=body)
        served = httpx.post(url, json=body, headers={"authorization": f"Bearer {upstream.api_key}"})
        assert (refused.status_code, served.status_code) == (401, 200)
        assert simulator.poll() is None
        pid = simulator._process.pid
    assert not psutil.pid_exists(pid)


def test_one_that_does_not_start_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(simulator_process, "tethered", lambda _: ["false"])
    with pytest.raises(SettingsError, match="the simulator did not start"):
        SimulatorProcess(tmp_path).__enter__()


@pytest.mark.parametrize(
    ("env", "needed"),
    [
        ({}, True),
        ({"MAIN_TARGET_SERVER": "https://x.example"}, False),
        ({"MAIN_UPSTREAM_KEY": "k"}, False),
        ({"OPENHANDS_TARGET_SERVER": "https://x.example"}, False),
        ({"TROLL_TARGET_SERVER": "https://x.example"}, False),
        ({"TROLL_API_KEY": "k"}, False),
    ],
)
def test_it_is_never_beside_a_real_upstream(tmp_path, env, needed):
    settings = Settings.load({**env, "CONFIG_PATH": str(tmp_path / "config.json")})
    assert needs_simulator(settings) is needed
    (tmp_path / "config.json").write_text("{}")
    assert needs_simulator(settings) is False
