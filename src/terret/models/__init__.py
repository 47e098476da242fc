"""Models: clients for endpoints and local weights, test doubles, action dialects and the catalogue of local models.

Public names are imported on first use, so importing this room costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from terret.models._catalogue._entry import CatalogueEntry, Part, Source, UrlSource, WheelSource, catalogue
    from terret.models._catalogue._folder import installed, models_folder, remove
    from terret.models._catalogue._pull import pull
    from terret.models._connect import connect
    from terret.models._digest import GENESIS_DIGEST, chain_digest, request_digest
    from terret.models._http import HttpModel
    from terret.models._limits import Retries, Timeouts
    from terret.models._local import Infilling, LocalModel
    from terret.models._replay import ReplayModel
    from terret.models._scripted import ScriptedModel, read_reply
    from terret.models._settings import load_settings, parse_env
    from terret.models._sse import SseDecoder
    from terret.models._types import (
        Message,
        Model,
        ModelIdentity,
        Reply,
        Request,
        Sampling,
        TokenListener,
        ToolCall,
        ToolSpec,
        Usage,
    )
    from terret.models._wire import estimate_tokens
    from terret.models.dialects import Action, Dialect, FormatError, dialect

_HOME = {
    "_connect": ("connect",),
    "_digest": ("GENESIS_DIGEST", "chain_digest", "request_digest"),
    "_http": ("HttpModel",),
    "_limits": ("Retries", "Timeouts"),
    "_local": ("Infilling", "LocalModel"),
    "_replay": ("ReplayModel",),
    "_scripted": ("ScriptedModel", "read_reply"),
    "_settings": ("load_settings", "parse_env"),
    "_sse": ("SseDecoder",),
    "_types": (
        "Message",
        "Model",
        "ModelIdentity",
        "Reply",
        "Request",
        "Sampling",
        "TokenListener",
        "ToolCall",
        "ToolSpec",
        "Usage",
    ),
    "_wire": ("estimate_tokens",),
    "_catalogue._entry": ("CatalogueEntry", "Part", "Source", "UrlSource", "WheelSource", "catalogue"),
    "_catalogue._folder": ("installed", "models_folder", "remove"),
    "_catalogue._pull": ("pull",),
    "dialects": ("Action", "Dialect", "FormatError", "dialect"),
}

_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "GENESIS_DIGEST",
    "Action",
    "CatalogueEntry",
    "Dialect",
    "FormatError",
    "HttpModel",
    "Infilling",
    "LocalModel",
    "Message",
    "Model",
    "ModelIdentity",
    "Part",
    "ReplayModel",
    "Reply",
    "Request",
    "Retries",
    "Sampling",
    "ScriptedModel",
    "Source",
    "SseDecoder",
    "Timeouts",
    "TokenListener",
    "ToolCall",
    "ToolSpec",
    "UrlSource",
    "Usage",
    "WheelSource",
    "catalogue",
    "chain_digest",
    "connect",
    "dialect",
    "estimate_tokens",
    "installed",
    "load_settings",
    "models_folder",
    "parse_env",
    "pull",
    "read_reply",
    "remove",
    "request_digest",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module on first use."""
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
