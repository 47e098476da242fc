"""Dependencies declared but not used, used but not declared, and lock files left behind."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change
from terret.entropy._manifests import NAMESPACES, Declared, canonical, declared, import_names
from terret.entropy._paths import (
    LOCKS,
    base,
    folder,
    is_document,
    is_generated,
    is_lock,
    is_manifest,
    is_python,
    is_script,
    is_source,
    is_test,
    stem,
)
from terret.entropy._python import imports
from terret.entropy._script import script_imports

_TOOLS = re.compile(
    r"(?:pytest|flake8|pylint|mypy|types|sphinx|eslint|prettier|babel|webpack|rollup|vite|jest|vitest|postcss|stylelint|mkdocs|tox|nox)(?:-.*)?"
    r"|.*-(?:loader|plugin|stubs|cli|preset|reporter)|@types/.*|@babel/.*|@typescript-eslint/.*|@eslint/.*|@vitejs/.*|@tsconfig/.*"
    r"|ruff|black|isort|coverage|pre-commit|build|twine|hatch(?:ling)?|setuptools|wheel|pip|uv|poetry(?:-core)?|pyright|bandit|ipython|ipdb|import-linter"
    r"|typescript|ts-node|tsx|nodemon|husky|lint-staged|concurrently|rimraf|cross-env|esbuild|swc|mocha|nyc|c8|tailwindcss|autoprefixer"
    r"|gunicorn|uvicorn|psycopg2?(?:-binary)?|asyncpg|mysqlclient|lxml|html5lib|pyarrow|openpyxl|python-multipart|tzdata|certifi|greenlet|brotli"
)
_BUILTIN = frozenset(
    [
        "assert",
        "async_hooks",
        "buffer",
        "child_process",
        "cluster",
        "console",
        "constants",
        "crypto",
        "dgram",
        "diagnostics_channel",
        "dns",
        "domain",
        "events",
        "fs",
        "http",
        "http2",
        "https",
        "inspector",
        "module",
        "net",
        "os",
        "path",
        "perf_hooks",
        "process",
        "punycode",
        "querystring",
        "readline",
        "repl",
        "stream",
        "string_decoder",
        "sys",
        "timers",
        "tls",
        "trace_events",
        "tty",
        "url",
        "util",
        "v8",
        "vm",
        "wasi",
        "worker_threads",
        "zlib",
        "test",
    ]
)
_ALIASED = re.compile(r"^(?:[.~#/]|@/|\$|virtual:|bun:|deno:|https?:|npm:|jsr:|[A-Za-z]+:)")


_LIMIT = 200
"""New dependencies that are looked at."""


class _Use(NamedTuple):
    name: str
    path: str
    line: int
    late: bool = False


def dependencies(change: Change) -> Iterator[Burden]:
    """Every burden of dependencies."""
    found = _Dependencies(change)
    yield from found.undeclared()
    yield from found.unused()
    yield from found.orphaned()
    yield from found.locks()


class _Dependencies:
    def __init__(self, change: Change) -> None:
        self.change = change
        self.now = [
            item for path in change.paths if is_manifest(path) for item in declared(path, change.text(path) or "")
        ]
        manifests = [path for path in change.old_paths if is_manifest(path)]
        self.before = [item for path in manifests for item in declared(path, change.old_text(path) or "")]

    def _keys(self, items: list[Declared]) -> set[tuple[str, str]]:
        return {(item.ecosystem, canonical(item.name)) for item in items}

    @cached_property
    def added(self) -> list[Declared]:
        """Dependencies no manifest declared before."""
        known = self._keys(self.before)
        fresh = [item for item in self.now if (item.ecosystem, canonical(item.name)) not in known]
        return list({(item.ecosystem, canonical(item.name)): item for item in reversed(fresh)}.values())

    @cached_property
    def local(self) -> set[str]:
        """Names that may be modules of the repository itself."""
        names: set[str] = set()
        for path in self.change.paths:
            if is_python(path):
                names.add(stem(path))
                names.update(folder(path).split("/"))
        return names

    def uses(self, path: str, *, old: bool = False) -> list[_Use]:
        """External packages a program imports, guarded imports and types left out."""
        text = self.change.old_text(path) if old else self.change.text(path)
        if text is None:
            return []
        if is_python(path):
            tree = self.change.tree(path, old=old)
            found = imports(tree) if tree is not None else ()
            outer = [item for item in found if not item.level and not item.guarded and not item.typing]
            outer = [item for item in outer if not self._is_known(item.module.partition(".")[0])]
            return [_Use(item.module, path, item.line, item.late) for item in outer]
        if is_script(path):
            sources = [(item.source, item.line) for item in script_imports(path, text) if not item.typing]
            return [_Use(name, path, line) for source, line in sources if (name := _package(source))]
        return []

    def _is_known(self, top: str) -> bool:
        return top in sys.stdlib_module_names or top in self.local or not top

    def undeclared(self) -> Iterator[Burden]:
        """Imports that no manifest covers: new ones, and those whose declaration the patch removed."""
        told: set[str] = set()
        lost = self._keys(self.before) - self._keys(self.now)
        for path, _ in [*self.change.sources()] if lost else [(file.path, "") for file in self.change.files]:
            file = self.change.by_path.get(path)
            if file is not None and not file.written:
                continue
            earlier = (
                {use.name for use in self.uses(path, old=True)} if file is None or file.old is not None else set[str]()
            )
            for use in self.uses(path):
                key = use.name.partition(".")[0] if is_python(path) else use.name
                if key in told:
                    continue
                uncovered = self._uncovered(use, lost=lost, fresh=use.name not in earlier)
                if uncovered is not None:
                    told.add(key)
                    yield uncovered

    def _uncovered(self, use: _Use, *, lost: set[tuple[str, str]], fresh: bool) -> Burden | None:
        ecosystem = "python" if is_python(use.path) else "node"
        mine = [item for item in self.now if item.ecosystem == ecosystem]
        covering = [item for item in mine if _covers(item, use.name)]
        line = (self.change.text(use.path) or "").split("\n")[use.line - 1]
        if covering:
            dev = all(item.dev for item in covering) and not is_test(use.path) and folder(use.path) != ""
            tooling = re.search(
                r"(?:^|/)(?:scripts?|tools?|benchmarks?|docs?|examples?|ci)/|\.config\.|(?:^|/)(?:noxfile|conftest)",
                use.path,
            )
            return (
                burden("dev_dependency_at_runtime", use.path, use.line, line) if fresh and dev and not tooling else None
            )
        dropped = any(
            key[0] == ecosystem and _covers(Declared(key[1], "", 0, False, ecosystem), use.name) for key in lost
        )
        if not dropped and (not fresh or self._was_imported(use)):
            return None
        severity = 3 if (mine and not is_test(use.path) and not use.late) or dropped else 2
        return burden("undeclared_dependency", use.path, use.line, line, severity)

    def _was_imported(self, use: _Use) -> bool:
        """Whether any program imported it without the patch."""
        top = use.name.partition(".")[0] if is_python(use.path) else use.name
        for path in self.change.old_paths:
            if is_source(path) and top in (self.change.old_text(path) or ""):
                same = is_python(path) == is_python(use.path)
                if same and any(
                    item.name == use.name or item.name.startswith(top + ".") or item.name == top
                    for item in self.uses(path, old=True)
                ):
                    return True
        return False

    def unused(self) -> Iterator[Burden]:
        """Newly declared, and neither imported nor named by any program or setting."""
        for item in self.added[:_LIMIT]:
            text = self.change.text(item.path) or ""
            name = canonical(item.name) if item.ecosystem == "python" else item.name
            resolved = is_generated(item.path, text) or re.search(r"#\s*via\b", text) is not None
            if not resolved and not _TOOLS.fullmatch(name) and not self._is_used(item):
                line = text.split("\n")[item.line - 1] if item.line else item.name
                yield burden("unused_dependency", item.path, item.line, line)

    def _is_used(self, item: Declared) -> bool:
        names = import_names(item.name) if item.ecosystem == "python" else (item.name,)
        words = {*names, item.name, canonical(item.name), *(name.replace(".", "/") for name in names)}
        pattern = re.compile(r"(?<![\w-])(?:" + "|".join(re.escape(word) for word in sorted(words)) + r")(?![\w-])")
        return any(pattern.search(text) for text in self._users if any(word in text for word in words))

    @cached_property
    def _users(self) -> list[str]:
        """Every text that may use a dependency: programs and settings, without what declares dependencies."""
        found: list[str] = []
        for path in self.change.paths:
            declares = is_manifest(path) and base(path) not in ("pyproject.toml", "package.json", "setup.cfg")
            text = None if is_lock(path) or is_document(path) or declares else self.change.text(path)
            if text:
                found.append(_without_dependencies(path, text) if is_manifest(path) else text)
        return found

    def orphaned(self) -> Iterator[Burden]:
        """Declared before and after, imported before, and not named any more."""
        for file in self.change.files:
            if file.old is None or not is_source(file.path):
                continue
            gone = {use.name for use in self.uses(file.path, old=True)} - {use.name for use in self.uses(file.path)}
            ecosystem = "python" if is_python(file.path) else "node"
            mine = [item for item in self.now if item.ecosystem == ecosystem and not item.dev]
            for item in mine if gone else ():
                lost = any(_covers(item, name) for name in gone) and not _TOOLS.fullmatch(canonical(item.name))
                if lost and not self._is_used(item):
                    evidence = f"{item.name}: {file.path} was the last to import it"
                    yield burden("orphaned_dependency", item.path, item.line, evidence)

    def locks(self) -> Iterator[Burden]:
        """Lock files that stayed while their manifest's dependencies changed, or the other way round."""
        for lock in self.change.paths:
            if not is_lock(lock) or lock in self.change.by_path:
                continue
            manifest = f"{folder(lock)}/{LOCKS[base(lock)]}".lstrip("/")
            if manifest in self.change.by_path:
                old = {(item.name, item.dev) for item in self.before if item.path == manifest}
                new = {(item.name, item.dev) for item in self.now if item.path == manifest}
                if old != new:
                    names = ", ".join(sorted({name for name, _ in old ^ new}))
                    yield burden("lock_stale", lock, 0, f"{manifest} changed {names}; {lock} did not follow")


def _package(source: str) -> str:
    """The npm package of an import; empty for files of the repository and for built-ins."""
    if _ALIASED.match(source):
        return ""
    parts = source.split("/")
    name = "/".join(parts[:2]) if source.startswith("@") else parts[0]
    return "" if name in _BUILTIN or not re.fullmatch(r"(?:@[\w.-]+/)?[\w.-]+", name) else name


def _covers(item: Declared, name: str) -> bool:
    """Whether a declared distribution brings a module or package."""
    if item.ecosystem == "node":
        return item.name == name or item.name == f"@types/{name}"
    top = name.partition(".")[0]
    for known in import_names(item.name):
        if known.lower() in (name.lower(), top.lower()) or name.startswith(known + ".") or known.startswith(name + "."):
            return True
    return "." in name and canonical(item.name).startswith(NAMESPACES) and canonical(item.name).startswith(f"{top}-")


def _without_dependencies(path: str, text: str) -> str:
    """A manifest without its lists of dependencies: what is left may use one (scripts, tool settings)."""
    if base(path) == "package.json":
        return re.sub(r"\"(?:dev|peer|optional)?[dD]ependencies\"\s*:\s*\{[^}]*\}", "", text)
    names = {re.escape(item.name) for item in declared(path, text)}
    if not names:
        return text
    return re.sub(
        rf"^.*(?:[\"'\s\[]|^)(?:{'|'.join(sorted(names))})(?:[\"'\s<>=!~\[;,].*|$)", "", text, flags=re.MULTILINE
    )
