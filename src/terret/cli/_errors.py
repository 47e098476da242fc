"""The one place where an exception becomes a line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from terret.errors import InfrastructureError, InputError, TerretError

EXIT_BUG = 70
"""Exit code of an unexpected exception (sysexits' EX_SOFTWARE)."""
EXIT_PIPE = 141
"""Exit code when the reader of stdout went away, as if by SIGPIPE."""
EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C, as if by SIGINT."""

_MACHINE_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE}


class UsageProblem(InputError):
    """The command line itself is wrong."""

    code = "E_USAGE"


class Interrupted(TerretError):
    """The user pressed Ctrl-C."""

    code = "E_INTERRUPTED"
    exit_code = EXIT_INTERRUPTED


class Bug(TerretError):
    """terret did something it should never do."""

    code = "E_BUG"
    exit_code = EXIT_BUG


def guarded(call: Callable[[], int], args: Sequence[str]) -> int:
    """Run ``call`` and turn whatever it raises into one line and an exit code.

    Args:
        call: The command; returns its exit code.
        args: The command line, for ``--json`` and for crash reports.
    """
    try:
        code = call()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return silence_stdout()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (KeyboardInterrupt, click.Abort):
        return report(Interrupted("interrupted", hint="nothing that was journalled is lost"), args)
    except Exception as error:
        return report(translate(error, args), args)


def translate(error: Exception, args: Sequence[str]) -> TerretError:
    """The terret error that stands for any exception; unexpected ones leave a crash report behind."""
    if isinstance(error, TerretError):
        return error
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "terret"
        return UsageProblem(_sentence(error.format_message()), hint=f"see {path} --help")
    if isinstance(error, click.ClickException):
        return UsageProblem(_sentence(error.format_message()))
    if isinstance(error, OSError) and error.errno in _MACHINE_FAULTS:
        return InfrastructureError(
            f"the machine refused: {error.strerror}", where=str(error.filename) if error.filename else None
        )
    return Bug(f"this is a defect in terret: {type(error).__name__}", hint=_crash_report(error, args))


def report(error: TerretError, args: Sequence[str]) -> int:
    """Print an error as one line on stderr, and as JSON on stdout when that was asked for."""
    try:
        if wants_json(args):
            import json

            sys.stdout.write(json.dumps(error.to_dict(), ensure_ascii=False) + "\n")
            sys.stdout.flush()
        sys.stderr.write(f"terret: {error}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        silence_stdout()
    return error.exit_code


def wants_json(args: Sequence[str]) -> bool:
    """Whether ``--json`` is among the options, even of a command line that does not parse."""
    options = list(args)
    return "--json" in (options[: options.index("--")] if "--" in options else options)


def silence_stdout() -> int:
    """Let the interpreter's last flush go nowhere instead of failing on a closed pipe."""
    handle = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            try:
                os.dup2(handle, stream.fileno())
            except (OSError, ValueError):
                continue
    os.close(handle)
    return EXIT_PIPE


def state_folder() -> Path:
    """``$XDG_STATE_HOME/terret``, or below ``~/.local/state``."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "terret"


def _sentence(message: str) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _crash_report(error: Exception, args: Sequence[str]) -> str:
    from terret import __version__

    trace = "".join(traceback.format_exception(error))
    text = f"terret {__version__}, Python {sys.version.split()[0]}, {sys.platform}\nterret {' '.join(args)}\n\n{trace}"
    try:
        folder = state_folder() / "crashes"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as refused:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"no crash report could be written ({refused.strerror}); raised at {last.filename}:{last.lineno}"
    return f"please report it with {path}"
