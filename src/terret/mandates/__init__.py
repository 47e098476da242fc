"""Mandates: signed permissions for one call each, spent exactly once."""

from __future__ import annotations

from terret.mandates._context import ANYWHERE, Context
from terret.mandates._fields import digest_of, fields
from terret.mandates._gate import ABLATIONS, Call, Grant, MandateGate, Wallet
from terret.mandates._mandate import Issuer, Mandate
from terret.mandates._registry import Claim, Registry, Spent
from terret.mandates._slip import Slip, mandates_folder, read_slip, registry_file, write_slip
from terret.mandates._verify import Refused, Verifier

__all__ = [
    "ABLATIONS",
    "ANYWHERE",
    "Call",
    "Claim",
    "Context",
    "Grant",
    "Issuer",
    "Mandate",
    "MandateGate",
    "Refused",
    "Registry",
    "Slip",
    "Spent",
    "Verifier",
    "Wallet",
    "digest_of",
    "fields",
    "mandates_folder",
    "read_slip",
    "registry_file",
    "write_slip",
]
