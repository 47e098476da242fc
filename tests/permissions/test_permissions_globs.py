from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.globs import Glob, PathRefused, WriteRules, normalise, protected


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("src/*", "src/a.py", True),
        ("src/*", "src2", False),
        ("src/*", "src2/a.py", False),
        ("src/*", "src/b/c.py", False),
        ("src/*", "src", False),
        ("src/**", "src/a.py", True),
        ("src/**", "src/b/c/d.py", True),
        ("src/**", "src", False),
        ("src/**", "src2/a.py", False),
        ("src/", "src/b/c.py", True),
        ("**", "a", True),
        ("**", ".hidden/x", True),
        ("**/test_*.py", "test_a.py", True),
        ("**/test_*.py", "x/y/test_a.py", True),
        ("**/test_*.py", "x/y/latest_a.py", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("a**b", "a/b", False),
        ("a**b", "axxb", True),
        ("*.py", "a.py", True),
        ("*.py", "x/a.py", False),
        ("*.py", "A.PY", False),
        ("README.md", "readme.md", False),
        ("?.py", "a.py", True),
        ("?.py", "ab.py", False),
        ("a?b", "a/b", False),
        ("[ab].py", "a.py", True),
        ("[ab].py", "c.py", False),
        ("[!ab].py", "c.py", True),
        ("[!ab]x", "/x", False),
        ("a[/]b", "a/b", False),
        ("[z-a].py", "[z-a].py", True),
        ("[]", "[]", True),
        ("[", "[", True),
        ("a.c", "abc", False),
        ("a+(b)|c", "a+(b)|c", True),
        ("./src/*.py", "src/a.py", True),
        ("src//a.py", "src/a.py", True),
        ("", "a", False),
        ("ä/*", "ä/x", True),
        (unicodedata.normalize("NFD", "ä") + "/*", "ä/x", True),
        ("ä/*", unicodedata.normalize("NFD", "ä") + "/x", True),
        ("a\nb", "a\nb", True),
        ("*", "a\nb", True),
    ],
)
def test_a_pattern_matches_whole_paths_segment_by_segment(pattern: str, path: str, matches: bool) -> None:
    assert Glob(pattern).matches(path) is matches


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("a/b", "a/b"),
        ("./a//b/", "a/b"),
        ("a/./b", "a/b"),
        (".", "."),
        ("./", "."),
        ("...", "..."),
        ("a..b/..c", "a..b/..c"),
    ],
)
def test_paths_are_normalised(path: str, plain: str) -> None:
    assert normalise(path) == plain


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", "path:empty"),
        ("/etc/passwd", "path:absolute"),
        ("//x", "path:absolute"),
        ("..", "path:parent"),
        ("a/../b", "path:parent"),
        ("../x", "path:parent"),
        ("a/..", "path:parent"),
        ("a\0b", "path:nul"),
    ],
)
def test_paths_that_leave_the_repository_are_refused(path: str, rule: str) -> None:
    with pytest.raises(PathRefused) as caught:
        normalise(path)
    assert caught.value.refusal.rule == rule


segments = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
paths = st.lists(segments.filter(lambda text: text not in (".", "..")), min_size=1, max_size=5).map("/".join)


@given(paths)
def test_normalising_is_idempotent_and_keeps_plain_paths(path: str) -> None:
    assert normalise(path) == path
    assert normalise("./" + path.replace("/", "//") + "/") == path


def literal(path: str) -> str:
    return unicodedata.normalize("NFC", "".join(f"[{char}]" if char in "*?[" else char for char in path))


@given(paths, paths)
def test_an_escaped_path_matches_itself_only(path: str, other: str) -> None:
    glob = Glob(literal(path))
    assert glob.matches(path)
    assert glob.matches(other) is (unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", path))


@given(paths, paths)
def test_a_folder_pattern_stays_inside_its_folder(folder: str, other: str) -> None:
    deep, flat = Glob(literal(folder) + "/**"), Glob(literal(folder) + "/*")
    assert deep.matches(f"{folder}/{other}")
    assert not deep.matches(folder)
    assert not deep.matches(f"{folder}2/{other}")
    assert flat.matches(f"{folder}/{other}") is ("/" not in other)


@given(st.text(max_size=12), paths)
def test_any_text_is_a_usable_pattern(pattern: str, path: str) -> None:
    assert Glob(pattern).matches(path) in (True, False)


@given(paths, paths)
def test_denial_beats_permission_and_reaches_below(folder: str, rest: str) -> None:
    rules = WriteRules(("**",), (literal(folder),))
    for path in (folder, f"{folder}/{rest}"):
        refusal = rules.refusal(path)
        assert refusal is not None
        assert refusal.rule.startswith("deny_write:")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (".git/config", ".git"),
        ("vendor/x/.git/hooks/pre-commit", ".git"),
        (".GIT/config", ".git"),
        (".g\u200cit/config", ".git"),
        ("GIT~1/config", ".git"),
        (".git /config", ".git"),
        ("a/.vscode/settings.json", ".vscode"),
        (".mcp.json", ".mcp.json"),
        (".claude/settings.json", ".claude"),
        (".husky/pre-commit", ".husky"),
        ("harness/tools.md", "harness"),
        ("src/harness/tools.py", None),
        ("harness2/x", None),
        (".gitignore", None),
        (".github/workflows/ci.yml", None),
        ("src/git/x", None),
        ("harness", "harness"),
    ],
)
def test_what_is_protected(path: str, name: str | None) -> None:
    assert protected(path) == name


def test_a_pattern_opens_a_protected_name_only_by_spelling_it_out() -> None:
    assert WriteRules(("**",)).refusal(".vscode/settings.json") is not None
    assert WriteRules(("**/*", ".*/**")).refusal(".vscode/settings.json") is not None
    assert WriteRules(("**", ".vscode/**")).refusal(".vscode/settings.json") is None
    assert WriteRules(("**", ".vscode/tasks.json")).refusal(".vscode/settings.json") is not None


@pytest.mark.parametrize(
    ("pattern", "folder", "reaches"),
    [
        ("src/secret/**", "src/secret", True),
        ("src/secret/", "src/secret", True),
        ("src/secret/**", "src", True),
        ("src/secret/**", "src/secret2", False),
        ("src/secret/**", "src/secret/deep", True),
        ("src/*/keys/**", "src/a", True),
        ("src/*/keys/**", "lib/a", False),
        ("src/**/key.pem", "src/a/b", True),
        ("src/*.pem", "src", True),
        ("src/a.py", "src/a.py", False),
        ("src/a.py", "src", True),
        ("**/*.pem", "src", False),
        ("**/secret/**", "a/secret", True),
        ("**/secret/**", "a", False),
    ],
)
def test_a_folder_that_holds_guarded_files_is_not_removed(pattern: str, folder: str, reaches: bool) -> None:
    assert Glob(pattern).reaches_below(folder) is reaches
    refusal = WriteRules(("**",), (pattern,)).removal(folder)
    assert (refusal is not None) is (reaches or Glob(pattern).covers(folder))
