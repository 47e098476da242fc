"""What every event payload is."""

from __future__ import annotations

import msgspec


class Data(msgspec.Struct, frozen=True, tag_field="kind", omit_defaults=True, gc=False):
    """Base of every event payload."""
