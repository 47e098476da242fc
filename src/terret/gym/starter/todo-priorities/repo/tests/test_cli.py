import pytest

from todo.cli import main


@pytest.fixture
def todo(tmp_path, capsys):
    def call(*arguments):
        status = main(["--file", str(tmp_path / "todo.json"), *arguments])
        output = capsys.readouterr()
        return status, output.out, output.err

    return call


def test_add_and_list(todo):
    assert todo("list") == (0, "", "")
    assert todo("add", "Buy", "bread") == (0, "added 1\n", "")
    assert todo("add", "Call the plumber") == (0, "added 2\n", "")
    assert todo("list") == (0, "  1 [ ] Buy bread\n  2 [ ] Call the plumber\n", "")


def test_done_and_remove(todo):
    todo("add", "a")
    todo("add", "b")
    assert todo("done", "1") == (0, "done 1\n", "")
    assert todo("list") == (0, "  2 [ ] b\n", "")
    assert todo("list", "--all") == (0, "  1 [x] a\n  2 [ ] b\n", "")
    assert todo("remove", "1") == (0, "removed 1\n", "")
    assert todo("remove", "1") == (1, "", "there is no item 1\n")
