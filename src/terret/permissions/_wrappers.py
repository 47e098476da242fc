"""Commands that run other commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from terret.permissions._shell import SimpleCommand, Word

ANYTHING = Word("...", opaque=True)
"""A word, or a command, that cannot be known before it runs."""


@dataclass(slots=True)
class Inner:
    """What a wrapper runs: simple commands, and shell texts."""

    commands: list[Sequence[Word]] = field(default_factory=list[Sequence[Word]])
    scripts: list[str] = field(default_factory=list[str])


# name: (letters and long options that take a value, words before the wrapped command)
_PREFIXES: dict[str, tuple[str, int]] = {
    "sudo": ("u g h p C D R T U r t user group host prompt chdir chroot command-timeout role type other-user", 0),
    "doas": ("u C", 0),
    "env": ("u C unset chdir", 0),
    "timeout": ("k s kill-after signal", 1),
    "nice": ("n adjustment", 0),
    "ionice": ("c n p class classdata", 0),
    "chrt": ("T P D", 1),
    "taskset": ("", 1),
    "stdbuf": ("i o e input output error", 0),
    "xargs": ("a d E I L n P s arg-file delimiter max-lines max-args max-procs max-chars replace", 0),
    "parallel": ("j a S jobs arg-file", 0),
    "chroot": ("userspec groups", 1),
    "flock": ("w E timeout conflict-exit-code", 1),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "setpriv": ("", 0),
    "unshare": ("", 0),
    "nsenter": ("t S G", 0),
    "prlimit": ("p", 0),
    "systemd-run": ("p u property unit", 0),
    "strace": ("e o p s u P", 0),
    "ltrace": ("e o p s u", 0),
    "time": ("f o format output", 0),
    "entr": ("", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "exec": ("a", 0),
    "busybox": ("", 0),
    "toybox": ("", 0),
    "faketime": ("f", 1),
    "fakeroot": ("l s i b", 0),
    "proot": ("r b w q", 0),
    "bwrap": ("", 0),
    "coproc": ("", 0),
    "npx": ("p package", 0),
    "uvx": ("p python", 0),
    "catchsegv": ("", 0),
}
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash"})
_SHELL_VALUES = frozenset({"-o", "+o", "-O", "+O", "--rcfile", "--init-file"})


def runs_others(name: str) -> bool:
    """Whether a command of this name may run another one."""
    base = name.rpartition("/")[2]
    return base in _PREFIXES or base in _SHELLS or base in _SPECIAL


def unwrap(command: SimpleCommand) -> Inner:
    """What a command would run in turn; nothing for one that is no wrapper."""
    words = command.words
    name = words[0].text.rpartition("/")[2]
    special = _SPECIAL.get(name)
    if special is not None:
        return special(command)
    if name in _SHELLS:
        return _shell(command)
    spec = _PREFIXES.get(name)
    return _prefix(name, words, *spec) if spec is not None else Inner()


def _prefix(name: str, words: Sequence[Word], values: str, before: int) -> Inner:
    if name == "command" and len(words) > 1 and words[1].text in ("-v", "-V"):
        return Inner()
    taking = frozenset(values.split())
    inner = Inner()
    at = 1
    while at < len(words):
        text = words[at].text
        if text == "--":
            at += 1
            break
        if name in ("env", "sudo") and "=" in text and not text.startswith("-"):
            at += 1
        elif len(text) > 1 and text[0] == "-":
            at += _option(name, words, at, taking, inner)
        else:
            break
    rest = list(words[at + before :])
    if rest and name in ("xargs", "parallel"):
        mark = _replaced(words[1:at])
        rest = [ANYTHING if mark in word.text else word for word in rest] + [ANYTHING]
    inner.commands.append(rest)
    return inner


def _replaced(options: Sequence[Word]) -> str:
    """What ``xargs -I`` replaces by its input."""
    for at, option in enumerate(options):
        if option.text.startswith("-I"):
            following = options[at + 1].text if at + 1 < len(options) else ""
            return option.text[2:] or following or "{}"
    return "{}"


def _option(name: str, words: Sequence[Word], at: int, taking: frozenset[str], inner: Inner) -> int:
    """How many words the option at ``at`` takes up; where that is unclear, the shorter reading is kept as well."""
    text = words[at].text
    following = words[at + 1 : at + 2]
    if name == "env" and (text.startswith(("-S", "--split-string"))):
        attached = text.partition("=")[2] if text.startswith("--") else text[2:]
        rest = words[at + 1 :] if attached else words[at + 2 :]
        split = attached or (following[0].text if following else "")
        inner.scripts.append(" ".join([split, *(word.text for word in rest)]))
        return len(words)
    if name == "flock" and text in ("-c", "--command") and following:
        inner.scripts.append(following[0].text)
        return 2
    if text.startswith("--"):
        return 2 if text[2:] in taking else 1
    if text[-1] in taking and not any(letter in taking for letter in text[1:-1]):
        inner.commands.append(words[at + 2 :])
        return 2
    return 1


def _shell(command: SimpleCommand) -> Inner:
    """``bash -c TEXT``; a shell that reads its commands from elsewhere may run anything."""
    words = command.words
    at = 1
    while at < len(words) and words[at].text[:1] in ("-", "+") and len(words[at].text) > 1:
        text = words[at].text
        if text == "--":
            at += 1
            break
        if not text.startswith("--") and text[0] == "-" and "c" in text:
            at += 1
            while at < len(words) and words[at].text in _SHELL_VALUES:
                at += 2
            script = words[at : at + 1]
            if not script or script[0].opaque:
                return Inner([[ANYTHING]], [script[0].text] if script else [])
            return Inner(scripts=[script[0].text])
        if text in ("-s", "--version", "--help"):
            break
        at += 2 if text in _SHELL_VALUES else 1
    reads_input = at >= len(words) or words[at].text in ("-s", "-", "/dev/stdin")
    if reads_input and command.stdin is not None:
        return Inner(scripts=[command.stdin])
    return Inner([[ANYTHING]]) if reads_input and command.piped else Inner()


def _evaluate(command: SimpleCommand) -> Inner:
    """``eval`` and ``watch``: the words make up a shell text."""
    words = command.words[1:]
    while words and words[0].text[:1] == "-":
        takes_value = words[0].text in ("-n", "--interval")
        words = words[2 if takes_value else 1 :]
    script = " ".join(word.text for word in words)
    return Inner([[ANYTHING]] if any(word.opaque for word in words) else [], [script])


def _find(command: SimpleCommand) -> Inner:
    """``find -exec CMD ... ;`` and its relatives."""
    words, inner, at = command.words, Inner(), 1
    while at < len(words):
        if words[at].text in ("-exec", "-execdir", "-ok", "-okdir"):
            end = at + 1
            while end < len(words) and words[end].text not in (";", "+"):
                end += 1
            part = words[at + 1 : end]
            inner.commands.append([ANYTHING if "{}" in word.text else word for word in part])
            at = end
        elif words[at].text == "-delete":
            inner.commands.append([Word("rm"), Word("-rf"), ANYTHING])
        at += 1
    return inner


def _switch(*names: str) -> Callable[[SimpleCommand], Inner]:
    """A wrapper whose option ``names`` take a shell text."""

    def read(command: SimpleCommand) -> Inner:
        words = command.words
        scripts = [words[at + 1].text for at in range(1, len(words) - 1) if words[at].text in names]
        return Inner(scripts=scripts)

    return read


def _alias(command: SimpleCommand) -> Inner:
    scripts = [word.text.partition("=")[2] for word in command.words[1:] if "=" in word.text]
    return Inner(scripts=[f'{script} "$@"' for script in scripts])


def _trap(command: SimpleCommand) -> Inner:
    return Inner(scripts=[word.text for word in command.words[1:2]])


_SPECIAL: dict[str, Callable[[SimpleCommand], Inner]] = {
    "eval": _evaluate,
    "find": _find,
    "su": _switch("-c", "--command"),
    "script": _switch("-c", "--command"),
    "alias": _alias,
    "trap": _trap,
    "watch": _evaluate,
}
