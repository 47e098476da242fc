import json

import pytest

from todo import Item, TodoError, TodoList
from todo.storage import load, save


def test_round_trip(tmp_path):
    todo = TodoList([Item(1, "Brötchen"), Item(3, "b", done=True)], 4)
    save(tmp_path / "todo.json", todo)
    assert load(tmp_path / "todo.json") == todo
    assert [path.name for path in tmp_path.iterdir()] == ["todo.json"]


def test_no_file_is_an_empty_list(tmp_path):
    assert load(tmp_path / "todo.json") == TodoList()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2, "next": 1, "items": []}'])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "todo.json"
    path.write_text(text)
    with pytest.raises(TodoError):
        load(path)


def test_members_of_a_newer_release_are_refused(tmp_path):
    path = tmp_path / "todo.json"
    item = {"number": 1, "text": "a", "done": False, "colour": "red"}
    path.write_text(json.dumps({"version": 1, "next": 2, "items": [item]}))
    with pytest.raises(TodoError, match="unknown member 'colour'"):
        load(path)
