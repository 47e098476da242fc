"""``terret demo``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.errors import PackageError

if TYPE_CHECKING:
    from terret.runtime import VerifyReport, VerifyStep

TASK = "interval-merge"
"""The task of the starter suite that the demo runs."""

MODEL = "local/qwen2.5-coder-1.5b"
"""Small enough for a laptop without a graphics card."""


@click.command("demo", short_help=COMMANDS["demo"])
@click.option("--model", default=MODEL, show_default=True, metavar="SPEC", help="`scripted` needs no model at all.")
@click.option("--out", "folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--level", default="H1", show_default=True, metavar="H0..H3")
@click.option("--no-sandbox", is_flag=True, help="Run without isolation (tier none).")
@output_options
def command(out: Output, model: str, folder: Path, level: str, no_sandbox: bool) -> int:
    """Let a model fix a real bug in a small repository, then verify the package as a stranger would.

    The task is put into --out for you to look at; the package is copied elsewhere before it is verified.
    """
    from terret.cli._conduct import shown, story_of
    from terret.cli._report import document, report
    from terret.cli._words import exit_code
    from terret.cli.run import launch
    from terret.task import load_task, resolve

    file = _lay_out(folder)
    spec = f"scripted:{file.parent.resolve() / 'scripted.yaml'}" if model == "scripted" else model
    out.note(f"task: {shown(file)}   model: {model}   level: {level.upper()}")
    task = resolve(load_task(file), file)
    episode = launch(out, task, file.parent, spec, folder, level=level, no_sandbox=no_sandbox)
    story = story_of(episode.folder)
    for line in report(story, episode.folder, timeline=not out.told_live):
        out.line(line)
    if episode.status != "finished":
        out.document(document(story, episode.folder))
        return 3
    out.line()
    out.line("verify, on a copy in another place:")
    verified = _verify_copy(out, episode.folder, no_sandbox)
    out.line(f"verified: {verified.label or 'ungraded'}, signed by {verified.key[:16]}…")
    out.document({**document(story, episode.folder), "verified": verified})
    return exit_code(episode.label)


def _lay_out(folder: Path) -> Path:
    """Copy the demo's task into ``folder`` and return its file."""
    from importlib.resources import as_file, files

    target = folder / TASK
    with as_file(files("terret.gym") / "starter" / TASK) as source:
        if not source.is_dir():
            raise PackageError("the demo's task is not part of this installation", value=TASK)
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return target / "task.yaml"


def _verify_copy(out: Output, package: Path, no_sandbox: bool) -> VerifyReport:
    from terret.cli.verify import MARKS
    from terret.runtime import verify_package

    def step(proved: VerifyStep) -> None:
        out.line(f"  {MARKS[proved.ok]}{proved.name:<9} {proved.detail}")

    options: dict[str, Any] = {"tier": "none", "allow_none": True} if no_sandbox else {}
    with tempfile.TemporaryDirectory(prefix="terret-stranger-") as place:
        moved = Path(place) / "package"
        shutil.copytree(package, moved)
        return verify_package(moved, listener=step, **options)
