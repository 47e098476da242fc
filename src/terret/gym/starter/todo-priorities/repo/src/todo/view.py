"""Items as lines of text."""

from collections.abc import Iterable

from todo.model import Item


def render(items: Iterable[Item]) -> str:
    """One line an item; empty for no items."""
    return "".join(f"{item.number:>3} [{'x' if item.done else ' '}] {item.text}\n" for item in items)
