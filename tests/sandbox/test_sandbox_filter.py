"""The system call filter of both architectures, interpreted: the other machine's cannot be run here."""

from __future__ import annotations

import struct

import pytest

from terret.sandbox._seccomp import build
from terret.sandbox._syscalls import AUDIT_ARCH, NUMBERS

ALLOW, KILL, EPERM, ENOSYS, EAFNOSUPPORT = 0x7FFF0000, 0x80000000, 0x50001, 0x50026, 0x50061


def decide(bpf: bytes, number: int, arch: int, *args: int) -> int:
    data = struct.pack("<IIQ6Q", number, arch, 0, *args, *[0] * (6 - len(args)))
    program = list(struct.iter_unpack("=HBBI", bpf))
    at, value = 0, 0
    while True:
        code, true, false, operand = program[at]
        at += 1
        if code == 0x20:
            value = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x06:
            return operand
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += true if holds else false


@pytest.fixture(params=sorted(NUMBERS))
def call(request):
    """Decide one named call of a machine."""
    machine = request.param

    def ask(name: str | int, *args: int, network: bool = False, arch: int = AUDIT_ARCH[machine]) -> int:
        found = build(machine, network=network)
        assert found is not None
        return decide(found.bpf, NUMBERS[machine][name] if isinstance(name, str) else name, arch, *args)

    ask.machine = machine
    return ask


def test_what_is_not_named_is_allowed(call):
    others = set(range(470)) - set(NUMBERS[call.machine].values())
    assert {call(number, *[0xFFFFFFFF] * 6) for number in others} == {ALLOW}


@pytest.mark.parametrize(
    "name",
    [
        *("mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "mount_setattr", "open_by_handle_at"),
        *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "keyctl", "add_key", "request_key", "bpf"),
        *("perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "kexec_load", "kexec_file_load"),
        *("init_module", "finit_module", "delete_module", "unshare", "setns", "swapon", "reboot", "acct", "quotactl"),
    ],
)
def test_the_doors_are_shut(call, name):
    assert call(name, *[0] * 6) == EPERM


def test_arguments_are_looked_into(call):
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert call("clone", namespace | 17) == EPERM
    assert call("clone", 0x3D0F00) == ALLOW
    assert call("clone3") == ENOSYS
    assert [call("ioctl", 0, request) for request in (0x5412, 0x541C, 0x100005412, 0x5413)] == [EPERM] * 3 + [ALLOW]
    assert [call("socket", family, 1, 0) for family in (1, 2, 10, 16)] == [ALLOW] * 4
    assert [call("socket", family, 1, 0) for family in (17, 38, 40)] == [EAFNOSUPPORT] * 3
    assert call("socket", 16, 3, 12) == EPERM
    assert [call("socket", family, 1, 0, network=True) for family in (1, 2)] == [EAFNOSUPPORT, ALLOW]
    assert [call("fchmod", 3, mode) for mode in (0o4755, 0o2755, 0o1755)] == [EPERM, EPERM, ALLOW]
    assert call("openat", 0, 0, 0o101, 0o4755) == EPERM
    assert call("openat", 0, 0, 0o20200002, 0o4755) == EPERM
    assert call("openat", 0, 0, 0o1, 0o4755) == ALLOW


def test_foreign_calls_are_refused(call):
    foreign = next(arch for machine, arch in AUDIT_ARCH.items() if machine != call.machine)
    assert call(0, arch=0x40000003) == KILL
    assert call(0, arch=foreign) == KILL
    if call.machine == "x86_64":
        assert call(0x40000000 | 39) == ENOSYS


def test_an_unknown_machine_has_no_filter():
    assert build("vax") is None
