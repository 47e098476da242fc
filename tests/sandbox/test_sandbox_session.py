"""A shell that stays open: what it remembers, how a command ends, what nobody can fake."""

from __future__ import annotations

import threading

import msgspec
import pytest

from terret.errors import SandboxError, SandboxUnavailable
from terret.sandbox import Sandbox
from terret.task import Limits

pytestmark = pytest.mark.sandbox
LIMITS = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=96, pids=32, output_kb=64, disk_mb=12)


@pytest.fixture
def session(sandbox):
    with sandbox.session(LIMITS) as session:
        yield session


def test_the_shell_remembers(session):
    session.run("cd /tmp && export A=1 && B=2 && f() { echo f$1; } && shopt -s nullglob")
    assert session.run("pwd; echo $A$B; f 3; declare -i n=4; echo *nothing*").output == b"/tmp\n12\nf3\n\n"
    assert session.run("echo $n").output == b"4\n"
    assert session.run("(exit 9)").exit_code == 9


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("cat <<'END'\nit's \"fine\" $HOME\nEND", b'it\'s "fine" $HOME\n'),
        ("printf 'no newline'", b"no newline"),
        ("for i in 1 2; do\n echo $i\ndone # comment", b"1\n2\n"),
        ("", b""),
        ("# only a comment", b""),
        ("cat; echo end", b"end\n"),
        ("echo a\\\n b", b"a b\n"),
        ("printf '\\377\\000\\001'", b"\xff\0\1"),
        ("echo '\u00e9\u4e2d'", "\u00e9\u4e2d\n".encode()),
        ('read x; echo "[$x]"', b"[]\n"),
    ],
)
def test_texts_are_taken_as_they_are(session, text, output):
    done = session.run(text)
    assert (done.status, done.output) == ("ok", output)
    assert session.run("echo next").output == b"next\n"


@pytest.mark.parametrize(
    "text", ["echo 'open", "if true; then", "echo $((1 +", "(", "a=(", "break", "continue", "return 1"]
)
def test_broken_texts_fail_and_the_shell_goes_on(session, text):
    session.run("x=kept")
    done = session.run(text)
    assert done.status == "ok"
    assert session.run("echo $x").output == b"kept\n"


def test_a_time_out_ends_everything_and_a_fresh_shell_takes_over(session):
    session.run("x=lost; cd /tmp")
    done = session.run("echo begun; sleep 30 & sleep 30", 0.5)
    assert (done.status, done.exit_code, done.output) == ("timeout", None, b"begun\n")
    assert session.alive
    assert session.run("echo [$x]; pwd; pgrep -c sleep").output == b"[]\n/workspace\n0\n"


def test_a_shell_that_exits_gives_its_code(session):
    done = session.run("echo bye; exit 5")
    assert (done.status, done.exit_code, done.output) == ("ok", 5, b"bye\n")
    assert not session.alive
    assert session.run("echo again").output == b"again\n"
    assert session.alive


@pytest.mark.parametrize("text", ["kill -9 $$", "exec true", "set -e; false", "exec 0</dev/null"])
def test_a_shell_that_does_away_with_itself_is_replaced(session, text):
    session.run(text, 2)
    assert session.run("echo fine").output == b"fine\n"


def test_a_stopped_shell_times_out(session):
    assert session.run("kill -STOP $$", 0.5).status == "timeout"
    assert session.run("echo fine").output == b"fine\n"


def test_a_child_cannot_end_its_command(session):
    program = """
import os, glob
for path in glob.glob("/proc/*/fd/*"):
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.write(fd, b"0" * 32 + b" 0\\0")
    except OSError:
        pass
for fd in range(3, 1024):
    try:
        os.write(fd, b"0 0\\0")
    except OSError:
        pass
"""
    session.run(f"cat > /tmp/p.py <<'END'\n{program}\nEND")
    done = session.run("python3 /tmp/p.py; echo still here; (exit 3)")
    assert done.exit_code == 3
    assert done.output.endswith(b"still here\n")


def test_words_like_a_mark_on_any_channel_are_ignored(session):
    done = session.run("printf 'aaaa 0\\0'; printf 'bbbb 0\\0' >&2; printf 'cccc 7\\0' >&10 2>/dev/null; (exit 4)")
    assert done.exit_code == 4
    assert session.run("exit_code=6; (exit $exit_code)").exit_code == 6


def test_huge_and_binary_output(session):
    done = session.run("head -c 500000 /dev/urandom")
    assert (done.status, done.total_bytes, done.truncated) == ("ok", 500_000, True)
    assert session.run("echo after").output == b"after\n"
    assert session.run("yes").status == "output"
    assert session.run("echo after").output == b"after\n"


def test_a_long_text(session):
    assert session.run("printf %s '" + "x" * 300_000 + "' | wc -c").output.strip() == b"300000"


def test_a_nul_is_refused_and_the_shell_unharmed(session):
    session.run("x=1")
    assert session.run("echo \0").exit_code == 126
    assert session.run("echo $x").output == b"1\n"


def test_limits_hold_in_the_session(session):
    assert session.run("head -c 100M /dev/zero > large", 15).status == "disk"
    assert session.run("bomb() { bomb | bomb & }; bomb; sleep 15").status == "pids"
    assert session.run("echo fine").output == b"fine\n"


def test_cpu_time_counts_for_each_command(sandbox):
    with sandbox.session(msgspec.structs.replace(LIMITS, cpu_s=1.5)) as session:
        burn = "end=$((SECONDS + 1)); while test $SECONDS -lt $end; do :; done"
        assert [session.run(burn).status for _ in range(3)] == ["ok"] * 3
        assert session.run("while :; do :; done").status == "cpu"


def test_commands_of_several_threads_take_turns(session):
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append((n, session.run(f"echo {n}").output))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(n, b"%d\n" % n) for n in range(8)]


def test_a_shell_outlives_the_thread_that_opened_it(sandbox):
    opened = []
    thread = threading.Thread(target=lambda: opened.append(sandbox.session(LIMITS)))
    thread.start()
    thread.join()
    with opened[0] as session:
        assert session.run("echo alive").output == b"alive\n"


def test_closing_interrupts_a_command(session, workspace):
    results = []
    thread = threading.Thread(target=lambda: results.append(session.run("echo begun > begun; sleep 30")))
    thread.start()
    while not (workspace.root / "begun").exists():
        assert thread.is_alive()
    session.close()
    thread.join(20)
    assert results[0].status == "killed"
    with pytest.raises(SandboxError, match="closed"):
        session.run("true")


def test_no_session_without_isolation(workspace):
    with Sandbox(workspace.root, tier="none", allow_none=True) as sandbox, pytest.raises(SandboxUnavailable):
        sandbox.session(LIMITS)
