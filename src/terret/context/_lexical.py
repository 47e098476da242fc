"""How well a file matches a query by its words: BM25 over stems; path and definitions count more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from terret.context._repo import Texts, is_source, suffix
from terret.context._words import raw_words, terms, terms_of

K1 = 1.2
B = 0.6
"""The constants of BM25 (Robertson and Zaragoza 2009): saturation of a term, weight of a file's length."""

PATH_WEIGHT = 6.0
NAME_WEIGHT = 4.0
"""How often a term of the path and of a defined name counts beside each occurrence in the text."""

_KEYWORDS = {
    ".py": ("def ", "class "),
    ".go": ("func ", "type "),
    ".rs": ("fn ", "struct ", "enum ", "trait "),
    ".rb": ("def ", "class ", "module "),
}
_SCRIPT_KEYWORDS = ("function ", "class ", "const ", "interface ", "enum ", "type ")


class Lexicon:
    """How often each term of one query occurs in each file of a repository.

    Args:
        texts: The repository's texts.
        query: What is looked for.
    """

    def __init__(self, texts: Texts, query: str) -> None:
        asked = Counter(terms(query))
        self.defined: dict[str, set[str]] = {}
        """The names, among those that have a term of the query, that each file defines."""
        self._asked = frozenset(asked)
        self._written = {term: word for word in reversed(raw_words(query)) for term in terms_of(word)}
        self._matching: dict[str, tuple[str, ...]] = {}
        self._counts: dict[str, dict[str, float]] = {}
        self._lengths: dict[str, int] = {}
        for path in texts.paths:
            text = texts[path]
            words = raw_words(text)
            self._lengths[path] = len(words)
            self._counts[path] = self._count(path, text, Counter(words))
        files = max(1, len(texts.paths))
        self._mean = max(1.0, sum(self._lengths.values()) / files)
        spread = Counter(term for counts in self._counts.values() for term in counts)
        rarity = {term: math.log(1 + (files - n + 0.5) / (n + 0.5)) for term, n in spread.items()}
        self.weights = {term: rarity[term] * (1 + math.log(n)) for term, n in asked.items() if term in rarity}
        """The query's terms that occur at all, with their rarity; a repeated term counts a little more."""

    def _count(self, path: str, text: str, words: Mapping[str, int]) -> dict[str, float]:
        counts: dict[str, float] = {}
        matching, asked = self._matching, self._asked
        keywords = _KEYWORDS.get(suffix(path), _SCRIPT_KEYWORDS) if is_source(path) else ()
        present = [keyword for keyword in keywords if keyword in text]
        defined = self.defined[path] = set()
        for word, n in words.items():
            hits = matching.get(word)
            if hits is None:
                hits = matching[word] = tuple(term for term in terms_of(word) if term in asked)
            for term in hits:
                counts[term] = counts.get(term, 0.0) + n
            if hits and _defines(text, word, present):
                defined.add(word)
        named = {term for name in defined for term in matching.get(name, ())}
        for term in named:
            counts[term] = counts.get(term, 0.0) + NAME_WEIGHT
        for term in self._asked.intersection(terms(path)):
            counts[term] = counts.get(term, 0.0) + PATH_WEIGHT
        return counts

    def score(self, path: str) -> float:
        """BM25 of a file."""
        counts = self._counts[path]
        norm = K1 * (1 - B + B * self._lengths[path] / self._mean)
        return sum(self.weights[term] * n * (K1 + 1) / (n + norm) for term, n in sorted(counts.items()))

    def best_terms(self, path: str, most: int = 3) -> list[str]:
        """The query's words, as written, that speak most for a file."""
        found = [(-self.weights[term] * min(n, 4.0), term) for term, n in self._counts[path].items()]
        return list(dict.fromkeys(self._written[term] for _, term in sorted(found)[: most + 2]))[:most]

    def density(self, text: str) -> float:
        """How much of the query a piece of text answers, per square root of its length."""
        words = Counter(raw_words(text))
        counts: Counter[str] = Counter()
        for word, n in words.items():
            for term in self._matching.get(word, ()):
                counts[term] += n
        gain = sum(self.weights[term] * (1 + math.log(n)) for term, n in sorted(counts.items()))
        return gain / math.sqrt(20 + sum(words.values()))


def _defines(text: str, word: str, keywords: list[str]) -> bool:
    """Whether a text defines a name: after a keyword, or as a constant at the start of a line."""
    for keyword in keywords:
        at = text.find(keyword + word)
        after = text[at + len(keyword) + len(word) :][:1] if at >= 0 else "x"
        if at >= 0 and not (after.isalnum() or after == "_"):
            return True
    return word.isupper() and len(word) > 2 and (f"\n{word} =" in text or f"\n{word}:" in text)
