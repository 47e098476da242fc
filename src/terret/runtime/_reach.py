"""What a task lets its commands reach, and the secrets they use there."""

from __future__ import annotations

import os

from terret.sandbox import Egress
from terret.task import Task


def egress_of(task: Task) -> Egress | None:
    """The way out of the task's sandbox; secrets are this process's variables of the same names.

    Raises:
        ConfigError: A secret has no value.
    """
    permissions = task.permissions
    return Egress(permissions.egress, permissions.secrets, os.environ) if permissions.egress else None
