"""Mandates: signed permissions for one call each, spent exactly once."""

from __future__ import annotations

from terret.mandates._context import Context
from terret.mandates._fields import digest_of, fields
from terret.mandates._gate import ABLATIONS, Call, Grant, MandateGate, Wallet
from terret.mandates._mandate import Issuer, Mandate
from terret.mandates._registry import Claim, Registry, Spent
from terret.mandates._verify import Refused, Verifier

__all__ = [
    "ABLATIONS",
    "Call",
    "Claim",
    "Context",
    "Grant",
    "Issuer",
    "Mandate",
    "MandateGate",
    "Refused",
    "Registry",
    "Spent",
    "Verifier",
    "Wallet",
    "digest_of",
    "fields",
]
