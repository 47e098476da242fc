"""The file that holds a list."""

import json
import os
from pathlib import Path

from todo.model import Item, TodoError, TodoList

VERSION = 1
ITEM_KEYS = {"number", "text", "done"}


def load(path: Path) -> TodoList:
    """The list in ``path``; an empty one when there is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return TodoList()
    except json.JSONDecodeError as error:
        raise TodoError(f"{path}: line {error.lineno}: not JSON") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise TodoError(f"{path}: not a todo list of version {VERSION}")
    items = [_item(path, entry) for entry in document["items"]]
    return TodoList(items, document["next"])


def save(path: Path, todo: TodoList) -> None:
    """Write the list in one step, so that an interrupted write leaves the old file."""
    document = {
        "version": VERSION,
        "next": todo.next_number,
        "items": [_entry(item) for item in todo.items],
    }
    draft = path.with_name(path.name + ".draft")
    draft.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)


def _item(path: Path, entry: dict) -> Item:
    unknown = sorted(entry.keys() - ITEM_KEYS)
    if unknown:
        raise TodoError(f"{path}: unknown member {unknown[0]!r} of an item; a newer release wrote it")
    return Item(entry["number"], entry["text"], entry["done"])


def _entry(item: Item) -> dict:
    return {"number": item.number, "text": item.text, "done": item.done}
