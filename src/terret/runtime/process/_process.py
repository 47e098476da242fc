"""One agent process."""

from __future__ import annotations

import posixpath
from typing import Any

import msgspec

from terret.errors import InputError
from terret.permissions import CapabilityTable
from terret.runtime.process._account import Account
from terret.runtime.process._mailbox import Mailbox
from terret.runtime.process._status import End, Status, Wait


class AgentProcess:
    """A row of the process table. Only the table changes it; anybody may read it.

    Attributes:
        pid: Its number, from 1.
        parent: The process that started it; nothing for a root.
        ordinal: Which child of its parent it is, from 0.
        image: What it runs.
        goal: What it is to do, plain JSON.
        status: Where it is in its life.
        wait: What it waits for.
        end: How it ended.
        authority: Its capabilities.
        budget: Its share of the budget.
        tools: What it can see; empty means nothing.
        cwd: Its working directory, relative to the workspace.
        mailbox: Messages it has not read.
        children: Its children by ordinal; ended ones stay until they are reaped.
        revision: Counts every change of the row.
        generation: Counts waits and wake-ups; see :class:`Token`.
        epoch: Counts the leases; see :class:`Lease`.
        owner: Who has the lease; empty when nobody.
        incarnation: How often it was restarted.
        cancelled: It was asked to end.
    """

    __slots__ = (
        "authority",
        "budget",
        "cancelled",
        "children",
        "created_at",
        "cwd",
        "end",
        "epoch",
        "generation",
        "goal",
        "image",
        "incarnation",
        "lease_until",
        "mailbox",
        "ordinal",
        "owner",
        "parent",
        "pid",
        "priority",
        "revision",
        "spawned",
        "status",
        "tenant",
        "tools",
        "updated_at",
        "wait",
    )

    def __init__(
        self,
        pid: int,
        parent: AgentProcess | None,
        ordinal: int,
        image: str,
        goal: Any,
        *,
        authority: CapabilityTable,
        budget: Account,
        tools: frozenset[str],
        tenant: str,
        priority: int,
        cwd: str,
        now: float,
    ) -> None:
        self.pid = pid
        self.parent = parent
        self.ordinal = ordinal
        self.image = image
        self.goal = goal
        self.status: Status = "created"
        self.wait: Wait | None = None
        self.end: End | None = None
        self.authority = authority
        self.budget = budget
        self.tools = tools
        self.tenant = tenant
        self.priority = priority
        self.cwd = cwd
        self.mailbox = Mailbox(pid)
        self.children: dict[int, AgentProcess] = {}
        self.spawned = 0
        self.revision = self.generation = self.epoch = self.incarnation = 0
        self.owner = ""
        self.lease_until: float | None = None
        self.cancelled = False
        self.created_at = self.updated_at = now

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.end is None

    @property
    def root(self) -> AgentProcess:
        """The oldest of its line."""
        process = self
        while process.parent is not None:
            process = process.parent
        return process

    def lineage(self) -> list[int]:
        """Its pid and those of its ancestors, the root last."""
        found: list[int] = []
        process: AgentProcess | None = self
        while process is not None:
            found.append(process.pid)
            process = process.parent
        return found

    def descendants(self) -> list[AgentProcess]:
        """Everything below it, parents before their children."""
        found: list[AgentProcess] = []
        for child in self.children.values():
            found.append(child)
            found += child.descendants()
        return found

    def row(self) -> dict[str, Any]:
        """The row as plain JSON."""
        return {
            "pid": self.pid,
            "parent": 0 if self.parent is None else self.parent.pid,
            "image": self.image,
            "status": self.status,
            "wait": msgspec.to_builtins(self.wait),
            "tenant": self.tenant,
            "priority": self.priority,
            "cwd": self.cwd,
            "tools": sorted(self.tools),
            "messages": len(self.mailbox),
            "incarnation": self.incarnation,
            "revision": self.revision,
            "limits": self.budget.limits(),
            "used": self.budget.used(),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


def folder(cwd: str, path: str) -> str:
    """A path as seen from a working directory, relative to the workspace.

    Raises:
        InputError: It leads out of the workspace.
    """
    joined = posixpath.normpath(posixpath.join("/", cwd, path).lstrip("/") or ".")
    raw = posixpath.normpath(posixpath.join(cwd, path))
    if path.startswith("/") or raw == ".." or raw.startswith("../"):
        raise InputError("the path leads out of the workspace", value=path, hint="use a path below the workspace")
    return joined
