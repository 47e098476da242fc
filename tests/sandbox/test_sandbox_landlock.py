"""Landlock inside the full tier: what it holds back, what it leaves alone, and what is said where it is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from terret.sandbox import Command, Sandbox, probe
from terret.task import Limits

pytestmark = pytest.mark.sandbox

LIMITS = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=256, pids=64, output_kb=64, disk_mb=64)


@pytest.fixture
def full(tmp_path: Path) -> Any:
    report = probe()
    if report.tier != "full" or not report.features.get("landlock"):
        pytest.skip("this machine has no full tier with Landlock: " + "; ".join(one.why for one in report.missing))
    (tmp_path / "ws").mkdir()
    with Sandbox(tmp_path / "ws", tier="full") as sandbox:
        yield sandbox


def scoped(sandbox: Sandbox) -> None:
    version = int(sandbox.declare()["landlock"].split()[1])
    if version < 6:
        pytest.skip(f"Landlock version {version} does not hold signals back")


def run(sandbox: Sandbox, text: str, **options: Any) -> tuple[int | None, str]:
    done = sandbox.run(Command(text, limits=LIMITS, **options))
    return done.exit_code, done.output.decode()


def test_it_is_declared_and_the_probe_has_tried_it(full: Sandbox) -> None:
    assert full.declare()["landlock"].startswith("version ")
    assert full.declare()["landlock"] == probe().features["landlock"]


def test_a_descriptor_of_a_folder_outside_opens_nothing(
    full: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_text("a secret of this machine\n")
    leaked = os.open(tmp_path / "outside", os.O_RDONLY | os.O_DIRECTORY)
    try:
        # As a defect would leak it: the harness itself closes everything.
        import subprocess

        real = subprocess.Popen

        def leaking(*args: Any, pass_fds: Any = (), **options: Any) -> Any:
            return real(*args, pass_fds=[*pass_fds, leaked], **options)

        monkeypatch.setattr(subprocess, "Popen", leaking)
        text = f"ls -d /proc/self/fd/{leaked} && cat /proc/self/fd/{leaked}/key"
        code, said = run(full, text)
        assert f"/proc/self/fd/{leaked}\n" in said, "the descriptor did not get in, so nothing was shown"
        assert (code, "secret" in said) == (1, False)
        assert "Permission denied" in said
        # Without Landlock the same descriptor opens it: this is not held back by anything else.
        with Sandbox(tmp_path / "ws", tier="rlimit") as plain:
            assert plain.declare()["landlock"] == "missing"
            assert "a secret of this machine" in run(plain, text)[1]
    finally:
        os.close(leaked)


def test_signals_do_not_reach_the_sandbox_s_own_first_process(full: Sandbox) -> None:
    scoped(full)
    code, said = run(full, "kill -0 1")
    assert code != 0
    assert "Operation not permitted" in said
    assert run(full, "sleep 20 & kill $! && ! wait $!")[0] == 0


@pytest.mark.parametrize("scratch", [False, True])
def test_ordinary_work_is_left_alone(full: Sandbox, scratch: bool) -> None:
    text = """set -e
    mkdir -p a b/c && echo x > a/f && mv a/f b/c/g && ln -s b/c/g link && ln b/c/g hard && cat link hard > a/h
    truncate -s 1 a/h && chmod +x a/h && rm -r b && mkfifo pipe && rm pipe
    echo y > /tmp/t && mv /tmp/t "$HOME/t" && cp "$HOME/t" /dev/shm/t && echo z > /dev/null
    printf '#!/bin/sh\\necho ran\\n' > tool && chmod +x tool && ./tool
    python3 -c 'import socket, threading, multiprocessing.pool as p
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); u = socket.socketpair()
a = socket.socket(socket.AF_UNIX); a.bind(b"\\0inside"); a.listen()
b = socket.socket(socket.AF_UNIX); b.connect(b"\\0inside")
print(p.ThreadPool(2).map(abs, [-1]))'
    git --version
    """
    code, said = run(full, text, scratch=scratch)
    assert (code, said.splitlines()[:2]) == (0, ["ran", "[1]"]), said


def test_a_session_is_restricted_too(full: Sandbox) -> None:
    scoped(full)
    session = full.session(LIMITS)
    assert session.run("kill -0 1").exit_code != 0
    assert session.run("cd /tmp && echo x > f && cat f").output == b"x\n"
    session.close()


def test_where_it_is_missing_that_is_said_and_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = probe()
    if report.tier is None:
        pytest.skip("no isolation here")
    from terret.sandbox import _sandbox

    without = {**report.features, "landlock": False}
    told = type(report)(report.tier, without, report.missing)
    monkeypatch.setattr(_sandbox, "probe", lambda refresh=False: told)
    with Sandbox(tmp_path, tier=report.tier) as sandbox:
        assert sandbox.declare()["landlock"] == "missing"
        assert run(sandbox, "echo done") == (0, "done\n")
