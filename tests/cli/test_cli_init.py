"""terret init: affordances for a repository, and what makes them stale."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml

from terret.task import Permissions

STARTER = Path(__file__).parents[2] / "src" / "terret" / "gym" / "starter"
FILES = {
    "agent_guide.md",
    "architecture.md",
    "testing_guide.md",
    "test_commands.json",
    "checks.json",
    "known_failures.md",
    "permissions.yaml",
    "manifest.json",
}


@pytest.fixture
def project(tmp_path) -> Path:
    root = tmp_path / "project"
    shutil.copytree(STARTER / "todo-priorities" / "repo", root)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / ".terret").iterdir()}


def test_it_writes_the_affordances_once(cli, project):
    first = cli("init", project, "--json")
    assert first.code == 0
    assert set(first.document["files"].values()) == {"new"}
    made = contents(project)
    assert set(made) == FILES
    assert json.loads(made["test_commands.json"])["tests"] == "python -m pytest -q"
    assert json.loads(made["checks.json"])[0]["run"] == "python -m pytest -q"
    assert msgspec.convert(yaml.safe_load(made["permissions.yaml"]), Permissions)
    again = cli("init", project, "--json")
    assert set(again.document["files"].values()) == {"same"}
    assert contents(project) == made
    assert cli("init", project, "--check").code == 0


def test_an_edited_file_is_never_overwritten(cli, project):
    cli("init", project)
    edited = project / ".terret" / "known_failures.md"
    edited.write_text("mine\n")
    (project / "tests" / "test_new.py").write_text(
        'import pytest\n\n@pytest.mark.skip(reason="slow disk")\ndef test_disk():\n    assert True\n'
    )
    ran = cli("init", project, "--json")
    assert ran.code == 0
    assert ran.document["files"][".terret/known_failures.md"] == "edited"
    assert ran.document["files"][".terret/testing_guide.md"] == "changed"
    assert edited.read_text() == "mine\n"
    assert cli("init", project, "--check").code == 0
    edited.unlink()
    cli("init", project)
    assert "slow disk" in edited.read_text()


def test_a_file_without_manifest_counts_as_edited(cli, project):
    (project / ".terret").mkdir()
    (project / ".terret" / "agent_guide.md").write_text("by hand")
    cli("init", project)
    assert (project / ".terret" / "agent_guide.md").read_text() == "by hand"


def test_check_says_what_is_stale_and_why(cli, project):
    assert cli("init", project, "--check").code == 1
    cli("init", project)
    source = project / "src" / "todo" / "model.py"
    source.write_text(source.read_text() + "\n\ndef added_later(item: Item) -> int:\n    return 1\n")
    (project / "src" / "todo" / "export.py").write_text("def export() -> None:\n    return None\n")
    (project / ".terret" / "checks.json").unlink()
    before = contents(project)
    ran = cli("init", project, "--check", "--json")
    assert ran.code == 1
    stale = {item["path"]: item["why"] for item in ran.document["stale"]}
    assert stale[".terret/checks.json"] == "it is missing"
    assert "src/todo/export.py is new" in stale[".terret/architecture.md"]
    assert "src/todo/model.py changed" in stale[".terret/architecture.md"]
    assert ".terret/permissions.yaml" not in stale
    assert contents(project) == before
    shown = cli("init", project, "--check")
    assert ".terret/architecture.md: " in shown.out
    cli("init", project)
    assert cli("init", project, "--check").code == 0


def test_a_change_that_no_guide_speaks_of_is_not_staleness(cli, project):
    cli("init", project)
    source = project / "src" / "todo" / "view.py"
    source.write_text(source.read_text().replace("\n    ", "\n    # a note\n    ", 1))
    assert cli("init", project, "--check").code == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "other"}', '{"format": "terret.affordances/1", "files": 3}', "[" * 100_000]
)
def test_a_damaged_manifest_is_reported_and_mended(cli, project, text):
    cli("init", project)
    (project / ".terret" / "manifest.json").write_text(text)
    ran = cli("init", project, "--check")
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert cli("init", project).code == 0
    assert cli("init", project, "--check").code == 0


def test_ignored_files_are_left_out_under_git(cli, project):
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    (project / ".gitignore").write_text("generated/\n")
    (project / "generated").mkdir()
    (project / "generated" / "big.py").write_text("def generated_name(): ...\n")
    cli("init", project)
    assert "generated_name" not in (project / ".terret" / "architecture.md").read_text()


def test_links_are_not_followed(cli, project, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("def outside_name(): ...\n")
    (project / "src" / "linked.py").symlink_to(outside / "secret.py")
    (project / ".terret").symlink_to(outside)
    ran = cli("init", project)
    assert ran.code == 2
    assert "link" in ran.err
    assert [path.name for path in outside.iterdir()] == ["secret.py"]


def test_bad_folders(cli, tmp_path):
    ran = cli("init", tmp_path / "absent")
    assert ran.code == 2
    assert "not a folder" in ran.err
    (tmp_path / ".terret").write_text("a file")
    ran = cli("init", tmp_path)
    assert ran.code == 2
    assert "Traceback" not in ran.err
