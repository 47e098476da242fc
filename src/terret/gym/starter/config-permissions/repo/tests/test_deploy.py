"""What operations run must be something that we can read."""

from pathlib import Path

import pytest

from relay.cli import main

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


@pytest.mark.parametrize("name", ["staging.toml", "production.toml"])
def test_every_deployed_file_is_accepted(name, capsys):
    assert main(["check", str(DEPLOY / name)]) == 0, capsys.readouterr().err
