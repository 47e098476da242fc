"""What an agent may try: reading the caller, writing elsewhere, the network, outliving its command, kernel doors."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import threading
from pathlib import Path

import pytest

from terret.sandbox import Command, FileRefused
from terret.task import Limits

pytestmark = pytest.mark.sandbox

SECRET = "canary-0fd1c2"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the caller's beside the workspace."""
    path = tmp_path / "outside.txt"
    path.write_text(SECRET, "utf-8")
    return path


# reading


def test_the_caller_s_files_are_invisible(run, outside):
    home = Path("~").expanduser()
    done = run(
        f"cat {outside}; cat ../outside.txt; ls {outside.parent}; ls -A {home}; "
        f"cat /proc/*/root{outside} /proc/*/cwd/../outside.txt /proc/1/root{outside}; cat /etc/shadow"
    )
    assert SECRET.encode() not in done.output
    visible = run(f"find {home} -maxdepth 1 -mindepth 1 2>/dev/null").output.decode().split()
    # Only the way to the interpreter, where it lies below the home.
    assert all(any(part.startswith(path) for part in _interpreter()) for path in visible)


def _interpreter() -> list[str]:
    import sys

    return [sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)]


def test_a_link_out_of_the_workspace_reads_nothing(run, workspace, outside):
    (workspace.root / "link").symlink_to(outside)
    (workspace.root / "up").symlink_to("..")
    assert SECRET.encode() not in run("cat link up/../outside.txt up/outside.txt").output
    for path in ("link", "up/outside.txt", "../outside.txt", str(outside), "up/../../outside.txt"):
        with pytest.raises(FileRefused):
            workspace.read(path)


def test_the_caller_s_environment_is_invisible(sandbox, monkeypatch):
    monkeypatch.setenv("TERRET_CANARY", SECRET)
    done = sandbox.run(Command("env; cat /proc/*/environ; cat /proc/*/cmdline; ps axeww"))
    assert b"HOME=/home/agent" in done.output
    assert SECRET.encode() not in done.output
    with sandbox.session(Limits()) as session:
        assert SECRET.encode() not in session.run("env; cat /proc/*/environ; set").output


def test_only_the_sandbox_s_own_processes_are_seen(run):
    assert int(run("ls -d /proc/[0-9]* | wc -l").output) <= 8


def test_no_descriptor_of_the_caller_is_inherited(sandbox):
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    os.set_inheritable(writing, True)
    try:
        with sandbox.session(Limits()) as session:
            for done in (sandbox.run(Command("ls /proc/self/fd")), session.run("ls /proc/self/fd")):
                # ls itself opens 3.
                assert done.output.split() == [b"0", b"1", b"2", b"3"]
    finally:
        os.close(reading)
        os.close(writing)


# writing


def test_nothing_outside_the_workspace_can_be_written(run, outside):
    targets = [
        *(str(outside), "../outside.txt", "/usr/bin/evil", "/etc/passwd", "/evil", "/dev/evil", "/run/evil"),
        *("/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory"),
        *("/proc/sysrq-trigger", "/proc/1/oom_score_adj/x", f"{Path(os.__file__).parent}/evil.py"),
    ]
    for target in targets:
        done = run(f"echo evil > {target}")
        assert done.exit_code not in (0, None), target
    assert outside.read_text("utf-8") == SECRET


def test_links_and_hard_links_do_not_reach_outside(run, workspace, outside):
    (workspace.root / "link").symlink_to(outside)
    run("echo evil > link; rm -f link; ln -s / root; echo evil > root/tmp/../../evil")
    run("ln -s /usr/bin bin; touch bin/evil")
    assert run("ln /usr/bin/env env || ln -L /proc/1/exe exe").exit_code != 0
    for act in (
        lambda: workspace.write("root/evil", b"evil"),
        lambda: workspace.write("bin/evil", b"evil"),
        lambda: workspace.delete("bin/env"),
        lambda: workspace.write("../evil", b"evil"),
        lambda: workspace.write("/tmp/evil", b"evil"),
        lambda: workspace.list("root/etc"),
    ):
        with pytest.raises(FileRefused):
            act()
    assert outside.read_text("utf-8") == SECRET
    assert not Path("/usr/bin/evil").exists()
    assert Path("/usr/bin/env").exists()


def test_a_folder_swapped_for_a_link_in_the_middle_of_an_act_gains_nothing(sandbox, workspace, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text(SECRET, "utf-8")
    program = f"""
import os, time
os.makedirs("real/sub", exist_ok=True)
os.symlink({str(victim)!r}, "evil")
end = time.time() + 2
while time.time() < end:
    for name in ("evil", "real"):
        try:
            os.symlink({str(victim)!r}, "next") if name == "evil" else os.mkdir("next")
            os.rename("spot", "old") if os.path.lexists("spot") else None
            os.rename("next", "spot")
            os.rmdir("old") if os.path.isdir("old") and not os.path.islink("old") else os.unlink("old")
        except OSError:
            os.system("rm -rf old next")
"""
    limits = Limits(wall_s=30)
    thread = threading.Thread(target=sandbox.run, args=(Command("python3 -", stdin=program.encode(), limits=limits),))
    thread.start()
    while thread.is_alive():
        from terret.errors import SandboxError

        for _ in range(50):
            with contextlib.suppress(FileRefused):
                workspace.write("spot/file", b"evil")
            with contextlib.suppress(FileRefused):
                assert workspace.read("spot/file") != SECRET.encode()
            with contextlib.suppress(FileRefused):
                workspace.delete("spot/file")
        with contextlib.suppress(SandboxError):
            workspace.snapshot()
        with contextlib.suppress(SandboxError):
            workspace.restore(workspace.base)
    thread.join()
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text("utf-8") == SECRET


# the network


@pytest.fixture
def servers():
    """A TCP, a UDP and an abstract Unix socket of this machine."""
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    name = f"terret-test-{os.getpid()}"
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0" + name)
    unix.listen()
    udp.setblocking(False)
    with tcp, udp, unix:
        yield tcp.getsockname()[1], udp.getsockname()[1], name, udp


REACH = """
import socket
def attempt(name, act):
    try:
        act()
        print(name, "reached")
    except OSError as error:
        print(name, "no", error.errno)
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {tcp}), 2))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {udp})))
attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + "{unix}"))
attempt("dns", lambda: socket.getaddrinfo("localhost.example.com", 80))
attempt("far", lambda: socket.create_connection(("192.0.2.1", 80), 2))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("alg", lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET))
"""


def test_the_network_is_out_of_reach(python, servers):
    tcp, udp, unix, udp_socket = servers
    done = python(REACH.format(tcp=tcp, udp=udp, unix=unix))
    words = dict(line.split(" ", 1) for line in done.output.decode().splitlines())
    reached = {name for name, result in words.items() if result == "reached"}
    # A datagram to one's own loopback can be sent; it must not arrive.
    assert reached <= {"udp"}
    with pytest.raises(BlockingIOError):
        udp_socket.recv(10)


def test_a_command_may_be_given_the_network_but_no_abstract_socket(python, servers):
    tcp, udp, unix, udp_socket = servers
    done = python(REACH.format(tcp=tcp, udp=udp, unix=unix).split('attempt("dns"')[0], network=True)
    assert b"tcp reached" in done.output
    assert b"udp reached" in done.output
    assert b"unix no" in done.output
    assert udp_socket.recv(10) == b"x"


def test_a_loopback_server_of_one_s_own_works(python):
    done = python(
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nc = socket.create_connection(s.getsockname())\n"
        "a, _ = s.accept()\nc.sendall(b'hi')\nprint(a.recv(2))"
    )
    assert done.output == b"b'hi'\n"


# outliving


def _alive(marker: str) -> bool:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if marker.encode() in (entry / "cmdline").read_bytes():
                    return True
    return False


DAEMON = """
setsid nohup sleep {0} >/dev/null 2>&1 &
(setsid sh -c 'trap "" TERM HUP INT; sleep {0}' &)
disown -a
until test $(pgrep -xc sleep) = 2; do :; done
echo on
"""


def test_a_daemon_does_not_outlive_its_command(run):
    marker = f"98{os.getpid()}.125"
    done = run(DAEMON.format(marker))
    assert done.output == b"on\n"
    assert done.status == "ok"
    assert not _alive(marker)


def test_a_daemon_lives_as_long_as_its_session_only(sandbox):
    marker = f"97{os.getpid()}.125"
    session = sandbox.session(Limits(wall_s=20))
    session.run(DAEMON.format(marker))
    assert _alive(marker)
    session.close()
    assert not _alive(marker)


def test_a_daemon_ends_with_a_command_that_times_out(run, small):
    import msgspec

    marker = f"96{os.getpid()}.125"
    done = run(DAEMON.format(marker) + "sleep 30", limits=msgspec.structs.replace(small, wall_s=1.0))
    assert done.status == "timeout"
    assert not _alive(marker)


def test_closing_the_sandbox_ends_what_runs_in_it(sandbox):
    marker = f"95{os.getpid()}.125"
    session = sandbox.session(Limits(wall_s=20))
    session.run(f"sleep {marker} & until pgrep -x sleep; do :; done")
    assert _alive(marker)
    sandbox.close()
    assert not _alive(marker)
    assert not session.alive


# doors of the kernel

DOORS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def door(name, number, *args):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    print(name, result, ctypes.get_errno())
buffer = ctypes.create_string_buffer(4096)
"""

X86_DOORS = """
door("ptrace", 101, 0, 0, 0, 0)
door("mount", 165, b"none", b"/tmp", b"tmpfs", 0, 0)
door("umount", 166, b"/tmp", 2)
door("pivot_root", 155, b"/", b"/tmp")
door("chroot", 161, b"/")
door("unshare", 272, 0x10000000)
door("setns", 308, 0, 0)
door("clone_newuser", 56, 0x10000000 | 17, 0, 0, 0, 0)
door("clone3", 435, buffer, 88)
door("process_vm_readv", 310, os.getpid(), buffer, 1, buffer, 1, 0)
door("keyctl", 250, 0, -3, 0)
door("add_key", 248, b"user", b"a", b"b", 1, -3)
door("bpf", 321, 0, buffer, 48)
door("perf", 298, buffer, 0, -1, -1, 0)
door("userfaultfd", 323, 0)
door("io_uring", 425, 8, buffer)
door("open_by_handle", 304, -100, buffer, 0)
door("kexec", 246, 0, 0, buffer, 0)
door("module", 175, buffer, 16, b"")
door("finit_module", 313, 0, b"", 0)
door("reboot", 169, 0xfee1dead, 672274793, 0, 0)
door("swapon", 167, b"/tmp/x", 0)
door("acct", 163, b"/tmp/x")
door("quotactl", 179, 0, b"/dev/null", 0, buffer)
door("sethostname", 170, b"evil", 4)
door("settimeofday", 164, buffer, 0)
door("tiocsti", 16, 0, 0x5412, b"x")
door("tioclinux", 16, 0, 0x541C, b"x")
door("open_tree", 428, -100, b"/", 1)
door("fsopen", 430, b"tmpfs", 0)
door("pidfd_getfd", 438, 0, 0, 0)
door("syslog", 103, 3, buffer, 100)
door("x32_getpid", 0x40000000 | 39)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
def test_the_doors_of_the_kernel_are_shut(python):
    done = python(DOORS + X86_DOORS)
    lines = done.output.decode().splitlines()
    assert len(lines) == X86_DOORS.count("door("), done.output
    for line in lines:
        name, result, number = line.split()
        assert result == "-1", line
        assert int(number) == (38 if name in ("clone3", "x32_getpid") else 1), line


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a 32-bit call of x86")
def test_a_call_of_another_architecture_kills(python):
    done = python(
        "import ctypes, mmap\n"
        "m = mmap.mmap(-1, 4096, prot=7)\n"
        "m.write(bytes.fromhex('b814000000cd80c3'))\n"  # mov eax, 20 (getpid); int 0x80; ret
        "address = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
        "print('survived', ctypes.CFUNCTYPE(ctypes.c_int)(address)())"
    )
    assert b"survived" not in done.output
    assert done.signal == 31


def test_no_capability_no_new_privileges_no_namespace(run):
    done = run("grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; id -u; hostname; unshare -U true; unshare -r true")
    text = done.output.decode()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("Cap")] == ["0" * 16] * 5
    assert "NoNewPrivs:\t1" in text
    assert "Seccomp:\t2" in text
    assert "\n1000\nterret\n" in text
    assert text.count("unshare failed: Operation not permitted") == 2


def test_set_id_is_useless(run, python):
    assert run("cp /usr/bin/id x && chmod 4755 x").exit_code != 0
    assert run("cp /usr/bin/id x && chmod g+s x").exit_code != 0
    assert run("mkdir -m 2755 d && install -m 4755 /usr/bin/id y").exit_code != 0
    done = python("import os\nfd = os.open('z', os.O_CREAT | os.O_WRONLY, 0o4755)")
    assert b"PermissionError" in done.output
    assert run("su -c id; sudo id; mknod null c 1 3").exit_code != 0
    assert run("find . -perm /6000").output == b""


def test_the_machine_survives_a_trip_through_every_tool(run, python):
    """Ordinary programs must not notice the filter."""
    assert run("git --version && tar --version && gcc --version >/dev/null; sort </dev/null").exit_code == 0
    done = python(
        "import subprocess, threading, multiprocessing, tempfile, socket, asyncio, os\n"
        "threading.Thread(target=print).start()\n"
        "print(subprocess.run(['true']).returncode, os.cpu_count() > 0)\n"
        "multiprocessing.Lock()\n"
        "asyncio.run(asyncio.create_subprocess_exec('true'))\n"
        "a, b = socket.socketpair()\n"
        "tempfile.TemporaryFile().write(b'x')\n"
        "open('/dev/shm/x', 'w').write('x'); open(os.path.expanduser('~/x'), 'w').write('x')\n"
    )
    assert done.exit_code == 0, done.output
