"""New symbols that nothing refers to, and old ones whose last reference the patch took away.

A reference is any whole-word occurrence in another program or settings file, or a use in the own module outside the
symbol's own body. Texts for readers are no references.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff, mentions
from terret.entropy._paths import base, is_document, is_lock, is_python, is_script, is_source, is_test, stem, suffix
from terret.entropy._python import WORD, Definition, Import, imports, top_definitions, used_names
from terret.entropy._script import ScriptDefinition, scan, script_definitions, script_imports

_SETTINGS = frozenset(
    {".toml", ".cfg", ".ini", ".json", ".yaml", ".yml", ".html", ".jinja", ".j2", ".vue", ".svelte", ".txt"}
)
_ENTRY = re.compile(
    r"(?:index|main|app|server)\.[cm]?[jt]sx?|(?:setup|conftest|settings|models|admin|noxfile|tasks|wsgi|asgi)\.py"
)
_HOOKS = re.compile(
    r"main|app|application|__\w+__|pytest_\w+|setup|teardown|handler|lambda_handler|upgrade|downgrade|visit_\w+"
)
_DEFINED = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_SUPPRESSED = re.compile(r"#\s*(?:noqa|pylint:\s*disable|type:\s*ignore)")


def symbols(change: Change) -> Iterator[Burden]:
    """Every symbol and import the patch leaves without a use."""
    yield from _python_symbols(change)
    yield from _orphans(change)
    for file in change.written(is_python):
        yield from _python_imports(change, file)
    for file in change.written(is_script):
        yield from _script(change, file)


def referenced(change: Change, name: str, own: str, *, old: bool = False) -> bool:
    """Whether a program or settings file other than ``own`` names a symbol."""
    paths = change.old_paths if old else change.paths
    for path in paths:
        if path == own or is_lock(path) or not (is_source(path) or suffix(path) in _SETTINGS) or is_document(path):
            continue
        text = change.old_text(path) if old else change.text(path)
        if text is not None and mentions(text, name):
            return True
    return False


def _python_symbols(change: Change) -> Iterator[Burden]:
    moved: set[str] = set()
    for file in change.files:
        old = change.tree(file.path, old=True) if is_python(file.path) and file.old is not None else None
        moved.update(top_definitions(old) if old is not None else ())
    for file in change.written(is_python):
        tree = change.tree(file.path)
        if tree is None:
            continue
        entry = _ENTRY.fullmatch(base(file.path)) is not None
        fresh = [node for node in top_definitions(tree).values() if node.lineno in file.added_numbers]
        for node in fresh:
            name = node.name
            if (entry and not name.startswith("_")) or name in moved or not _needs_a_use(node, file.path):
                continue
            if not _used_here(change, file.path, node) and not referenced(change, name, file.path):
                yield burden("unused_symbol", file.path, node.lineno, file.new_lines[node.lineno - 1], _weight(name))


def _used_here(change: Change, path: str, node: Definition, *, old: bool = False) -> bool:
    """Whether the own module uses a definition outside its own body."""
    return change.names(path, old=old)[node.name] > used_names(node)[node.name]


def _weight(name: str) -> int:
    return 2 if name.startswith("_") else 1


def _needs_a_use(node: Definition, path: str) -> bool:
    """Whether a definition does nothing unless it is named; decorated ones register themselves."""
    if node.decorator_list and not _is_plain(node):
        return False
    if is_test(path) and (node.name.lower().startswith("test") or node.name.endswith(("Test", "Tests", "TestCase"))):
        return False
    return _HOOKS.fullmatch(node.name) is None


def _is_plain(node: Definition) -> bool:
    plain = (
        "dataclass",
        "dataclasses.dataclass",
        "cache",
        "lru_cache",
        "functools.cache",
        "functools.lru_cache",
        "total_ordering",
    )
    return all(ast.unparse(item).partition("(")[0] in plain for item in node.decorator_list)


def _orphans(change: Change) -> Iterator[Burden]:
    """Python definitions that were used before and are not now."""
    gone: set[str] = set()
    for file in change.files:
        if is_python(file.path):
            gone.update(word for _, line in file.removed for word in WORD.findall(line.partition("#")[0]))
    if not gone:
        return
    for path, text in change.sources(tests=False):
        if not is_python(path) or (path in change.by_path and not change.by_path[path].written):
            continue
        for name in sorted(gone.intersection(_DEFINED.findall(text))):
            if node := _orphaned(change, path, name):
                yield burden("orphaned_symbol", path, node.lineno, f"{name} was used before", _weight(name))


def _orphaned(change: Change, path: str, name: str) -> Definition | None:
    new, old = change.tree(path), change.tree(path, old=True)
    if new is None or old is None:
        return None
    if _ENTRY.fullmatch(base(path)) and not name.startswith("_"):
        return None
    node, before = top_definitions(new).get(name), top_definitions(old).get(name)
    if node is None or before is None or not _needs_a_use(node, path):
        return None
    if _used_here(change, path, node) or referenced(change, name, path):
        return None
    was_used = _used_here(change, path, before, old=True) or referenced(change, name, path, old=True)
    return node if was_used else None


def _python_imports(change: Change, file: FileDiff) -> Iterator[Burden]:
    """Imports without a use: new ones, and those whose use the patch removed."""
    new, old = change.tree(file.path), change.tree(file.path, old=True)
    if new is None or base(file.path) == "__init__.py":
        return
    used = change.names(file.path)
    old_used = change.names(file.path, old=True) if file.old is not None else Counter[str]()
    earlier = imports(old) if old is not None and file.old is not None else ()
    idle = {item.bound for item in earlier if not old_used[item.bound]}
    for item in imports(new):
        if _may_be_unused(item, file) or used[item.bound] or item.bound in idle:
            continue
        if (item.line in file.added_numbers or old_used[item.bound]) and not _reexported(change, file.path, item.bound):
            yield burden("unused_import", file.path, item.line, file.new_lines[item.line - 1])


def _reexported(change: Change, path: str, name: str) -> bool:
    """Whether another module takes an imported name from this one."""
    module = re.escape(stem(path))
    taken = re.compile(
        rf"from\s+[\w.]*\b{module}\s+import\s+(?:\([^)]*|[^\n]*)\b{name}\b|(?<![\w.]){module}\.{name}\b|import\s+\*"
    )
    return any(
        other != path and is_python(other) and name in text and taken.search(text) for other, text in change.sources()
    )


def _may_be_unused(item: Import, file: FileDiff) -> bool:
    exported = re.search(r"\b(\w+)\s+as\s+\1\b", file.new_lines[item.line - 1]) is not None
    noted = any(_SUPPRESSED.search(file.new_lines[line - 1]) for line in (item.first, item.line))
    return item.module == "__future__" or item.name == "*" or item.guarded or exported or noted


def _script(change: Change, file: FileDiff) -> Iterator[Burden]:
    new, old = file.new or "", file.old or ""
    code, old_code = _kept(file.path, new), _kept(file.path, old)
    defined, before = script_definitions(code), script_definitions(old_code)
    moved = _script_names_before(change)
    for name, item in defined.items():
        fresh = name not in moved and item.line in file.added_numbers
        if not fresh and not (name in before and _script_use(change, file.path, old_code, before[name], old=True)):
            continue
        public = item.exported or _exports(code, name)
        entry = public and _ENTRY.fullmatch(base(file.path)) is not None
        if not item.default and not entry and not _script_use(change, file.path, code, item):
            rule = "unused_symbol" if fresh else "orphaned_symbol"
            yield burden(rule, file.path, item.line, file.new_lines[item.line - 1], 1 if public else 2)
    for found in script_imports(file.path, new):
        for name in found.names:
            new_here = found.line in file.added_numbers
            if (
                name
                and name not in ("*", "React")
                and len(_uses(code, name)) < 2
                and (new_here or len(_uses(old_code, name)) > 1)
            ):
                yield burden("unused_import", file.path, found.line, file.new_lines[found.line - 1])


def _kept(path: str, text: str) -> str:
    """Code without comments and strings."""
    return scan(path, text).code


def _script_names_before(change: Change) -> Mapping[str, ScriptDefinition]:
    found: dict[str, ScriptDefinition] = {}
    for file in change.files:
        if is_script(file.path) and file.old is not None:
            found.update(script_definitions(_kept(file.path, file.old)))
    return found


def _uses(code: str, name: str) -> list[int]:
    return [match.start() for match in re.finditer(rf"(?<![\w$.]){re.escape(name)}(?![\w$])", code)]


def _exports(code: str, name: str) -> bool:
    groups = re.findall(r"(?:module\.)?exports\s*=\s*\{([^}]*)\}|export\s*\{([^}]*)\}|exports\.(\w+)\s*=", code)
    return any(mentions(text, name) for group in groups for text in group)


def _script_use(change: Change, path: str, code: str, item: ScriptDefinition, *, old: bool = False) -> bool:
    """Whether a definition is used in its module, or exported and named elsewhere."""
    rest = re.sub(r"(?:module\.)?exports\s*=\s*\{[^}]*\}|export\s*\{[^}]*\}", "", code)
    if len(_uses(rest, item.name)) > 1:
        return True
    public = item.exported or _exports(code, item.name)
    return public and referenced(change, item.name, path, old=old)
