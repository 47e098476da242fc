import pytest

from relay import SettingsError, load_settings
from relay.loader import check

LISTEN = {"listen.host": "localhost", "listen.port": 80}


def test_defaults():
    settings = check(LISTEN)
    assert settings["timeouts.connect"] == 5.0
    assert settings["limits.connections"] == 100


def test_every_problem_is_reported():
    with pytest.raises(SettingsError) as caught:
        check({"listen.port": 0, "limits.conections": 5})
    assert caught.value.problems == [
        "limits.conections: unknown setting",
        "listen.host: missing",
        "listen.port: not a whole number from 1 to 65535: 0",
    ]


def test_not_toml(tmp_path):
    path = tmp_path / "relay.toml"
    path.write_text("[listen")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(path)
