"""``terret metrics``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS

if TYPE_CHECKING:
    from terret.operate import Metric


@click.command("metrics", short_help=COMMANDS["metrics"])
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--archived", "-a", is_flag=True, help="Count packed episodes too.")
@click.option("--serve", "port", type=click.IntRange(0, 65535), metavar="PORT", help="Answer /metrics and /health.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address for --serve.")
@output_options
def command(out: Output, folder: Path | None, archived: bool, port: int | None, host: str) -> int:
    """Print metrics of the episodes below FOLDER (episodes/ by default) in the Prometheus text format.

    Every number is a sum over journals: two scrapes of the same journals are equal. With --serve they are computed anew
    for every scrape, from what came since the last one, until Ctrl-C.
    """
    from terret.cli._listing import fleet_at
    from terret.operate import MetricsServer, metrics, prometheus_text

    fleet = fleet_at(folder, archived=archived)
    if port is None:
        out.document([_plain(metric) for metric in metrics(fleet.tallies())])
        if not out.as_json and not out.quiet:
            sys.stdout.write(prometheus_text(fleet).decode())
        return 0
    prometheus_text(fleet)
    server = MetricsServer(fleet, port, host)
    out.document({"metrics": f"{server.address}/metrics", "health": f"{server.address}/health"})
    out.line(f"{server.address}/metrics and {server.address}/health; Ctrl-C ends it")
    sys.stdout.flush()
    try:
        server.serve()
    except KeyboardInterrupt:
        return 0
    return 0


def _plain(metric: Metric) -> dict[str, Any]:
    from terret.operate import SECONDS, Durations

    def value(found: float | Durations) -> Any:
        if isinstance(found, Durations):
            return {"bounds": [*SECONDS, None], "counts": found.counts, "sum": found.sum}
        return found

    rows = [
        {"labels": dict(zip(metric.labels, labels, strict=False)), "value": value(found)}
        for labels, found in sorted(metric.values.items())
    ]
    return {"name": metric.name, "type": metric.kind, "help": metric.text, "samples": rows}
