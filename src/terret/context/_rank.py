"""Which files and spans a query is about, best first, within a budget of tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from terret.context._imports import Modules, distances, graph_of
from terret.context._lexical import Lexicon
from terret.context._outline import Outlines
from terret.context._repo import Repo, Texts, is_document, is_source, is_test, stem, suffix
from terret.context._span import Span, best_pieces, whole
from terret.context._words import identifiers
from terret.models import estimate_tokens

HINTED = 3.0
NAMED = 1.0
NAMED_STEM = 0.3
NAMED_OTHER = 0.4
DEFINES = 0.5
QUOTED = 0.5
OWN_TESTS = 0.3
NEIGHBOUR = 0.25
RECENT = 0.05
REACHED = {1: 0.35, 2: 0.2, 3: 0.08}
"""What evidence other than words adds to a file's score, whose words count at most 1."""

FLOOR = 0.08
"""Files that score less than this share of the best are not offered."""


_PATHS = re.compile(r"(?<![\w.])(?:[\w.-]+/)*[\w-]+\.[A-Za-z]{1,5}\b(?!\()|(?:[\w.-]+/){2,}[\w.-]+")

_QUOTED = re.compile(r'"([^"\n]{6,120})"')


class Evidence(NamedTuple):
    """The score of one file and the reason that weighs most."""

    path: str
    score: float
    reason: str


def rank(
    repo: Repo,
    query: str,
    *,
    budget_tokens: int,
    tests: Sequence[str] = (),
    hints: Sequence[str] = (),
    history: Sequence[str] = (),
) -> list[Span]:
    """The spans that a query is most likely about, best file first, within the budget.

    A file scores by its words (BM25 over stems of identifiers), by definitions the query names, by paths it names,
    by the imports from the tests to it, and by its neighbours in the import graph. A file that takes more than its
    share of the budget gives its best pieces, in the order of their lines.

    Args:
        repo: The repository.
        query: What is asked: an objective, an error message, a traceback.
        budget_tokens: Estimated tokens all spans may take together.
        tests: Test files, folders or commands that the query is about.
        hints: Paths known to matter; they come first.
        history: Recently changed paths, latest first; lines that are no paths are ignored.
    """
    texts = Texts(repo)
    weigher = _Weigher(texts, query)
    files = weigher.files(tests, hints, history)
    outlines = Outlines()
    spans: list[Span] = []
    left = budget_tokens
    for place, found in enumerate(files):
        if left <= 0:
            break
        text = texts[found.path]
        share = left if place == len(files) - 1 else max(left * 7 // 10, min(left, 400))
        if estimate_tokens(text) <= share:
            spans.append(whole(found.path, text, found.score, found.reason))
        else:
            symbols = outlines.of(found.path, text)
            lines = weigher.lines_named(found.path)

            def weigh(start: int, end: int, body: str, lines: Sequence[int] = lines) -> float:
                named = sum(start <= line <= end for line in lines)
                return weigher.lexicon.density(body) + named

            spans += [
                Span(found.path, start, end, body, estimate_tokens(body), found.score, found.reason)
                for start, end, body in best_pieces(text, symbols, weigh, share)
            ]
        left = budget_tokens - sum(span.tokens for span in spans)
    return spans


def ranked_files(
    repo: Repo, query: str, *, tests: Sequence[str] = (), hints: Sequence[str] = (), history: Sequence[str] = ()
) -> list[Evidence]:
    """The files :func:`rank` offers spans of, best first, without any budget."""
    return _Weigher(Texts(repo), query).files(tests, hints, history)


class _Weigher:
    """Everything one query needs to know about one repository."""

    def __init__(self, texts: Texts, query: str) -> None:
        self.texts, self.query = texts, query
        # A path that is named is found by its name; its words would favour its neighbours.
        self.lexicon = Lexicon(texts, _PATHS.sub(" ", query))
        self.graph = graph_of(texts)

    def files(self, tests: Sequence[str], hints: Sequence[str], history: Sequence[str]) -> list[Evidence]:
        """Every file that has evidence, best first; all sources when none has."""
        paths = [path for path in self.texts.paths if self.texts[path].strip()]
        tested = self._test_files(tests)
        reached = distances(self.graph, tested)
        words = {path: self.lexicon.score(path) * _prior(path) for path in paths}
        top = max((words[path] for path in paths if is_source(path)), default=0.0) or max(words.values(), default=0.0)
        share = {path: min(1.0, score / (top or 1.0)) for path, score in words.items()}
        share = {path: value if is_source(path) else min(value, _prior(path)) for path, value in share.items()}
        own = {_tested_stem(path) for path in tested}
        defines, quoted, near = self._definers(), self._quoted(paths), self._neighbours(share)
        recent = {line.strip(): at for at, line in reversed(list(enumerate(history)))}
        scored: list[Evidence] = []
        for path in paths:
            source = is_source(path) and not is_test(path)
            gains = {
                "named as a hint": HINTED if path in hints else 0.0,
                "its path is in the query": self._named(path),
                self._defines_reason(path, defines): defines.get(path, (0.0, ""))[0] * _prior(path),
                "holds a text the query quotes": quoted.get(path, 0.0) * _prior(path),
                self._words_reason(path): share[path],
                self._tests_reason(reached.get(path)): REACHED.get(reached.get(path, 0), 0.0) if source else 0.0,
                "its own tests are named": OWN_TESTS if source and stem(path).lower() in own else 0.0,
                "imports or is imported by a match": NEIGHBOUR * near.get(path, 0.0) if source else 0.0,
                "changed recently": RECENT / (1 + recent[path]) if path in recent else 0.0,
            }
            score = sum(gains.values())
            reason = max(gains, key=lambda name: (gains[name], name))
            scored.append(Evidence(path, round(score, 6), reason))
        scored.sort(key=lambda found: (-found.score, found.path))
        best = scored[0].score if scored else 0.0
        kept = [found for found in scored if found.score > best * FLOOR]
        return kept if best else self._all_sources(paths)

    def lines_named(self, path: str) -> list[int]:
        """Line numbers of a file that the query names, as tracebacks and compilers do."""
        name = re.escape(path.rpartition("/")[2])
        found = re.findall(rf"{name}(?:\", line |:|\()(\d+)", self.query)
        return [int(number) for number in found]

    def _all_sources(self, paths: list[str]) -> list[Evidence]:
        """Sources by how many files import them, for a query that matches nothing."""
        used = Counter(target for targets in self.graph.values() for target in targets)
        sources = [path for path in paths if is_source(path) and not is_test(path)]
        sources.sort(key=lambda path: (-used[path], path))
        return [Evidence(path, 0.0, "a source file") for path in sources]

    def _test_files(self, tests: Sequence[str]) -> set[str]:
        """The files that test paths, folders or commands name."""
        modules = Modules(self.texts.sources())
        found: set[str] = set()
        for entry in tests:
            for word in re.split(r"[\s'\"=]+", entry):
                plain = word.partition("::")[0].removeprefix("./").rstrip("/")
                if plain in self.texts:
                    found.add(plain)
                elif plain and "." in plain and (module := modules.find(plain, "")) is not None:
                    found.add(module)
                elif plain:
                    found |= {path for path in self.texts.paths if path.startswith(plain + "/") and is_test(path)}
        return found

    def _named(self, path: str) -> float:
        name = path.rpartition("/")[2]
        if not is_source(path):
            return NAMED_OTHER if _occurs(name, self.query) or _occurs(path, self.query) else 0.0
        if _occurs(path, self.query):
            return NAMED
        if suffix(name) and _occurs(name, self.query):
            return NAMED * 0.7
        own = stem(path)
        dotted = ".".join(path.rsplit(".", 1)[0].split("/")[-2:])
        if "." in dotted and _occurs(dotted, self.query):
            return NAMED * 0.7
        plain = len(own) > 3 and not is_test(path) and _occurs(own, self.query)
        return NAMED_STEM if plain else 0.0

    def _definers(self) -> dict[str, tuple[float, str]]:
        """Files that define what the query names, with the share of the definition they hold."""
        found: dict[str, tuple[float, str]] = {}
        names = sorted(identifiers(self.query))
        for name in names:
            holders = [path for path, defined in self.lexicon.defined.items() if name in defined]
            for path in holders:
                gain, first = found.get(path, (0.0, name))
                found[path] = (min(1.0, gain + DEFINES / len(holders)), first)
        return found

    def _quoted(self, paths: Sequence[str]) -> dict[str, float]:
        """Files that hold a text in double quotes of the query, such as an error message, letter by letter."""
        found: dict[str, float] = {}
        for text in sorted({text for text in _QUOTED.findall(self.query) if len(text.split()) > 1}):
            holders = [path for path in paths if text.strip(".:! ") in self.texts[path]]
            for path in holders:
                found[path] = min(QUOTED, found.get(path, 0.0) + QUOTED / len(holders))
        return found

    def _neighbours(self, share: Mapping[str, float]) -> dict[str, float]:
        """The best word score among the files that a file imports or is imported by."""
        near: dict[str, float] = {}
        for path, targets in self.graph.items():
            for target in targets:
                near[target] = max(near.get(target, 0.0), share.get(path, 0.0))
                near[path] = max(near.get(path, 0.0), share.get(target, 0.0))
        return near

    def _defines_reason(self, path: str, defines: Mapping[str, tuple[float, str]]) -> str:
        return f"defines {defines[path][1]}" if path in defines else "defines a name of the query"

    def _words_reason(self, path: str) -> str:
        best = self.lexicon.best_terms(path)
        return f"matches {', '.join(best)}" if best else "matches the query"

    def _tests_reason(self, distance: int | None) -> str:
        return "used by the tests" if distance == 1 else f"{distance} imports from the tests"


def _prior(path: str) -> float:
    """What a file's kind says before any word is read: changes are mostly made in sources."""
    if is_source(path):
        return 0.55 if is_test(path) else 1.0
    return 0.35 if is_document(path) else 0.45


def _tested_stem(path: str) -> str:
    """The name of what a test file tests, by the usual affixes."""
    return re.sub(r"^test_|_tests?$|\.(?:test|spec)$", "", stem(path)).lower()


def _occurs(name: str, text: str) -> bool:
    """Whether a name stands in a text as a word of its own."""
    before = r"(?<![\w-])" if "/" in name else r"(?<![\w/-])"
    return name in text and re.search(rf"{before}{re.escape(name)}(?![\w/-])", text) is not None
