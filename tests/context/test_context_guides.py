"""guides: true, bounded, the same every time, and without anything the agent may not see."""

from __future__ import annotations

import msgspec
import pytest

from terret.context import Repo, guides
from terret.task import Check, Hidden, load_task

NAMES = ["agent_guide", "architecture", "testing_guide", "context_protocol"]


def starter_tasks(starter):
    return sorted(path.parent for path in starter.glob("*/task.yaml"))


def test_every_starter_task_gets_bounded_guides(folder, starter):
    for place in starter_tasks(starter):
        task = load_task(place / "task.yaml")
        repo = folder(place / "repo")
        made = guides(repo, task, history=["src/x.py", "Mend the cart"])
        assert list(made) == NAMES
        assert all(200 < len(text) < 6000 for text in made.values()), place.name
        assert made == guides(Repo(tuple(reversed(repo.paths)), repo.read), task, history=["src/x.py", "Mend the cart"])
        assert task.tests in made["testing_guide"]
        assert task.targeted[0] in made["testing_guide"]


def test_nothing_hidden_enters_a_guide(folder, starter):
    marker = "zebra-marker-4711"
    place = starter / "login-empty-password"
    task = load_task(place / "task.yaml")
    check = Check(name=marker, run=f"node {marker}.js", expect=marker, files={f"src/{marker}.js": marker})
    hidden = Hidden(checks=(check, *task.hidden.checks), notes=f"{marker} validator")
    seeded = msgspec.structs.replace(task, hidden=hidden, tags=(marker,), metadata={marker: marker})
    bare = msgspec.structs.replace(task, hidden=Hidden(), tags=(), metadata={})
    repo = folder(place / "repo")
    assert guides(repo, seeded) == guides(repo, bare)
    assert marker not in str(guides(repo, seeded))


def test_checks_are_not_part_of_the_guides(folder, starter):
    """The check registry is seen from H3 on, the guides from H2 on."""
    place = starter / "interval-merge"
    task = load_task(place / "task.yaml")
    bare = msgspec.structs.replace(task, checks=())
    assert guides(folder(place / "repo"), task) == guides(folder(place / "repo"), bare)


def test_a_python_repository(folder, starter):
    place = starter / "todo-priorities"
    made = guides(folder(place / "repo"), load_task(place / "task.yaml"))
    assert "src/todo/" in made["agent_guide"]
    assert "type hints" in made["agent_guide"]
    assert "python -m todo" in made["architecture"]
    assert "TodoList.add(self, text: str) -> Item" in made["architecture"]
    assert "- pytest" in made["testing_guide"]
    assert "python -m pytest -q tests/test_cli.py::test_" in made["testing_guide"]
    assert "tests/test_storage.py: src/todo/storage.py" in made["testing_guide"]
    assert made["context_protocol"].index("src/todo/model.py") < made["context_protocol"].index("CHANGELOG.md")


def test_a_unittest_repository_and_a_node_repository(folder, starter):
    csv = starter / "csv-report"
    made = guides(folder(csv / "repo"), load_task(csv / "task.yaml"))
    assert "- unittest" in made["testing_guide"]
    assert "python -m unittest tests.test_" in made["testing_guide"]
    login = starter / "login-empty-password"
    made = guides(folder(login / "repo"), load_task(login / "task.yaml"))
    assert "- node:test" in made["testing_guide"]
    assert "--test-name-pattern=" in made["testing_guide"]
    assert "ES modules" in made["agent_guide"] or "CommonJS" in made["agent_guide"]


def test_large_and_odd_repositories_stay_bounded(repository):
    task = load_task_inline()
    many = {f"pkg{n % 40}/module_{n}.py": f"def function_{n}(value):\n    return {n}\n" for n in range(800)}
    many |= {f"tests/test_{n}.py": f"def test_{n}():\n    assert True\n" for n in range(300)}
    odd = {"package.json": "[1", "pyproject.toml": "=", "README.md": "\xff" * 10_000, "x.py": "(", "Makefile": ":::"}
    for files in (many, odd, {}):
        made = guides(repository(files), task, history=["x" * 500] * 100)
        assert all(len(text) < 6000 for text in made.values())


@pytest.mark.parametrize(
    "package",
    [
        '{"scripts": 3, "bin": [], "name": 5}',
        '{"dependencies": "x", "main": {}}',
        '{"scripts": {"test": null}}',
        "null",
        "[" * 100_000,
    ],
)
def test_a_strange_manifest_is_not_an_error(repository, package):
    assert guides(
        repository({"package.json": package, "pyproject.toml": "project = 3\ntool = []\n"}), load_task_inline()
    )


def load_task_inline():
    from terret.task import Repository, Task

    return Task(name="t", repository=Repository(files={}), objective="mend function_7", tests="make test")
