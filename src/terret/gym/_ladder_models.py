"""Models for many episodes: one client a spec, except for scripts, which belong to a task."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terret.errors import ConfigError
from terret.gym._suite import SuiteTask

if TYPE_CHECKING:
    from terret.models import Model

SCRIPTED = "scripted"
"""The spec that stands for each task's own scripted solution."""


def scripted_model(task: SuiteTask) -> Model:
    """The task's scripted solution: the one it names, or the one that lies beside its repository.

    Raises:
        ConfigError: There is none.
    """
    from terret.models import connect

    repository = task.task.repository.path
    script = Path(repository).parent / "scripted.yaml" if repository else None
    script = Path(task.script) if task.script else script
    if script is None or not script.is_file():
        raise ConfigError("the task has no scripted solution", value=task.id, hint="give a model with --model")
    return connect(f"scripted:{script}")


class ModelPool:
    """Connects each spec once and lends it to one episode after another, or to several at a time."""

    def __init__(self) -> None:
        self._shared: dict[str, Model] = {}

    def connect(self, spec: str) -> None:
        """Connect a spec now, so that a bad one is known before anything runs.

        Raises:
            TerretError: What :func:`terret.models.connect` raises.
        """
        from terret.models import connect

        if spec != SCRIPTED and spec not in self._shared:
            self._shared[spec] = connect(spec)

    @asynccontextmanager
    async def model(self, spec: str, task: SuiteTask) -> AsyncGenerator[Model]:
        """The model of that spec for one episode of a task; whoever gets it may close it without harm.

        Raises:
            TerretError: What :func:`scripted_model` and :func:`terret.models.connect` raise.
        """
        if spec == SCRIPTED:
            own = scripted_model(task)
            try:
                yield own
            finally:
                await own.aclose()
            return
        self.connect(spec)
        lent: Any = _Lent(self._shared[spec])
        yield lent

    async def aclose(self) -> None:
        """Close every shared model."""
        while self._shared:
            _, model = self._shared.popitem()
            await model.aclose()


class _Lent:
    """A shared model that a borrower cannot close."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def aclose(self) -> None:
        """Nothing: the owner closes it."""
