"""A model that answers from a list: for tests, demonstrations and rehearsals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import ConfigError, ModelError, ScriptExhausted
from terret.models._types import ModelIdentity, Reply, Request, TokenListener, ToolCall, Usage
from terret.models._wire import estimate_tokens

Step = str | Reply | ModelError | Callable[[Request], "Reply | str"]
"""What answers one call: a text, a reply, a failure to raise, or a function of the request."""


class ScriptedModel:
    """Answers call ``n`` with entry ``n`` of a list.

    ``given`` counts the calls answered so far; ``requests`` are the requests seen.
    """

    def __init__(self, replies: Sequence[Step], identity: ModelIdentity | None = None) -> None:
        self._steps = list(replies)
        self._identity = identity or ModelIdentity(spec="scripted", provider="scripted", name="scripted")
        self.given = 0
        self.requests: list[Request] = []

    @classmethod
    def from_file(cls, path: str | Path) -> ScriptedModel:
        """The model of a script file.

        Raises:
            ConfigError: The file is missing or not a script.
        """
        steps, identity = _load(Path(path))
        return cls(steps, identity)

    @property
    def identity(self) -> ModelIdentity:
        """Who this is."""
        return self._identity

    def advance(self, count: int) -> None:
        """Pass over entries that an earlier process has already been given."""
        self.given += count

    async def complete(self, request: Request, on_token: TokenListener | None = None) -> Reply:
        """The next entry; a text gets estimated usage.

        Raises:
            ScriptExhausted: There is no entry left.
            ModelError: The entry is a failure.
        """
        self.requests.append(request)
        if self.given >= len(self._steps):
            hint = "lengthen the script"
            raise ScriptExhausted(
                "the script has no reply left", value=len(self._steps), where=self._identity.spec, hint=hint
            )
        step = self._steps[self.given]
        self.given += 1
        if isinstance(step, ModelError):
            raise step
        answer = step if isinstance(step, str | Reply) else step(request)
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        if reply.usage == Usage():
            reply = msgspec.structs.replace(reply, usage=_estimate(request, reply))
        if on_token is not None and reply.text:
            on_token(reply.text)
        return reply

    async def aclose(self) -> None:
        """Nothing to free."""


def _estimate(request: Request, reply: Reply) -> Usage:
    asked = sum(estimate_tokens(message.content) for message in request.messages)
    said = estimate_tokens(reply.text + "".join(call.name + call.arguments for call in reply.tool_calls))
    return Usage(input=asked, output=said, estimated=True)


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, Any] | str = {}
    id: str | None = None


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    text: str = ""
    tool_calls: list[_Call] = []
    finish: str | None = None
    error: str | None = None
    message: str = "injected by the script"


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "scripted"
    context: int = 8192
    dialect: str = "json"
    image: str = "free"


class _Script(msgspec.Struct, forbid_unknown_fields=True):
    replies: list[str | _Step]
    model: _About = _About()


def _load(path: Path) -> tuple[list[Step], ModelIdentity]:
    import yaml

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the script cannot be read: {error.strerror}", where=str(path)) from None
    try:
        plain: object = yaml.safe_load(raw.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the script is not YAML or JSON", where=str(path), hint=" ".join(str(error).split())
        ) from None
    try:
        script = msgspec.convert({"replies": plain} if isinstance(plain, list) else plain, _Script)
    except msgspec.ValidationError as error:
        hint = "write a list of replies: texts, {text, tool_calls} or {error: CODE}"
        raise ConfigError(f"the script has the wrong shape: {error}", where=str(path), hint=hint) from None
    about = script.model
    identity = ModelIdentity(
        spec=f"scripted:{path}",
        provider="scripted",
        name=about.name,
        digest=sha256(raw).hexdigest(),
        context=about.context,
        dialect=about.dialect,
        image=about.image,
    )
    return [_step(entry, f"{path}: replies[{place}]") for place, entry in enumerate(script.replies)], identity


def read_reply(text: str, *, native: bool) -> Reply:
    """One reply that a person wrote: a text, or ``{"text", "tool_calls"}`` where tools are called ``native``.

    Raises:
        ConfigError: The calls have the wrong shape.
    """
    if not native or not text.lstrip().startswith("{"):
        return Reply(text)
    try:
        made = _step(msgspec.json.decode(text, type=_Step), "the reply")
    except msgspec.MsgspecError as error:
        hint = 'write {"text": "...", "tool_calls": [{"name": "...", "arguments": {}}]}'
        raise ConfigError(f"the reply has the wrong shape: {error}", hint=hint) from None
    if not isinstance(made, Reply):
        raise ConfigError("a reply that is written by hand cannot be a failure", value=text.strip()[:80])
    return made


def _step(entry: str | _Step, where: str) -> Step:
    if isinstance(entry, str):
        return entry
    if entry.error is not None:
        return model_error(entry.error, entry.message, where)
    calls = tuple(
        ToolCall(
            call.id or f"call_{place}",
            call.name,
            call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode(),
        )
        for place, call in enumerate(entry.tool_calls)
    )
    return Reply(entry.text, entry.finish or ("tool_calls" if calls else "stop"), calls)


def model_error(code: str, message: str, where: str) -> ModelError:
    """The model failure that carries a code.

    Raises:
        ConfigError: No model failure has it.
    """
    kinds = {kind.code: kind for kind in _all_kinds(ModelError)}
    if code not in kinds:
        raise ConfigError("no model failure has this code", value=code, where=where, hint="use " + ", ".join(kinds))
    return kinds[code](message)


def _all_kinds(kind: type[ModelError]) -> Iterator[type[ModelError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_kinds(below)
