"""Debug prints and debuggers left in.

A print counts when it is neither a program's output nor a function's purpose: not in a command-line module, not in a
function whose name says that it prints, not to another stream, not in a module that printed before. Anywhere, it
counts when its text says so (``DEBUG``, ``here``, ``{x=}``, bare values).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff
from terret.entropy._paths import BRACES, HASHES, is_command, is_python, is_script, is_test, suffix
from terret.entropy._python import Function, dotted, enclosing, imports
from terret.entropy._script import scan

_PRINTS = frozenset({"print", "pprint", "pp", "pprint.pprint", "pprint.pp", "sys.stdout.write", "icecream.ic", "ic"})
_PURPOSE = re.compile(
    r"print|show|display|report|render|dump|usage|help|banner|echo|main|cli|demo|emit|write|log|output"
)
_SAYS_DEBUG = re.compile(
    r"\bdebug\b|\bhere\b|>>>|###|\*\*\*|\bxxx\b|\bfoo\b|\btesting\b|-----|=====|\bgot here\b", re.IGNORECASE
)
_CONSOLE_MODULES = frozenset({"argparse", "click", "typer", "optparse", "fire", "docopt", "getopt", "cmd", "curses"})
_DEBUGGERS = re.compile(
    r"^(?:breakpoint|(?:i?pdb|pudb|rpdb|wdb|remote_pdb)\.(?:set_trace|pm|post_mortem)|debugpy\.(?:listen|wait_for_client|breakpoint))$"
)
_DEBUGGER_MODULES = frozenset({"pdb", "ipdb", "pudb", "rpdb", "wdb", "remote_pdb"})
_CONSOLE = re.compile(r"\bconsole\s*\.\s*(?:log|debug|dir|trace|table)\s*\(")
_JS_DEBUGGER = re.compile(r"(?<![\w$.])debugger(?=\s*(?:;|$))")
_OTHERS = re.compile(r"\bdbg!\s*\(|\bbinding\.(?:pry|irb)\b|^\s*byebug\b|\bvar_dump\s*\(|\bdd\s*\(\$")


def prints(change: Change) -> Iterator[Burden]:
    """Every new debug print and debugger."""
    for file in change.written(is_python):
        yield from _python(change, file)
    for file in change.written(is_script):
        yield from _script(file)
    for file in change.written(lambda path: suffix(path) in BRACES | HASHES):
        for line, text in file.added:
            if _OTHERS.search(text):
                yield burden("debug_print", file.path, line, text)


def _python(change: Change, file: FileDiff) -> Iterator[Burden]:
    tree = change.tree(file.path)
    if tree is None:
        return
    stopped: set[int] = set()
    free = _is_console(tree, file) or _printed_before(change, file)
    script = file.old is None and not is_test(file.path)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if line not in file.added_numbers or _moved(change, file, line):
            continue
        if _stops(node) and line not in stopped:
            stopped.add(line)
            yield burden("debugger", file.path, line, file.new_lines[line - 1])
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func) in _PRINTS
            and _is_debug(tree, node, free=free, script=script)
        ):
            severity = 1 if is_test(file.path) else None
            yield burden("debug_print", file.path, line, file.new_lines[line - 1], severity)


def _moved(change: Change, file: FileDiff, line: int) -> bool:
    return file.new_lines[line - 1].strip() in change.removed_lines


def _stops(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _DEBUGGERS.match(dotted(node.func)) is not None
    return isinstance(node, ast.Import) and any(alias.name in _DEBUGGER_MODULES for alias in node.names)


def _is_console(tree: ast.Module, file: FileDiff) -> bool:
    """Whether a module is a program for a console."""
    if is_command(file.path):
        return True
    found = imports(tree)
    if any(item.module.partition(".")[0] in _CONSOLE_MODULES for item in found):
        return True
    return "sys.argv" in (file.new or "") and not is_test(file.path) and "__name__" not in (file.new or "")


def _printed_before(change: Change, file: FileDiff) -> bool:
    tree = change.tree(file.path, old=True)
    return tree is not None and any(
        isinstance(node, ast.Call) and dotted(node.func) in _PRINTS for node in ast.walk(tree)
    )


def _is_debug(tree: ast.Module, call: ast.Call, *, free: bool, script: bool) -> bool:
    texts = [item.value for item in ast.walk(call) if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    formatted = [item for item in ast.walk(call) if isinstance(item, ast.JoinedStr)]
    if any(_SAYS_DEBUG.search(text) for text in texts) or any(_shows_itself(item) for item in formatted):
        return True
    if free or dotted(call.func) == "sys.stdout.write" or any(word.arg == "file" for word in call.keywords):
        return False
    around = enclosing(tree, call.lineno)
    if any(_PURPOSE.search(node.name.lower()) for node in around if isinstance(node, Function)):
        return False
    return bool(around) or not (_below_main(tree, call.lineno) or script)


def _shows_itself(node: ast.JoinedStr) -> bool:
    """Whether it is ``f"{x=}"``: a text ending in ``=`` before a value shown with ``repr``."""
    pairs = zip(node.values, node.values[1:], strict=False)
    return any(
        isinstance(one, ast.Constant)
        and str(one.value).endswith("=")
        and isinstance(other, ast.FormattedValue)
        and other.conversion == ord("r")
        for one, other in pairs
    )


def _below_main(tree: ast.Module, line: int) -> bool:
    return any(
        isinstance(node, ast.If)
        and "__name__" in ast.unparse(node.test)
        and node.lineno <= line <= (node.end_lineno or 0)
        for node in tree.body
    )


def _script(file: FileDiff) -> Iterator[Burden]:
    new = file.new or ""
    rows = scan(file.path, new).code.split("\n")
    free = is_command(file.path) or new.startswith("#!") or "process.argv" in new
    free = free or _CONSOLE.search(scan(file.path, file.old or "").code) is not None
    for line, text in file.added:
        code = rows[line - 1]
        if _JS_DEBUGGER.search(code):
            yield burden("debugger", file.path, line, text)
        elif _CONSOLE.search(code):
            debug = _SAYS_DEBUG.search(text) is not None
            tells = re.search(r"listen|start(?:ed|ing)|ready|running", text, re.IGNORECASE) is not None
            if debug or not (free or tells):
                yield burden("debug_print", file.path, line, text, 1 if is_test(file.path) else None)
