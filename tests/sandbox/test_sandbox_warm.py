"""A sandbox that was started in advance does for a command exactly what a cold one does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from terret.sandbox import Command, Sandbox
from terret.task import Limits

pytestmark = pytest.mark.sandbox

COMMANDS = [
    "echo out; echo err >&2; exit 3",
    "pwd; id -u; env | sort",
    "cat; echo end of input",
    "echo $0 $#; echo ${BASH_EXECUTION_STRING}",
    "ls -l /proc/self/fd | wc -l",
    "ulimit -a",
    "kill -9 $$",
    "printf 'a\\n\\n b  '",
    "echo 'quote left open",
    "cat /proc/self/status | grep -E 'Cap|NoNewPrivs|Seccomp:'",
    "ls /; ls -a ~; ls /tmp",
    "touch here && ls",
    "true",
]


def sandbox(folder: Path, *, warm: bool) -> Sandbox:
    return Sandbox(folder, warm=warm)


def both(tmp_path: Path, text: str) -> tuple[object, object]:
    results = []
    for warm in (False, True):
        folder = tmp_path / str(warm)
        folder.mkdir()
        with sandbox(folder, warm=warm) as box:
            box.run(Command(run="true"))
            box.settle()
            done = box.run(Command(run=text))
        results.append((done.status, done.exit_code, done.signal, done.output, done.truncated))
    return results[0], results[1]


@pytest.mark.parametrize("text", COMMANDS)
def test_what_a_command_gives_is_the_same(tmp_path: Path, text: str) -> None:
    cold, warm = both(tmp_path, text)
    assert warm == cold


def test_a_command_finds_nothing_of_the_one_before(tmp_path: Path) -> None:
    with sandbox(tmp_path, warm=True) as box:
        box.run(Command(run="true"))
        box.settle()
        box.run(Command(run="echo y > kept; export A=1; cd /tmp; echo x > left; sleep 100 &"))
        box.settle()
        done = box.run(Command(run='echo "[$A]"; pwd; ls /tmp/left 2>/dev/null; ls; ps 2>/dev/null | grep -c sleep'))
        assert done.output.decode().split() == ["[]", "/workspace", "kept", "0"]


def test_warm_sandboxes_are_used_and_replaced(tmp_path: Path) -> None:
    others = children()
    with sandbox(tmp_path, warm=True) as box:
        waiting = []
        for _ in range(3):
            box.run(Command(run="true"))
            box.settle()
            waiting.append(children() - others)
        assert all(len(found) == 1 for found in waiting)
        assert len(set[int].union(*waiting)) == 3, "one sandbox serves one command"
    assert children() - others == set()


@pytest.mark.parametrize(
    ("text", "limits", "status"),
    [
        ("sleep 60", Limits(wall_s=0.3), "timeout"),
        ("yes", Limits(output_kb=64), "output"),
        ("head -c 400M /dev/zero | tail", Limits(memory_mb=64), "memory"),
    ],
)
def test_limits_hold(tmp_path: Path, text: str, limits: Limits, status: str) -> None:
    with sandbox(tmp_path, warm=True) as box:
        box.run(Command(run="true", limits=limits))
        box.settle()
        done = box.run(Command(run=text, limits=limits))
        assert done.status == status or (status == "memory" and done.exit_code != 0)
        assert box.run(Command(run="echo still here", limits=limits)).output == b"still here\n"


def test_a_long_command_and_one_with_other_limits_are_run_too(tmp_path: Path) -> None:
    with sandbox(tmp_path, warm=True) as box:
        box.run(Command(run="true"))
        box.settle()
        assert box.run(Command(run=f": {'x' * 20_000}; echo long")).output == b"long\n"
        assert box.run(Command(run="echo other", limits=Limits(memory_mb=512))).output == b"other\n"
        assert box.run(Command(run="cat", stdin=b"given")).output == b"given"
        assert box.run(Command(run="touch gone; ls", scratch=True)).output == b"gone\n"
        assert box.run(Command(run="ls")).output == b""


def test_one_that_died_while_it_waited_is_replaced(tmp_path: Path) -> None:
    import signal

    others = children()
    with sandbox(tmp_path, warm=True) as box:
        box.run(Command(run="true"))
        box.settle()
        (waiting,) = children() - others
        os.kill(waiting, signal.SIGKILL)
        os.waitid(os.P_PID, waiting, os.WEXITED | os.WNOWAIT)
        assert box.run(Command(run="echo done")).output == b"done\n"


def test_closing_ends_what_waits(tmp_path: Path) -> None:
    others = children()
    box = sandbox(tmp_path, warm=True)
    box.run(Command(run="true"))
    box.settle()
    assert children() - others
    box.close()
    box.close()
    assert children() - others == set()


def children() -> set[int]:
    """Living child processes of this one."""
    threads = Path(f"/proc/{os.getpid()}/task").iterdir()
    found = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    return {child for child in found if "Z" not in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2][:3]}
