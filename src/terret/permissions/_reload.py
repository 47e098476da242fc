"""A policy whose files may change while it is in use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import ConfigError
from terret.permissions._approvals import Approvals
from terret.permissions._decision import Decision
from terret.permissions._layered import LayeredPolicy, default_layers, policy_files
from terret.task import Permissions

Stamp = tuple[str, int, int, int]


class Reload(msgspec.Struct, frozen=True):
    """What a look at the files gave: whether they are in force anew, and why they are not when they should be."""

    changed: bool
    problem: ConfigError | None = None


class ReloadingPolicy:
    """The policy of the files there are now; an invalid change leaves the old policy in force and says so.

    A file that goes away counts as invalid too: editors remove a file for a moment, and no rule may be lost by that.
    An episode does not use this: it keeps the policy that it was opened with, so that it can be repeated.

    Args:
        permissions: What the task allows.
        level: The harness level.
        project: A folder that may hold ``.terret/policy.yaml``.
        file: A further policy file.
        approvals: What people approved; kept over reloads.

    Raises:
        ConfigError: The files are invalid to begin with.
    """

    def __init__(
        self,
        permissions: Permissions,
        level: str = "H1",
        *,
        project: Path | None = None,
        file: Path | None = None,
        approvals: Approvals | None = None,
    ) -> None:
        self._permissions = permissions
        self._level = level
        self._project = project
        self._file = file
        self._approvals = approvals or Approvals()
        self._seen: list[Stamp] = self._stamps()
        self.problem: ConfigError | None = None
        """Why the files as they are now are not in force."""
        self.policy = self._load()

    def decide(self, primitive: str, args: Mapping[str, Any]) -> Decision:
        """What the policy in force says."""
        return self.policy.decide(primitive, args)

    def refresh(self) -> Reload:
        """Look at the files, and put them in force when they changed and are valid."""
        stamps = self._stamps()
        if stamps == self._seen:
            return Reload(False, self.problem)
        names = {stamp[0] for stamp in stamps}
        gone = [stamp[0] for stamp in self._seen if stamp[0] not in names]
        try:
            if gone:
                raise ConfigError("a policy file is gone", where=gone[0], hint="start anew to go on without it")
            self.policy = self._load()
        except ConfigError as error:
            self.problem = ConfigError(
                f"the old policy stays in force: {error.message}", value=error.value, where=error.where, hint=error.hint
            )
            if not gone:
                self._seen = stamps
            return Reload(False, self.problem)
        self._seen, self.problem = stamps, None
        return Reload(True)

    def _load(self) -> LayeredPolicy:
        layers = default_layers(self._project, self._file)
        return LayeredPolicy(self._permissions, self._level, layers, self._approvals)

    def _stamps(self) -> list[Stamp]:
        found: list[Stamp] = []
        for _, path, _ in policy_files(self._project, self._file):
            try:
                state = path.stat()
            except OSError:
                continue
            found.append((str(path), state.st_ino, state.st_mtime_ns, state.st_size))
        return found
