import pytest

from todo import Item, TodoError, TodoList


def test_numbers_are_never_reused():
    todo = TodoList()
    todo.add("a")
    todo.add("b")
    todo.remove(2)
    assert todo.add("c").number == 3


def test_white_space_is_squeezed():
    assert TodoList().add("  buy   bread ").text == "buy bread"
    with pytest.raises(TodoError):
        TodoList().add("  ")


def test_select_hides_done_items():
    todo = TodoList([Item(1, "a", done=True), Item(2, "b")], 3)
    assert [item.number for item in todo.select()] == [2]
    assert [item.number for item in todo.select(include_done=True)] == [1, 2]


def test_unknown_number():
    with pytest.raises(TodoError, match="there is no item 7"):
        TodoList().complete(7)
