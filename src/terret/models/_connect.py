"""From a model's spec, as given on the command line, to its client."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from terret.errors import ConfigError, ModelNotFound
from terret.models._types import Model, ModelIdentity

FORMS = "local/NAME, openai/NAME, http://HOST:PORT/v1#NAME, scripted:FILE or replay:EPISODE"

_OPENAI = "https://api.openai.com/v1"
_HTTP_CONTEXT = 32_768
_OPENAI_CONTEXT = 128_000


def connect(spec: str, *, settings: Mapping[str, str] | None = None, context: int | None = None) -> Model:
    """The client of a model; nothing is loaded or contacted yet.

    ``settings`` default to the environment completed by ``.env`` in the current folder. ``context`` overrides the
    window in tokens, as does the setting ``TERRET_CONTEXT``; scripts and replays have their own.

    Raises:
        ConfigError: The spec or a setting cannot be used.
        ModelNotFound: A local model is unknown or not pulled.
        EpisodeNotFound: A replay names no package.
    """
    kind, _, rest = spec.partition(":") if spec.startswith(("scripted:", "replay:")) else spec.partition("/")
    if rest and kind == "scripted":
        from terret.models._scripted import ScriptedModel

        return ScriptedModel.from_file(rest)
    if rest and kind == "replay":
        from terret.models._replay import ReplayModel

        return ReplayModel(rest)
    if settings is None:
        from terret.models._settings import load_settings

        settings = load_settings(Path.cwd())
    window = context if context is not None else _number(settings, "TERRET_CONTEXT")
    if window is not None and window <= 0:
        raise ConfigError("the context must be positive", value=window)
    if rest and kind == "local":
        return _local(spec, rest, settings, window)
    if rest and kind == "openai":
        return _openai(spec, rest, settings, window)
    if spec.startswith(("http://", "https://")):
        return _http(spec, settings, window)
    raise ConfigError("not a model", value=spec, hint=f"use {FORMS}")


def _local(spec: str, name: str, settings: Mapping[str, str], context: int | None) -> Model:
    from terret.models._catalogue import find_entry, installed
    from terret.models._local import LocalModel

    slots, threads = _number(settings, "TERRET_LOCAL_SLOTS") or 1, _number(settings, "TERRET_LOCAL_THREADS")
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelNotFound("there is no such weights file", value=name)
        identity = ModelIdentity(
            spec, "local", path.stem, _digest(path), context or 8192, image="guided", dialect="file"
        )
        return LocalModel(path, identity, slots=slots, threads=threads)
    entry = find_entry(name)
    weights = installed(name)
    if weights is None:
        raise ModelNotFound("the model is not on this machine", value=name, hint=f"run: terret model pull {name}")
    identity = ModelIdentity(
        spec=spec,
        provider="local",
        name=name,
        digest=entry.sha256,
        context=context or entry.context,
        dialect=entry.dialect,
        image=entry.image,
    )
    return LocalModel(weights, identity, fim=entry.fim, slots=slots, threads=threads)


def _openai(spec: str, name: str, settings: Mapping[str, str], context: int | None) -> Model:
    from terret.models._http import HttpModel

    base_url = settings.get("OPENAI_BASE_URL") or _OPENAI
    key = settings.get("OPENAI_API_KEY") or None
    if key is None and base_url == _OPENAI:
        raise ConfigError("OPENAI_API_KEY is not set", value=spec, hint="set it in the environment or in .env")
    return HttpModel(
        base_url, name, key, identity=_remote(spec, "openai", name, "tools", settings, context or _OPENAI_CONTEXT)
    )


def _http(spec: str, settings: Mapping[str, str], context: int | None) -> Model:
    from terret.models._failures import Endpoint
    from terret.models._http import HttpModel

    base_url, _, name = spec.partition("#")
    shown = f"{Endpoint(base_url, None).shown}#{name}"
    if not name:
        raise ConfigError("the address names no model", value=shown, hint="append #NAME to the address")
    key = settings.get("TERRET_API_KEY") or None
    identity = _remote(shown, "http", name, "json", settings, context or _HTTP_CONTEXT)
    return HttpModel(base_url, name, key, identity=identity)


def _remote(
    spec: str, provider: str, name: str, dialect: str, settings: Mapping[str, str], context: int
) -> ModelIdentity:
    price_in, price_out, price_cached = _prices(settings, name)
    return ModelIdentity(
        spec=spec,
        provider=provider,
        name=name,
        context=context,
        dialect=dialect,
        price_in=price_in,
        price_out=price_out,
        price_cached=price_cached,
    )


def _prices(settings: Mapping[str, str], name: str) -> tuple[float, float, float | None]:
    """Prices in USD per token from ``TERRET_PRICES``: ``NAME=IN/OUT[/CACHED]`` in USD per million, comma-separated."""
    for line in filter(None, map(str.strip, settings.get("TERRET_PRICES", "").split(","))):
        pattern, _, numbers = line.rpartition("=")
        try:
            prices = [float(number) / 1e6 for number in numbers.split("/")]
        except ValueError:
            prices = []
        if not pattern or len(prices) not in (2, 3) or not all(0 <= price < 1 for price in prices):
            hint = "write NAME=IN/OUT or NAME=IN/OUT/CACHED, in USD per million tokens"
            raise ConfigError("TERRET_PRICES has a malformed price", value=line, hint=hint)
        if fnmatchcase(name, pattern):
            return prices[0], prices[1], prices[2] if len(prices) == 3 else None
    return 0.0, 0.0, None


def _number(settings: Mapping[str, str], name: str) -> int | None:
    text = settings.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(f"{name} must be a positive whole number", value=text)
    return int(text)


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
