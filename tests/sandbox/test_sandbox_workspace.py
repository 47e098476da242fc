"""Workspaces: where they come from, what a snapshot holds, what a patch does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from terret.errors import PackageError, RepositoryError, SandboxError
from terret.sandbox import FileChange, Workspace
from terret.task import Repository

GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": os.environ["PATH"]}
WHO = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *WHO, *args], cwd=folder, env=GIT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def shown(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text("utf-8") for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits; the first is tagged ``old``."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    write(folder, {"a.py": "one\n", "sub/b.txt": "bee\n", ".gitignore": "ignored/\n"})
    (folder / "run.sh").write_text("#!/bin/sh\n", "utf-8")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.py")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", "old")
    write(folder, {"a.py": "two\n"})
    git(folder, "commit", "-qam", "second")
    return folder


def create(tmp_path: Path, name: str = "work", **source) -> Workspace:
    return Workspace.create(tmp_path / name, Repository(**source), base_folder=tmp_path)


# where it comes from


def test_a_clean_repository_is_taken_at_its_head(tmp_path, repository):
    write(repository, {"ignored/x": "x"})
    workspace = create(tmp_path, path="repo")
    assert workspace.commit == git(repository, "rev-parse", "HEAD")
    assert workspace.base == git(repository, "rev-parse", "HEAD^{tree}")
    assert shown(workspace.root)["a.py"] == "two\n"
    assert (workspace.root / "run.sh").stat().st_mode & 0o111
    assert str((workspace.root / "link").readlink()) == "a.py"
    assert not (workspace.root / "ignored").exists()
    assert not (workspace.root / ".git").exists()


def test_a_dirty_repository_is_taken_as_it_stands(tmp_path, repository):
    write(repository, {"a.py": "three\n", "new.txt": "new\n", "ignored/x": "x"})
    workspace = create(tmp_path, path="repo")
    assert workspace.commit is None
    files = shown(workspace.root)
    assert (files["a.py"], files["new.txt"], files["ignored/x"]) == ("three\n", "new\n", "x")
    assert not (workspace.root / ".git").exists()


@pytest.mark.parametrize("revision", ["old", "HEAD~1", "main^"])
def test_a_commit_is_taken_whatever_the_folder_holds(tmp_path, repository, revision):
    write(repository, {"a.py": "dirty\n"})
    workspace = create(tmp_path, path=str(repository), commit=revision)
    assert shown(workspace.root)["a.py"] == "one\n"
    assert workspace.commit == git(repository, "rev-parse", "old")


@pytest.mark.parametrize("form", ["file://{}", "{}", "file://{}/.git"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_url_of_this_machine(tmp_path, repository, form, bare):
    source = repository
    if bare:
        git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
        source = tmp_path / "bare.git"
        form = form.removesuffix("/.git")
    workspace = create(tmp_path, url=form.format(source), commit="old")
    assert shown(workspace.root)["a.py"] == "one\n"


def test_a_linked_work_tree(tmp_path, repository):
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"), "old")
    assert create(tmp_path, path="linked").commit == git(repository, "rev-parse", "old")


def test_the_workspace_needs_its_source_no_longer(tmp_path, repository):
    import shutil

    workspace = create(tmp_path, path="repo")
    base = workspace.base
    shutil.rmtree(repository)
    workspace.write("a.py", b"changed\n")
    workspace.restore(base)
    assert shown(Workspace.open(tmp_path / "work").root)["a.py"] == "two\n"
    assert workspace.show(base, "a.py") == b"two\n"


def test_a_repository_cannot_run_anything(tmp_path, repository):
    evil = tmp_path / "ran"
    for key in ("core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.x.textconv", "diff.external"):
        git(repository, "config", key, f"touch {evil}; cat")
    git(repository, "config", "core.hooksPath", str(repository / "hooks"))
    write(repository, {".gitattributes": "* filter=x diff=x\n", "hooks/post-checkout": f"#!/bin/sh\ntouch {evil}\n"})
    git(repository, "-c", "filter.x.clean=cat", "-c", "core.fsmonitor=false", "add", "-A")
    git(repository, "-c", "filter.x.clean=cat", "-c", "core.fsmonitor=false", "commit", "-qm", "evil", "--no-verify")
    evil.unlink(missing_ok=True)
    workspace = create(tmp_path, path="repo")
    assert workspace.commit is not None
    workspace.write("a.py", b"changed\n")
    patch = workspace.diff(workspace.base, workspace.snapshot())
    workspace.restore(workspace.base)
    workspace.apply(patch)
    assert workspace.read("a.py") == b"changed\n"
    assert not evil.exists()


def test_attributes_change_nothing(tmp_path):
    files = {
        ".gitattributes": "* text eol=crlf ident\n*.x binary\n*.y export-ignore\n",
        "a": "$Id$\r\nb\n",
        "b.y": "y\n",
    }
    workspace = create(tmp_path, files=files)
    workspace.write("c.x", b"text\n")
    tree = workspace.snapshot()
    assert b"+text" in workspace.diff(workspace.base, tree)
    assert workspace.show(tree, "a") == b"$Id$\r\nb\n"
    copy = Workspace.from_archive(tmp_path / "copy", workspace.archive(tree))
    assert copy.base == tree
    assert copy.read("a") == b"$Id$\r\nb\n"


def test_a_subfolder_of_a_repository_is_a_plain_folder(tmp_path, repository):
    workspace = create(tmp_path, path="repo/sub")
    assert (workspace.commit, shown(workspace.root)) == (None, {"b.txt": "bee\n"})


def test_a_plain_folder_that_holds_the_workspace_itself(tmp_path):
    write(tmp_path / "plain", {"a": "a", "nested/.git/HEAD": "x", "nested/b": "b"})
    workspace = Workspace.create(
        tmp_path / "plain" / "runs" / "w", Repository(path=str(tmp_path / "plain")), base_folder=None
    )
    assert shown(workspace.root) == {"a": "a", "nested/b": "b"}


def test_what_python_compiled_stays_out_of_a_folder_without_history(tmp_path, repository):
    compiled = {"p/__pycache__/a.cpython-312.pyc": b"\0", "b.pyc": b"\0", "c.pyo": b"\0"}
    write(tmp_path / "plain", {"p/a.py": "a", **compiled})
    assert shown(create(tmp_path, path="plain").root) == {"p/a.py": "a"}
    write(repository, {"new.py": "n", **compiled})
    dirty = create(tmp_path, "second", path="repo")
    assert dirty.commit is None
    assert not [path for path in dirty.paths(dirty.base) if path.endswith((".pyc", ".pyo"))]
    dirty.write("made.pyc", b"by the agent")
    assert dirty.changes(dirty.base, dirty.snapshot()) == [FileChange("made.pyc", "A", 1, 0)]


def test_a_recorded_tree_is_a_commit_that_others_start_from(tmp_path, workspace):
    first = workspace.record(workspace.base, "start\n", ts=1_700_000_000.9)
    assert first == workspace.record(workspace.base, "start\n", ts=1_700_000_000.0)
    workspace.write("new/file", b"n")
    tree = workspace.snapshot()
    second = workspace.record(tree, "a word: wörd\n", ts=1_700_000_001.0, parent=first)
    store = workspace.root.parent / "git"
    assert git(store, "log", "--format=%H %T %at %s") == (
        f"{second} {tree} 1700000001 a word: wörd\n{first} {workspace.base} 1700000000 start"
    )
    copy = create(tmp_path, "copy", path=str(store), commit=second)
    assert (copy.base, copy.commit, copy.read("new/file")) == (tree, second, b"n")
    with pytest.raises(SandboxError, match="cannot be committed"):
        workspace.record("0" * 40, "x", ts=0.0)


def test_an_empty_repository_and_an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    assert shown(create(tmp_path, path="empty").root) == {}
    git(tmp_path / "empty", "init", "-q")
    workspace = create(tmp_path, "second", path="empty")
    assert (workspace.commit, shown(workspace.root)) == (None, {})
    workspace.write("a", b"a")
    assert workspace.changes(workspace.base, workspace.snapshot()) == [FileChange("a", "A", 1, 0)]


def test_submodules_stay_empty(tmp_path, repository):
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "inner")
    git(repository, "commit", "-qm", "submodule")
    workspace = create(tmp_path, path="repo", commit="HEAD")
    assert not (workspace.root / "inner" / "a.py").exists()
    assert workspace.snapshot() == workspace.base


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"path": "nowhere"}, "does not exist"),
        ({"path": "repo/a.py"}, "not a folder"),
        ({"path": "repo", "commit": "nosuch"}, "no such commit"),
        ({"path": "repo", "commit": "0" * 40}, "no such commit"),
        ({"path": "repo", "commit": "--all"}, "not a commit"),
        ({"path": "repo", "commit": " "}, "not a commit"),
        ({"path": "repo/sub", "commit": "HEAD"}, "not a git repository"),
        ({"url": "repo"}, "needs a commit"),
        ({"url": "nowhere", "commit": "HEAD"}, "can be cloned"),
        ({"url": "repo/sub", "commit": "HEAD"}, "no git repository can be cloned"),
        ({"url": "repo", "commit": "nosuch"}, "no such commit"),
        ({"url": "http://127.0.0.1:9/x.git", "commit": "main"}, "cannot be cloned"),
        ({"url": "ext::sh -c true", "commit": "main"}, "clone|url"),
        ({"url": "--upload-pack=touch", "commit": "main"}, "clone|url"),
        ({}, "exactly one"),
        ({"path": "repo", "files": {}}, "exactly one"),
        ({"files": {"../x": ""}}, "outside"),
        ({"files": {"/x": ""}}, "outside"),
        ({"files": {"": ""}}, "outside"),
        ({"files": {"a//b": ""}}, "outside"),
        ({"files": {".git/config": ""}}, "outside"),
        ({"files": {"a": "", "a/b": ""}}, "both file and folder"),
    ],
)
def test_a_source_that_cannot_be_used_is_named(tmp_path, repository, source, words):
    with pytest.raises(RepositoryError, match=words) as caught:
        create(tmp_path, **source)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "work").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_named(tmp_path):
    write(tmp_path / "plain", {"secret": "x"})
    (tmp_path / "plain" / "secret").chmod(0)
    with pytest.raises(RepositoryError, match="cannot be read"):
        create(tmp_path, path="plain")


def test_the_folder_must_be_empty_and_complete(tmp_path, workspace):
    with pytest.raises(SandboxError, match="empty folder"):
        create(tmp_path, files={"a": "a"})
    with pytest.raises(SandboxError, match="no workspace"):
        Workspace.open(tmp_path / "nowhere")
    (tmp_path / "work" / "workspace.json").write_text("{", "utf-8")
    with pytest.raises(SandboxError, match="no workspace"):
        Workspace.open(tmp_path / "work")


# snapshots and patches


def test_a_patch_carries_every_kind_of_change(tmp_path):
    files = {"keep": "k\n", "edit": "1\n2\n3\n", "gone": "x\n", "mode": "m\n", "turn": "t\n", "d/e/f": "f\n"}
    workspace = create(tmp_path, files=files)
    workspace.write("edit", b"1\ntwo\n3\n")
    workspace.delete("gone")
    (workspace.root / "mode").chmod(0o755)
    workspace.delete("turn")
    (workspace.root / "turn").symlink_to("keep")
    workspace.delete("d")
    workspace.write("d", b"now a file")
    workspace.write("bin", bytes(range(256)) * 5)
    workspace.write('n/\u00fc \t"\\x', b"odd name\n")
    tree = workspace.snapshot()
    patch = workspace.diff(workspace.base, tree)
    changes = {change.path: change for change in workspace.changes(workspace.base, tree)}
    assert changes["edit"] == FileChange("edit", "M", 1, 1)
    assert changes["gone"] == FileChange("gone", "D", 0, 1)
    assert changes["turn"].status == "T"
    assert changes["bin"] == FileChange("bin", "A", 0, 0)
    assert {changes["d"].status, changes["d/e/f"].status} == {"A", "D"}
    assert 'n/\u00fc \t"\\x' in changes
    other = create(tmp_path, "other", files=files)
    other.apply(patch)
    assert other.snapshot() == tree
    assert workspace.diff(tree, tree) == b""


def test_the_harness_folder_stays_out_of_patches(workspace):
    workspace.write("harness/guide.md", b"x\n")
    workspace.write("sub/harness/x", b"x\n")
    tree = workspace.snapshot()
    assert [change.path for change in workspace.changes(workspace.base, tree)] == ["sub/harness/x"]
    assert b"guide" not in workspace.diff(workspace.base, tree)
    assert len(workspace.changes(workspace.base, tree, exclude=())) == 2


@pytest.mark.parametrize(
    "patch",
    [
        b"garbage",
        b"diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-beta\n+gamma\n",
        b"diff --git a/../x b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+evil\n",
        b"diff --git a/.git/x b/.git/x\nnew file mode 100644\n--- /dev/null\n+++ b/.git/x\n@@ -0,0 +1 @@\n+evil\n",
        b"diff --git a/none b/none\ndeleted file mode 100644\n--- a/none\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
    ],
)
def test_a_patch_that_does_not_apply_changes_nothing(workspace, tmp_path, patch):
    with pytest.raises(PackageError, match="does not apply") as caught:
        workspace.apply(patch)
    assert "\n" not in str(caught.value)
    assert workspace.snapshot() == workspace.base
    assert not (tmp_path / "x").exists()


def test_an_empty_patch_is_no_change(workspace):
    workspace.apply(b"\n")
    assert workspace.snapshot() == workspace.base


def test_what_version_control_keeps_is_never_followed(workspace, tmp_path):
    evil = tmp_path / "ran"
    git(workspace.root, "init", "-q", "inner")
    git(workspace.root / "inner", "config", "core.fsmonitor", f"touch {evil}")
    write(workspace.root, {"inner/x": "x\n", ".git": "gitdir: /nowhere\n", "sub/.GIT/y": "y"})
    tree = workspace.snapshot()
    assert workspace.paths(tree) == ["a.txt", "inner/x"]
    workspace.restore(tree)
    assert sorted(path.name for path in workspace.root.rglob("*")) == ["a.txt", "inner", "x"]
    assert not evil.exists()


def test_restore_removes_everything_else(workspace):
    for name in ("pipe", "x/pipe"):
        (workspace.root / name).parent.mkdir(exist_ok=True)
        os.mkfifo(workspace.root / name)
    (workspace.root / "locked").mkdir()
    (workspace.root / "locked" / "f").write_text("x", "utf-8")
    (workspace.root / "locked").chmod(0)
    (workspace.root / "a.txt").chmod(0)
    (workspace.root / "empty").mkdir()
    workspace.restore(workspace.base)
    assert [(path.name, path.read_bytes()) for path in workspace.root.iterdir()] == [("a.txt", b"alpha\n")]


def test_a_change_within_one_tick_of_the_clock_is_seen(workspace):
    seen = set()
    for number in range(200):
        (workspace.root / "a.txt").write_text(f"{number:04}\n", "utf-8")
        os.utime(workspace.root / "a.txt", (1, 1))
        seen.add(workspace.snapshot())
    assert len(seen) == 200


def test_a_large_file_is_stored_and_restored(workspace):
    content = os.urandom(1 << 20) * 9
    workspace.write("large", content)
    tree = workspace.snapshot()
    workspace.delete("large")
    workspace.restore(tree)
    assert workspace.read("large") == content
    assert git(workspace.root.parent / "git", "fsck", "--full", "--no-dangling") == ""


def test_many_files_go_into_a_pack_git_can_read(tmp_path):
    files = {f"d{n % 7}/f{n}": f"{n}\n" * (n % 50) for n in range(500)}
    workspace = create(tmp_path, files=files)
    assert git(tmp_path / "work" / "git", "fsck", "--full", "--no-dangling") == ""
    reopened = Workspace.open(tmp_path / "work")
    reopened.write("d1/f1", b"changed")
    reopened.restore(workspace.base)
    assert shown(reopened.root) == files
    assert reopened.show(workspace.base, "d3/f3") == files["d3/f3"].encode()
    assert reopened.show(workspace.base, "d3") is None
    assert reopened.show(workspace.base, "d3/none/x") is None
    assert len(reopened.paths(workspace.base)) == 500


def test_an_unknown_tree_is_an_error(workspace):
    for act in (workspace.restore, workspace.archive, workspace.paths, lambda tree: workspace.diff(tree, tree)):
        with pytest.raises(SandboxError):
            act("1" * 40)
    assert workspace.read("a.txt") == b"alpha\n"


# archives


def test_an_archive_depends_on_the_tree_alone(tmp_path):
    one = create(tmp_path, "one", files={"b": "#!x\n", "a/c": "c"})
    two = create(tmp_path, "two", files={"a/c": "c", "b": "#!x\n"})
    os.utime(two.root / "b", (1, 1))
    assert one.archive() == two.archive()
    copy = Workspace.from_archive(tmp_path / "copy", one.archive())
    assert (copy.base, copy.commit) == (one.base, None)
    assert os.access(copy.root / "b", os.X_OK)


def _tar(*members: tuple[str, str, str]) -> bytes:
    import io
    import tarfile

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind.encode(), target
            tar.addfile(member)
    return raw.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"not an archive",
        _tar(("a", "0", ""))[:-20],
        _tar(("../evil", "0", "")),
        _tar(("/evil", "0", "")),
        _tar((".git/config", "0", "")),
        _tar(("a", "1", "b")),
        _tar(("a", "3", "")),
        _tar(("a", "0", ""), ("a", "0", "")),
        _tar(("a", "2", "/etc"), ("a/passwd", "0", "")),
    ],
)
def test_a_bad_archive_is_refused(tmp_path, archive):
    with pytest.raises(PackageError, match="archive"):
        Workspace.from_archive(tmp_path / "copy", archive)
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "evil").exists()


def test_values_are_json_ready(workspace):
    workspace.write("b", b"x\n")
    change = workspace.changes(workspace.base, workspace.snapshot())[0]
    assert msgspec.to_builtins(change) == {"path": "b", "status": "A", "added": 1, "deleted": 0}
