"""Checks what a well-formed task means: references, names, paths, commands and limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from terret.task._model import Check, EnvironmentSpec, Permissions, Repository, Task
from terret.task._problem import Finding, Keys
from terret.task._rules import (
    Fault,
    bound_fault,
    command_fault,
    commit_fault,
    file_fault,
    glob_fault,
    id_fault,
    name_fault,
    path_fault,
    url_fault,
    variable_fault,
)


def lint(task: Task, folder: Path) -> Iterator[Finding]:
    """Every finding on a task whose file lies in ``folder``; only that folder and the repository are looked at."""
    yield from _found(("name",), name_fault(task.name), task.name)
    if not task.objective.strip():
        yield Finding(("objective",), "the objective is empty", task.objective, "say what to change and why")
    yield from _repository(task.repository, folder)
    yield from _requirements(task)
    yield from _checks(task)
    yield from _coverage(task)
    for field, command in (("tests", task.tests), ("lint", task.lint)):
        if command is not None:
            yield from _found((field,), command_fault(command), command)
    for index, command in enumerate(task.targeted):
        yield from _found(("targeted", index), command_fault(command), command)
    yield from _numbers(task)
    yield from _permissions(task.permissions)
    yield from _environment(task.environment)
    yield from _hints(task, folder)


def _found(at: Keys, fault: Fault | None, value: object) -> Iterator[Finding]:
    if fault is not None:
        yield Finding(at, fault[0], value, fault[1], fault[2])


def _repeated(at: Keys, field: str, values: Iterable[str], what: str) -> Iterator[Finding]:
    """A finding at every value that stands earlier in the list."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Finding((*at, index, field), f"{what} is given twice", value, "rename or remove one of them")
        seen.add(value)


def _repository(repository: Repository, folder: Path) -> Iterator[Finding]:
    at = ("repository",)
    given = [name for name in ("path", "url", "files") if getattr(repository, name) is not None]
    if len(given) != 1:
        message = "the repository has no source" if not given else "the repository has more than one source"
        yield Finding(at, message, ", ".join(given) or None, "give exactly one of path, url and files")
        return
    if repository.commit is not None:
        yield from _found((*at, "commit"), commit_fault(repository.commit), repository.commit)
        if repository.files is not None:
            yield Finding((*at, "commit"), "inline files have no commit", repository.commit, "leave it out")
    if repository.url is not None:
        yield from _found((*at, "url"), url_fault(repository.url), repository.url)
        if repository.commit is None:
            yield Finding(at, "a git address needs a commit", repository.url, "add commit: with the full commit id")
    elif repository.path is not None:
        yield from _folder((*at, "path"), repository.path, folder)
    elif repository.files is not None:
        if not repository.files:
            yield Finding((*at, "files"), "the repository has no files", {}, "add at least one")
        yield from _files((*at, "files"), repository.files)


def _folder(at: Keys, path: str, folder: Path) -> Iterator[Finding]:
    root = _root(path, folder)
    if not path.strip() or root is None:
        yield Finding(at, "not a folder name", path, "name the repository's folder; '.' is that of this file")
    elif not _is(root, "exists"):
        yield Finding(at, "the repository folder does not exist", path, "paths are relative to the task file")
    elif not _is(root, "is_dir"):
        yield Finding(at, "the repository is not a folder", path, "name the folder that holds the code")
    elif _is(root / "harness", "exists"):
        yield Finding(
            at, "the repository has a folder harness/", path, "changes in it will not be part of the patch", "warning"
        )


def _root(path: str, folder: Path) -> Path | None:
    try:
        return folder / Path(path).expanduser()
    except RuntimeError:
        return None


def _is(path: Path, question: str) -> bool:
    """``path.exists()`` and its kind, where a path that cannot be looked at is simply not there."""
    try:
        return bool(getattr(path, question)())
    except (OSError, ValueError):
        return False


def _files(at: Keys, files: dict[str, str]) -> Iterator[Finding]:
    names = {path.rstrip("/") for path in files}
    for path in files:
        yield from _found((*at, path), file_fault(path), path)
        parents = ("/".join(path.split("/")[:size]) for size in range(1, path.count("/") + 1))
        inside = next((parent for parent in parents if parent in names and parent != path.rstrip("/")), None)
        if inside:
            yield Finding((*at, path), "a path is both a file and a folder", inside, "rename one of them")


def _requirements(task: Task) -> Iterator[Finding]:
    at = ("requirements",)
    yield from _repeated(at, "id", (requirement.id for requirement in task.requirements), "a requirement id")
    for index, requirement in enumerate(task.requirements):
        yield from _found((*at, index, "id"), id_fault(requirement.id, "a requirement id"), requirement.id)
        if not requirement.text.strip():
            yield Finding((*at, index, "text"), "a requirement says nothing", requirement.text, "say what must hold")


def _all_checks(task: Task) -> Iterator[tuple[Keys, Check]]:
    for index, check in enumerate(task.checks):
        yield ("checks", index), check
    for index, check in enumerate(task.hidden.checks):
        yield ("hidden", "checks", index), check


def _checks(task: Task) -> Iterator[Finding]:
    yield from _repeated(("checks",), "name", (check.name for check in task.checks), "a check name")
    yield from _repeated(("hidden", "checks"), "name", (check.name for check in task.hidden.checks), "a check name")
    visible = {check.name for check in task.checks}
    for index, check in enumerate(task.hidden.checks):
        if check.name in visible:
            at = ("hidden", "checks", index, "name")
            yield Finding(at, "a hidden check has the name of a visible one", check.name, "rename it")
    inline = task.repository.files or {}
    for at, check in _all_checks(task):
        yield from _check(at, check, task)
        if at[0] == "hidden" and check.files and all(inline.get(path) == text for path, text in check.files.items()):
            shown = ", ".join(check.files)
            hint = "give it what the agent must not see, or leave the files out"
            yield Finding((*at, "files"), "a hidden check has only files that the agent sees", shown, hint, "warning")


def _check(at: Keys, check: Check, task: Task) -> Iterator[Finding]:
    yield from _found((*at, "name"), id_fault(check.name, "a check name"), check.name)
    yield from _found((*at, "run"), command_fault(check.run), check.run)
    yield from _found((*at, "timeout_s"), bound_fault("timeout_s", check.timeout_s), check.timeout_s)
    yield from _files((*at, "files"), check.files)
    yield from _expectation(at, check, task.limits.output_kb)
    known = [requirement.id for requirement in task.requirements]
    for index, covered in enumerate(check.covers):
        if covered not in known:
            hint = "requirements: " + ", ".join(known[:20]) if known else "the task has no requirements"
            yield Finding((*at, "covers", index), "a check covers an unknown requirement", covered, hint)
        elif covered in check.covers[:index]:
            hint = "keep one of them"
            yield Finding((*at, "covers", index), "a requirement is covered twice", covered, hint, "warning")


def _expectation(at: Keys, check: Check, output_kb: int) -> Iterator[Finding]:
    code, expect = check.exit_code, check.expect
    if expect is not None and not expect.strip():
        hint = "name text that only a passing run prints, or leave expect out and use exit_code"
        yield Finding((*at, "expect"), "the expected text is blank, so every output has it", expect, hint)
    elif expect is not None and len(expect.encode("utf-8", "replace")) > output_kb * 1024:
        hint = "expect less, or raise limits.output_kb"
        yield Finding((*at, "expect"), "the expected text is longer than an output may be", expect, hint)
    if code is not None and not 0 <= code <= 255:
        yield Finding(
            (*at, "exit_code"), "an exit code is from 0 to 255", code, "give the code a passing run ends with"
        )
    elif code in (124, 126, 127, 137):
        hint = "such an end is never a pass; make the command end with another code"
        message = "this exit code means that the command was not found or was killed"
        yield Finding((*at, "exit_code"), message, code, hint)
    elif code and expect is None:
        hint = "add expect, so that a crash does not pass"
        yield Finding((*at, "exit_code"), "a failing exit code alone counts as a pass", code, hint, "warning")


def _coverage(task: Task) -> Iterator[Finding]:
    """Requirements without evidence; nothing here keeps a task from running."""
    shown = {covered for check in task.checks for covered in check.covers}
    hidden = {covered for check in task.hidden.checks for covered in check.covers}
    for index, requirement in enumerate(task.requirements):
        at = ("requirements", index, "id")
        if requirement.id not in shown | hidden:
            hint = "name it in the covers of a check"
            yield Finding(at, "no check covers this requirement", requirement.id, hint, "warning")
        elif requirement.id not in shown:
            hint = "an episode cannot show evidence for it; cover it by a visible check too"
            yield Finding(at, "only hidden checks cover this requirement", requirement.id, hint, "warning")
    if not task.checks and not task.hidden.checks:
        yield Finding(("checks",), "the task has no checks", None, "nothing can say when it is done", "warning")
    if not task.requirements:
        hint = "an episode can at most be unverified_success"
        yield Finding(("requirements",), "the task has no requirements", None, hint, "warning")


def _numbers(task: Task) -> Iterator[Finding]:
    for part in ("budget", "limits"):
        for name, value in msgspec.structs.asdict(getattr(task, part)).items():
            yield from _found((part, name), bound_fault(f"{part}.{name}", value), value)
    timeout = task.regression_timeout_s
    yield from _found(("regression_timeout_s",), bound_fault("regression_timeout_s", timeout), timeout)


def _permissions(permissions: Permissions) -> Iterator[Finding]:
    for field in ("write", "deny_write", "ask_write"):
        for index, glob in enumerate(getattr(permissions, field)):
            yield from _found(("permissions", field, index), glob_fault(glob), glob)
    for field in ("deny_run", "ask_run"):
        for index, pattern in enumerate(getattr(permissions, field)):
            if not pattern.strip() or "\0" in pattern:
                yield Finding(("permissions", field, index), "a command pattern is empty", pattern, "leave it out")
    for index, secret in enumerate(permissions.secrets):
        if not (secret.name.isascii() and secret.name.isidentifier()):
            at = ("permissions", "secrets", index, "name")
            yield Finding(at, "a secret needs the name of a variable", secret.name, "letters, digits and underscores")
        if not any(rule.host.lower() == secret.host.lower() for rule in permissions.egress):
            at = ("permissions", "secrets", index, "host")
            yield Finding(at, "no rule of permissions.egress opens the secret's host", secret.host, "add one")
    if not permissions.write:
        hint = "name what it may change, e.g. ['src/**']"
        yield Finding(("permissions", "write"), "the agent may change nothing", [], hint, "warning")


def _environment(environment: EnvironmentSpec) -> Iterator[Finding]:
    for name, value in environment.vars.items():
        yield from _found(("environment", "vars", name), variable_fault(name, value), name)
    for index, path in enumerate(environment.read_only):
        at = ("environment", "read_only", index)
        if not path.startswith("/") or ".." in path.split("/"):
            yield Finding(at, "a host folder is not absolute", path, "write it from the root, without '..'")
        elif not path.strip("/"):
            yield Finding(at, "the whole host would be visible", path, "name the tool's own folder")
        elif not _is(Path(path), "exists"):
            yield Finding(at, "the host folder does not exist on this machine", path, "install the tool or remove it")


def _hints(task: Task, folder: Path) -> Iterator[Finding]:
    repository = task.repository
    for index, hint in enumerate(task.hints):
        at = ("hints", index)
        fault = path_fault(hint)
        if fault is not None:
            yield from _found(at, fault, hint)
        elif not _in_repository(repository, hint, folder):
            # The working folder may differ from the commit.
            severity = "error" if repository.commit is None else "warning"
            mend = "paths are relative to the repository"
            yield Finding(at, "a hint names a file that the repository does not have", hint, mend, severity)


def _in_repository(repository: Repository, path: str, folder: Path) -> bool:
    """Whether the file exists, or where that cannot be known here."""
    if repository.files is not None:
        return path in repository.files
    root = None if repository.path is None else _root(repository.path, folder)
    return root is None or not _is(root, "is_dir") or _is(root / path, "is_file")
