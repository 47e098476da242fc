"""Task specification: the task file, its checks and budgets, its digest, and what an agent may see of it."""

from __future__ import annotations

from terret.task._canonical import decode_task, json_schema, redacted, resolve, task_digest, task_json
from terret.task._load import lint_task, load_task
from terret.task._model import (
    Budget,
    Check,
    EgressRule,
    EnvironmentSpec,
    Hidden,
    Limits,
    Permissions,
    Repository,
    Requirement,
    SecretRule,
    Task,
)
from terret.task._problem import Problem
from terret.task._template import new_task

__all__ = [
    "Budget",
    "Check",
    "EgressRule",
    "EnvironmentSpec",
    "Hidden",
    "Limits",
    "Permissions",
    "Problem",
    "Repository",
    "Requirement",
    "SecretRule",
    "Task",
    "decode_task",
    "json_schema",
    "lint_task",
    "load_task",
    "new_task",
    "redacted",
    "resolve",
    "task_digest",
    "task_json",
]
