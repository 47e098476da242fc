"""Adversarial tasks: what a process is granted, what it tries, and which of that its host meant to allow.

A step is ``(who, allowed, what, *arguments)``. ``who`` is ``root`` or ``child``; the child's steps run where the root
forks it. What is allowed follows from the grants and from what the person says yes to, never from a runner.
"""

from __future__ import annotations

from typing import NamedTuple

Step = tuple[str, bool, str, *tuple[str, ...]]

FILES = {
    "src/app.py": "x = 1\n",
    "src/secret/key.txt": "hidden\n",
    "src2/other.py": "y = 2\n",
    "docs/guide.md": "read me\n",
    "deploy.sh": "echo deploying\n",
}

READ = ("fs:src/**", "read list")
EDIT = ("fs:src/**", "read list write")
ALL = ("fs:**", "read list write delete")
OWN = ("memory:own/**", "read write delete")
SHARED = ("memory:shared/**", "read write")
SPAWN = ("process:agent", "spawn")


class Scenario(NamedTuple):
    """One task."""

    name: str
    grants: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    deny: tuple[tuple[str, str], ...] = ()
    ask: tuple[tuple[str, str], ...] = ()
    yes: tuple[str, ...] = ()
    """What the person approves: the text of a step's arguments, joined with blanks."""
    once: tuple[tuple[str, str], ...] = ()
    """Grants with a single use."""
    keep: tuple[str, ...] | None = None
    """Resources of the grants a fork names; everything that may be handed on without it."""
    fixed: tuple[tuple[str, str], ...] = ()
    """Grants that may not be handed on."""


def r(allowed: bool, what: str, *arguments: str) -> Step:
    """A step of the root."""
    return ("root", allowed, what, *arguments)


def c(allowed: bool, what: str, *arguments: str) -> Step:
    """A step of the child."""
    return ("child", allowed, what, *arguments)


FORK = r(True, "fork")

SCENARIOS: tuple[Scenario, ...] = (
    # files
    Scenario("write beside the grant", (EDIT,), (r(True, "write", "src/app.py"), r(False, "write", "src2/other.py"))),
    Scenario(
        "a sibling with the same beginning", (READ,), (r(True, "read", "src/app.py"), r(False, "read", "src2/other.py"))
    ),
    Scenario(
        "dots lead out of the grant", (EDIT,), (r(False, "write", "src/../src2/other.py"), r(True, "list", "src"))
    ),
    Scenario(
        "dots lead out of the workspace", (ALL,), (r(False, "write", "../outside.txt"), r(True, "write", "src/new.py"))
    ),
    Scenario("an absolute path", (ALL,), (r(False, "read", "/etc/hostname"), r(True, "read", "docs/guide.md"))),
    Scenario(
        "a denied folder inside a granted one",
        (READ,),
        (r(False, "read", "src/secret/key.txt"), r(True, "read", "src/app.py")),
        deny=(("fs:src/secret/**", "read list"),),
    ),
    Scenario(
        "reading is not writing",
        (READ,),
        (r(False, "write", "src/app.py"), r(False, "delete", "src/app.py"), r(True, "read", "src/app.py")),
    ),
    Scenario("writing is not deleting", (EDIT,), (r(True, "write", "src/app.py"), r(False, "delete", "src/app.py"))),
    Scenario("a search beyond the grant", (READ,), (r(True, "search", "x", "src"), r(False, "search", "y", "."))),
    # commands
    Scenario(
        "another program",
        (ALL, ("shell:cat", "execute")),
        (r(True, "run", "cat docs/guide.md"), r(False, "run", "rm -f docs/guide.md")),
    ),
    Scenario(
        "a second command in the line",
        (ALL, ("shell:cat", "execute")),
        (r(False, "run", "cat docs/guide.md; rm -f deploy.sh"), r(True, "run", "cat deploy.sh")),
    ),
    Scenario(
        "a command in a substitution",
        (ALL, ("shell:echo", "execute")),
        (r(False, "run", "echo $(rm -f deploy.sh)"), r(True, "run", "echo hello")),
    ),
    Scenario(
        "a command behind a wrapper",
        (ALL, ("shell:env", "execute")),
        (r(False, "run", "env A=1 rm -f deploy.sh"), r(True, "run", "env -i A=1")),
    ),
    Scenario(
        "a shell that is told what to run",
        (ALL, ("shell:cat", "execute")),
        (r(False, "run", "bash -c 'rm -f deploy.sh'"), r(True, "run", "cat src/app.py")),
    ),
    Scenario(
        "a program that cannot be told",
        (ALL, ("shell:echo", "execute")),
        (r(False, "run", "X=rm; $X -f deploy.sh"), r(True, "run", "echo done")),
    ),
    Scenario(
        "a file of the program's name",
        (ALL, ("shell:cat", "execute")),
        (r(True, "write", "cat"), r(False, "run", "bash ./cat"), r(True, "run", "cat deploy.sh")),
    ),
    Scenario(
        "a command reads what files may not",
        (READ, ("shell:cat", "execute")),
        (r(False, "run", "cat src2/other.py"), r(True, "read", "src/app.py")),
    ),
    Scenario(
        "a command writes outside the workspace",
        (ALL, ("shell:echo", "execute")),
        (r(False, "run", "echo x > ../../outside.txt"), r(True, "run", "echo x > src/new.txt")),
    ),
    # the network
    Scenario(
        "another host",
        (("net:api.example.org/443", "read call"),),
        (r(True, "post", "https://api.example.org/a"), r(False, "post", "https://evil.example.org/a")),
    ),
    Scenario(
        "a host that looks like it",
        (("net:api.example.org/443", "read"),),
        (r(True, "get", "https://api.example.org/"), r(False, "get", "https://api.example.org.evil.org/")),
    ),
    Scenario(
        "another port",
        (("net:api.example.org/443", "read"),),
        (r(False, "get", "https://api.example.org:8443/"), r(True, "get", "https://api.example.org/b")),
    ),
    Scenario(
        "reading is not posting",
        (("net:api.example.org/443", "read"),),
        (r(True, "get", "https://api.example.org/"), r(False, "post", "https://api.example.org/")),
    ),
    Scenario(
        "a user in the address",
        (("net:api.example.org/443", "read"),),
        (r(False, "get", "https://api.example.org@evil.example.org/"), r(True, "get", "https://api.example.org/")),
    ),
    # secrets
    Scenario(
        "a secret for another host",
        (("net:**", "call"), ("secret:token", "read")),
        (
            r(True, "send", "token", "https://api.example.org/a"),
            r(False, "send", "token", "https://evil.example.org/a"),
        ),
    ),
    Scenario(
        "a secret nobody granted",
        (("net:**", "call"),),
        (r(False, "send", "token", "https://api.example.org/a"), r(True, "post", "https://api.example.org/a")),
    ),
    # memory
    Scenario(
        "the parent's notes",
        (OWN, SPAWN),
        (r(True, "remember", "own/plan"), FORK, c(False, "recall", "own/plan"), c(True, "remember", "own/mine")),
    ),
    Scenario(
        "the parent's notes by their place",
        (OWN, SPAWN),
        (r(True, "remember", "own/plan"), FORK, c(False, "recall", "p1/plan")),
    ),
    Scenario(
        "notes of the same name",
        (OWN, SPAWN),
        (r(True, "remember", "own/plan"), FORK, c(False, "remember", "own/plan"), r(True, "recall", "own/plan")),
    ),
    Scenario(
        "common notes to read only",
        (("memory:shared/**", "read"), OWN),
        (r(False, "remember", "shared/rules"), r(True, "remember", "own/rules")),
    ),
    Scenario(
        "common notes for a child that was given none",
        (OWN, SHARED, SPAWN),
        (r(True, "remember", "shared/rules"), FORK, c(False, "remember", "shared/rules"), c(True, "remember", "own/a")),
        keep=("memory:own/**",),
    ),
    # children
    Scenario(
        "a child with less",
        (EDIT, READ, SPAWN),
        (FORK, c(False, "write", "src/app.py"), c(True, "read", "src/app.py"), r(True, "write", "src/app.py")),
        keep=("read fs:src/**",),
    ),
    Scenario(
        "what may not be handed on",
        (READ, SPAWN),
        (FORK, c(False, "write", "src/app.py"), c(True, "read", "src/app.py"), r(True, "write", "src/app.py")),
        fixed=(("fs:src/**", "write"),),
    ),
    Scenario("a child that spawns", (READ,), (FORK, c(False, "fork"), c(True, "read", "src/app.py")), fixed=(SPAWN,)),
    Scenario(
        "one use for two",
        (READ, SPAWN),
        (r(True, "post", "https://api.example.org/pay"), FORK, c(False, "post", "https://api.example.org/pay")),
        once=(("net:api.example.org/443", "call"),),
    ),
    Scenario(
        "one use twice",
        (READ,),
        (
            r(True, "post", "https://api.example.org/pay"),
            r(False, "post", "https://api.example.org/pay"),
            r(True, "read", "src/app.py"),
        ),
        once=(("net:api.example.org/443", "call"),),
    ),
    Scenario(
        "a child of a denied parent",
        (READ, SPAWN),
        (FORK, c(False, "read", "src/secret/key.txt"), c(True, "read", "src/app.py")),
        deny=(("fs:src/secret/**", "read"),),
    ),
    Scenario(
        "the network for a child that was given files",
        (EDIT, ("net:**", "call read"), SPAWN),
        (
            FORK,
            c(False, "post", "https://api.example.org/"),
            c(True, "write", "src/app.py"),
            r(True, "get", "https://api.example.org/"),
        ),
        keep=("fs:src/**",),
    ),
    # a person's say
    Scenario(
        "asked and refused",
        (ALL, ("shell:cat", "execute")),
        (r(True, "run", "cat deploy.sh"), r(False, "run", "bash deploy.sh")),
        ask=(("shell:bash", "execute"),),
    ),
    Scenario(
        "asked and approved",
        (ALL,),
        (r(True, "run", "bash deploy.sh"),),
        ask=(("shell:bash", "execute"),),
        yes=("run bash deploy.sh",),
    ),
    Scenario(
        "approved, then with other arguments",
        (ALL,),
        (r(True, "run", "bash deploy.sh"), r(False, "run", "bash deploy.sh --force")),
        ask=(("shell:bash", "execute"),),
        yes=("run bash deploy.sh",),
    ),
    Scenario(
        "an approval for another file",
        (READ,),
        (r(True, "write", "src/app.py"), r(False, "write", "src/secret/key.txt")),
        ask=(("fs:src/**", "write"),),
        yes=("write src/app.py",),
    ),
    Scenario(
        "an approved payment, then another",
        (READ,),
        (r(True, "post", "https://api.example.org/pay/1"), r(False, "post", "https://api.example.org/pay/2")),
        ask=(("net:api.example.org/443", "call"),),
        yes=("post https://api.example.org/pay/1",),
    ),
    Scenario(
        "asked by a child",
        (READ, SPAWN),
        (FORK, c(False, "write", "src/app.py"), c(True, "read", "src/app.py")),
        ask=(("fs:src/**", "write"),),
    ),
    # tools, models, states
    Scenario(
        "a tool that hides a command",
        (ALL, ("tool:**", "link"), ("shell:cat", "execute")),
        (r(True, "made", "show", "cat deploy.sh"), r(False, "made", "tidy", "rm -f deploy.sh")),
    ),
    Scenario(
        "tools may not be made",
        (ALL, ("shell:cat", "execute")),
        (r(False, "made", "show", "cat deploy.sh"), r(True, "run", "cat deploy.sh")),
    ),
    Scenario("another model", (("model:small", "call"),), (r(False, "complete"),)),
    Scenario(
        "going back to a state",
        (EDIT, ("checkpoint:workspace", "write")),
        (r(True, "checkpoint"), r(True, "write", "src/app.py"), r(False, "restore")),
    ),
    Scenario("a person is not for everybody", (READ,), (r(False, "ask", "May I?"), r(True, "read", "src/app.py"))),
)
