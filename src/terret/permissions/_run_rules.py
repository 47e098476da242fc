"""``deny_run``: which commands a task forbids.

A pattern is a few words. It forbids a simple command whose words begin with them: the command by its base name
(``git`` is also ``/usr/bin/git``), the rest in order with the command's own options (and their values) left out.
``*``, ``?`` and ``[...]`` work inside a word. A pattern word that is an option may stand anywhere, and one-letter
options may be bundled: ``rm -rf`` forbids ``rm -f -r -- x`` too. A word with an expansion may be anything, so it
matches. Wrappers (``sudo``, ``env``, ``xargs``, ``bash -c``, ...) are looked through.

This guards against the obvious, it is no boundary: a script file or an interpreter can still start anything the
sandbox lets it start.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from fnmatch import translate

from terret.globs import Refusal
from terret.permissions._shell import SimpleCommand, Unparsable, Word, commands_of
from terret.permissions._wrappers import unwrap

_DEPTH = 12
_LITERAL = re.compile(r"""(?:[^'"\\$`*?\[~{}()<>#\n]|'[^']*'|"[^"\\$`]*")*+""")
"""A text without any expansion, substitution or unclosed quote; what it says is what runs."""

_WILD = re.compile(r"[*?\[]")
_INDIRECT = r"sh\b|\b(?:eval|trap|alias|su|script|env|watch|flock|find)\b"
"""In such a text, the commands that may run something that is not spelled out."""


class RunRules:
    """The compiled ``deny_run`` patterns of a task.

    Args:
        patterns: As written in the task; an empty pattern forbids nothing.
    """

    __slots__ = ("_rules", "_suspect")

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._rules = tuple(CommandPattern(pattern) for pattern in patterns if pattern.strip())
        names = [rule.name for rule in self._rules]
        known = all(name and not _WILD.search(name) for name in names)
        self._suspect = re.compile("|".join([_INDIRECT, *map(re.escape, names)])) if known else None

    def refusal(self, command: str) -> Refusal | None:
        """Why a shell text may not run; nothing when it may."""
        if not self._rules or self._is_plainly_other(command):
            return None
        try:
            for simple in all_commands(command):
                if refusal := self._judge(simple.words):
                    return refusal
        except Unparsable as error:
            return Refusal("deny_run:unparsable", f"the command cannot be taken apart ({error}), and some are denied")
        return None

    def _is_plainly_other(self, command: str) -> bool:
        """Whether the text cannot run a forbidden command because it nowhere holds its name; quick, and often so."""
        if self._suspect is None or not _LITERAL.fullmatch(command):
            return False
        return self._suspect.search(command.replace("'", "").replace('"', "")) is None

    def _judge(self, words: Sequence[Word]) -> Refusal | None:
        if words[0].opaque:
            return Refusal("deny_run:opaque", f"what {words[0].text} runs cannot be told before it runs")
        for rule in self._rules:
            if rule.matches(words):
                return Refusal(f"deny_run:{rule.pattern}", f"the task denies running '{rule.pattern}'")
        return None


class CommandPattern:
    """One pattern."""

    __slots__ = ("_literal", "_options", "_words", "name", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        try:
            parts = shlex.split(pattern)
        except ValueError:
            parts = pattern.split()
        names = [part for part in parts if not _is_option(part)]
        self.name = names[0] if names else ""
        self._words = [re.compile(translate(part), re.DOTALL) for part in names]
        self._options = [part for part in parts if _is_option(part)]
        self._literal = None if any(_WILD.search(part) for part in names) else tuple(names)

    def matches(self, words: Sequence[Word]) -> bool:
        """Whether the words of a simple command fall under the pattern."""
        name = words[0].text
        if not self._words or not self._calls(name):
            return False
        return self._in_order(words) and all(_has_option(words, option) for option in self._options)

    def matches_exactly(self, words: tuple[str, ...]) -> bool:
        """Whether literal words begin with the pattern's own, none left out, and have its options.

        Unlike :meth:`matches`, which forbids, this is for what is allowed: ``git`` is not ``/tmp/git``, and no option
        may stand before the subcommand.
        """
        if not self._words or len(words) < len(self._words):
            return False
        if self._literal is not None:
            if self._literal != words[: len(self._literal)]:
                return False
        elif not all(pattern.match(word) for pattern, word in zip(self._words, words, strict=False)):
            return False
        return not self._options or all(_has_option([Word(word) for word in words], option) for option in self._options)

    def _calls(self, name: str) -> bool:
        """Whether the pattern's program is the one called ``name``, wherever it lies."""
        if self._literal is not None:
            return name == self.name or name.rpartition("/")[2] == self.name
        return bool(self._words[0].match(name.rpartition("/")[2]) or self._words[0].match(name))

    def _in_order(self, words: Sequence[Word]) -> bool:
        at = 1
        for pattern in self._words[1:]:
            while at < len(words) and not (words[at].opaque or pattern.match(words[at].text)):
                skippable = _is_option(words[at].text) or (at > 1 and _takes_value(words[at - 1].text))
                if not skippable:
                    return False
                at += 1
            if at >= len(words):
                return False
            at += 1
        return True


def _is_option(text: str) -> bool:
    return len(text) > 1 and text[0] == "-"


def _takes_value(text: str) -> bool:
    """Whether the word after ``text`` may be its value."""
    return _is_option(text) and "=" not in text


def _has_option(words: Sequence[Word], option: str) -> bool:
    bundle = "" if option.startswith("--") else option[1:]
    letters: set[str] = set()
    for word in words[1:]:
        if word.opaque:
            return True
        if word.text == "--":
            break
        if word.text == option or word.text.startswith(option + "="):
            return True
        if bundle and _is_option(word.text) and word.text[1] != "-":
            letters.update(word.text[1:])
    return bool(bundle) and letters.issuperset(bundle)


def all_commands(text: str, depth: int = 0) -> Iterator[SimpleCommand]:
    """Every simple command of a text, and what each wrapper among them would run in turn.

    Raises:
        Unparsable: The text cannot be taken apart.
    """
    if depth > _DEPTH:
        raise Unparsable("wrapped too deeply")
    pending = commands_of(text)
    while pending:
        command = pending.pop(0)
        yield command
        if command.words[0].opaque:
            continue
        inner = unwrap(command)
        pending += [SimpleCommand(list(words)) for words in inner.commands if words]
        for script in inner.scripts:
            yield from all_commands(script, depth + 1)
