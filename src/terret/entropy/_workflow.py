"""Changes to what runs the checks: CI, hooks, Makefiles, lock files.

Such a change is needed when a hint names the file, or when its lines name what else the change brings or takes: a
file, a dependency, a make target, an npm script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff
from terret.entropy._manifests import declared
from terret.entropy._paths import LOCKS, base, folder, is_build, is_ci, is_lock, is_manifest, stem
from terret.entropy._scope import is_hinted
from terret.entropy._vanished import Vanished

_CHECK = re.compile(
    r"\b(?:pytest|unittest|tox|nox|ruff|mypy|pyright|flake8|pylint|bandit|coverage|eslint|tsc|jest|vitest|mocha|prettier|lint\w*|tests?|check\w*"
    r"|clippy|go vet|audit|black|isort)\b"
)
_SWITCH_OFF = re.compile(
    r"continue-on-error:\s*true|allow_failure:\s*true|\|\|\s*(?:true|:|exit 0|echo)|\bif:\s*(?:\$\{\{\s*)?false\b"
    r"|--no-verify|--exit-zero"
    r"|--passWithNoTests|\bset \+e\b|;\s*true\s*$|--forceExit|-k\s+[\"']?not |SKIP=|--deselect|--ignore=tests?"
)


def workflow(change: Change, gone: Vanished) -> Iterator[Burden]:
    """Every change to the way of working that nothing asked for."""
    words: set[str] | None = None
    for file in change.files:
        if not (is_ci(file.path) or is_build(file.path) or is_lock(file.path)):
            continue
        words = _words(change, gone) if words is None else words
        if is_lock(file.path):
            yield from _lock(change, file)
        else:
            yield from _checks(change, file, words)


def _checks(change: Change, file: FileDiff, words: set[str]) -> Iterator[Burden]:
    added = [(line, text) for line, text in file.added if text.strip() and not text.lstrip().startswith("#")]
    removed = [(line, text) for line, text in file.removed if text.strip() and not text.lstrip().startswith("#")]
    if off := next(((line, text) for line, text in added if _SWITCH_OFF.search(text)), None):
        yield burden("checks_disabled", file.path, *off)
        return
    lost = list(_lost(file))
    kept = [
        text
        for other in change.files
        if is_ci(other.path) or is_build(other.path)
        for _, text in other.added
        if _runs_a_check(text)
    ]
    hinted = is_hinted(change, file.path)
    if len(lost) > len(kept) and not hinted:
        yield burden("checks_disabled", file.path, *lost[0])
        return
    if hinted or file.status == "A" or not (added or removed):
        return
    changed = [text for _, text in [*added, *removed]]
    if any(
        re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in words for text in changed if word in text
    ):
        return
    line, text = (added or removed)[0]
    yield burden("ci_changed" if is_ci(file.path) else "build_changed", file.path, line, text, None if removed else 1)


def _lost(file: FileDiff) -> Iterator[tuple[int, str]]:
    """Removed lines that ran a check, where fewer lines came than went."""
    for hunk in file.hunks:
        if hunk.j2 - hunk.j1 < hunk.i2 - hunk.i1:
            for at in range(hunk.i1, hunk.i2):
                text = file.old_lines[at]
                if _runs_a_check(text) and not text.lstrip().startswith("#"):
                    yield at + 1, text


def _runs_a_check(text: str) -> bool:
    """Whether a line runs a check or names a hook, rather than being a target or a name."""
    plain = text.strip()
    return _CHECK.search(plain) is not None and not re.match(
        r"(?:\.PHONY|[\w.-]+:\s*(?:[\w.-]+\s*)*$|name:|-\s*name:)", plain
    )


def _lock(change: Change, file: FileDiff) -> Iterator[Burden]:
    manifest = f"{folder(file.path)}/{LOCKS[base(file.path)]}".lstrip("/")
    if (
        manifest in change.by_path
        or is_hinted(change, file.path)
        or any(is_manifest(other.path) for other in change.files)
    ):
        return
    line, text = (file.added or file.removed or [(0, file.path)])[0]
    yield burden("lock_changed", file.path, line, f"{manifest} did not change: {text.strip()}")


def _words(change: Change, gone: Vanished) -> set[str]:
    """What the rest of the change brings or takes, as other files would name it."""
    found: set[str] = set()
    for file in change.files:
        if file.status in "AD" and not is_ci(file.path):
            found |= {file.path, base(file.path)} | ({stem(file.path)} if len(stem(file.path)) > 3 else set[str]())
        if is_manifest(file.path):
            old = {item.name for item in declared(file.path, file.old or "")}
            new = {item.name for item in declared(file.path, file.new or "")}
            found |= old ^ new
    found |= {command.rpartition(" ")[2] for command in gone.commands}
    return {word for word in found if len(word) > 2}
