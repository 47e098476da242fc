"""A repository as it stands: paths and a reader; what kind of file each one is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from hashlib import sha256

import msgspec

Reader = Callable[[str], bytes | None]
"""Path relative to the repository's root to content; nothing when there is no such file."""

LARGEST = 400_000
"""Bytes above which a file is not read as text."""

_CODE = ".py .pyi .js .mjs .cjs .jsx .ts .mts .cts .tsx .go .rs .java .kt .c .h .cc .cpp .hpp .rb .php .cs .swift .sh"
_OTHER = ".md .rst .txt .adoc .toml .cfg .ini .json .yaml .yml .html .css .sql .xml .csv .env .mk .tf"
_PLAIN = "makefile dockerfile justfile procfile license codeowners readme contributing"

SOURCE_SUFFIXES = frozenset(_CODE.split())
"""Suffixes of files that hold code."""

_TEXTS = frozenset(_OTHER.split())
_PLAIN_NAMES = frozenset(_PLAIN.split())
_DOCUMENTS = frozenset({".md", ".rst", ".txt", ".adoc"})
_NOISE = re.compile(
    r"(?:^|/)(?:\.git|\.hg|\.svn|\.terret|\.venv|venv|node_modules|bower_components|vendor|third_party|dist|build|target"
    r"|__pycache__|\.[a-z]+_cache|\.tox|\.nox|\.idea|\.vscode|coverage|htmlcov|[^/]+\.egg-info)/"
    r"|^harness/"
    r"|(?:^|/)(?:[^/]*\.(?:min\.js|min\.css|map|lock|snap|pyc|svg)|package-lock\.json|pnpm-lock\.yaml|go\.sum)$"
)
_TEST = re.compile(
    r"(?:^|/)(?:tests?|__tests__|specs?|testing|e2e|python_testcases)/"
    r"|(?:^|/)(?:test_[^/]*|tests?|[^/_][^/]*_tests?|[^/]*\.(?:test|spec)|conftest)\.\w+$"
)


class Repo(msgspec.Struct, frozen=True):
    """A tree as it stands: every file's path, relative to the root, and a reader of their contents."""

    paths: tuple[str, ...]
    read: Reader


def suffix(path: str) -> str:
    """The suffix of a path with its dot, in lower case; empty when there is none."""
    name = path.rpartition("/")[2]
    stem, dot, end = name.rpartition(".")
    return "." + end.lower() if dot and stem else ""


def stem(path: str) -> str:
    """The file's name without its suffix."""
    name = path.rpartition("/")[2]
    return name[: -len(suffix(name))] if suffix(name) else name


def is_noise(path: str) -> bool:
    """Whether a path is generated, vendored, version control or the harness's own."""
    return _NOISE.search(path) is not None


def is_source(path: str) -> bool:
    """Whether a path holds code, tests included."""
    return suffix(path) in SOURCE_SUFFIXES


def is_test(path: str) -> bool:
    """Whether a path is a test file or a helper of tests, by its name and folders."""
    return is_source(path) and _TEST.search(path) is not None


def is_document(path: str) -> bool:
    """Whether a path is written for people."""
    return suffix(path) in _DOCUMENTS or stem(path).lower() in {"readme", "contributing", "changelog"}


def is_text(path: str) -> bool:
    """Whether a path is worth reading as text."""
    end = suffix(path)
    plain = not end and path.rpartition("/")[2].lower() in _PLAIN_NAMES
    return plain or end in SOURCE_SUFFIXES or end in _TEXTS


class Texts:
    """The texts of a repository, each read and decoded once; noise and binary files are not there.

    Args:
        repo: The repository.
    """

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.paths = tuple(sorted({path for path in repo.paths if is_text(path) and not is_noise(path)}))
        self._known = frozenset(self.paths)
        self._texts: dict[str, str] = {}

    def __contains__(self, path: object) -> bool:
        return path in self._known

    def __getitem__(self, path: str) -> str:
        """The text of a path; empty when it cannot be read as text."""
        if path not in self._texts:
            raw = self.repo.read(path) if path in self._known else None
            fit = raw is not None and len(raw) <= LARGEST and b"\0" not in raw[:4096]
            self._texts[path] = raw.decode("utf-8", "replace") if raw is not None and fit else ""
        return self._texts[path]

    def sources(self) -> list[str]:
        """Every path that holds code, tests included."""
        return [path for path in self.paths if is_source(path)]


def digests(repo: Repo, paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each of the paths that exists, sorted."""
    found: dict[str, str] = {}
    for path in sorted(set(paths)):
        raw = repo.read(path)
        if raw is not None:
            found[path] = sha256(raw).hexdigest()
    return found
