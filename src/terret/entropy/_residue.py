"""Files that were left lying about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, mentions
from terret.entropy._paths import base, folder, is_document, is_lock, is_source, is_test, suffix

_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("system_file", re.compile(r"(?:.*/)?(?:\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]+|\.directory)")),
    (
        "build_output",
        re.compile(
            r"(?:.*/)?(?:__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.tox|\.nox|\.venv|venv|node_modules|htmlcov"
            r"|\.hypothesis|\.nyc_output|\.ipynb_checkpoints|[^/]+\.egg-info|\.gradle)/.*"
            r"|(?:.*/)?(?:[^/]+\.(?:py[cod]|class|o|obj|a|whl|egg)|\.coverage(?:\.[^/]*)?|coverage\.xml|\.eslintcache|[^/]+\.tsbuildinfo)"
            r"|(?:build|dist|target|out)/.*"
        ),
    ),
    (
        "backup_file",
        re.compile(
            r".*(?:\.(?:bak|backup|orig|rej|old|save|swp|swo|swn|tmp~|bkp)|~)|(?:.*/)?#[^/]+#|(?:.*/)?\.#[^/]+"
            r"|.*[ _-]\(?(?:copy|Copy|kopie)\)?(?: ?\(?\d+\)?)?\.\w+|.*\(\d+\)\.\w+"
            r"|.*[_.-](?:old|orig|original|backup|bak|deprecated_copy)\.\w+"
        ),
    ),
    (
        "run_output",
        re.compile(
            r".*\.(?:log|prof|pid|pstats|hprof|stackdump)|(?:.*/)?(?:core(?:\.\d+)?|nohup\.out|a\.out|vgcore\.\d+)"
            r"|(?:[^/]*[_-])?(?:output|out|results?|stdout|stderr|log|dump|trace)\d*\.(?:txt|json|csv|out|xml)"
        ),
    ),
    (
        "scratch_file",
        re.compile(
            r"(?:test|tests|try|tmp|temp|foo|bar|baz|a|x|untitled|example|demo|sample|main|new|script)\d+\.\w+"
            r"|(?:try|tmp|temp|foo|bar|baz|untitled|asdf|blah|junk|playground|quick_?test|my_?test|simple_?test)(?:_[^/]*)?\.\w+"
            r"|(?:.*/)?(?:scratch|debug|repro|reproduce|reproduction|reproducer)(?:[_-][^/]*)?\.(?:py|js|ts|sh|mjs|cjs|rb|go|c|rs)"
            r"|(?:check|verify|fix|patch|run_test|inspect|explore|show)[_-][^/]*\.(?:py|js|sh|mjs)"
            r"|[=<>&|$!].*|(?:.*/)?[^/]+\.(?:tmp|temp|scratch)|[^/]+\.(?:patch|diff)|[\d.]+"
        ),
    ),
    (
        "notes_file",
        re.compile(
            r"(?i:(?:my[_-]?)?(?:notes?|todo|thoughts|ideas|scratchpad|plan|progress|analysis|findings|summary|explanation)\.(?:md|txt|rst))"
            r"|(?i:(?:.*[_-])?(?:summary|report|notes|analysis|explanation|walkthrough|findings|checklist)(?:[_-](?:of|final|v?\d).*)?\.(?:md|txt))"
            r"|(?i:(?:fix|bug|bugfix|implementation|changes|solution|refactoring)[_-].*\.(?:md|txt))"
        ),
    ),
)
_MAY_BE_EMPTY = re.compile(
    r"__init__\.pyi?|py\.typed|\.(?:git)?keep|\.nojekyll|\.placeholder|\.npmignore|\.gitignore|\.gitattributes"
)
_NAMED_ROOT_TEST = re.compile(r"test_[a-z][^/]*\.py")


def residue(change: Change) -> Iterator[Burden]:
    """New files that do not belong there, one rule a file."""
    for file in change.files:
        if file.status != "A" or file.path not in change.known:
            continue
        rule = next((rule for rule, pattern in _RULES if pattern.fullmatch(file.path)), None)
        if rule == "notes_file" and "/" in file.path:
            rule = None
        if rule is not None:
            if not _belongs(change, file.path, rule):
                yield burden(rule, file.path, 0, f"{file.path} was added")
        elif change.raw(file.path) == b"" and not _MAY_BE_EMPTY.fullmatch(base(file.path)) and not is_test(file.path):
            yield burden("empty_file", file.path, 0, f"{file.path} was added without content")


def _belongs(change: Change, path: str, rule: str) -> bool:
    """Whether a suspicious name has its reason: test data, siblings of its kind, something that names it."""
    if rule in ("system_file", "build_output"):
        return (
            rule == "build_output"
            and path.startswith(("build/", "dist/", "out/", "target/"))
            and _has_siblings(change, path)
        )
    if is_test(path) and folder(path) and rule != "backup_file":
        return True
    if base(path) == "core" and change.text(path):
        return True
    return _has_siblings(change, path) or _is_named(change, path, rule)


def _has_siblings(change: Change, path: str) -> bool:
    """Whether the folder held files of this kind before."""
    kind, where = suffix(path), folder(path)
    pattern = next(pattern for _, pattern in _RULES if pattern.fullmatch(path))
    return any(
        folder(other) == where and suffix(other) == kind and pattern.fullmatch(other)
        for other in change.old_paths
        if other != path
    )


def _is_named(change: Change, path: str, rule: str) -> bool:
    """Whether a text, a program or a settings file of the repository names the file."""
    name = base(path)
    module = name.rpartition(".")[0] if is_source(path) and rule == "scratch_file" else ""
    for other in change.paths:
        if (
            other == path
            or is_lock(other)
            or not (is_source(other) or is_document(other) or suffix(other) in _SETTINGS)
        ):
            continue
        text = change.text(other)
        if text is None:
            continue
        if "." in name and mentions(text, name):
            return True
        if (
            module
            and len(module) > 3
            and re.search(rf"\b(?:import|from|require\(.*)\s*['\"./]*{re.escape(module)}\b", text)
        ):
            return True
    return False


_SETTINGS = frozenset({".toml", ".cfg", ".ini", ".json", ".yaml", ".yml", ""})
