"""The evaluator: the patch alone, in a fresh workspace, under every check."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import InfrastructureError, PackageError
from terret.globs import WriteRules
from terret.verification._check import run_check, timed
from terret.verification._known_failures import against_base
from terret.verification._patch import denied, entries, forbidden
from terret.verification._plan import Step, plan
from terret.verification._results import CheckResult, Evaluation, Finding
from terret.verification._weakening import find_weakening

if TYPE_CHECKING:
    from terret.sandbox import FileChange, Sandbox, Tier, Workspace
    from terret.task import Task

MASS_DELETION = 5
"""A patch that deletes at least this many files, and more than it leaves, destroys."""


def evaluate(
    task: Task,
    archive: bytes,
    patch: bytes,
    folder: Path,
    *,
    tier: Tier | None = None,
    allow_none: bool = False,
    on_result: Callable[[CheckResult], None] | None = None,
    done: Mapping[str, CheckResult] | None = None,
) -> Evaluation:
    """Apply ``patch`` to a fresh workspace and run every check of the task on it.

    A patch cannot reach the evaluator: each check runs in scratch mode from the same tree, hidden files replace
    whatever the patch wrote in their place and are gone before the next check, and the agent's session (its caches,
    processes, untracked files) is not there at all.

    Args:
        task: The task, hidden part included.
        archive: The initial tree, as :meth:`terret.sandbox.Workspace.archive` gives it.
        patch: The agent's change, a git patch.
        folder: Where the workspace is made; its content is removed before and after.
        tier: The sandbox tier; the best available by default.
        allow_none: Whether running without a sandbox is acceptable.
        on_result: Told of every new result as soon as it is there.
        done: Results of an earlier, interrupted evaluation, by name; they are not run again.

    Raises:
        PackageError: The archive cannot be unpacked.
        SandboxUnavailable: This machine does not offer the tier.
    """
    scratch = folder / "evaluator"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    evaluator = _Evaluator(task, scratch, on_result, dict(done or {}))
    try:
        return evaluator.run(archive, patch, tier, allow_none)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Evaluator:
    """One evaluation under way."""

    def __init__(
        self,
        task: Task,
        folder: Path,
        on_result: Callable[[CheckResult], None] | None,
        done: dict[str, CheckResult],
    ) -> None:
        self.task = task
        self.folder = folder
        self.tell = on_result
        self.done = done
        self.checks: list[CheckResult] = []
        self.weakened: list[Finding] = []
        self.boundary: list[Finding] = []
        self.files: list[FileChange] = []
        self.workspace: Workspace | None = None

    def run(self, archive: bytes, patch: bytes, tier: Tier | None, allow_none: bool) -> Evaluation:
        from terret.errors import SandboxUnavailable
        from terret.sandbox import FileRefused, Sandbox, Workspace

        self.boundary = forbidden(patch)
        error, infra = "", list[dict[str, Any]]()
        try:
            workspace = self.workspace = Workspace.from_archive(self.folder, archive)
            error = self._apply(workspace, patch)
            if not error:
                tree = workspace.snapshot()
                self._inspect(workspace, tree, patch)
                environment = self.task.environment
                sandbox = Sandbox(
                    workspace.root,
                    tier=tier,
                    read_only=environment.read_only,
                    env=environment.vars,
                    allow_none=allow_none,
                )
                try:
                    self._run_all(sandbox, workspace, tree)
                finally:
                    sandbox.close()
        except SandboxUnavailable:
            raise
        except InfrastructureError as fault:
            infra.append({"part": "sandbox", "code": fault.code, "message": str(fault)})
        except FileRefused as fault:
            infra.append({"part": "sandbox", "code": "E_SANDBOX", "message": f"{fault.path}: {fault.reason}"})
        except OSError as fault:
            infra.append({"part": "sandbox", "code": "E_SANDBOX", "message": f"{fault.strerror or fault}"})
        return Evaluation(
            checks=self.checks,
            applied=not error,
            apply_error=error,
            weakened=self.weakened,
            boundary=self.boundary,
            patch_files=[self._file(change) for change in self.files],
            empty_patch=not patch.strip() or (not error and not infra and not self.files),
            infra=infra,
        )

    def _apply(self, workspace: Workspace, patch: bytes) -> str:
        """Apply the patch; why it could not be, or nothing."""
        if self.boundary:
            return "the patch touches files no patch may touch"
        if not patch.strip():
            return ""
        try:
            workspace.apply(patch)
        except PackageError as error:
            return error.message
        return ""

    def _inspect(self, workspace: Workspace, tree: str, patch: bytes) -> None:
        base, permissions = workspace.base, self.task.permissions
        self.files = workspace.changes(base, tree, exclude=())
        self.boundary += denied(
            [change.path for change in self.files], WriteRules(permissions.write, permissions.deny_write)
        )
        self.boundary += _outward_links(workspace, tree, patch)
        deleted = [change.path for change in self.files if change.status == "D"]
        if len(deleted) >= MASS_DELETION:
            left = sum(1 for entry in workspace.list(".", depth=64) if entry.kind != "dir")
            if len(deleted) > left:
                self.boundary.append(Finding("mass_deletion", deleted[0], f"{len(deleted)} files deleted, {left} left"))
        self.weakened = find_weakening(
            lambda path: workspace.show(base, path),
            lambda path: workspace.show(tree, path),
            self.files,
            commands=[*self.task.targeted, *([self.task.tests] if self.task.tests else [])],
            declared=permissions.write,
        )

    def _run_all(self, sandbox: Sandbox, workspace: Workspace, tree: str) -> None:
        for step in plan(self.task):
            earlier = self.done.get(step.name)
            if earlier is not None:
                self.checks.append(earlier)
                continue
            result = self._run(sandbox, workspace, tree, step)
            if result.passed is False and step.type in ("regression", "lint"):
                result = self._compare(sandbox, workspace, tree, step, result)
            self.checks.append(result)
            if self.tell is not None:
                self.tell(result)

    def _run(self, sandbox: Sandbox, workspace: Workspace, tree: str, step: Step) -> CheckResult:
        from terret.sandbox import FileRefused

        try:
            for path, content in step.files.items():
                workspace.write(path, content.encode())
        except FileRefused as refused:
            if refused.reason == "no_space":
                raise
            detail = f"the patch keeps {refused.path} from being put in place: {refused.reason}"
            self.weakened.append(Finding("evaluator_file_blocked", refused.path, detail))
            workspace.restore(tree)
            return CheckResult(step.name, step.type, step.command, False, None, list(step.covers), detail, 0.0)
        result = run_check(
            sandbox,
            name=step.name,
            type=step.type,
            command=step.command,
            limits=timed(self.task.limits, step.timeout_s),
            covers=step.covers,
            expect=step.expect,
            exit_code=step.exit_code,
        )
        # Without a sandbox nothing throws a check's writes away.
        if step.files or sandbox.tier == "none":
            workspace.restore(tree)
        return result

    def _compare(
        self, sandbox: Sandbox, workspace: Workspace, tree: str, step: Step, result: CheckResult
    ) -> CheckResult:
        """Judge a failed run by the same run on the untouched repository."""
        if not self.files:
            return msgspec.structs.replace(result, passed=True, detail="fails, and the patch changes nothing")
        workspace.restore(workspace.base)
        before = self._run(sandbox, workspace, workspace.base, step)
        workspace.restore(tree)
        passed, detail = against_base(result, before)
        return msgspec.structs.replace(result, passed=passed, detail=detail)

    def _file(self, change: FileChange) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "path": change.path,
            "status": change.status,
            "added": change.added,
            "deleted": change.deleted,
        }
        return {**plain, "relevant": change.path in self.task.hints} if self.task.hints else plain


def _outward_links(workspace: Workspace, tree: str, patch: bytes) -> list[Finding]:
    found: list[Finding] = []
    for path, mode in entries(patch):
        target = workspace.show(tree, path) if mode == "120000" else None
        if target is None:
            continue
        text = target.decode("utf-8", "replace")
        depth = path.count("/")
        ups = sum(1 for part in text.split("/") if part == "..")
        if text.startswith("/") or ups > depth:
            found.append(Finding("link_outside", path, f"a link to {text}"))
    return found
