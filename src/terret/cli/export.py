"""``terret export``: episodes in the forms of other systems."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.cli._words import plural
from terret.errors import ConfigError


@click.group("export", no_args_is_help=False, short_help=COMMANDS["export"])
def command() -> None:
    """Hand an episode to other systems."""


@command.command("package")
@click.argument("package")
@click.option("--out", "target", metavar="FILE", type=click.Path(path_type=Path), help="ID.tar.gz here by default.")
@output_options
def export_file(out: Output, package: str, target: Path | None) -> int:
    """Write PACKAGE, an episode's folder or id, as one .tar.gz that `terret import` takes in elsewhere.

    The package is checked first; the same package gives the same bytes.
    """
    from terret.cli._episode import find_episode
    from terret.cli._words import size
    from terret.operate import export_package

    found = find_episode(package)
    if found.live:
        raise ConfigError("the episode is not finished", where=str(found.folder), hint="finish it with terret resume")
    path = target or Path(f"{found.folder.absolute().name}.tar.gz")
    count = export_package(found.folder, path)
    out.document({"file": str(path), "bytes": count})
    out.line(f"{path}, {size(count)}")
    return 0


@command.command("otel")
@click.argument("package")
@click.option("--endpoint", metavar="URL", help="Send to this OTLP/HTTP endpoint, such as http://localhost:4318.")
@click.option("--out", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write an OTLP/JSON file.")
@output_options
def export_otel(out: Output, package: str, endpoint: str | None, target: Path | None) -> int:
    """Export PACKAGE, an episode's folder or id, as OpenTelemetry spans.

    Without --endpoint and --out the spans go to stdout as one line of OTLP/JSON. No prompts, replies, arguments or
    outputs are exported. Nothing is proved by exporting; `terret verify` does that.
    """
    from terret.cli._episode import find_episode, read_events
    from terret.observe import SEMCONV_VERSION, export_otlp_http, export_otlp_json, otlp_json, trace_id

    if endpoint is not None and target is not None:
        raise ConfigError("--endpoint and --out exclude each other", value=str(target), hint="give one of them")
    events, _ = read_events(find_episode(package))
    if endpoint is not None:
        count, where = export_otlp_http(events, endpoint), endpoint
    elif target is not None:
        count, where = export_otlp_json(events, target), str(target)
    else:
        content = otlp_json(events).decode()
        if not out.quiet:
            sys.stdout.write(content)
        return 0
    trace = trace_id(events[0].episode)
    out.document({"spans": count, "trace": trace, "to": where, "semantic_conventions": SEMCONV_VERSION})
    out.line(f"{plural(count, 'span')} of trace {trace} to {where}")
    return 0
