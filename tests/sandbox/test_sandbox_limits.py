"""Each limit stops what exceeds it, says so, and leaves the machine as it was."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import pytest

from terret.errors import SandboxError
from terret.sandbox import Command
from terret.task import Limits

pytestmark = pytest.mark.sandbox
replace = msgspec.structs.replace


def test_an_endless_loop_times_out(run, small):
    begun = time.monotonic()
    done = run("echo before; while :; do :; done", limits=replace(small, wall_s=0.7))
    assert (done.status, done.exit_code, done.signal) == ("timeout", None, 9)
    assert done.output == b"before\n"
    assert time.monotonic() - begun < 10


def test_a_sleeper_and_its_children_time_out(run, small):
    done = run("sleep 60 & sleep 60 | cat; wait", limits=replace(small, wall_s=0.4))
    assert done.status == "timeout"
    assert done.wall_ms >= 400


def test_cpu_time_of_the_whole_tree_counts(run, small):
    done = run("for i in 1 2; do (while :; do :; done) & done; wait", limits=replace(small, cpu_s=1.0))
    assert done.status == "cpu"
    assert done.cpu_ms >= 1000


def test_a_process_that_uses_up_its_cpu_time_says_cpu(run, small):
    assert run("while :; do :; done", limits=replace(small, cpu_s=0.5)).status == "cpu"


def test_a_memory_bomb_is_stopped(python, sandbox):
    done = python("blocks = []\nwhile True:\n    blocks.append(bytearray(4 << 20))")
    # Without a control group a single process is refused the memory instead.
    assert done.status == "memory" or (sandbox.tier == "rlimit" and b"MemoryError" in done.output)
    assert done.peak_kb <= 110_000


def test_memory_of_many_processes_adds_up(python, sandbox):
    done = python(
        "import os, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        block = bytearray(os.urandom(1 << 20) * 24)\n"
        "        time.sleep(15)\n"
        "        os._exit(0)\n"
        "for _ in range(8):\n    os.wait()\n"
    )
    assert done.status == "memory"


def test_shared_memory_files_count_as_memory(run):
    done = run("for place in /dev/shm /tmp ~; do head -c 200M /dev/zero > $place/x; done")
    assert done.status in ("ok", "memory")
    assert done.peak_kb < 110_000


def test_a_fork_bomb_is_stopped(run):
    done = run("bomb() { bomb | bomb & }; bomb; sleep 15")
    assert done.status == "pids"
    assert done.wall_ms < 15_000


def test_as_many_processes_as_allowed_are_fine(run):
    assert run("for i in $(seq 20); do sleep 0.2 & done; wait; echo fine").output == b"fine\n"


def test_one_large_file_is_stopped(run, workspace):
    assert run("head -c 100M /dev/zero > large").status == "disk"
    assert (workspace.root / "large").stat().st_size <= 14 << 20


def test_many_small_files_are_stopped(run, workspace):
    done = run("for i in $(seq 100000); do echo $i > f$i; done")
    assert done.status == "disk"
    assert sum(1 for _ in workspace.root.iterdir()) < 60_000


def test_after_the_disk_is_full_it_can_be_cleaned(run, workspace):
    assert run("for i in 1 2 3 4; do head -c 6M /dev/zero > part$i; done").status == "disk"
    assert run("rm part*; echo clean").output == b"clean\n"
    assert run("head -c 6M /dev/zero > part").status == "ok"


def test_files_hidden_in_a_very_deep_folder_count(python, workspace):
    done = python("import os\nfor _ in range(3000):\n    os.mkdir('d' * 100)\n    os.chdir('d' * 100)\n" * 3)
    assert done.status == "disk"
    workspace.restore(workspace.base)
    assert [path.name for path in workspace.root.iterdir()] == ["a.txt"]


def test_scratch_writes_are_bounded_too(run, workspace):
    done = run("for i in $(seq 60); do head -c 1M /dev/zero > f$i; done; sleep 5", scratch=True)
    assert done.status in ("disk", "memory")
    assert [path.name for path in workspace.root.iterdir()] == ["a.txt"]


def test_long_output_keeps_head_and_tail(run, small):
    done = run("seq 100000", limits=small)
    assert done.status == "ok"
    assert done.truncated
    assert done.total_bytes == len("".join(f"{n}\n" for n in range(1, 100001)))
    assert done.output.startswith(b"1\n2\n3\n")
    assert done.output.endswith(b"99999\n100000\n")
    assert b"bytes left out" in done.output
    assert len(done.output) < small.output_kb * 1024 + 100


@pytest.mark.parametrize("size", [65535, 65536, 65537, 98304, 98305, 131072, 200_000])
def test_what_is_left_out_is_counted_exactly(run, small, size):
    done = run(f"head -c {size} /dev/zero", limits=small)
    assert done.total_bytes == size
    if size <= 65536:
        assert done.output == b"\0" * size
        assert not done.truncated
    else:
        left_out = int(done.output.split(b"[... ")[1].split(b" ")[0])
        assert left_out + done.output.count(b"\0") == size


def test_an_output_flood_is_stopped(run):
    done = run("yes")
    assert done.status == "output"
    assert done.output.startswith(b"y\ny\n")
    assert len(done.output) < 70_000


def test_no_core_no_many_descriptors(run):
    assert run("ulimit -c; ulimit -n").output == b"0\n1024\n"


@pytest.mark.parametrize("text", ["echo out; echo err >&2; exit 7", "printf '\\377\\000x'; exit 7"])
def test_output_is_merged_and_the_exit_code_kept(run, text):
    done = run(text)
    assert done.output == (b"out\nerr\n" if "out" in text else b"\xff\0x")
    assert (done.status, done.exit_code, done.signal, done.truncated) == ("ok", 7, None, False)


def test_a_command_killed_by_a_signal_names_it(run):
    done = run("kill -SEGV $$")
    assert (done.status, done.exit_code, done.signal) == ("ok", 139, 11)


def test_stdin_is_given_or_empty(run):
    assert run("cat; echo end").output == b"end\n"
    assert run("cat", stdin=b"\0binary\n").output == b"\0binary\n"
    assert run("wc -c", stdin=b"x" * 3_000_000).output.strip() == b"3000000"


def test_a_working_folder_and_variables(run, workspace):
    (workspace.root / "a b'c").mkdir()
    done = run("pwd; echo $GREETING", cwd="a b'c", env={"GREETING": "hi there"})
    assert done.output == b"/workspace/a b'c\nhi there\n"
    missing = run("echo no", cwd="nowhere")
    assert (missing.status, missing.exit_code) == ("ok", 1)


def test_a_very_long_command_runs(run):
    done = run("printf %s '" + "x" * 300_000 + "' | wc -c")
    assert done.output.strip() == b"300000"


@pytest.mark.parametrize(
    ("text", "env"), [("echo a\0b", {}), ("echo \ud800", {}), ("true", {"A=B": "x"}), ("true", {"A": "\0"})]
)
def test_what_no_program_can_be_given_is_a_failed_command(run, text, env):
    done = run(text, env=env)
    assert (done.status, done.exit_code) == ("ok", 126)
    assert done.output.startswith(b"terret: the command holds")


def test_scratch_runs_see_the_workspace_and_leave_nothing(run, workspace):
    done = run("cat a.txt; echo new > b.txt; rm a.txt; ls", scratch=True)
    assert done.output == b"alpha\nb.txt\n"
    assert [path.name for path in workspace.root.iterdir()] == ["a.txt"]


def test_commands_run_at_the_same_time(sandbox):
    results = {}

    def work(number: int) -> None:
        results[number] = sandbox.run(Command(f"echo {number}; exit {number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: (done.output, done.exit_code) for n, done in results.items()} == {n: (b"%d\n" % n, n) for n in range(6)}


def test_nothing_is_left_behind(run, sandbox):
    before = _leftovers()
    run("sleep 0.01 & true")
    with sandbox.session(Limits()) as session:
        session.run("sleep 100 &")
    assert _leftovers() <= before


def _leftovers() -> set[str]:
    import os

    groups = {str(path) for path in Path("/sys/fs/cgroup").glob(f"**/terret-{os.getpid()}-*")}
    return groups | {f"fd {path.name}" for path in Path("/proc/self/fd").iterdir() if path.exists()}


def test_a_closed_sandbox_runs_nothing(sandbox):
    sandbox.close()
    sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.run(Command("true"))
    with pytest.raises(SandboxError, match="closed"):
        sandbox.session(Limits())


def test_closing_while_a_command_runs_kills_it(sandbox, workspace):
    results = []
    thread = threading.Thread(target=lambda: results.append(sandbox.run(Command("touch begun; sleep 30"))))
    thread.start()
    while not (workspace.root / "begun").exists():
        assert thread.is_alive()
    sandbox.close()
    thread.join(20)
    assert results[0].status == "killed"
    assert results[0].exit_code is None
