"""Landlock inside a sandbox: a tiny program that restricts itself and then becomes the command.

Whoever is restricted may not mount, so bubblewrap cannot be started under it, and an interpreter would cost more than
the whole sandbox. The program is assembled here: a straight line of system calls with their arguments in place. What
it allows holds for the files behind the paths of the sandbox, however they are reached: a descriptor of a folder
outside, for one, opens nothing.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

PLACE: Final = "/run/terret/confine"
"""Where the program lies in a sandbox."""

REFUSED: Final = 126
"""Its exit code when it cannot restrict itself; the command is not started then."""

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_OPEN, _WRITE, _EXECVE, _EXIT = 2, 1, 59, 231
_O_PATH_CLOEXEC: Final = 0o10000000 | 0o2000000

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK, _TRUNCATE, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 14, 1 << 15
_HANDLED: Final = {2: 14, 3: 15, 4: 15, 5: 16}
"""File rights that a version of Landlock knows, as the number of bits; the last from version 5 on."""

_SCOPES: Final = 3
"""From version 6 on: no abstract sockets and no signals of anything that was not restricted along."""

_BASE: Final = 0x400000
_MESSAGE: Final = b"terret: Landlock cannot be applied\n"

_READ: Final = _READ_FILE | _READ_DIR | _EXECUTE
_OWN: Final = 0xFFFF & ~(_MAKE_CHAR | _MAKE_BLOCK)
_RULES: Final = (
    ("/", _READ),
    ("/proc", _WRITE_FILE | _TRUNCATE),
    ("/dev", _WRITE_FILE | _TRUNCATE | _IOCTL_DEV),
    ("/dev/shm", _OWN),
    ("/tmp", _OWN),
    ("/home/agent", _OWN),
    ("/workspace", _OWN),
)
"""What is allowed on and below which folder; what lies under two of them gets both."""


@cache
def landlock_version() -> int:
    """The version of Landlock in this kernel; 0 where there is none."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    return max(0, int(call(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def unusable() -> str | None:
    """Why this machine has no use of Landlock; ``None`` where it may have."""
    if landlock_version() < 2:
        return "the kernel has no Landlock that lets files be moved between folders (version 2, Linux 5.19)"
    if platform.machine() != "x86_64":
        return f"there is no program for {platform.machine()}"
    return None


def confined(words: list[str]) -> list[str]:
    """The words of a command, given by the full path of its program, that begins by restricting itself."""
    return [PLACE, *words]


def program_file(folder: Path) -> str:
    """The program as a file in a folder, named by its content.

    Raises:
        OSError: It cannot be written.
    """
    content = assemble(landlock_version())
    file = folder / f"confine-{sha256(content).hexdigest()[:16]}"
    if not file.is_file() or file.read_bytes() != content:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix="confine-", dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(partial).chmod(0o755)
        Path(partial).replace(file)
    return str(file)


def assemble(version: int) -> bytes:
    """The program for x86_64 and a version of Landlock, as an ELF file."""
    known = (1 << _HANDLED.get(version, 16)) - 1
    scopes = _SCOPES if version >= 6 else 0
    attributes = struct.pack("<QQQ", known, 0, scopes)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    # Twice, because where the data lies depends on the length of the code and not the other way round.
    code = _code(attributes, known, _BASE)
    data = _BASE + _HEADERS + len(code)
    code = _code(attributes, known, data)
    content = code + _data(attributes, known)
    size = _HEADERS + len(content)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    # Readable, writable (rules take a descriptor) and executable.
    header += struct.pack("<IIQQQQQQ", 1, 7, 0, _BASE, _BASE, size, size, 0x1000)
    return header + content


_HEADERS: Final = 64 + 56


def _data(attributes: bytes, known: int) -> bytes:
    rules = b"".join(struct.pack("<Qi", right & known, 0) for _, right in _RULES)
    return attributes + _MESSAGE + rules + b"".join(path.encode() + b"\0" for path, _ in _RULES)


def _code(attributes: bytes, known: int, data: int) -> bytes:
    message = data + len(attributes)
    rule = message + len(_MESSAGE)
    path = rule + 12 * len(_RULES)
    steps = [b"\x49\x89\xe5"]  # mov r13, rsp
    steps += [_call(_CREATE, data, len(attributes), 0), _CHECK, b"\x49\x89\xc4"]  # mov r12, rax
    for name, _ in _RULES:
        steps += [_call(_OPEN, path, _O_PATH_CLOEXEC, 0), _CHECK]
        steps += [b"\xa3" + struct.pack("<Q", rule + 8)]  # mov [rule.parent_fd], eax
        steps += [_call(_ADD, None, 1, rule, 0), _CHECK]
        rule, path = rule + 12, path + len(name) + 1
    steps += [_call(_RESTRICT, None, 0), _CHECK]
    steps += [b"\x49\x8b\x45\x00"]  # mov rax, [r13]: the number of words
    steps += [b"\x49\x8b\x7d\x10"]  # mov rdi, [r13+16]: the first word after this program
    steps += [b"\x49\x8d\x75\x10"]  # lea rsi, [r13+16]
    steps += [b"\x49\x8d\x54\xc5\x10"]  # lea rdx, [r13+rax*8+16]: the environment
    steps += [b"\xb8" + struct.pack("<I", _EXECVE), _SYSCALL]
    fail = _call(_WRITE, 2, message, len(_MESSAGE)) + _call(_EXIT, REFUSED)
    length = sum(len(step) if step is not _CHECK else _CHECKED for step in steps)
    found = b""
    for step in steps:
        # test rax, rax; js fail
        jump = length - len(found) - _CHECKED
        found += b"\x48\x85\xc0\x0f\x88" + struct.pack("<i", jump) if step is _CHECK else step
    return found + fail


_SYSCALL: Final = b"\x0f\x05"
_CHECK: Final = b"check"
_CHECKED: Final = 9
_REGISTERS: Final = (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba")  # movabs rdi, rsi, rdx, r10


def _call(number: int, *arguments: int | None) -> bytes:
    """A system call; ``None`` is the ruleset's descriptor, in r12."""
    moves = b"".join(
        b"\x4c\x89\xe7" if value is None else register + struct.pack("<Q", value)  # mov rdi, r12
        for register, value in zip(_REGISTERS, arguments, strict=False)
    )
    return moves + b"\xb8" + struct.pack("<I", number) + _SYSCALL
