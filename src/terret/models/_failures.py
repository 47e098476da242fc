"""What an endpoint's failure means: status and message to one typed error, free of the API key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import msgspec

from terret.errors import (
    ModelAuth,
    ModelContextExceeded,
    ModelError,
    ModelNotFound,
    ModelRateLimited,
    ModelReplyInvalid,
    ModelRequestInvalid,
    ModelTimeout,
    ModelUnavailable,
)

_CONTEXT = re.compile(
    r"context[ _-]?(length|size|window)|exceed_context|maximum (context|prompt|input)|too many (input |prompt )?tokens"
    r"|(prompt|input|messages?) (is|are) too long|reduce the length|exceeds? .{0,40}tokens",
    re.IGNORECASE,
)
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_SPENT = ("insufficient_quota", "billing_hard_limit")


class Failed(Exception):
    """An attempt failed; ``again`` says whether to try once more, ``after_s`` what the server asked to wait."""

    def __init__(self, error: ModelError, *, again: bool = False, after_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.again = again
        self.after_s = after_s


class Endpoint:
    """An address as it may be shown: the key and credentials inside the URL are left out of every text."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        parts = urlsplit(base_url)
        host = parts.netloc.rpartition("@")[2]
        self.shown = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._secrets = [secret for secret in (api_key, parts.password, parts.query) if secret]

    def clean(self, text: str) -> str:
        """One line of at most 200 characters without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = " ".join(text.split())
        return text if len(text) <= 200 else text[:197] + "..."

    def error(
        self, kind: type[ModelError], message: str, *, value: object = None, hint: str | None = None
    ) -> ModelError:
        """An error about this endpoint."""
        return kind(self.clean(message), value=value, where=self.shown, hint=hint)

    def invalid(self, what: str, raw: bytes | str = b"") -> ModelError:
        """The answer is not a completion; ``raw`` is quoted."""
        text = raw if isinstance(raw, str) else raw[:2000].decode("utf-8", "replace")
        hint = "check that the base URL is an OpenAI-compatible endpoint (it usually ends in /v1)"
        return self.error(ModelReplyInvalid, what, value=self.clean(text)[:100] or None, hint=hint)


def failure(endpoint: Endpoint, name: str, status: int, body: bytes, retry_after: str | None = None) -> Failed:
    """The failure an HTTP status and its body stand for."""
    message, kind = _message(body)
    if status == 200:
        status = _status_of(body)
    error = _classify(endpoint, name, status, message, kind)
    again = status in _TRANSIENT and kind not in _SPENT
    return Failed(error, again=again, after_s=_seconds(retry_after))


def _classify(endpoint: Endpoint, name: str, status: int, message: str, kind: str) -> ModelError:
    said = f": {message}" if message else ""
    if status in (401, 403):
        return endpoint.error(ModelAuth, f"the endpoint answered {status}{said}", hint="check the API key")
    if status in (400, 413, 422) and _CONTEXT.search(f"{kind} {message}"):
        hint = "shorten the prompt or use a model with a larger window"
        return endpoint.error(ModelContextExceeded, f"the prompt does not fit the model's window{said}", hint=hint)
    if status == 404:
        hint = "check the model name and the base URL"
        return endpoint.error(ModelNotFound, f"the endpoint answered 404{said}", value=name, hint=hint)
    if status == 429:
        hint = "the quota is spent" if kind in _SPENT else "wait and resume"
        return endpoint.error(ModelRateLimited, f"the endpoint answered 429{said}", hint=hint)
    if status == 408:
        return endpoint.error(ModelTimeout, f"the endpoint answered 408{said}")
    if 300 <= status < 400:
        return endpoint.error(ModelUnavailable, f"the endpoint redirects ({status})", hint="use the address it means")
    if 400 <= status < 500 or status == 501:
        return endpoint.error(ModelRequestInvalid, f"the endpoint answered {status}{said}")
    return endpoint.error(ModelUnavailable, f"the endpoint answered {status}{said}", hint="try again later")


def _status_of(body: bytes) -> int:
    """The status inside an error object that came with 200, as streams and proxies send it; 500 when there is none."""
    for key in ("code", "status"):
        code = _error_object(body).get(key)
        if isinstance(code, int | str) and str(code).isdigit() and 300 <= int(code) < 600:
            return int(code)
    message, kind = _message(body)
    return 400 if _CONTEXT.search(f"{kind} {message}") else 500


def _message(body: bytes) -> tuple[str, str]:
    """The human message and the machine word of an error body."""
    found = _error_object(body)
    if not found:
        text = body[:4000].decode("utf-8", "replace")
        return re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE), ""
    message = next((found[key] for key in ("message", "detail", "error") if isinstance(found.get(key), str)), "")
    kind = next((found[key] for key in ("code", "type") if isinstance(found.get(key), str)), "")
    return message or str(found), kind


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        plain: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    if not isinstance(plain, dict):
        return {}
    whole = cast(dict[str, Any], plain)
    inner: object = whole.get("error")
    return cast(dict[str, Any], inner) if isinstance(inner, dict) else whole


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds: a number, or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
