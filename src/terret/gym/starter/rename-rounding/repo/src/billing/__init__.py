"""Invoices of the subscription service."""

from billing.invoice import Invoice, Line, make_invoice

__all__ = ["Invoice", "Line", "make_invoice"]
