"""Items and the list that holds them."""

from dataclasses import dataclass, field


class TodoError(ValueError):
    """Something that cannot be carried out; the message is one line for the user."""


@dataclass
class Item:
    number: int
    text: str
    done: bool = False


@dataclass
class TodoList:
    """Items in the order in which they were added."""

    items: list[Item] = field(default_factory=list)
    next_number: int = 1

    def add(self, text: str) -> Item:
        text = " ".join(text.split())
        if not text:
            raise TodoError("an item needs a text")
        item = Item(self.next_number, text)
        self.items.append(item)
        self.next_number += 1
        return item

    def find(self, number: int) -> Item:
        for item in self.items:
            if item.number == number:
                return item
        raise TodoError(f"there is no item {number}")

    def complete(self, number: int) -> Item:
        item = self.find(number)
        item.done = True
        return item

    def remove(self, number: int) -> Item:
        item = self.find(number)
        self.items.remove(item)
        return item

    def select(self, include_done: bool = False) -> list[Item]:
        """The items to show."""
        return [item for item in self.items if include_done or not item.done]
