"""``terret completion``."""

from __future__ import annotations

import sys

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("completion", short_help=COMMANDS["completion"])
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@output_options
def command(out: Output, shell: str) -> int:
    """Print a completion script for SHELL.

    To use it now: eval "$(terret completion bash)".
    """
    from click.shell_completion import get_completion_class

    from terret.cli._app import root

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell!r}")
    # Click asks bash for its version, which a machine without bash cannot answer; the script itself is static.
    script = kind(root(), {}, "terret", "_TERRET_COMPLETE")
    text = (script.source_template % script.source_vars()).strip()
    if out.as_json:
        out.document({"shell": shell, "script": text})
    else:
        sys.stdout.write(text + "\n")
    return 0
