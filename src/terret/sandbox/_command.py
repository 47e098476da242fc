"""Turns a command into what is started, and refuses what cannot be."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from terret.errors import SandboxError, SandboxUnavailable
from terret.sandbox._bwrap import HOME, SHELL, WORKSPACE
from terret.sandbox._fs import write_all
from terret.sandbox._host import covers_home
from terret.sandbox._probe import probe
from terret.sandbox._types import Completed, Tier

_LONGEST = 100_000
"""Bytes of text that surely fit one argument of a program."""

_SPARE = 32
"""How many processes beyond the limit the kernel lets be, so that the watchdog sees the limit exceeded."""

_SCRIPT = "/run/terret/command"
_TAKEN = (WORKSPACE, HOME, "/proc", "/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/run/terret")


def choose(tier: Tier | None, allow_none: bool) -> Tier:
    """The tier to use.

    Raises:
        SandboxUnavailable: The machine does not give it, or ``none`` was not allowed.
    """
    if tier == "none":
        if not allow_none:
            raise SandboxUnavailable("running without a sandbox needs consent", value="none", hint="pass --no-sandbox")
        return "none"
    report = probe()
    best = report.tier
    if best is None:
        if tier is None and allow_none:
            return "none"
        lack = report.missing[0] if report.missing else None
        raise SandboxUnavailable(
            f"this machine cannot isolate commands: {lack.why if lack else 'unknown reason'}",
            hint=lack.fix if lack else "run `terret doctor`",
        )
    if tier == "full" and best != "full":
        fix = next((lack.fix for lack in report.missing if lack.what == "cgroup"), "run `terret doctor`")
        raise SandboxUnavailable("this machine does not give the tier", value=tier, hint=fix)
    return tier or best


def readable(path: str) -> str:
    """A folder that may be shown read-only, with links resolved in no part of its name.

    Raises:
        SandboxError: It is missing, relative, or would show or shadow something it must not.
    """
    plain = os.path.normpath(os.path.expanduser(path))  # noqa: PTH111
    if not plain.startswith("/") or not Path(plain).exists():
        raise SandboxError("a read-only folder is missing", value=path, hint="give an absolute path that exists")
    if covers_home(plain) or any(plain == taken or (taken + "/").startswith(plain + "/") for taken in _TAKEN):
        raise SandboxError("a read-only folder would show too much", value=path, hint="name the folder itself")
    return plain


def unrunnable(text: str, env: Mapping[str, str]) -> Completed | None:
    """The answer to a command no program can be given: a failed command, for it is the agent's doing."""
    try:
        encoded = b"\0".join(map(os.fsencode, (text, *env, *env.values())))
        fault = "a NUL character" if encoded.count(b"\0") > 2 * len(env) else None
    except UnicodeEncodeError:
        fault = "a character that is not Unicode"
    if fault is None and not all(name and "=" not in name for name in env):
        fault = "a variable without a proper name"
    if fault is None:
        return None
    output = f"terret: the command holds {fault}\n".encode()
    return Completed("ok", 126, None, output, False, len(output), 0.0, 0.0, 0)


def in_folder(text: str, folder: str) -> str:
    """The command, begun in a folder of the workspace."""
    return text if folder == "." else f"cd -- {shlex.quote(folder)} || exit 1\n{text}"


@contextlib.contextmanager
def open_stdin(content: bytes | None) -> Generator[int]:
    """A descriptor to read the content from; end-of-file at once without any."""
    handle = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) if content is None else os.memfd_create("stdin")
    try:
        if content:
            write_all(handle, content)
            os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def script(text: str) -> Generator[tuple[list[str], dict[str, str]]]:
    """The words that run a command text, and the files to show for it: a long text is handed over as a file."""
    encoded = os.fsencode(text)
    if len(encoded) <= _LONGEST:
        yield [SHELL, "-c", text], {}
        return
    with tempfile.NamedTemporaryFile(prefix="terret-command-") as file:
        file.write(encoded)
        file.flush()
        yield [SHELL, _SCRIPT], {_SCRIPT: file.name}


def with_process_limit(command: Sequence[str], most: int) -> list[str]:
    """Bound the number of processes from inside, where the namespace has its own count (no effect for root)."""
    return [SHELL, "-c", f'ulimit -u {most + _SPARE} 2>/dev/null; exec "$@"', "bash", *command]


def special_files(folder: str, names: list[str]) -> list[str]:
    """Names in a folder that are neither file, folder nor link, for :func:`shutil.copytree` to leave out."""
    found: list[str] = []
    for name in names:
        with contextlib.suppress(OSError):
            mode = Path(folder, name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                found.append(name)
    return found
