"""llama.cpp inside this process: one server for each weights file, shared by everyone who asks for it."""

from __future__ import annotations

import importlib
import os
import secrets
import threading
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import MissingExtra, ModelUnavailable

_CACHE_MIB = 1024
_DRAFT_AFTER, _DRAFT_TOKENS = 3, 16
"""Three tokens that stood in the prompt draft the sixteen that followed them there."""
_WAIT_POLICY = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


class EngineKey(msgspec.Struct, frozen=True):
    """What makes two engines the same: real path of the weights, window of a slot in tokens, slots, threads."""

    path: str
    context: int
    slots: int
    threads: int


class Engine:
    """A running server: its address and the key that keeps other programs of this machine out."""

    def __init__(self, key: EngineKey) -> None:
        self.key = key
        self.api_key = secrets.token_urlsafe(24)
        self._server: Any = _start(key, self.api_key)
        self.url: str = self._server.listening_address
        self.users = 0

    def stop(self) -> None:
        """Free weights, cache and threads."""
        self._server = None


_engines: dict[EngineKey, Engine] = {}
_lock = threading.Lock()


def acquire(key: EngineKey) -> Engine:
    """The engine of that key, started if need be; give it back with :func:`release`. Blocks while weights load.

    Raises:
        MissingExtra: xllamacpp is not installed.
        ModelUnavailable: llama.cpp cannot load the weights.
    """
    with _lock:
        engine = _engines.get(key)
        if engine is None:
            engine = _engines[key] = Engine(key)
        engine.users += 1
        return engine


def release(engine: Engine) -> None:
    """Give an engine back; the last one to do so stops it."""
    with _lock:
        engine.users -= 1
        if engine.users == 0:
            _engines.pop(engine.key, None)
            engine.stop()


def _library() -> Any:
    # OpenMP reads its wait policy when it is loaded. Threads that spin at a barrier while another program holds the
    # core of the one they wait for are tens of times slower than threads that sleep.
    chosen = _WAIT_POLICY.keys() & os.environ.keys()
    if not chosen:
        os.environ.update(_WAIT_POLICY)
    try:
        return importlib.import_module("xllamacpp")
    except ImportError:
        raise MissingExtra("local models need xllamacpp", hint="pip install 'terret[local]'") from None
    finally:
        if not chosen:
            for name in _WAIT_POLICY:
                os.environ.pop(name, None)


def _start(key: EngineKey, api_key: str) -> Any:
    library = _library()
    params: Any = library.CommonParams()
    params.model.path = key.path
    params.model_alias = {Path(key.path).name}
    params.n_ctx = key.context * key.slots
    params.n_parallel = key.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = key.threads
    params.cache_ram_mib = _CACHE_MIB
    params.api_keys = [api_key]
    params.verbosity = 0
    params.ui = False
    _draft_from_prompt(library, params)
    try:
        return library.Server(params)
    except RuntimeError as error:
        raise ModelUnavailable(
            f"llama.cpp cannot load the weights: {error}",
            where=key.path,
            hint="check free memory, or remove the model and pull it again",
        ) from None


def _draft_from_prompt(library: Any, params: Any) -> None:
    """Let the prompt's own text propose the next tokens; the model still decides every one of them.

    Answers that repeat most of the code they correct come about 1.4 times as fast (two cores, Qwen2.5-Coder-1.5B).
    """
    kinds = getattr(library, "common_speculative_type", None)
    if kinds is None:
        return
    params.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    params.speculative.ngram_simple.size_n = _DRAFT_AFTER
    params.speculative.ngram_simple.size_m = _DRAFT_TOKENS
