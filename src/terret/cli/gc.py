"""``terret gc``."""

from __future__ import annotations

from pathlib import Path

import click

from terret.cli._output import Output, output_options, table
from terret.cli._table import COMMANDS


@click.command("gc", short_help=COMMANDS["gc"])
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--older-than", required=True, metavar="SPAN", help="Pack what ended longer ago: 12h, 30d, 8w.")
@click.option("--keep-failed", is_flag=True, help="Leave episodes that failed as they are.")
@click.option("--remove-after", metavar="SPAN", help="Remove what ended longer ago than this; nothing by default.")
@click.option("--dry-run", "-n", is_flag=True, help="Say what would be done, and do nothing.")
@output_options
def command(
    out: Output, folder: Path, older_than: str, keep_failed: bool, remove_after: str | None, dry_run: bool
) -> int:
    """Pack finished episodes below FOLDER into one archive.db a folder, where `terret verify` still proves them.

    Every blob is stored once. Kept are the journal and the signed head, byte for byte, and the blobs; traces, records
    and reports are derived again when somebody asks. A package is proved before it is packed and read back before its
    folder goes. What can be resumed, does not prove sound, holds other files, or belongs to a ladder or sequence stays
    as it is.
    """
    from terret.cli._words import plural, seconds_of, size
    from terret.operate import Retention, sweep
    from terret.runtime import verify_package

    policy = Retention(
        older_than_s=seconds_of(older_than, "--older-than"),
        keep_failed=keep_failed,
        remove_after_s=None if remove_after is None else seconds_of(remove_after, "--remove-after"),
    )
    done = sweep(folder, policy, lambda package: verify_package(package, rerun=False), dry_run=dry_run)
    rows = [
        (one.action, one.name, one.label or "-", one.reason) for one in done.disposals if one.reason != "packed already"
    ]
    for line in table(rows):
        out.line(line)
    out.document({"disposals": done.disposals, "before": done.before, "after": done.after, "dry_run": dry_run})
    packed, removed = (sum(one.action == what for one in done.disposals) for what in ("packed", "removed"))
    if dry_run:
        taken = sum(one.bytes for one in done.disposals if one.action != "kept")
        what = f"would pack {plural(packed, 'episode')} and remove {removed}"
        out.line(f"{what}; they take {size(taken)} of {size(done.before)}")
        return 0
    share = f", {done.saved / done.before:.0%}" if done.before else ""
    out.line(
        f"packed {plural(packed, 'episode')}, removed {removed}: "
        f"{size(done.before)} before, {size(done.after)} after, saved {size(max(0, done.saved))}{share}"
    )
    return 0
