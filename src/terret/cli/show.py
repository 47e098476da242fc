"""``terret show``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.errors import PackageError

if TYPE_CHECKING:
    from terret.cli._story import Story
    from terret.journal import BlobStore, Event

VIEWS = ("report", "timeline", "patch", "events")


@click.command("show", short_help=COMMANDS["show"])
@click.argument("episode")
@click.option("--timeline", "view", flag_value="timeline", help="Only what happened when.")
@click.option("--patch", "view", flag_value="patch", help="Only the change, as git apply takes it.")
@click.option("--events", "view", flag_value="events", help="Every journal event, one a line.")
@click.option("--report", "view", flag_value="report", default="report", hidden=True)
@output_options
def command(out: Output, episode: str, view: str) -> int:
    """Show EPISODE: a package folder, a running or interrupted episode, or an id below episodes/.

    Nothing is proved by showing; `terret verify` does that.
    """
    from terret.cli._episode import find_episode, read_events
    from terret.cli._report import document, report
    from terret.cli._story import Story

    found = find_episode(episode)
    events, blobs = read_events(found)
    story = Story(events)
    if view == "patch":
        return _patch(out, story, blobs)
    if view == "events":
        return _events(out, events)
    if view == "timeline":
        out.document([entry._asdict() for entry in story.timeline])
        for entry in story.timeline:
            out.line(entry.line())
        return 0
    out.document(document(story, found.folder))
    for line in report(story, found.folder):
        out.line(line)
    return 0


def _patch(out: Output, story: Story, blobs: BlobStore) -> int:
    if story.patch is None:
        raise PackageError("the episode has no patch yet", where=story.episode, hint="finish it with terret resume")
    patch = blobs.get(story.patch.blob)
    if out.as_json:
        out.document({"patch": patch.decode("utf-8", "replace"), "files": story.patch.files})
    elif sys.stdout.isatty():
        out.line(patch.decode("utf-8", "replace").rstrip("\n"))
    elif not out.quiet:
        click.echo(patch, nl=False)
    return 0


def _events(out: Output, events: list[Event]) -> int:
    import json

    import msgspec

    plain = [msgspec.to_builtins(event) for event in events]
    out.document(plain)
    for event in plain:
        fields = dict(event["data"])
        kind = fields.pop("kind")
        detail = json.dumps(fields, ensure_ascii=False)
        out.line(f"{event['seq']:5}  {kind:<20}  {detail if len(detail) <= 160 else detail[:159] + '…'}")
    return 0
