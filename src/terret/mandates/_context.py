"""What a mandate is good for: one call, by one process, in one task."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from terret.mandates._fields import digest_of, fields

DOMAIN = "terret.mandate.context/1"
"""Begins everything that is hashed as a context, so that no other hash can pass for one."""

ANYWHERE = "*"
"""Stands for any process of the task, in a mandate that is meant for whichever episode gets to the call."""

_TARGETS = ("path", "command", "url", "host", "name")


class Context(msgspec.Struct, frozen=True, gc=False):
    """One call; two contexts have the same binding only when all five fields are the same.

    Args:
        task: Digest of the task's canonical JSON.
        process: Who acts: ``EPISODE:PID``, or ``*`` in a mandate for any of the task.
        resource: What it acts on, for people: ``net:example.org``.
        right: The primitive: ``net.fetch``.
        arguments: :func:`~terret.mandates.digest_of` of the exact arguments, 64 hex digits.
    """

    task: str
    process: str
    resource: str
    right: str
    arguments: str

    @property
    def binding(self) -> str:
        """SHA-256 over the length-prefixed fields, 64 hex digits."""
        return sha256(fields(DOMAIN, self.task, self.process, self.resource, self.right, self.arguments)).hexdigest()

    @property
    def anywhere(self) -> Context:
        """The same call by any process of the task."""
        return msgspec.structs.replace(self, process=ANYWHERE)

    @classmethod
    def of_call(cls, task: str, process: str, primitive: str, args: Mapping[str, Any]) -> Context:
        """The context of a call of ``primitive``, always computed from the live arguments.

        Raises:
            InputError: The arguments are not plain JSON.
        """
        target = ""
        for name in _TARGETS:
            if isinstance(args.get(name), str):
                target = args[name]
                break
        resource = f"{primitive.partition('.')[0]}:{target}"
        return cls(task, process, resource, primitive, digest_of(args))
