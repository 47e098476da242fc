"""What of this machine a sandbox shows: programs, a made-up ``/etc``, and the parts of ``/proc`` to cover."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

from terret.sandbox._landlock import program_file, unusable

TOOLS_FOLDER = "/run/terret/bin"
"""Where single programs from outside the system folders appear inside a sandbox."""

_FILES = {
    "passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost terret\n::1 localhost\n",
    "hostname": "terret\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "resolv.conf": "",
    "shells": "/bin/sh\n/bin/bash\n",
}
_COPIED = ("ld.so.cache", "ld.so.conf", "mime.types", "protocols", "services", "ssl/openssl.cnf")
_LINKS = {"localtime": "/usr/share/zoneinfo/UTC", "os-release": "../usr/lib/os-release", "mtab": "/proc/mounts"}
_GLOBBED = ("java-*-openjdk", "python3*")
_FOLDERS = ("alternatives", "ssl/certs", "pki/tls/certs", "pki/ca-trust/extracted", "crypto-policies")


@cache
def etc_folder() -> str:
    """A folder to mount as ``/etc``.

    It is named by its content and kept in the cache folder, so that a process which is killed leaves nothing behind.
    """
    files = {name: text.encode() for name, text in _FILES.items()}
    for name in _COPIED:
        with contextlib.suppress(OSError):
            files[name] = Path("/etc", name).read_bytes()
    etc = Path("/etc")
    folders = [name for name in _FOLDERS if (etc / name).is_dir()]
    folders += sorted(path.name for pattern in _GLOBBED for path in etc.glob(pattern) if path.is_dir())
    state = [_state(str(etc / name)) for name in folders]
    digest = hashlib.sha256(repr((sorted(files.items()), state, _LINKS)).encode()).hexdigest()[:16]
    root = _cache_folder() / f"etc-{digest}"
    if not _own(root):
        partial = Path(tempfile.mkdtemp(prefix="etc-", dir=root.parent))
        _fill(partial, files, folders)
        try:
            partial.rename(root)
        except OSError:
            # Another process was first.
            shutil.rmtree(partial, ignore_errors=True)
    return str(root)


@cache
def confiner() -> str | None:
    """The program by which a command restricts itself with Landlock; ``None`` where this machine has no use of it."""
    try:
        return program_file(_cache_folder()) if unusable() is None else None
    except OSError:
        return None


def _state(folder: str) -> list[tuple[str, int]]:
    """Changes whenever a name below a folder or a file in it does."""
    found = [(folder, os.stat(folder).st_mtime_ns)]  # noqa: PTH116
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += _state(entry.path)
            elif not entry.is_symlink():
                found.append((entry.path, entry.stat(follow_symlinks=False).st_mtime_ns))
    return sorted(found)


def _private(folder: str, names: list[str]) -> list[str]:
    """Names in a folder that not everybody may read."""
    found: list[str] = []
    for name in names:
        mode = Path(folder, name).lstat().st_mode
        if not stat.S_ISLNK(mode) and not (mode & 0o004 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))):
            found.append(name)
    return found


def _cache_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = base / "terret" / "sandbox"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    import atexit

    made = Path(tempfile.mkdtemp(prefix="terret-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _own(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _fill(root: Path, files: dict[str, bytes], folders: list[str]) -> None:
    root.chmod(0o755)
    for name in folders:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(Path("/etc", name), root / name, symlinks=True, ignore=_private)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in _LINKS.items():
        (root / name).symlink_to(target)


def covers_home(path: str) -> bool:
    """Whether showing a folder would show the caller's home (or everything)."""
    home = os.path.realpath(Path("~").expanduser())
    path = os.path.realpath(path)
    return path == "/" or home == path or (home + "/").startswith(path.rstrip("/") + "/")


def interpreter_folders() -> list[str]:
    """The running interpreter's folders outside the system's; only its parts where it shares a folder with a home."""
    found: list[str] = []
    for prefix in dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)):
        for path in dict.fromkeys((prefix, os.path.realpath(prefix))):
            if _in_system(path):
                continue
            if covers_home(path):
                parts = ("bin", "lib", "lib64", "include", "pyvenv.cfg")
                found += [f"{path.rstrip('/')}/{part}" for part in parts if Path(path, part).exists()]
            else:
                found.append(path)
    return found


def interpreter_bins() -> list[str]:
    """The folders of the running interpreter's programs, its own environment first."""
    bins = [f"{prefix}/bin" for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)) if not _in_system(prefix)]
    return [path for path in bins if Path(path).is_dir()]


def _in_system(path: str) -> bool:
    return (os.path.realpath(path) + "/").startswith("/usr/")


@cache
def program(name: str) -> str | None:
    """Where a program is that a sandbox can run: first beside the interpreter, then on the caller's PATH."""
    path = os.pathsep.join([*interpreter_bins(), os.environ.get("PATH", "/usr/bin:/bin")])
    return shutil.which(name, path=path)


@cache
def node_folder() -> tuple[str | None, str | None]:
    """The folder of a Node.js installed outside the system's, or else the single binary; both None otherwise."""
    found = program("node")
    if found is None or _in_system(found):
        return None, None
    real = os.path.realpath(found)
    if not _is_elf(real):
        # A version manager's shim: ask it which binary it stands for.
        import subprocess

        try:
            done = subprocess.run([found, "-p", "process.execPath"], capture_output=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None, None
        real = os.path.realpath(done.stdout.decode("utf-8", "replace").strip())
    if not _is_elf(real) or _in_system(real):
        return None, None
    folder = Path(real).parent
    if folder.name == "bin" and (folder.parent / "include" / "node").is_dir() and not covers_home(str(folder.parent)):
        return str(folder.parent), None
    return None, real


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def single_programs() -> dict[str, str]:
    """Programs to show one by one: name inside the tools folder -> file on this machine."""
    shown: dict[str, str] = {}
    ripgrep = program("rg")
    if ripgrep is not None and not _in_system(ripgrep) and str(Path(ripgrep).parent) not in interpreter_bins():
        shown["rg"] = os.path.realpath(ripgrep)
    node = node_folder()[1]
    if node is not None:
        shown["node"] = node
    return shown


@cache
def locked_proc() -> tuple[str, ...]:
    """Parts of ``/proc`` to mount read-only because their owner may change them.

    A sandboxed process of root keeps root's user id on the outside. It has no capability, but the kernel lets the owner
    of a setting write it, and bubblewrap covers only folders that are themselves writable.
    """
    if os.geteuid() != 0:
        return ()
    others = (f"/proc/{name}" for name in ("acpi", "asound", "driver", "fs", "scsi"))
    return ("/proc/sys", *(path for path in others if _has_writable(path)))


def _has_writable(folder: str) -> bool:
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(path, name))  # noqa: PTH118
                if stat.S_ISREG(status.st_mode) and status.st_mode & 0o222:
                    return True
    return False
