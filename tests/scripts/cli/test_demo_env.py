from scripts.cli.demo_env import FILE, keep_demo_env, read_demo_env


def test_values_are_added_and_kept_private(tmp_path):
    assert read_demo_env(tmp_path) == {}
    keep_demo_env(tmp_path, {"A": "1$x", "B": "2"})
    keep_demo_env(tmp_path, {"B": "3"})
    assert read_demo_env(tmp_path) == {"A": "1$x", "B": "3"}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
