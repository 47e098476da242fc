"""Lints the sources with the standard library alone: syntax, unused imports, white space, line length."""

import ast
import sys
from pathlib import Path

FOLDERS = ("salesreport", "scripts", "tests")
MAX_LENGTH = 120


def unused_imports(tree, text):
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                imported[(alias.asname or alias.name).split(".")[0]] = node.lineno
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if "__all__" in text:
        used |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return [(line, f"{name} is imported but not used") for name, line in imported.items() if name not in used]


def problems(path):
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text, str(path))
    except SyntaxError as error:
        return [(error.lineno, f"syntax error: {error.msg}")]
    found = unused_imports(tree, text)
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        found.append((text.count("\n"), "must end with one newline"))
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_LENGTH:
            found.append((number, f"longer than {MAX_LENGTH} characters"))
        if line != line.rstrip() or "\t" in line:
            found.append((number, "trailing white space or tab"))
    return sorted(found)


def main():
    root = Path(__file__).resolve().parent.parent
    files = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    count = 0
    for path in files:
        for line, message in problems(path):
            print(f"{path.relative_to(root)}:{line}: {message}")
            count += 1
    print(f"{len(files)} files, {count} problems")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
