"""Permissions: decides, as a pure function, whether a primitive may act."""

from __future__ import annotations

from terret.permissions._capability import EFFECTS, RIGHTS, Capability, Effect, Reservation
from terret.permissions._constraints import arguments_hash
from terret.permissions._decision import Decision
from terret.permissions._entry import Status
from terret.permissions._policy import Policy
from terret.permissions._resource import Pattern, Resource
from terret.permissions._shell import SimpleCommand, Unparsable, commands_of
from terret.permissions._table import CapabilityTable

__all__ = [
    "EFFECTS",
    "RIGHTS",
    "Capability",
    "CapabilityTable",
    "Decision",
    "Effect",
    "Pattern",
    "Policy",
    "Reservation",
    "Resource",
    "SimpleCommand",
    "Status",
    "Unparsable",
    "arguments_hash",
    "commands_of",
]
