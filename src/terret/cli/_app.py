"""The root command: finds a command's file by name and runs it behind the one error handler."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from terret.cli._errors import guarded
from terret.cli._table import COMMANDS, top_help


class LazyGroup(click.Group):
    """A group whose commands live in ``terret.cli.NAME`` and are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"terret.cli.{cmd_name}").command
        return command

    def get_help(self, ctx: click.Context) -> str:
        """The help that is also printed without click."""
        return top_help().rstrip("\n")


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def root() -> LazyGroup:
    """The root command, made anew so that embedding programs and tests share no state."""
    group = LazyGroup("terret", context_settings=SETTINGS, no_args_is_help=False)
    return click.version_option(_version(), message="terret %(version)s")(group)


def execute(args: Sequence[str]) -> int:
    """Run one command line and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    instruction = os.environ.get("_TERRET_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(root(), {}, "terret", "_TERRET_COMPLETE", instruction)

    def call() -> int:
        group = root()
        with group.make_context("terret", list(args)) as context:
            result = group.invoke(context)
        return result if isinstance(result, int) else 0

    return guarded(call, args)


def _version() -> str:
    from terret import __version__

    return __version__
