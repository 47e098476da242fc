"""``python -m todo``"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from todo import storage
from todo.model import TodoError
from todo.view import render


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="todo", description="A list of things to do, in one file.")
    parser.add_argument("--file", type=Path, default=Path(os.environ.get("TODO_FILE", "todo.json")))
    commands = parser.add_subparsers(dest="command", required=True)

    add = commands.add_parser("add", help="add an item")
    add.add_argument("text", nargs="+")

    show = commands.add_parser("list", help="print the items")
    show.add_argument("--all", action="store_true", help="done items, too")

    for name, text in [("done", "mark an item as done"), ("remove", "delete an item")]:
        command = commands.add_parser(name, help=text)
        command.add_argument("number", type=int)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        run(options)
    except TodoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    todo = storage.load(options.file)
    if options.command == "list":
        print(render(todo.select(include_done=options.all)), end="")
        return
    if options.command == "add":
        message = f"added {todo.add(' '.join(options.text)).number}"
    elif options.command == "done":
        message = f"done {todo.complete(options.number).number}"
    else:
        message = f"removed {todo.remove(options.number).number}"
    storage.save(options.file, todo)
    print(message)
