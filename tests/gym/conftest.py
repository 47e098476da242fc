"""A tiny folder in the QuixBugs layout, and where the real data lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

CONFTEST = """\
import pytest


def pytest_addoption(parser):
    parser.addoption("--correct", action="store_true")
    parser.addoption("--runslow", action="store_true")


def pytest_configure(config):
    pytest.use_correct = config.getoption("--correct")
    pytest.run_slow = config.getoption("--runslow")
"""

LOAD = """\
import json
from pathlib import Path


def load_json_testcases(algorithm):
    file = Path(__file__).parent / ".." / f"json_testcases/{algorithm}.json"
    with open(file) as stream:
        return [json.loads(line) for line in stream]
"""

JSON_TEST = """\
import pytest
from load_testdata import load_json_testcases

if pytest.use_correct:
    from correct_python_programs.{name} import {name}
else:
    from python_programs.{name} import {name}


testdata = load_json_testcases({name}.__name__)


@pytest.mark.parametrize("input_data,expected", testdata)
def test_{name}(input_data, expected):
    assert {name}(*input_data) == expected
"""

LENGTH_TEST = '''\
import pytest
from node import Node

if pytest.use_correct:
    from correct_python_programs.length import length
else:
    from python_programs.length import length

two = Node(1, Node(2))


def test1():
    """No node."""
    assert length(None) == 0


def helper():
    return two


@pytest.mark.skipif(False, reason="never")
def test2():
    assert length(helper()) == 2


def test3():
    assert length(Node(3)) == 1
'''

FILES = {
    "conftest.py": CONFTEST,
    "python_testcases/load_testdata.py": LOAD,
    "python_testcases/node.py": "class Node:\n    def __init__(self, value, successor=None):\n"
    "        self.value, self.successor = value, successor\n",
    "python_programs/node.py": "class Node: pass\n",
    # one JSON program that is wrong for the odd cases only, one that loops for ever, one with test functions
    "python_programs/double.py": "def double(n, times=1):\n    return n * 2 if n % 2 else n + 2\n\n\n'Double n.'\n",
    "correct_python_programs/double.py": "def double(n, times=1):\n    return n * 2",
    "json_testcases/double.json": "[[1], 2]\n[[2], 4]\n[[3], 6]\n[[4], 8]\n",
    "python_testcases/test_double.py": JSON_TEST.format(name="double"),
    "python_programs/count.py": "def count(n):\n    found = 0\n    while n:\n        found += 1\n    return found\n",
    "correct_python_programs/count.py": "def count(n):\n    found = 0\n    while n:\n        found += 1\n"
    "        n -= 1\n    return found\n",
    "json_testcases/count.json": "[[0], 0]\n[[3], 3]\n[[2], 2]\n",
    "python_testcases/test_count.py": JSON_TEST.format(name="count"),
    "python_programs/length.py": "def length(node):\n    n = 1\n    while node:\n"
    "        n, node = n + 1, node.successor\n    return n\n",
    "python_testcases/test_length.py": LENGTH_TEST,
}


@pytest.fixture
def quixbugs(tmp_path: Path) -> Path:
    """A folder in the public layout with three programs: count (loops for ever), double and length (no JSON)."""
    folder = tmp_path / "quixbugs"
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The folder of a suite's real data; skips where it is not there."""

    def find(name: str) -> Path:
        root = Path(os.environ.get("TERRET_DATA") or Path(__file__).parents[3] / "shared" / "data")
        if not (root / name).is_dir():
            pytest.skip(f"the {name} data is not on this machine; set TERRET_DATA to the folder that holds it")
        return root / name

    return find
