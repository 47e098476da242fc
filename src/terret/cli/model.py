"""``terret model``: the catalogue of local models."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import click

from terret.cli._output import Output, output_options, table
from terret.cli._table import COMMANDS
from terret.cli._words import size

Advance = Callable[[int, int, str], None]
"""Bytes so far, bytes in all, and where they come from."""


@click.group("model", no_args_is_help=False, short_help=COMMANDS["model"])
def command() -> None:
    """List, fetch and remove local models; they run as --model local/NAME."""


@command.command("list")
@output_options
def list_models(out: Output) -> int:
    """List the catalogue and what is on this machine."""
    from terret.models import catalogue, installed, models_folder

    entries = catalogue()
    here = {name: installed(name) for name in entries}
    out.document(
        [
            {
                "name": name,
                "spec": f"local/{name}",
                "installed": str(here[name]) if here[name] else None,
                "size": entry.size,
                "sha256": entry.sha256,
                "licence": entry.licence,
                "context": entry.context,
                "image": entry.image,
                "dialect": entry.dialect,
            }
            for name, entry in entries.items()
        ]
    )
    rows: list[tuple[str, ...]] = [("NAME", "SIZE", "HERE", "CONTEXT", "LICENCE")]
    rows += [
        (name, size(entry.size), "yes" if here[name] else "no", str(entry.context), entry.licence)
        for name, entry in entries.items()
    ]
    for line in [*table(rows), "", f"kept in {models_folder()}; fetch one with: terret model pull NAME"]:
        out.line(line)
    return 0


@command.command("pull")
@click.argument("name")
@output_options
def pull_model(out: Output, name: str) -> int:
    """Fetch model NAME from the first source that has it; goes on where an earlier try stopped."""
    from terret.models import catalogue, installed, pull

    present = installed(name)
    if present is None:
        with _progress(out, name) as progress:
            path = pull(name, progress)
    else:
        path = present
    return _told(out, name, path, "already here" if present else "fetched", catalogue()[name].sha256)


@command.command("rm")
@click.argument("name")
@output_options
def remove_model(out: Output, name: str) -> int:
    """Remove the weights of model NAME from this machine."""
    from terret.models import remove

    removed = remove(name)
    out.document({"name": name, "removed": removed})
    out.line(f"{name}: {'removed' if removed else 'was not here'}")
    return 0


def _told(out: Output, name: str, path: Path, how: str, digest: str) -> int:
    out.document({"name": name, "spec": f"local/{name}", "path": str(path), "state": how, "sha256": digest})
    out.line(f"{name}: {how}, sha256 {digest}")
    out.line(f"  {path}")
    return 0


@contextmanager
def _progress(out: Output, name: str) -> Generator[Advance]:
    from importlib.util import find_spec

    if out.live and find_spec("rich") is not None:
        with _bar(name) as progress:
            yield progress
        return
    yield _tenths(out, name)


@contextmanager
def _bar(name: str) -> Generator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def advance(done: int, total: int, source: str) -> None:
            bar.update(task, completed=done, total=total or None, description=source)

        yield advance


def _tenths(out: Output, name: str) -> Advance:
    told = -1

    def advance(done: int, total: int, source: str) -> None:
        nonlocal told
        tenth = done * 10 // total if total else 0
        if tenth != told:
            told = tenth
            out.note(f"{name}: {tenth * 10:3d} % of {size(total)} from {source}")

    return advance
