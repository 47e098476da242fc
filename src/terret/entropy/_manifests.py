"""Reads what a repository declares as its dependencies."""

from __future__ import annotations

import ast
import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from terret.entropy._change import parse
from terret.entropy._paths import base, folder, is_manifest
from terret.entropy._python import dotted

_NAME = re.compile(r"\s*[\"']?([A-Za-z0-9][A-Za-z0-9._-]*)")
_DEV_FILE = re.compile(r".*(?:dev|test|lint|doc|ci|build|local|constraints).*", re.IGNORECASE)


class Declared(NamedTuple):
    """One declared dependency; ``dev`` when the program itself does not need it (extras are not ``dev``)."""

    name: str
    path: str
    line: int
    dev: bool
    ecosystem: str  # "python" | "node"


def canonical(name: str) -> str:
    """A distribution's name in its normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(path: str, text: str) -> list[Declared]:
    """The dependencies a manifest declares; none when it cannot be read."""
    name = base(path)
    if not is_manifest(path):
        return []
    read: Callable[[str, str], Iterator[tuple[str, bool]]]
    if name == "package.json":
        read = _package_json
    elif name == "pyproject.toml":
        read = _pyproject
    elif name == "Pipfile":
        read = _pipfile
    elif name == "setup.cfg":
        read = _setup_cfg
    elif name == "setup.py":
        read = _setup_py
    else:
        read = _requirements
    ecosystem = "node" if name == "package.json" else "python"
    try:
        found = [(name, dev) for name, dev in read(path, text) if isinstance(cast(object, name), str) and name]
    except (ValueError, TypeError, AttributeError, RecursionError, configparser.Error):
        return []
    return [Declared(item, path, _line(text, item), dev, ecosystem) for item, dev in found]


def _line(text: str, name: str) -> int:
    """Where a name stands first; 0 when nowhere."""
    spelled = "[-_.]".join(re.escape(part) for part in re.split(r"[-_.]+", name))
    match = re.search(rf"(?<![\w@/.-]){spelled}(?![\w-])", text, re.IGNORECASE)
    return text.count("\n", 0, match.start()) + 1 if match else 0


def _package_json(_path: str, text: str) -> Iterator[tuple[str, bool]]:
    value = cast(dict[str, Any], json.loads(text))
    for field, dev in (
        ("dependencies", False),
        ("optionalDependencies", False),
        ("peerDependencies", False),
        ("devDependencies", True),
    ):
        for name in cast(dict[str, Any], value.get(field) or {}):
            yield name, dev


def _pyproject(_path: str, text: str) -> Iterator[tuple[str, bool]]:
    value = tomllib.loads(text)
    project = value.get("project", {})
    yield from _specs(project.get("dependencies", []), dev=False)
    for extra, specs in project.get("optional-dependencies", {}).items():
        yield from _specs(specs, dev=_DEV_FILE.fullmatch(extra) is not None)
    for specs in value.get("dependency-groups", {}).values():
        yield from _specs([item for item in specs if isinstance(item, str)], dev=True)
    tool = value.get("tool", {})
    poetry = tool.get("poetry", {})
    for name in poetry.get("dependencies", {}):
        if name != "python":
            yield name, False
    for name in poetry.get("dev-dependencies", {}):
        yield name, True
    for group in poetry.get("group", {}).values():
        for name in group.get("dependencies", {}):
            yield name, True
    yield from _specs(tool.get("uv", {}).get("dev-dependencies", []), dev=True)


def _pipfile(_path: str, text: str) -> Iterator[tuple[str, bool]]:
    value = tomllib.loads(text)
    for field, dev in (("packages", False), ("dev-packages", True)):
        for name in value.get(field, {}):
            yield name, dev


def _setup_cfg(_path: str, text: str) -> Iterator[tuple[str, bool]]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    if parser.has_option("options", "install_requires"):
        yield from _specs(parser.get("options", "install_requires").split("\n"), dev=False)
    if parser.has_section("options.extras_require"):
        for extra, specs in parser.items("options.extras_require"):
            yield from _specs(specs.split("\n"), dev=_DEV_FILE.fullmatch(extra) is not None)


def _setup_py(_path: str, text: str) -> Iterator[tuple[str, bool]]:
    tree = parse(text)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "setup":
            for word in node.keywords:
                if word.arg in ("install_requires", "extras_require", "tests_require"):
                    texts = [item.value for item in ast.walk(word.value) if isinstance(item, ast.Constant)]
                    extras = (
                        [key.value for key in word.value.keys if isinstance(key, ast.Constant)]
                        if isinstance(word.value, ast.Dict)
                        else []
                    )
                    specs = [item for item in texts if isinstance(item, str) and item not in extras]
                    yield from _specs(specs, dev=word.arg == "tests_require")


def _requirements(path: str, text: str) -> Iterator[tuple[str, bool]]:
    name = base(path) if base(folder(path)) != "requirements" else f"{base(path)}"
    return _specs(text.split("\n"), dev=_DEV_FILE.fullmatch(name) is not None)


def _specs(specs: object, *, dev: bool) -> Iterator[tuple[str, bool]]:
    for spec in cast(list[object], specs) if isinstance(specs, list) else []:
        plain = str(spec).partition("#")[0].strip()
        egg = re.search(r"#egg=([\w.-]+)", str(spec))
        match = _NAME.match(plain) if "://" not in plain.partition("@")[0] else None
        if plain.startswith(("-", ".", "/")):
            match = None
        if egg or match:
            yield (egg or cast(re.Match[str], match))[1], dev


IMPORT_NAMES: dict[str, tuple[str, ...]] = {
    "attrs": ("attr", "attrs"),
    "beautifulsoup4": ("bs4",),
    "biopython": ("Bio",),
    "djangorestframework": ("rest_framework",),
    "dnspython": ("dns",),
    "docker-py": ("docker",),
    "faiss-cpu": ("faiss",),
    "gitpython": ("git",),
    "grpcio": ("grpc",),
    "importlib-metadata": ("importlib_metadata",),
    "kubernetes": ("kubernetes",),
    "levenshtein": ("Levenshtein",),
    "markdown": ("markdown",),
    "msgpack-python": ("msgpack",),
    "mysqlclient": ("MySQLdb",),
    "opencv-python": ("cv2",),
    "opencv-python-headless": ("cv2",),
    "pillow": ("PIL",),
    "protobuf": ("google.protobuf", "google"),
    "psycopg2-binary": ("psycopg2",),
    "pycryptodome": ("Crypto",),
    "pygithub": ("github",),
    "pyjwt": ("jwt",),
    "pymysql": ("pymysql",),
    "pyopenssl": ("OpenSSL",),
    "pyserial": ("serial",),
    "python-dateutil": ("dateutil",),
    "python-dotenv": ("dotenv",),
    "python-magic": ("magic",),
    "python-multipart": ("multipart", "python_multipart"),
    "pytest-mock": ("pytest_mock",),
    "pyyaml": ("yaml",),
    "pyzmq": ("zmq",),
    "scikit-image": ("skimage",),
    "scikit-learn": ("sklearn",),
    "setuptools": ("setuptools", "pkg_resources"),
    "typing-extensions": ("typing_extensions",),
    "ruamel-yaml": ("ruamel",),
    "websocket-client": ("websocket",),
}
"""Distributions whose import name is another."""


NAMESPACES = ("google-", "azure-", "zope-", "backports-", "ruamel-", "sphinxcontrib-", "opentelemetry-")
"""Distributions that share one top package."""


def import_names(distribution: str) -> tuple[str, ...]:
    """The modules a Python distribution most likely brings."""
    name = canonical(distribution)
    if name in IMPORT_NAMES:
        return IMPORT_NAMES[name]
    plain = name.replace("-", "_")
    short = re.sub(r"^(?:python|py)_|_python$", "", plain)
    namespace = (name.replace("-", "."),) if name.startswith(NAMESPACES) else ()
    return tuple(dict.fromkeys((plain, short, *namespace)))
