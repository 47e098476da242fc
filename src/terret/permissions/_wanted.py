"""Which capabilities an effect takes: its primitive and arguments as typed resources and rights.

======================  ======================================  ============================
primitive               resource                                right
======================  ======================================  ============================
``fs.read``             ``fs:PATH``                             ``read``
``fs.list``, ``.search``  ``fs:PATH/%2F``, all below a folder   ``list``, ``read``
``fs.write``, ``.delete``  ``fs:PATH``                          ``write``, ``delete``
``shell.run``           ``shell:PROGRAM`` of every command,     ``execute``
                        ``fs:%2F``                              ``read``, ``write``
``shell.check``         the same, its writes are thrown away    ``execute``, ``read``
``net.request``         ``net:HOST/PORT``                       ``read`` (GET, HEAD), ``call``
``memory.read``, ...    ``memory:NAME``                         ``read``, ``write``, ``delete``
``secret.use``          ``secret:NAME``                         ``read``
``model.complete``      ``model:NAME``                          ``call``
``human.ask``           ``human:ask``                           ``ask``
``workspace.diff``      ``workspace:diff``                      ``read``
``checkpoint.take``     ``checkpoint:workspace``                ``write``
``checkpoint.restore``  ``checkpoint:workspace``                ``call``
``tool.register``       ``tool:NAME``                           ``link``
``clock.now``           ``clock:now``                           ``read``
======================  ======================================  ============================
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from terret.errors import InputError
from terret.permissions._flat import flat
from terret.permissions._hosts import place
from terret.permissions._resource import Resource
from terret.permissions._run_rules import all_commands
from terret.permissions._shell import Unparsable
from terret.permissions._wrappers import runs_others

OPAQUE: Final = "*"
"""In ``shell:%2A``: a command that cannot be told before it runs. Granting it is granting any program."""

BELOW: Final = "/"
"""In ``fs:src/%2F``: everything below a folder; ``fs:src/**`` covers it, and ``fs:%2F`` is the whole workspace."""

_PATHS: Final = {
    "fs.read": "read",
    "fs.list": "list",
    "fs.search": "read",
    "fs.write": "write",
    "fs.delete": "delete",
}
_NAMED: Final = {
    "memory.read": ("memory", "read"),
    "memory.list": ("memory", "list"),
    "memory.write": ("memory", "write"),
    "memory.delete": ("memory", "delete"),
    "secret.use": ("secret", "read"),
    "model.complete": ("model", "call"),
    "tool.register": ("tool", "link"),
}
_FIXED: Final = {
    "human.ask": ("human", "ask", "ask"),
    "workspace.diff": ("workspace", "diff", "read"),
    "checkpoint.take": ("checkpoint", "workspace", "write"),
    "checkpoint.restore": ("checkpoint", "workspace", "call"),
    "clock.now": ("clock", "now", "read"),
}


class Wanted(NamedTuple):
    """One right on one resource."""

    resource: Resource
    right: str


_WHOLE: Final = (Wanted(Resource("fs", (BELOW,)), "read"), Wanted(Resource("fs", (BELOW,)), "write"))
"""A command may touch every file of the workspace it runs in, whatever its words say."""


def wanted(primitive: str, args: Mapping[str, Any]) -> tuple[Wanted, ...]:
    """Everything an effect takes; all of it has to be allowed. A shell text takes one for each program it would run.

    Raises:
        InputError: The primitive is unknown, or an argument is missing, mistyped or outside what can be granted.
    """
    if primitive in _PATHS:
        below = primitive in ("fs.list", "fs.search")
        return (Wanted(_path(_text(primitive, args, "path"), below), _PATHS[primitive]),)
    if primitive in ("shell.run", "shell.check"):
        programs = tuple(Wanted(resource, "execute") for resource in _programs(_text(primitive, args, "command")))
        return programs + (_WHOLE if primitive == "shell.run" else _WHOLE[:1])
    if primitive == "net.request":
        return (_host(primitive, args),)
    if primitive in _NAMED:
        kind, right = _NAMED[primitive]
        return (Wanted(_named(kind, _text(primitive, args, "name")), right),)
    if primitive in _FIXED:
        kind, name, right = _FIXED[primitive]
        return (Wanted(Resource(kind, (name,)), right),)
    raise InputError("no capability is about this primitive", value=primitive)


def _text(primitive: str, args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(f"{primitive} takes {name} as a text", value=value)
    return value


def _path(path: str, below: bool) -> Resource:
    plain = posixpath.normpath(path)
    if plain.startswith("/") or plain.split("/")[0] == "..":
        raise InputError("the path is outside the workspace", value=path)
    if plain == ".":
        if not below:
            raise InputError("the path is the workspace itself", value=path)
        return Resource("fs", (BELOW,))
    return Resource.of("fs", *plain.split("/"), *([BELOW] if below else []))


def _named(kind: str, name: str) -> Resource:
    return Resource.of(kind, *name.split("/"))


def _host(primitive: str, args: Mapping[str, Any]) -> Wanted:
    url = _text(primitive, args, "url")
    host, port, _ = place(url)
    if not host:
        raise InputError("the address is not one of http or https with a plain host", value=url)
    reads = args.get("method") in ("GET", "HEAD")
    return Wanted(Resource.of("net", host, port), "read" if reads else "call")


def _programs(command: str) -> list[Resource]:
    """The programs of a text, wrappers and what they run included, each once, in order."""
    parts = flat(command)
    if parts is not None and not any(runs_others(part.words[0]) for part in parts):
        names = [part.words[0] for part in parts]
    else:
        try:
            names = [OPAQUE if one.words[0].opaque else one.words[0].text for one in all_commands(command)]
        except Unparsable:
            names = [OPAQUE]
    return [_program(name) for name in dict.fromkeys(names)] or [Resource("shell", (OPAQUE,))]


def _program(name: str) -> Resource:
    """A program by its name; one given by a path is another one than that of its base name."""
    return Resource("shell", (OPAQUE,)) if not name else Resource.of("shell", name)
