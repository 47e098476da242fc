"""``file``: whole files, each in a fenced block below its path."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from terret.models._types import Message, Reply, ToolSpec
from terret.models.dialects._action import Action, FormatError, refuse, remark
from terret.models.dialects._change import call_instructions, change, json_call
from terret.models.dialects._elision import is_diff, placeholder
from terret.models.dialects._fences import Block, closed, listed, scan
from terret.models.dialects._paths import info_path, path_line
from terret.models.dialects._reply import answer

_TAGS: dict[str, frozenset[str]] = {
    "py": frozenset({"python", "py", "python3"}),
    "js": frozenset({"javascript", "js", "jsx", "node"}),
    "mjs": frozenset({"javascript", "js", "mjs", "node"}),
    "cjs": frozenset({"javascript", "js", "cjs", "node"}),
    "jsx": frozenset({"jsx", "javascript", "js"}),
    "ts": frozenset({"typescript", "ts"}),
    "tsx": frozenset({"tsx", "typescript", "ts"}),
    "go": frozenset({"go", "golang"}),
    "rs": frozenset({"rust", "rs"}),
    "java": frozenset({"java"}),
    "rb": frozenset({"ruby", "rb"}),
    "c": frozenset({"c"}),
    "h": frozenset({"c", "cpp", "c++", "h"}),
    "cpp": frozenset({"cpp", "c++", "cc"}),
}
"""Fence tags of a language, by file suffix."""

_CODE_LINE = re.compile(
    r"\s{0,8}(?:def |class |import |from \w+ import |function |const |let |public |func |return |#include)"
)


class FileDialect:
    """Every file whole, in a block with its path on the line above or in the fence.

    Args:
        default_path: The file of the one block without a path, for prompts that ask for exactly this file.
    """

    name = "file"

    def __init__(self, default_path: str | None = None) -> None:
        self._default_path = default_path

    def instructions(self, tools: Sequence[ToolSpec]) -> str:
        """The form of a file."""
        if self._default_path and not call_instructions(tools):
            return (
                f"Reply with the complete new content of {self._default_path} in one fenced code block. "
                "Write every line; nothing may be left out."
            )
        return (
            "Change a file by writing its path on a line of its own and below it the complete new content in one "
            "fenced block:\n\npath/of/the/file\n```\nCONTENT\n```\n\n"
            "Write every line; nothing may be left out. If the content itself has ``` lines, use ```` around it."
            + call_instructions(tools)
        )

    def request_tools(self, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """None."""
        return ()

    def parse(self, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
        """One ``apply`` with all files; or one JSON call of another tool."""
        text = answer(reply)
        if isinstance(text, FormatError):
            return text
        fences = scan(text)
        refused = closed(fences, reply)
        if refused:
            return refused
        call = json_call(fences.blocks, tools)
        if call is not None:
            return call
        if not fences.blocks:
            return _no_block(text, reply, self._default_path)
        chosen = self._choose(fences.blocks)
        if isinstance(chosen, FormatError):
            return chosen
        files: dict[str, str] = {}
        for path, block in chosen:
            refused = _unusable(path, block)
            if refused:
                return refused
            if path in files:
                return refuse("duplicate_path", f"line {block.line}: {path} comes twice; write each file once")
            files[path] = block.body
        return change([], [{"path": path, "content": content} for path, content in files.items()], tools, text)

    def feedback(self, action: Action | None, text: str) -> Message:
        """A user message."""
        return remark(text if action is None else f"Result:\n{text}")

    def _choose(self, blocks: list[Block]) -> list[tuple[str, Block]] | FormatError:
        """The blocks that are files, with their paths."""
        labelled = [(self._resolve(path), block) for block in blocks if (path := _path_of(block)) is not None]
        if labelled:
            stray = [block for block in blocks if _path_of(block) is None and block.tag not in _NO_FILE]
            if stray:
                message = f"the block that begins in line {stray[0].line} has no path on the line above it"
                return refuse("no_path", message, stray[0].body)
            return labelled
        if self._default_path is None:
            message = f"write the path of the file on the line above its block ({listed(blocks)})"
            return refuse("no_path", message, blocks[0].body)
        candidates = blocks if len(blocks) == 1 else _of_language(blocks, self._default_path)
        if len(candidates) != 1:
            message = f"the reply has {len(blocks)} blocks ({listed(blocks)}); write only {self._default_path}, once"
            return refuse("several_blocks", message, blocks[0].body)
        return [(self._default_path, candidates[0])]

    def _resolve(self, path: str) -> str:
        return self._default_path if self._default_path and self._default_path.endswith("/" + path) else path


_NO_FILE = frozenset({"bash", "sh", "shell", "console", "text", "txt", "output", "plaintext"})
"""Tags of blocks that show a command or an output beside the files."""


def _path_of(block: Block) -> str | None:
    """The path a block is labelled with: in its fence, else on the line above."""
    return info_path(block.info) or path_line(block.before)


def _of_language(blocks: list[Block], path: str) -> list[Block]:
    """The blocks that can be the file; a block of another language cannot, one without a tag can."""
    tags = _TAGS.get(path.rpartition(".")[2])
    if tags is None:
        return blocks
    return [block for block in blocks if not block.tag or block.tag in tags]


def _unusable(path: str, block: Block) -> FormatError | None:
    if not block.body.strip():
        return refuse("empty_block", f"the block of {path} is empty; write the complete file")
    if not path.endswith((".diff", ".patch")) and is_diff(block.tag, block.body):
        return refuse("diff_not_file", f"the block of {path} is a diff; write the complete new file", block.body)
    hole = placeholder(block.body)
    if hole:
        where = block.line + hole[0]
        return refuse("elided", f"line {where} leaves code out ({hole[1][:60]}); write the complete file", hole[1])
    return None


def _no_block(text: str, reply: Reply, default_path: str | None) -> FormatError:
    if reply.finish == "length":
        return refuse("truncated", "the reply was cut off before it came to a file; answer shorter", text[-200:])
    if _is_code(text, default_path):
        return refuse("unfenced_code", "put the code between a line ``` and another line ```", text)
    return refuse("no_block", "the reply holds no fenced block; write the complete file in one", text)


def _is_code(text: str, default_path: str | None) -> bool:
    if any(_CODE_LINE.match(line) for line in text.split("\n")):
        return True
    return bool(default_path and default_path.endswith(".py") and len(text) < 20_000 and _parses(text))


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
