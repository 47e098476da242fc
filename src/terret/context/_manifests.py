"""What the manifests of a repository say: name, purpose, commands, entry points, dependencies."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, cast

import msgspec

from terret.context._repo import Texts
from terret.context._symbol import cut

Table = dict[str, Any]


class Command(msgspec.Struct, frozen=True):
    """A command of the repository: what it is for, how to call it, and the file that says so."""

    name: str
    run: str
    source: str


class Manifests(msgspec.Struct, frozen=True):
    """The manifests' own words; ``sources`` are the files they came from."""

    name: str
    purpose: str
    commands: list[Command]
    entry_points: list[Command]
    dependencies: list[str]
    python: Table
    package: Table
    sources: list[str]


def read_manifests(texts: Texts) -> Manifests:
    """Everything the manifests at the root say; parts that cannot be parsed count as absent."""
    python, package, cargo = _toml(texts, "pyproject.toml"), _json(texts, "package.json"), _toml(texts, "Cargo.toml")
    project = table(python, "project") or table(table(python, "tool"), "poetry")
    crate = table(cargo, "package")
    title, lead = _readme(texts)
    stated = [str(item.get("name") or "") for item in (project, package, crate)]
    described = [str(item.get("description") or "") for item in (project, package, crate)]
    present = ("pyproject.toml", "package.json", "Cargo.toml", "go.mod", "Makefile", "tox.ini", "setup.cfg")
    return Manifests(
        name=next((name for name in [*stated, title] if name), ""),
        purpose=cut(next((text for text in [*described, lead] if text), ""), 300),
        commands=[*_npm(package), *_make(texts), *_tox(texts)],
        entry_points=[*_scripts(project, "pyproject.toml"), *_bins(package), *_mains(texts)],
        dependencies=_dependencies(project, package, crate, texts),
        python=python,
        package=package,
        sources=[path for path in (*present, "requirements.txt", *readmes(texts)) if path in texts],
    )


def table(value: Table, key: str) -> Table:
    """A table inside a table; empty when it is something else."""
    found = value.get(key)
    return cast("Table", found) if isinstance(found, dict) else {}


def readmes(texts: Texts) -> list[str]:
    """The README files at the root."""
    return [path for path in texts.paths if re.fullmatch(r"readme(?:\.\w+)?", path, re.IGNORECASE)]


def _toml(texts: Texts, path: str) -> Table:
    try:
        return tomllib.loads(texts[path])
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _json(texts: Texts, path: str) -> Table:
    try:
        found = json.loads(texts[path] or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("Table", found) if isinstance(found, dict) else {}


def _readme(texts: Texts) -> tuple[str, str]:
    """Title and first paragraph of the README."""
    for path in readmes(texts):
        blocks = [block.strip() for block in re.split(r"\n\s*\n", texts[path]) if block.strip()]
        title = next((re.sub(r"^#+\s*", "", b.split("\n")[0]) for b in blocks if b.startswith("#")), "")
        lead = next((b for b in blocks if re.match(r"[A-Za-z`*_]", b) and not set(b) <= set("=-# \n")), "")
        under = re.match(r"(.+)\n[=-]{3,}\s*$", lead)
        if under:
            title = title or under[1]
            lead = next((b for b in blocks[blocks.index(lead) + 1 :] if re.match(r"[A-Za-z`*_]", b)), "")
        return cut(title, 80), cut(lead, 300)
    return "", ""


def _npm(package: Table) -> list[Command]:
    scripts = table(package, "scripts")
    return [
        Command(name, "npm test" if name == "test" else f"npm run {name}", f"package.json: {cut(str(run), 80)}")
        for name, run in scripts.items()
        if "no test specified" not in str(run)
    ]


def _make(texts: Texts) -> list[Command]:
    targets = re.findall(r"^([A-Za-z][\w-]*)[ \t]*:(?!=)", texts["Makefile"], re.M)
    return [Command(target, f"make {target}", "Makefile") for target in dict.fromkeys(targets)]


def _tox(texts: Texts) -> list[Command]:
    names = re.findall(r"^\[testenv:([\w.-]+)\]", texts["tox.ini"], re.M)
    return [Command(name, f"tox -e {name}", "tox.ini") for name in names]


def _scripts(project: Table, source: str) -> list[Command]:
    scripts = {**table(project, "scripts"), **table(project, "gui-scripts")}
    return [Command(name, str(target), source) for name, target in scripts.items()]


def _bins(package: Table) -> list[Command]:
    bins = package.get("bin")
    if isinstance(bins, str):
        return [Command(str(package.get("name") or "bin"), bins, "package.json")]
    found = [Command(name, str(path), "package.json") for name, path in table(package, "bin").items()]
    main = package.get("main") or package.get("module")
    return [*found, *([Command("main", main, "package.json")] if isinstance(main, str) else [])]


def _mains(texts: Texts) -> list[Command]:
    """Files that are there to be run."""
    found: list[Command] = []
    for path in texts.sources():
        folders, _, name = path.rpartition("/")
        if name == "__main__.py":
            package = re.sub(r"^(?:src|lib)/", "", folders).replace("/", ".")
            if all(part.isidentifier() for part in package.split(".")):
                found.append(Command(package, f"python -m {package}", path))
        elif re.fullmatch(r"(?:bin|scripts)/[^/]+", path) and texts[path].strip():
            found.append(Command(name, path, path))
        elif re.fullmatch(r"(?:cmd/[^/]+/)?main\.go|src/main\.rs", path):
            found.append(Command("main", path, path))
    return found


def _dependencies(project: Table, package: Table, crate: Table, texts: Texts) -> list[str]:
    stated = project.get("dependencies")
    names = [str(item) for item in cast("list[Any]", stated)] if isinstance(stated, list) else []
    names += list(table(project, "dependencies")) + list(table(package, "dependencies"))
    names += [line for line in texts["requirements.txt"].splitlines() if re.match(r"[A-Za-z]", line)]
    bare = [re.split(r"[\s<>=!~;@\[(]", name, maxsplit=1)[0] if not name.startswith("@") else name for name in names]
    return list(dict.fromkeys(name for name in bare if name and name != "python"))
