"""Permissions: decides, as a pure function, whether a primitive may act."""

from __future__ import annotations

from terret.permissions._approvals import REACHES, Approvals, Approved, Reach, approvals_file
from terret.permissions._capability import EFFECTS, RIGHTS, Capability, Effect, Reservation
from terret.permissions._cedar import CedarPolicy
from terret.permissions._constraints import arguments_hash
from terret.permissions._decision import Decision
from terret.permissions._demands import Demand, demands_of, judge
from terret.permissions._entry import Status
from terret.permissions._flat import Part, flat
from terret.permissions._grants import KINDS, GrantSpec, capabilities_of, load_grants, parse_grant
from terret.permissions._layer import Layer, Ruling, Scope
from terret.permissions._layered import Decider, Explanation, LayeredPolicy, default_layers
from terret.permissions._policy import Policy
from terret.permissions._policy_file import PolicyFile, check_policy, load_policy, parse_policy
from terret.permissions._policy_spec import policy_schema
from terret.permissions._reload import Reload, ReloadingPolicy
from terret.permissions._resource import Pattern, Resource
from terret.permissions._shell import SimpleCommand, Unparsable, commands_of
from terret.permissions._table import CapabilityTable
from terret.permissions._wanted import BELOW, OPAQUE, Wanted, wanted

__all__ = [
    "BELOW",
    "EFFECTS",
    "KINDS",
    "OPAQUE",
    "REACHES",
    "RIGHTS",
    "Approvals",
    "Approved",
    "Capability",
    "CapabilityTable",
    "CedarPolicy",
    "Decider",
    "Decision",
    "Demand",
    "Effect",
    "Explanation",
    "GrantSpec",
    "Layer",
    "LayeredPolicy",
    "Part",
    "Pattern",
    "Policy",
    "PolicyFile",
    "Reach",
    "Reload",
    "ReloadingPolicy",
    "Reservation",
    "Resource",
    "Ruling",
    "Scope",
    "SimpleCommand",
    "Status",
    "Unparsable",
    "Wanted",
    "approvals_file",
    "arguments_hash",
    "capabilities_of",
    "check_policy",
    "commands_of",
    "default_layers",
    "demands_of",
    "flat",
    "judge",
    "load_grants",
    "load_policy",
    "parse_grant",
    "parse_policy",
    "policy_schema",
    "wanted",
]
