"""Permissions: decides, as a pure function, whether a primitive may act."""

from __future__ import annotations

from terret.permissions._decision import Decision
from terret.permissions._policy import Policy
from terret.permissions._shell import SimpleCommand, Unparsable, commands_of

__all__ = ["Decision", "Policy", "SimpleCommand", "Unparsable", "commands_of"]
