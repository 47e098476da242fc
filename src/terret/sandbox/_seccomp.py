"""The system call filter, as a classic BPF program for ``bwrap --seccomp``.

Everything not named is allowed; what is named fails with an error the C library understands. A foreign
architecture's calls kill the process, the x32 ABI is refused. Three calls are looked into: ``clone`` (no new
namespaces), ``ioctl`` (no typing into a terminal) and ``socket`` (only ordinary families); creating or changing a file
never sets a set-id bit.
"""

from __future__ import annotations

import platform
import struct
from functools import cache
from typing import NamedTuple

from terret.sandbox._syscalls import AUDIT_ARCH, NUMBERS

EPERM, EAFNOSUPPORT, ENOSYS = 1, 97, 38

DENIED: tuple[str, ...] = (
    # another file system view
    *("mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig"),
    *("fsmount", "fspick", "mount_setattr", "open_by_handle_at", "lookup_dcookie", "fanotify_init"),
    # another process's memory or descriptors
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"),
    # namespaces, kernel keyrings, code and events inside the kernel
    *("unshare", "setns", "add_key", "request_key", "keyctl", "bpf", "perf_event_open", "userfaultfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    # the machine itself
    *("kexec_load", "kexec_file_load", "create_module", "init_module", "finit_module", "delete_module"),
    *("query_module", "get_kernel_syms", "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd"),
    *("sethostname", "setdomainname", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "syslog"),
    *("iopl", "ioperm", "modify_ldt", "vhangup", "nfsservctl", "uselib", "_sysctl", "vserver"),
    *("migrate_pages", "move_pages"),
)
"""Calls that fail with EPERM."""

ABSENT = ("clone3", "openat2")
"""Calls whose arguments lie in memory, where a filter cannot look: ENOSYS makes the C library use the older call."""

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_SET_ID = 0o6000
_CREATE = 0o100 | 0o20000000  # O_CREAT and the bit of O_TMPFILE that no other flag has
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)

_LD, _JEQ, _JGE, _JSET, _RET, _JA = 0x20, 0x15, 0x35, 0x45, 0x06, 0x05
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


class Filter(NamedTuple):
    """An assembled program: ``bpf`` is what bubblewrap reads, ``rules`` the number of calls it names."""

    bpf: bytes
    rules: int


class _Assembler:
    """Instructions with forward jumps; a jump of 0 goes to the next instruction."""

    def __init__(self) -> None:
        self.code: list[tuple[int, int, int, int]] = []

    def emit(self, code: int, k: int, true: int = 0, false: int = 0) -> None:
        self.code.append((code, true, false, k))

    def load_argument(self, index: int) -> None:
        """The low half of an argument; every supported machine is little-endian."""
        self.emit(_LD, 16 + 8 * index)

    def fail(self, errno: int) -> None:
        self.emit(_RET, _ERRNO | errno)

    def on_call(self, number: int, body: _Assembler) -> None:
        """Run ``body`` for one call; a body ends by returning, and the number is loaded when it is passed over."""
        self.emit(_JEQ, number, 0, len(body.code))
        self.code += body.code

    def assemble(self) -> bytes:
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in self.code)


def build(machine: str | None = None, *, network: bool = False) -> Filter | None:
    """The filter for a machine (this one by default); None where no table exists for it.

    With ``network`` the sandbox shares the host's network namespace, and with it the abstract Unix sockets; Unix
    sockets other than pairs are refused then.
    """
    return _build(machine or platform.machine(), network)


@cache
def _build(machine: str, network: bool) -> Filter | None:
    numbers = NUMBERS.get(machine)
    if numbers is None:
        return None
    program = _Assembler()
    program.emit(_LD, 4)
    program.emit(_JEQ, AUDIT_ARCH[machine], 1, 0)
    program.emit(_RET, _KILL)
    program.emit(_LD, 0)
    rules = 0
    if machine == "x86_64":
        program.emit(_JGE, 0x40000000, 0, 1)
        program.fail(ENOSYS)
    bodies = (
        {name: _refuse(EPERM) for name in DENIED} | {name: _refuse(ENOSYS) for name in ABSENT} | _inspected(network)
    )
    for name, body in bodies.items():
        if name in numbers:
            program.on_call(numbers[name], body)
            rules += 1
    program.emit(_RET, _ALLOW)
    return Filter(program.assemble(), rules)


def _inspected(network: bool) -> dict[str, _Assembler]:
    families = (_AF_INET, _AF_INET6) if network else (_AF_UNIX, _AF_INET, _AF_INET6)
    return {
        "clone": _refuse_bits(0, _NAMESPACES),
        "ioctl": _refuse_values(1, (_TIOCSTI, _TIOCLINUX)),
        "personality": _allow_values(0, _PERSONALITIES, EPERM),
        "socket": _socket(families),
        "chmod": _refuse_bits(1, _SET_ID),
        "fchmod": _refuse_bits(1, _SET_ID),
        "fchmodat": _refuse_bits(2, _SET_ID),
        "fchmodat2": _refuse_bits(2, _SET_ID),
        "mkdir": _refuse_bits(1, _SET_ID),
        "mkdirat": _refuse_bits(2, _SET_ID),
        "mknod": _refuse_bits(1, _SET_ID),
        "mknodat": _refuse_bits(2, _SET_ID),
        "creat": _refuse_bits(1, _SET_ID),
        "open": _refuse_created_bits(1),
        "openat": _refuse_created_bits(2),
    }


def _refuse(errno: int) -> _Assembler:
    body = _Assembler()
    body.fail(errno)
    return body


def _refuse_bits(argument: int, bits: int) -> _Assembler:
    body = _Assembler()
    body.load_argument(argument)
    body.emit(_JSET, bits, 0, 1)
    body.fail(EPERM)
    body.emit(_RET, _ALLOW)
    return body


def _refuse_created_bits(flags: int) -> _Assembler:
    """The mode means something only when the call may create a file."""
    body = _Assembler()
    body.load_argument(flags)
    body.emit(_JSET, _CREATE, 0, 3)
    body.load_argument(flags + 1)
    body.emit(_JSET, _SET_ID, 0, 1)
    body.fail(EPERM)
    body.emit(_RET, _ALLOW)
    return body


def _refuse_values(argument: int, values: tuple[int, ...]) -> _Assembler:
    body = _Assembler()
    body.load_argument(argument)
    for left, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
        body.emit(_JEQ, value, left, 0 if left else 1)
    body.fail(EPERM)
    body.emit(_RET, _ALLOW)
    return body


def _allow_values(argument: int, values: tuple[int, ...], errno: int) -> _Assembler:
    body = _Assembler()
    body.load_argument(argument)
    for left, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
        body.emit(_JEQ, value, left + 1, 0)
    body.fail(errno)
    body.emit(_RET, _ALLOW)
    return body


def _socket(families: tuple[int, ...]) -> _Assembler:
    """Ordinary families, and netlink for routes only (how a program lists its interfaces)."""
    ordinary = _allow_values(0, families, EAFNOSUPPORT)
    body = _Assembler()
    body.load_argument(0)
    body.emit(_JEQ, _AF_NETLINK, 0, 4)
    body.load_argument(2)
    body.emit(_JEQ, 0, 0, 1)
    body.emit(_RET, _ALLOW)
    body.fail(EPERM)
    body.code += ordinary.code
    return body
