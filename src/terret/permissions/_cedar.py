"""An organisation's policy in Cedar; needs the extra ``cedar``."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any, cast

from terret.errors import ConfigError, MissingExtra
from terret.globs import PathRefused, normalise
from terret.permissions._decision import Decision
from terret.permissions._rule import commands_in
from terret.permissions._shell import Unparsable


class CedarPolicy:
    """Decides by Cedar policies; what no ``permit`` covers, and what cannot be evaluated, is denied.

    A request is ``Agent::NAME`` doing ``Action::PRIMITIVE`` to ``Resource::SUBJECT`` (the path, the command text or
    the primitive), with the context ``path``, ``command``, ``programs`` (a set of names) and ``certain`` (false when
    an expansion decides what runs), as far as they apply.

    Args:
        text: The policies; a rule is named by its ``@id``.
        agent: The name of the principal.
        entities: The entity store, as Cedar's JSON.
        name: What the text is called in messages.

    Raises:
        MissingExtra: ``cedarpy`` is not installed.
        ConfigError: The text is not Cedar.
    """

    def __init__(
        self,
        text: str,
        *,
        agent: str = "agent",
        entities: list[dict[str, Any]] | None = None,
        name: str = "policy.cedar",
    ) -> None:
        try:
            self._cedar: Any = importlib.import_module("cedarpy")
        except ImportError:
            raise MissingExtra("Cedar policies need cedarpy", hint="pip install 'terret[cedar]'") from None
        self.name = name
        self._agent = agent
        try:
            self._policies: Any = self._cedar.PolicySet.from_str(text)
            self._entities: Any = self._cedar.Entities.from_json_str(json.dumps(entities or []))
            parsed: Any = json.loads(self._cedar.policies_to_json_str(text))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"the policies are not Cedar: {' '.join(str(error).split())}", where=name) from None
        static = cast("dict[str, dict[str, dict[str, str]]]", parsed.get("staticPolicies", {}))
        self._ids: dict[str, str] = {key: rule.get("annotations", {}).get("id", key) for key, rule in static.items()}

    def decide(self, primitive: str, args: Mapping[str, Any]) -> Decision:
        """Whether a policy permits the effect and none forbids it."""
        subject, context = _context(primitive, args)
        request = {
            "principal": {"type": "Agent", "id": self._agent},
            "action": {"type": "Action", "id": primitive},
            "resource": {"type": "Resource", "id": subject},
            "context": context,
        }
        try:
            result = self._cedar.is_authorized(request, self._policies, self._entities)
            errors = [str(error) for error in result.diagnostics.errors]
            rules = sorted(self._ids.get(str(reason), str(reason)) for reason in result.diagnostics.reasons)
            allowed = bool(result.allowed)
        except Exception as error:
            return Decision("deny", "cedar:error", f"the policy could not be evaluated: {error}", self.name)
        if errors:
            return Decision("deny", "cedar:error", f"the policy could not be evaluated: {errors[0]}", self.name)
        if not rules:
            return Decision("deny", "cedar:none", "no policy of the organisation permits it", self.name)
        verb = "permits" if allowed else "forbids"
        reason = f"a policy of the organisation {verb} it"
        return Decision("allow" if allowed else "deny", f"cedar:{rules[0]}", reason, self.name)


def _context(primitive: str, args: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    context: dict[str, Any] = {}
    subject = primitive
    path, command = args.get("path"), args.get("command")
    if isinstance(path, str):
        try:
            subject = normalise(path)
        except PathRefused:
            subject = path
        context["path"] = subject
    if isinstance(command, str):
        subject = command
        context["command"] = command
        try:
            parts = commands_in(command)
            context["programs"] = sorted({part.name.rpartition("/")[2] for part in parts})
            context["certain"] = not any(part.opaque for part in parts)
        except Unparsable:
            context["programs"], context["certain"] = [], False
    return subject, context
