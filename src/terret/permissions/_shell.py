"""Takes a shell command apart into the simple commands it would run.

Covers the POSIX grammar and the bash forms in common use: lists, pipelines, groups, subshells, compound commands,
functions, command and process substitution, here-documents, quoting. Nothing is expanded: a word that holds an
expansion is *opaque*, it may stand for anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple


class Unparsable(ValueError):
    """The text is no complete shell command; the message says what is missing."""


class Word(NamedTuple):
    """One word after quote removal; ``opaque`` when an expansion could change it."""

    text: str
    opaque: bool = False


@dataclass(slots=True)
class SimpleCommand:
    """The words of one simple command: assignments and redirections taken off, reserved words too.

    ``stdin`` is the text of its here-document or here-string, ``piped`` says that its input comes from a pipe or file.
    """

    words: list[Word] = field(default_factory=list[Word])
    stdin: str | None = None
    piped: bool = False


_RUN = re.compile(r"[A-Za-z0-9_./:,@%+=\-\]^!]+")
_BLANK = re.compile(r"(?:[ \t]|\\\n)+")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^]]*\])?\+?=")
_REDIRECT = re.compile(r"(?:[0-9]+|\{\w+\})?(?:<<<|<<-?|<>|<&|>&|>>|>\||&>>|&>|<(?!\()|>(?!\())")
_BRACES = re.compile(r"\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}")
_RESERVED = frozenset({"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "{", "}", "!", "esac"})
_HEADS = frozenset({"for", "select", "case", "function"})
_EXPANSIONS = frozenset("*?~")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!_-]")
_DEPTH = 50


def commands_of(text: str) -> list[SimpleCommand]:
    """Every simple command of a shell text, those inside substitutions included.

    Raises:
        Unparsable: Unbalanced quotes or parentheses, an unfinished here-document, or nesting beyond 50 levels.
    """
    parser = _Parser(text, 0)
    parser.read(closer="")
    return parser.found


class _Parser:
    """A cursor over the text; ``found`` collects the commands."""

    def __init__(self, text: str, depth: int) -> None:
        if depth > _DEPTH:
            raise Unparsable("nested too deeply")
        self.text = text
        self.at: int = 0
        self.depth = depth
        self.found: list[SimpleCommand] = []
        self.current = SimpleCommand()
        self.heredocs: list[tuple[SimpleCommand, Word, bool]] = []

    def read(self, closer: str) -> None:
        """Read commands up to the end, or past ``closer`` (a parenthesis) of the enclosing substitution."""
        text, nested = self.text, 0
        while self.at < len(text):
            if blank := _BLANK.match(text, self.at):
                self.at = blank.end()
                continue
            char = text[self.at]
            if char == "#":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif redirect := _REDIRECT.match(text, self.at):
                self._redirect(redirect)
            elif char == "\n":
                self.at += 1
                self._end()
                self._bodies()
            elif char in ";&|":
                self.at += 1
                self._end(
                    piped=char == "|" and text[self.at - 2 : self.at - 1] != "|" and text[self.at : self.at + 1] != "|"
                )
            elif char == "(" or text.startswith(("<(", ">("), self.at):
                nested += 1
                self.at += 1 if char == "(" else 2
                self._end()
            elif char == ")":
                self.at += 1
                self._end()
                if nested == 0 and closer == ")":
                    return
                nested = max(0, nested - 1)
            else:
                self._add(self.word())
        if closer:
            raise Unparsable("a '$(' is not closed")
        self._end()
        if self.heredocs:
            raise Unparsable("a here-document has no body")

    def _is_pipe(self, char: str) -> bool:
        before, after = self.text[self.at - 2 : self.at - 1], self.text[self.at : self.at + 1]
        return char == "|" and "|" not in (before, after)

    def _add(self, word: Word) -> None:
        words = self.current.words
        plain = not word.opaque
        if not words and ((plain and word.text in _RESERVED) or _ASSIGNMENT.match(word.text)):
            return
        words.append(word)

    def _end(self, *, piped: bool = False) -> None:
        command = self.current
        if command.words and not (command.words[0].text in _HEADS and not command.words[0].opaque):
            self.found.append(command)
        self.current = SimpleCommand(piped=piped)

    def _redirect(self, match: re.Match[str]) -> None:
        operator = match.group().lstrip("0123456789")
        self.at = match.end()
        if blank := _BLANK.match(self.text, self.at):
            self.at = blank.end()
        begin = self.at
        if begin >= len(self.text):
            raise Unparsable("a redirection has no target")
        if self.text[begin] in "<>" and self.text.startswith("(", begin + 1):
            self.current.piped = self.current.piped or "<" in operator
            return
        target = self.word()
        if operator.startswith("<<<"):
            self.current.stdin = target.text
            self.current.piped = self.current.piped or target.opaque
        elif operator.startswith("<<"):
            quoted = any(mark in self.text[begin : self.at] for mark in "'\"\\")
            self.heredocs.append((self.current, target, not quoted))
        elif "<" in operator:
            self.current.piped = True

    def _bodies(self) -> None:
        """Read the bodies of the here-documents that were announced on the line just ended."""
        for command, delimiter, expands in self.heredocs:
            lines: list[str] = []
            while True:
                if self.at >= len(self.text):
                    raise Unparsable(f"the here-document up to {delimiter.text} is not closed")
                end = self.text.find("\n", self.at)
                line = self.text[self.at :] if end < 0 else self.text[self.at : end]
                self.at = len(self.text) if end < 0 else end + 1
                if line.lstrip("\t") == delimiter.text:
                    break
                lines.append(line)
            command.stdin = "\n".join(lines)
            if expands:
                inner = _Parser(command.stdin, self.depth + 1)
                inner.quoted('"', whole=True)
                self.found += inner.found
        self.heredocs = []

    def word(self) -> Word:
        """Read one word at the cursor."""
        text, begin = self.text, self.at
        parts: list[str] = []
        opaque = bracket = False
        while self.at < len(text):
            if run := _RUN.match(text, self.at):
                parts.append(run.group())
                self.at = run.end()
                continue
            char = text[self.at]
            if char in " \t\n;&|()<>":
                break
            if char == "'":
                parts.append(self._single(self.at + 1))
            elif char == '"':
                self.at += 1
                inside, expands = self.quoted('"')
                parts.append(inside)
                opaque |= expands
            elif char == "\\":
                parts.append("" if text[self.at + 1 : self.at + 2] == "\n" else text[self.at + 1 : self.at + 2])
                self.at += 2
            elif char in "$`":
                value, expands = self._expansion()
                parts.append(value)
                opaque |= expands
            else:
                bracket |= char == "["
                opaque |= char in _EXPANSIONS or (char == "{" and _BRACES.match(text, self.at) is not None)
                parts.append(char)
                self.at += 1
        if self.at == begin:
            raise Unparsable(f"unexpected {text[begin : begin + 1]!r}")
        return Word("".join(parts), opaque or (bracket and "]" in text[begin : self.at]))

    def _single(self, begin: int) -> str:
        end = self.text.find("'", begin)
        if end < 0:
            raise Unparsable("a single quote is not closed")
        self.at = end + 1
        return self.text[begin:end]

    def quoted(self, mark: str, *, whole: bool = False) -> tuple[str, bool]:
        """Read up to the closing ``mark``, or everything when ``whole``; whether an expansion is inside."""
        text, parts, opaque = self.text, list[str](), False
        while self.at < len(text):
            char = text[self.at]
            if char == mark and not whole:
                self.at += 1
                return "".join(parts), opaque
            if char == "\\" and text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\", "\n"):
                parts.append(text[self.at + 1].replace("\n", ""))
                self.at += 2
            elif char in "$`":
                value, expands = self._expansion(quoted=True)
                parts.append(value)
                opaque |= expands
            else:
                parts.append(char)
                self.at += 1
        if not whole:
            raise Unparsable("a double quote is not closed")
        return "".join(parts), opaque

    def _expansion(self, *, quoted: bool = False) -> tuple[str, bool]:
        """Read what begins with ``$`` or a backtick."""
        text, begin = self.text, self.at
        if text[begin] == "`":
            end = begin + 1
            while end < len(text) and text[end] != "`":
                end += 2 if text[end] == "\\" else 1
            if end >= len(text):
                raise Unparsable("a backtick is not closed")
            self._nested(re.sub(r"\\([$`\\])", r"\1", text[begin + 1 : end]))
            self.at = end + 1
            return text[begin : self.at], True
        following = text[begin + 1 : begin + 2]
        if following == "(":
            inner = _Parser(text, self.depth + 1)
            inner.at = begin + 2
            inner.read(closer=")")
            self.found += inner.found
            self.at = inner.at
        elif following == "{":
            self._braced(begin + 2)
        elif following == "'" and not quoted:
            end = begin + 2
            while end < len(text) and text[end] != "'":
                end += 2 if text[end] == "\\" else 1
            if end >= len(text):
                raise Unparsable("a $' quote is not closed")
            self.at = end + 1
            inside = text[begin + 2 : end]
            return inside, "\\" in inside
        elif following == '"' and not quoted:
            self.at += 2
            return self.quoted('"')
        else:
            name = _PARAMETER.match(text, begin + 1)
            self.at = name.end() if name else begin + 1
            return text[begin : self.at], name is not None
        return text[begin : self.at], True

    def _braced(self, begin: int) -> None:
        """Skip a ``${...}``, its substitutions taken apart."""
        self.at = begin
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "}":
                self.at += 1
                return
            if char in "$`":
                self._expansion(quoted=True)
            elif char == "'":
                self._single(self.at + 1)
            elif char == '"':
                self.at += 1
                self.quoted('"')
            else:
                self.at += 2 if char == "\\" else 1
        raise Unparsable("a '${' is not closed")

    def _nested(self, text: str) -> None:
        inner = _Parser(text, self.depth + 1)
        inner.read(closer="")
        self.found += inner.found
