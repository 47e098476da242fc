"""A list of things to do, in one file."""

from todo.model import Item, TodoError, TodoList

__all__ = ["Item", "TodoError", "TodoList"]
