"""``terret import``."""

# ruff: noqa: N999 - the file of a command has its name

from __future__ import annotations

from pathlib import Path

import click

from terret.cli._episode import DEFAULT_OUT
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("import", short_help=COMMANDS["import"])
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", "folder", type=click.Path(path_type=Path), default=Path(DEFAULT_OUT), show_default=True)
@click.option("--episode", metavar="ID", help="Only this one of an archive or folder.")
@click.option("--key", metavar="HEX", help="The public key it must be signed with, 64 hex digits.")
@click.option("--rerun", is_flag=True, help="Also apply the patch and run the checks again, as terret verify does.")
@output_options
def command(out: Output, source: Path, folder: Path, episode: str | None, key: str | None, rerun: bool) -> int:
    """Take in packages from SOURCE: a package folder, a folder of them, a .tar.gz, .tar or .zip, or an archive.db.

    Each is proved first, in a place of its own: chain, anchors, signature, blobs, derived files and label. One that
    does not prove sound is refused with the reason `terret verify` gives, and its exit code; the others are taken in.
    """
    from terret.cli._words import plural
    from terret.cli.verify import checked_key
    from terret.operate import take_in
    from terret.runtime import verify_package

    expected = checked_key(key)
    taken = take_in(
        source, folder, lambda package: verify_package(package, rerun=rerun, expected_key=expected), episode=episode
    )
    out.document(taken)
    for one in taken:
        if one.error is not None:
            where, hint = (f"{one.error[name]}" if one.error[name] else "" for name in ("where", "hint"))
            more = "".join(f"; {text}" for text in (where, hint) if text)
            out.error(f"{one.episode} is refused: {one.error['message']}{more} [{one.error['error']}]")
        else:
            out.line(f"{one.episode} {'was here already' if one.outcome == 'present' else 'is taken in'}: {one.place}")
    refused = [one for one in taken if one.outcome == "refused"]
    if len(taken) > 1:
        out.line(f"{plural(len(taken), 'package')}, {len(refused)} refused")
    return refused[0].exit_code if refused else 0
