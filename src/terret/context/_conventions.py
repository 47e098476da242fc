"""The habits of a repository's code, as far as they can be counted."""

from __future__ import annotations

import re
from collections import Counter

from terret.context._manifests import Manifests, table
from terret.context._repo import Texts, is_test, suffix

_SAMPLE = 60
"""Files looked at; enough to tell a habit."""


def conventions(texts: Texts, manifests: Manifests) -> list[str]:
    """Sentences about how the code is written; only what clearly prevails."""
    python = [path for path in texts.sources() if suffix(path) == ".py" and texts[path].strip()][:_SAMPLE]
    script = [path for path in texts.sources() if suffix(path) in (".js", ".mjs", ".ts", ".tsx", ".jsx")][:_SAMPLE]
    found = [*_configured(texts, manifests)]
    if python:
        found += _indentation([texts[path] for path in python], "Python")
        found += _python([texts[path] for path in python if not is_test(path)])
    if script:
        found += _indentation([texts[path] for path in script], "JavaScript")
        found += _script([texts[path] for path in script])
    guide = next((path for path in texts.paths if path.rpartition("/")[2].lower() == "contributing.md"), None)
    return [*found, *([f"{guide} holds the project's own rules."] if guide else [])]


def _configured(texts: Texts, manifests: Manifests) -> list[str]:
    tools = table(manifests.python, "tool")
    found: list[str] = []
    for name in ("ruff", "black"):
        length = table(tools, name).get("line-length")
        if isinstance(length, int):
            found.append(f"Lines of at most {length} characters ({name}, pyproject.toml).")
    if "strict" in str(table(tools, "pyright").get("typeCheckingMode", "")) or table(tools, "mypy").get("strict"):
        found.append("Types are checked strictly.")
    shown = [
        path for path in (".editorconfig", ".prettierrc", ".eslintrc.json", "ruff.toml") if path in texts.repo.paths
    ]
    return [*found, *(f"{path} configures the style." for path in shown)]


def _indentation(samples: list[str], language: str) -> list[str]:
    depths: Counter[str] = Counter()
    for text in samples:
        for match in re.finditer(r"^(\t| {2,8})(?=[^\s*])", text, re.M):
            depths["tabs" if match[1] == "\t" else f"{len(match[1])} spaces"] += 1
    # Every depth is a multiple of the unit, so the unit is the smallest one that is common.
    units = [unit for unit in ("tabs", "2 spaces", "4 spaces") if depths[unit] * 5 > sum(depths.values())]
    return [f"{language} is indented by {units[0]}."] if units else []


def _python(samples: list[str]) -> list[str]:
    text = "\n".join(samples)
    heads = re.findall(r"^[ \t]*(?:async )?def \w+\(([^)]*)\)([^\n:]*):", text, re.M)
    typed = sum("->" in result for _, result in heads)
    documented = len(re.findall(r"^[ \t]*(?:async )?def [^\n]*:\n[ \t]+[rR]?\"\"\"", text, re.M))
    found: list[str] = []
    if len(heads) >= 3 and typed * 10 >= len(heads) * 8:
        found.append("Functions carry type hints.")
    elif len(heads) >= 3 and typed * 10 <= len(heads):
        found.append("Functions carry no type hints.")
    if len(heads) >= 3 and documented * 2 >= len(heads):
        style = "Google style" if re.search(r"^[ \t]+(?:Args|Raises|Returns):$", text, re.M) else "plain text"
        found.append(f"Functions have docstrings ({style}).")
    return [*found, *_quotes(text, "Python")]


def _script(samples: list[str]) -> list[str]:
    text = "\n".join(samples)
    modules, common = len(re.findall(r"^(?:import|export)\b", text, re.M)), text.count("require(")
    found = ["ES modules (import and export)." if modules > common else "CommonJS modules (require)."]
    lines = [line.rstrip() for line in text.splitlines() if re.search(r"[\w)\]\"'`;]$", line.rstrip())]
    ended = sum(line.endswith(";") for line in lines)
    if lines:
        found.append("Statements end with semicolons." if ended * 3 > len(lines) else "No semicolons.")
    return [*found, *_quotes(text, "JavaScript")]


def _quotes(text: str, language: str) -> list[str]:
    double = len(re.findall(r'(?<!")"[^"\n]*"(?!")', text))
    single = len(re.findall(r"(?<!')'[^'\n]*'(?!')", text))
    if double > 4 * single:
        return [f"{language} strings in double quotes."]
    return [f"{language} strings in single quotes."] if single > 4 * double else []
