"""One rule of a policy file, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from terret.globs import Glob, PathRefused, normalise
from terret.permissions._capability import Effect
from terret.permissions._flat import flat
from terret.permissions._policy_spec import RuleSpec
from terret.permissions._run_rules import CommandPattern, all_commands
from terret.permissions._shell import Unparsable, Word
from terret.permissions._wrappers import runs_others

SHELL: Final = ("shell.run", "shell.check")
CHANGES: Final = ("fs.write", "fs.delete")


class Command:
    """One simple command of a shell text.

    ``literal`` are its words when it stood in a text that says exactly what runs.
    """

    __slots__ = ("_words", "literal", "name")

    def __init__(self, words: Sequence[Word] | None, literal: tuple[str, ...] | None) -> None:
        self._words = words
        self.literal = literal
        self.name = literal[0] if literal is not None else words[0].text if words else ""
        """The program as it is called."""

    @property
    def words(self) -> Sequence[Word]:
        """The words."""
        if self._words is None:
            self._words = [Word(text) for text in self.literal or ()]
        return self._words

    @property
    def opaque(self) -> bool:
        """Whether an expansion decides what runs."""
        return self.literal is None and self.words[0].opaque

    @property
    def text(self) -> str:
        """The words, for people."""
        return " ".join(self.literal if self.literal is not None else [word.text for word in self.words])


class Rule:
    """A rule that answers whether it is about a command, a path or a primitive."""

    __slots__ = ("_commands", "_paths", "_unless", "_unless_paths", "kind", "line", "primitives", "spec")

    def __init__(self, spec: RuleSpec, line: int) -> None:
        self.spec = spec
        self.line = line
        self.kind = "command" if spec.commands else "path" if spec.paths else "primitive"
        self.primitives = spec.primitives or {"command": SHELL, "path": CHANGES}.get(self.kind, ())
        self._commands = tuple(map(CommandPattern, spec.commands))
        self._paths = tuple(map(Glob, spec.paths))
        self._unless = tuple(map(CommandPattern, spec.unless)) if self.kind == "command" else ()
        self._unless_paths = tuple(map(Glob, spec.unless)) if self.kind == "path" else ()

    @property
    def effect(self) -> Effect:
        """What the rule says."""
        return self.spec.effect

    def covers(self, primitive: str) -> bool:
        """Whether the rule is about this primitive at all."""
        return any(fnmatchcase(primitive, pattern) for pattern in self.primitives)

    def first_words(self) -> list[str] | None:
        """The program names it can be about; nothing when that may be any."""
        names = [pattern.name for pattern in self._commands]
        return names if all(name and not set(name) & set("*?[") for name in names) else None

    def about_command(self, command: Command) -> bool:
        """Whether the rule is about a simple command.

        What forbids or asks takes an unknown word for a match, and looks past options before the subcommand; what
        allows, or makes an exception, does neither.
        """
        if self.effect == "allow":
            found = _exactly(self._commands, command)
        else:
            found = any(pattern.matches(command.words) for pattern in self._commands)
        return found and not (self._unless and self._excepted(command))

    def about_path(self, path: str, *, removal: bool) -> bool:
        """Whether the rule is about a normalised path; what restricts also covers a folder it lies in."""
        if self.effect == "allow":
            found = any(glob.matches(path) for glob in self._paths)
        else:
            found = any(glob.covers(path) or (removal and glob.reaches_below(path)) for glob in self._paths)
        return found and not any(glob.matches(path) for glob in self._unless_paths)

    def fits(self, example: str) -> bool:
        """Whether the rule is about an example.

        Raises:
            Unparsable: The example is no shell text, or no path.
        """
        if self.kind == "command":
            return any(self.about_command(command) for command in commands_in(example))
        if self.kind == "path":
            try:
                return self.about_path(normalise(example), removal=False)
            except PathRefused as error:
                raise Unparsable(str(error)) from None
        return self.covers(example)

    def _excepted(self, command: Command) -> bool:
        if self.effect == "allow":
            return any(pattern.matches(command.words) for pattern in self._unless)
        return _exactly(self._unless, command)


def commands_in(text: str) -> Sequence[Command]:
    """The simple commands of a shell text, what wrappers run included.

    Raises:
        Unparsable: It cannot be taken apart.
    """
    parts = flat(text)
    if parts is None:
        return [Command(simple.words, None) for simple in all_commands(text)]
    if any(runs_others(part.words[0]) for part in parts):
        literal = {part.words for part in parts}
        found: list[Command] = []
        for simple in all_commands(text):
            words = tuple(word.text for word in simple.words)
            known = words in literal and not any(word.opaque for word in simple.words)
            found.append(Command(simple.words, words if known else None))
        return found
    return [Command(None, part.words) for part in parts]


def _exactly(patterns: Sequence[CommandPattern], command: Command) -> bool:
    literal = command.literal
    return literal is not None and any(pattern.matches_exactly(literal) for pattern in patterns)
