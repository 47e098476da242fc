"""``terret doctor``."""

from __future__ import annotations

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS

WORDS = {"ok": "ok", "warning": "--", "missing": "NO"}


@click.command("doctor", short_help=COMMANDS["doctor"])
@output_options
def command(out: Output) -> int:
    """Say what this machine offers, what is missing, and how to get it.

    Exit code 0 when `terret run` can do its work here (a model aside, which may live elsewhere), 3 otherwise.
    """
    from terret.cli._machine import examine

    findings = examine()
    ready = all(finding.state != "missing" for finding in findings)
    out.document({"ready": ready, "findings": findings})
    for finding in findings:
        out.line(f"{WORDS[finding.state]}  {finding.what:<14} {finding.detail}")
        if finding.fix:
            out.line(f"    {'':<14} fix: {finding.fix}")
    out.line("")
    out.line("ready: terret run can do its work here" if ready else "not ready: mend the lines marked NO")
    return 0 if ready else 3
