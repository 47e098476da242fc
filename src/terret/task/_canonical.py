"""The canonical form of a task, its digest, and the copies other parties get."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import TaskError
from terret.task._model import Hidden, Task

_encoder = msgspec.json.Encoder(order="sorted")


def task_json(task: Task) -> bytes:
    """The canonical JSON of a task: keys sorted, no white space, defaults left out."""
    return _encoder.encode(task)


def task_digest(task: Task) -> str:
    """The identity of a task: the SHA-256 of its canonical JSON, 64 hex digits.

    Computed over the task as written, so that the same file has the same digest on every machine; see
    :func:`resolve`.
    """
    return sha256(task_json(task)).hexdigest()


def decode_task(raw: bytes, where: str = "task.json") -> Task:
    """The task of stored canonical JSON.

    The shape is checked, the meaning is not: a stored task was linted when it was loaded.

    Raises:
        TaskError: The bytes are not a task.
    """
    try:
        return msgspec.json.decode(raw, type=Task)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TaskError(f"the stored task cannot be read: {error}", where=where) from None


def redacted(task: Task) -> Task:
    """What an agent may see of a task: no hidden part, and none of the author's bookkeeping (tags, metadata)."""
    return msgspec.structs.replace(task, hidden=Hidden(), tags=(), metadata={})


def resolve(task: Task, file: Path) -> Task:
    """The task with ``repository.path`` absolute, taken relative to the folder of ``file``."""
    if task.repository.path is None:
        return task
    folder = (file.parent / Path(task.repository.path).expanduser()).resolve()
    return msgspec.structs.replace(task, repository=msgspec.structs.replace(task.repository, path=str(folder)))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a task file; ``docs/task.schema.json`` is this, indented."""
    schema = msgspec.json.schema(Task)
    for part in schema["$defs"].values():
        part["description"] = " ".join(part["description"].split())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "terret task", **schema}
