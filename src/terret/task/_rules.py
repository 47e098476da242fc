"""The single rules of the lint: each looks at one value and says what is wrong with it, or None."""

from __future__ import annotations

import re
from functools import lru_cache

from terret.task._problem import Severity

Fault = tuple[str, str, Severity]
"""What is wrong, how to mend it, and how much it matters."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_COMMIT = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_./@{}^~+-]{0,199}")
_URL = re.compile(r"(?:https?|ssh|git|file)://[^\s]+|[A-Za-z0-9_][\w.-]*@[\w.-]+:[^\s]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WEAK_END = re.compile(r"(?:\|\||;|&&)\s*(?:true|:|exit 0)\s*$")

BOUNDS: dict[str, tuple[float, float, str]] = {
    "budget.steps": (1, 100_000, "turns"),
    "budget.model_calls": (1, 100_000, "calls"),
    "budget.tokens": (1, 10_000_000_000, "tokens"),
    "budget.wall": (1, 30 * 86_400, "seconds"),
    "budget.cost": (0, 1_000_000, "USD"),
    "limits.wall_s": (0.1, 86_400, "seconds"),
    "limits.cpu_s": (0.1, 86_400, "seconds"),
    "limits.memory_mb": (16, 4_194_304, "MB"),
    "limits.pids": (4, 1_000_000, "processes"),
    "limits.output_kb": (1, 1_048_576, "KB"),
    "limits.disk_mb": (1, 16_777_216, "MB"),
    "regression_timeout_s": (0.1, 86_400, "seconds"),
    "timeout_s": (0.1, 86_400, "seconds"),
}
"""Least and greatest sensible value and unit of each number; a value outside is most likely in another unit."""


def bound_fault(field: str, value: float) -> Fault | None:
    """A number that is not positive, or too small or too large to be meant."""
    least, most, unit = BOUNDS[field]
    if least <= value <= most:
        return None
    hint = f"give {unit} from {least:g} to {most:.15g}"
    if value < 0 or (value == 0 and least > 0):
        return f"{field} is not positive", hint, "error"
    return f"{field} is too {'small' if value < least else 'large'} to be meant", hint, "error"


def name_fault(name: str) -> Fault | None:
    """A task name that would not do as a folder name everywhere."""
    if _NAME.fullmatch(name):
        return None
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:100].strip("-._")
    hint = "use letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit"
    return "the name does not do as a folder name", f"{hint}: {slug}" if slug else hint, "error"


def id_fault(text: str, what: str) -> Fault | None:
    """A requirement id or check name that is empty or would break a line of a report."""
    if not text.strip():
        return f"{what} is empty", "give it a short name", "error"
    if text != text.strip() or not text.isprintable() or len(text) > 100:
        return f"{what} is not one short line", "use at most 100 printable characters without outer blanks", "error"
    return None


def path_fault(path: str) -> Fault | None:
    """A path that does not stay, as written, below the repository's folder."""
    parts = path.split("/")
    if not path.strip():
        return "a path is empty", "name a file in the repository", "error"
    if "\0" in path or len(path.encode("utf-8", "replace")) > 4000 or any(len(part.encode()) > 255 for part in parts):
        return "a path is not possible on a file system", "shorten it and leave out NUL", "error"
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", path):
        return "a path is absolute", "make it relative to the repository", "error"
    if ".." in parts:
        return "a path leaves its folder", "leave out '..'", "error"
    if "\\" in path:
        return "a path has a backslash", "separate folders with '/'", "error"
    return None


def file_fault(path: str) -> Fault | None:
    """A path that no file of a task may be written to."""
    parts = path.split("/")
    fault = path_fault(path)
    if fault is not None:
        return fault
    if any(part.lower() == ".git" for part in parts):
        return "a path lies inside .git", "leave git's own files out; terret makes the history", "error"
    if parts[0] == "harness":
        return "a path lies inside harness/", "that folder is terret's; take another one", "error"
    if "." in parts or "" in parts:
        return "a path is not in its shortest form", "leave out '.', '//' and a '/' at the end", "error"
    return None


def glob_fault(glob: str) -> Fault | None:
    """A permission glob that can match nothing in the repository."""
    fault = path_fault(glob)
    return None if fault is None else (fault[0].replace("a path", "a glob", 1), fault[1], fault[2])


def url_fault(url: str) -> Fault | None:
    """Not an address git may be given: other transports can run commands."""
    if _URL.fullmatch(url) and url.isprintable():
        return None
    return "not a git address", "use https://, ssh://, git://, file:// or USER@HOST:PATH", "error"


def commit_fault(commit: str) -> Fault | None:
    """Not a git revision."""
    if _COMMIT.fullmatch(commit) and ".." not in commit:
        return None
    return "not a git revision", "give a commit id, tag or branch", "error"


def variable_fault(name: str, value: str) -> Fault | None:
    """An environment variable no process can be given."""
    if not _VARIABLE.fullmatch(name):
        return "not a variable name", "use letters, digits and '_', not beginning with a digit", "error"
    if "\0" in value:
        return "a variable holds NUL", "leave it out", "error"
    return None


def command_fault(command: str) -> Fault | None:
    """A command that is empty, that bash cannot parse, or that cannot fail."""
    if not command.strip():
        return "a command is empty", "write what to run, or leave the field out", "error"
    if "\0" in command:
        return "a command holds NUL", "leave it out", "error"
    if len(command.encode("utf-8", "replace")) > 100_000:
        return "a command is too long", "put it into a script in the repository", "error"
    reason = _bash_says(command)
    if reason is not None:
        return f"bash cannot parse the command: {reason}", "mend the quoting or syntax", "error"
    if command.lstrip().startswith("#") and "\n" not in command.strip():
        return "a command is only a comment", "write what to run", "error"
    if _WEAK_END.search(command):
        return "a command always exits with 0", "leave out the ending that hides a failure", "warning"
    return None


@lru_cache(maxsize=512)
def _bash_says(command: str) -> str | None:
    """Why bash would not run the text (it is only read, never run); None when it would, or without bash."""
    import subprocess

    try:
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-n", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/local/bin"},
            timeout=5,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if done.returncode == 0:
        return None
    first = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
    return re.sub(r"^bash: (-c: )?", "", first) or "syntax error"
