"""The file primitives: what they do, and every reason they refuse for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from terret.sandbox import Entry, FileRefused


def refused(act) -> str:
    with pytest.raises(FileRefused) as caught:
        act()
    return caught.value.reason


def test_write_read_list_delete(workspace):
    workspace.write("src/deep/b.py", b"x = 1\n")
    workspace.write("src/deep/b.py", b"x = 2\n")
    assert workspace.read("./src//deep/b.py") == b"x = 2\n"
    assert workspace.list() == [Entry("a.txt", "file", 6), Entry("src", "dir", 0)]
    assert [entry.path for entry in workspace.list("src", 9)] == ["src/deep", "src/deep/b.py"]
    assert [entry.path for entry in workspace.list(".", 2)] == ["a.txt", "src", "src/deep"]
    workspace.delete("src")
    assert [entry.path for entry in workspace.list(".", 9)] == ["a.txt"]


def test_a_file_keeps_its_mode_and_leaves_no_partial(workspace):
    script = workspace.root / "run.sh"
    script.write_bytes(b"old")
    script.chmod(0o751)
    workspace.write("run.sh", b"new")
    assert script.stat().st_mode & 0o7777 == 0o751
    workspace.write("fresh", b"")
    assert (workspace.root / "fresh").stat().st_mode & 0o7777 == 0o644
    assert sorted(path.name for path in workspace.root.iterdir()) == ["a.txt", "fresh", "run.sh"]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "src/../a.txt", "..", "/", "/workspace/a.txt"])
def test_paths_that_climb_are_outside(workspace, path):
    for act in (
        lambda: workspace.read(path),
        lambda: workspace.write(path, b""),
        lambda: workspace.delete(path),
        lambda: workspace.list(path),
    ):
        assert refused(act) == "outside"


@pytest.mark.parametrize("path", ["nothing", "no/thing", "a\0b", "\ud800", "a.txt/below"])
def test_missing(workspace, path):
    assert refused(lambda: workspace.read(path)) == "missing"
    assert refused(lambda: workspace.delete(path)) == "missing"
    assert refused(lambda: workspace.list(path)) in ("missing", "not_a_file")


@pytest.mark.parametrize("path", ["", ".", "./", "dir", "pipe", "n" * 300])
def test_not_a_file(workspace, path):
    (workspace.root / "dir").mkdir()
    os.mkfifo(workspace.root / "pipe")
    assert refused(lambda: workspace.read(path)) == "not_a_file"
    assert refused(lambda: workspace.write(path, b"x")) == "not_a_file"


def test_a_file_is_no_folder(workspace):
    assert refused(lambda: workspace.write("a.txt/b", b"x")) == "not_a_file"
    assert refused(lambda: workspace.list("a.txt")) == "not_a_file"
    assert refused(lambda: workspace.delete(".")) == "not_a_file"
    assert workspace.read("a.txt") == b"alpha\n"


def test_too_large(workspace):
    workspace.write("big", b"x" * 1001)
    assert refused(lambda: workspace.read("big", 1000)) == "too_large"
    assert len(workspace.read("big", 1001)) == 1001


@pytest.mark.parametrize("path", [".git/config", ".git", "a/.git/hooks/x", ".GIT/config"])
def test_version_control_is_protected(workspace, path):
    assert refused(lambda: workspace.write(path, b"x")) == "protected"
    assert refused(lambda: workspace.delete(path)) == "protected"


def test_links_inside_are_read_through_and_never_written_through(workspace):
    (workspace.root / "dir").mkdir()
    (workspace.root / "to_dir").symlink_to("dir")
    (workspace.root / "to_file").symlink_to("a.txt")
    workspace.write("dir/x", b"1")
    assert workspace.read("to_dir/x") == b"1"
    assert workspace.read("to_file") == b"alpha\n"
    assert [entry.kind for entry in workspace.list()] == ["file", "dir", "link", "link"]
    for act in (
        lambda: workspace.write("to_file", b"x"),
        lambda: workspace.write("to_dir/x", b"x"),
        lambda: workspace.write("to_dir/new/x", b"x"),
        lambda: workspace.delete("to_dir/x"),
    ):
        assert refused(act) == "link"
    workspace.delete("to_file")
    workspace.delete("to_dir")
    assert workspace.read("a.txt") == b"alpha\n"
    assert workspace.read("dir/x") == b"1"


def test_links_outside_are_not_read(workspace):
    for name, target in (("etc", "/etc"), ("up", "../.."), ("self", "/proc/self/environ"), ("loop", "loop")):
        (workspace.root / name).symlink_to(target)
    assert refused(lambda: workspace.read("etc/hostname")) == "outside"
    assert refused(lambda: workspace.read("self")) == "outside"
    assert refused(lambda: workspace.list("etc")) == "outside"
    assert refused(lambda: workspace.list("up")) == "outside"
    assert refused(lambda: workspace.read("loop")) == "link"


def test_no_space_is_said(workspace, tmp_path):
    full = workspace.root / "full"
    full.symlink_to("/dev/full")
    # A full disk cannot be had here without mounting one; a limit on file size gives the same answer.
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert refused(lambda: workspace.write("a.txt", b"x" * 5000)) == "no_space"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert workspace.read("a.txt") == b"alpha\n"
    assert sorted(path.name for path in workspace.root.iterdir()) == ["a.txt", "full"]


def test_a_very_deep_folder_is_removed(workspace):
    here = Path.cwd()
    os.chdir(workspace.root)
    try:
        for _ in range(600):
            Path("deep").mkdir()
            os.chdir("deep")
    finally:
        os.chdir(here)
    assert workspace.snapshot() == workspace.base
    workspace.delete("deep")
    assert [path.name for path in workspace.root.iterdir()] == ["a.txt"]
