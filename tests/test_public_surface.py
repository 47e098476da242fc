"""The public names of every room, pinned; and the rules about who may import what.

When a public name is meant to change, say so in the change log and write the new list:
``python tests/test_public_surface.py``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "terret"
PINNED = Path(__file__).parent / "golden" / "public_surface.txt"
GENERATED = SOURCE / "gym" / "starter"
"""Repositories of tasks, which are no part of terret's code."""


def rooms() -> list[str]:
    """``terret`` and its packages."""
    return ["terret", *sorted(f"terret.{path.parent.name}" for path in SOURCE.glob("*/__init__.py"))]


def surface() -> str:
    """Every room with its public names, one a line."""
    lines = []
    for room in rooms():
        lines += [room, *(f"  {name}" for name in sorted(importlib.import_module(room).__all__))]
    return "\n".join(lines) + "\n"


def modules() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if not path.is_relative_to(GENERATED)]


def imports(path: Path) -> list[str]:
    """Every module a file imports from, also for type checking only."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
        elif isinstance(node, ast.Import):
            found += [name.name for name in node.names]
    return found


def test_the_public_surface_is_the_pinned_one():
    assert surface() == PINNED.read_text("utf-8")


@pytest.mark.parametrize("room", rooms())
def test_every_public_name_exists_and_is_explained(room):
    module = importlib.import_module(room)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip(), f"{room}.{name} has no docstring"


def test_no_room_imports_another_s_private_modules():
    foreign = []
    for path in modules():
        own = path.relative_to(SOURCE).parts[0]
        for name in imports(path):
            parts = name.split(".")
            private = parts[0] == "terret" and any(part.startswith("_") for part in parts[1:])
            if private and parts[1] != own:
                foreign.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert foreign == []


def test_modules_stay_short():
    lengths = sorted((len(path.read_text("utf-8").splitlines()), path.name) for path in modules())
    assert lengths[-1][0] <= 400, lengths[-1]
    assert lengths[len(lengths) // 2][0] <= 140


def test_an_unknown_name_is_an_attribute_error():
    import terret

    with pytest.raises(AttributeError, match="nonsense"):
        _ = terret.nonsense
    assert set(terret.__all__) <= set(dir(terret))


if __name__ == "__main__":
    PINNED.write_text(surface(), "utf-8")
