"""Tasks one after the other in one repository: what is kept, what is taken back, and what verification refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from terret.cli import main
from terret.errors import TerretError
from terret.gym import verify_sequence
from terret.memory import ProjectMemory

TASK = """\
name: {name}
repository: {{path: ../repo}}
objective: Make {path} say {word}.
requirements: [{{id: R1, text: "{path} says {word}."}}]
checks:
  - {{name: says, run: "grep -q {word} {path}", covers: [R1]}}
hidden:
  checks:
    - {{name: whole, run: "grep -qx {word} {path}", covers: [R1]}}
"""

KINDS = ("bug", "dependency-cleanup", "refactoring", "flaky-test", "long-feature", "feature")

Sequence = Callable[..., tuple[int, dict[str, Any], str]]


def call(tool: str, **args: Any) -> str:
    return f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```"


def script(word: str, path: str, *before: str) -> list[str]:
    check = f"grep -q {word} {path}"
    return [
        *before,
        call("run", command=check),
        call("update_task_state", hypothesis=f"{path} lacks {word}", inspected_files=[path], open_questions=["why?"]),
        call("write_file", path=path, content=f"{word}\n"),
        call("run", command=check),
        call("declare_complete", summary="done"),
    ]


HALF = [call("write_file", path="half.txt", content="half\n"), call("declare_complete", summary="done")]
LOOK = [call("read_file", path=f"harness/{name}") for name in ("known_failures.md", "task_state.md")]


def make_tasks(place: Path) -> list[Path]:
    """Three tasks in one repository; the second changes something and fails."""
    (place / "repo").mkdir()
    (place / "repo" / "a.txt").write_text("nothing\n")
    scripts = {
        "one": ("first", "a.txt", script("first", "a.txt")),
        "two": ("wrong", "a.txt", HALF),
        "three": ("third", "b.txt", script("third", "b.txt", *LOOK)),
    }
    files = []
    for name, (word, path, replies) in scripts.items():
        folder = place / name
        folder.mkdir()
        (folder / "task.yaml").write_text(TASK.format(name=name, word=word, path=path))
        (folder / "scripted.yaml").write_text(json.dumps(replies))
        files.append(folder / "task.yaml")
    return files


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The tasks, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return make_tasks(tmp_path)


@pytest.fixture
def sequence(capsys: pytest.CaptureFixture[str]) -> Sequence:
    """``sequence("T.yaml", "--out", DIR)``: exit code, document, stderr."""

    def run(*args: object) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = main(["sequence", *map(str, args), "--model", "scripted", "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out), captured.err

    return run


def seen(folder: Path) -> str:
    """What the tools showed in an episode."""
    rows = (folder / "records" / "observation.jsonl").read_text().splitlines()
    return "\n".join(str(json.loads(row)) for row in rows)


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.sandbox
def test_each_task_starts_from_the_last_accepted_result(tasks, sequence, tmp_path):
    code, document, _ = sequence(*tasks, "--level", "H2", "--out", "S")
    assert code == 1
    one, two, three = document["tasks"]
    assert [entry["accepted"] for entry in (one, two, three)] == [True, False, True]
    assert (two["start"], two["end"], three["start"]) == (one["end"], one["end"], one["end"])
    assert document["summary"]["kept_at_end"] == 2
    assert document["closed"]["lost"] == []
    history = git(tmp_path / "S" / "repository" / "git", "log", "--format=%H %s")
    ends = [f"{three['end']['commit']} three", f"{one['end']['commit']} one"]
    assert history.splitlines() == [*ends, f"{one['start']['commit']} Start of the sequence"]
    state = {path.name: path.read_text() for path in (tmp_path / "S" / "repository" / "tree").iterdir()}
    assert state == {"a.txt": "first\n", "b.txt": "third\n"}
    report = verify_sequence(tmp_path / "S")
    assert [step.name for step in report.steps] == ["record", "task", "task", "task", "end"]
    assert "entropy by task" in (tmp_path / "S" / "sequence.html").read_text()


@pytest.mark.sandbox
def test_state_and_memory_are_kept_and_ablation_takes_memory_away(tasks, sequence, tmp_path):
    for name, *options in (["S"], ["A", "--ablate", "memory"], ["N", "--no-memory"]):
        sequence(*tasks, "--level", "H2", "--out", name, *options)
    third = {name: seen(tmp_path / name / "episodes" / "03-three") for name in "SAN"}
    for text in third.values():
        assert "one: solved (autonomous_verified_success)" in text or "one: solved (unverified_success)" in text
        assert "two: not solved; its change was taken back" in text
    assert "a.txt lacks first" in third["S"]
    assert "a.txt lacks first" not in third["A"]
    assert "a.txt lacks first" not in third["N"]
    assert len(ProjectMemory(tmp_path / "S" / "memory").notes()) == 2
    assert not (tmp_path / "A" / "memory").exists()
    for name in "SAN":
        assert verify_sequence(tmp_path / name, rerun=False).steps[-1].ok is None


@pytest.mark.sandbox
def test_a_sequence_may_stop_at_a_failure(tasks, sequence, tmp_path):
    code, document, _ = sequence(*tasks, "--level", "H1", "--on-failure", "stop", "--out", "S")
    assert code == 1
    assert [entry["task"] for entry in document["tasks"]] == ["one", "two"]
    assert document["closed"]["stopped_at"] == "two"
    verify_sequence(tmp_path / "S", rerun=False)
    code, again, _ = sequence(*tasks, "--level", "H1", "--on-failure", "stop", "--out", "S")
    assert again["tasks"] == document["tasks"]


@pytest.mark.sandbox
def test_an_interrupted_sequence_goes_on_where_it_was(tasks, sequence, tmp_path):
    whole = json.loads((tasks[2].parent / "scripted.yaml").read_text())
    (tasks[2].parent / "scripted.yaml").write_text(json.dumps(whole[:3]))
    code, document, err = sequence(*tasks, "--level", "H2", "--out", "S")
    assert (code, document["suspended"][0], document["closed"]) == (3, "three", None)
    assert "give the command again" in err
    with pytest.raises(TerretError, match="not finished"):
        verify_sequence(tmp_path / "S")
    with (tmp_path / "S" / "sequence.jsonl").open("ab") as stream:
        stream.write(b'{"torn')
    (tasks[2].parent / "scripted.yaml").write_text(json.dumps(whole))
    code, after, _ = sequence(*tasks, "--level", "H2", "--out", "S")
    assert (code, after["suspended"], len(after["tasks"])) == (1, None, 3)
    assert after["tasks"][:2] == document["tasks"]
    verify_sequence(tmp_path / "S", rerun=False)


@pytest.mark.sandbox
def test_another_sequence_is_refused(tasks, sequence, tmp_path):
    sequence(tasks[0], "--level", "H1", "--out", "S")
    code, document, _ = sequence(tasks[0], "--level", "H2", "--out", "S")
    assert (code, document["value"]) == (2, "level")
    code, document, _ = sequence(*tasks[:2], "--level", "H1", "--out", "S")
    assert (code, document["value"]) == (2, "tasks")
    code, document, _ = sequence(tasks[0], tasks[0], "--out", "T")
    assert code == 2


@pytest.mark.sandbox
def test_another_repository_to_start_from(tasks, sequence, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.txt").write_text("c\n")
    code, document, _ = sequence(tasks[2], "--repo", "elsewhere", "--level", "H1", "--out", "S")
    assert (code, document["opened"]["source"]) == (0, str(tmp_path / "elsewhere"))
    assert (tmp_path / "S" / "repository" / "tree" / "c.txt").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sequence of two tasks that were accepted and one that was not."""
    place = tmp_path_factory.mktemp("finished")
    monkeypatch = pytest.MonkeyPatch()
    try:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
        out = ["--level", "H1", "--model", "scripted", "--out", str(place / "S"), "--quiet"]
        main(["sequence", *map(str, make_tasks(place)), *out])
    finally:
        monkeypatch.undo()
    return place / "S"


def falsified(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b'"accepted":true', b'"accepted":false'), *lines[2:]]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            lambda lines: [lines[0], lines[1].replace(b'"accepted":true', b'"accepted":false'), *lines[2:]],
            "E_PKG_EDITED",
        ),
        (lambda lines: [lines[0], *lines[2:]], "E_PKG_DELETED"),
        (swapped, "E_PKG_DELETED"),
        (lambda lines: lines[:-1], "E_PACKAGE"),
        (lambda lines: lines[1:], "E_PKG_DELETED"),
        (lambda lines: [*lines, b"{}"], "E_PACKAGE"),
    ],
)
def test_a_changed_record_is_refused(finished, tmp_path, change, code):
    shutil.copytree(finished, tmp_path / "S")
    record = tmp_path / "S" / "sequence.jsonl"
    record.write_bytes(b"".join(line + b"\n" for line in change(record.read_bytes().splitlines())))
    with pytest.raises(TerretError) as caught:
        verify_sequence(tmp_path / "S", rerun=False)
    assert caught.value.code == code


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accepted", True),
        ("end", {"commit": "0" * 40, "tree": "0" * 40}),
        ("entropy_total", 7),
        ("label", "autonomous_verified_success"),
        ("head", "0" * 64),
    ],
)
def test_a_record_signed_anew_must_still_be_what_the_packages_yield(finished, tmp_path, field, value):
    from terret.journal import GENESIS, SigningKey, canonical

    shutil.copytree(finished, tmp_path / "S")
    key = SigningKey.load(finished.parent / "config" / "terret" / "signing.key")
    record = tmp_path / "S" / "sequence.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    lines[2]["data"][field] = value
    prev, written = GENESIS, b""
    for number, line in enumerate(lines):
        bare = {"seq": number, "prev": prev, "data": line["data"]}
        prev = sha256(canonical(bare)).hexdigest()
        written += canonical({**bare, "hash": prev, "signature": key.sign(prev.encode())}) + b"\n"
    record.write_bytes(written)
    with pytest.raises(TerretError) as caught:
        verify_sequence(tmp_path / "S", rerun=False)
    assert caught.value.code == "E_PKG_TRACE"


@pytest.mark.sandbox
def test_a_package_of_another_run_is_refused(finished, tmp_path, tasks, sequence):
    shutil.copytree(finished, tmp_path / "S")
    sequence(tasks[2], "--level", "H1", "--out", "other")
    shutil.rmtree(tmp_path / "S" / "episodes" / "03-three")
    shutil.copytree(tmp_path / "other" / "episodes" / "01-three", tmp_path / "S" / "episodes" / "03-three")
    with pytest.raises(TerretError) as caught:
        verify_sequence(tmp_path / "S", rerun=False)
    assert caught.value.code in ("E_PKG_KEY", "E_PKG_TRACE")


@pytest.mark.sandbox
def test_the_command_verify_proves_a_sequence(finished, capsys):
    assert main(["verify", str(finished), "--no-rerun"]) == 0
    assert "a sequence of 3 tasks, 2 accepted" in capsys.readouterr().out
    assert main(["verify", str(finished), "--key", "0" * 64]) == 20


@pytest.mark.slow
@pytest.mark.sandbox
def test_the_built_in_sequence_begins_as_its_script_says(tmp_path, capsys):
    only = "1-small-amounts"
    args = ["starter-long", "--model", "scripted", "--level", "H3", "--only", only, "--out", str(tmp_path / "S")]
    assert main(["suite", "run", *args, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [task["label"] for task in document["tasks"]] == ["autonomous_verified_success"]
    assert document["summary"]["entropy_total"] == [0]
    assert main(["suite", "run", *args, "--jobs", "2"]) == 2


def test_the_built_in_sequence_is_whole():
    from terret.gym import load_suite

    tasks = load_suite("starter-long")
    assert [task.id[0] for task in tasks] == ["1", "2", "3", "4", "5", "6"]
    kinds = {tag for task in tasks for tag in task.task.tags if tag.startswith("class:")}
    assert kinds == {f"class:{kind}" for kind in KINDS}
    first, last = tasks[0].task.repository.files, tasks[-1].task.repository.files
    assert first is not None
    assert last is not None
    assert last.keys() - first.keys() == {
        "src/pennybook/budgets.py",
        "src/pennybook/categories.py",
        "tests/test_budgets.py",
        "tests/test_categories.py",
    }
    for task in tasks:
        required = {requirement.id for requirement in task.task.requirements}
        assert {covered for check in task.task.checks for covered in check.covers} == required
        assert {covered for check in task.task.hidden.checks for covered in check.covers} == required
        assert task.script is not None
        assert task.reference


def test_the_scripts_make_the_references(tmp_path):
    from terret.gym import load_suite
    from terret.models import ScriptedModel
    from terret.sandbox import Workspace

    for task in load_suite("starter-long"):
        played = Workspace.create(tmp_path / task.id / "a", task.task.repository, base_folder=None)
        for path, old, new in edits_of(Path(str(task.script))):
            before = "" if old is None else played.read(path).decode()
            assert old is None or before.count(old) == 1
            played.write(path, (new if old is None else before.replace(old, new)).encode())
        patched = Workspace.create(tmp_path / task.id / "b", task.task.repository, base_folder=None)
        patched.apply(task.reference or b"")
        assert played.snapshot() == patched.snapshot() != patched.base
        assert ScriptedModel.from_file(Path(str(task.script))).identity.dialect == "json"


def edits_of(file: Path) -> list[tuple[str, str | None, str]]:
    """Path, old text (``None`` for a whole file) and new text of every edit of a script."""
    found = []
    for reply in yaml.safe_load(file.read_text("utf-8"))["replies"]:
        action = json.loads(reply.split("```json\n")[1].split("\n```")[0])
        args = action["args"]
        if action["tool"] == "write_file":
            found.append((args["path"], None, args["content"]))
        elif action["tool"] == "edit_file":
            found.append((args["path"], args["old"], args["new"]))
    return found
