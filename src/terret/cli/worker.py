"""``terret worker``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from terret.cli._fleet import fleet_options, open_fleet
from terret.cli._options import TIERS, isolation
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS

WORDS = {
    "began": "began",
    "finished": "finished",
    "failed": "failed",
    "put_aside": "put aside",
    "recovered": "recovered",
    "silent": "silent",
}


@click.command("worker", short_help=COMMANDS["worker"])
@click.option("--model", required=True, envvar="TERRET_MODEL", metavar="SPEC", help="The model, as for `terret run`.")
@fleet_options
@click.option("--work", type=click.Path(path_type=Path), metavar="DIR", help="Where episodes live while they run.")
@click.option("--lease", type=click.FloatRange(1), default=30.0, show_default=True, metavar="S", help="See below.")
@click.option("--tier", type=click.Choice(TIERS), help="Isolation to use; the best there is by default.")
@click.option("--no-sandbox", is_flag=True, help="Run without isolation (tier none); the packages will say so.")
@output_options
def command(
    out: Output,
    model: str,
    store: str | None,
    fleet: str,
    work: Path | None,
    lease: float,
    tier: str | None,
    no_sandbox: bool,
) -> int:
    """Run episodes from the queue of a fleet until SIGTERM or Ctrl-C; start as many as there are machines.

    A worker that is silent for longer than --lease S is taken for dead: another goes on with its episodes from their
    journals. If it was only frozen it can change nothing any more, and starts anew.

    All workers of a fleet sign with one key: copy signing.key to every machine.
    """
    from terret.fleet import Equipment, Worker, WorkerLost
    from terret.journal import SigningKey, default_key_path
    from terret.runtime import environment_scrubber

    chosen: Any
    chosen, allow_none = isolation(tier, no_sandbox)
    with open_fleet(store, fleet, patience_s=30.0) as found:
        equipment = Equipment(
            connect=_models(model),
            folder=_folder(work),
            key=SigningKey.load_or_create(default_key_path()),
            tier=chosen,
            allow_none=allow_none,
            scrubber=environment_scrubber(),
        )

        def tell(news: Any) -> None:
            out.note(f"{WORDS[news.what]:<9} {news.episode} {news.detail}".rstrip())

        def stop(number: int, frame: object) -> None:
            worker.stop()

        worker = Worker(found, equipment, model=model, lease_s=lease, listener=tell)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        out.note(f"worker {worker.id} of fleet {fleet}; Ctrl-C puts its episodes aside for others")
        try:
            worker.run()
        except WorkerLost as lost:
            out.note(f"terret: {lost}")
            out.note("starting anew")
            sys.stdout.flush()
            os.execv(sys.executable, [sys.executable, "-m", "terret", *sys.argv[1:]])
    out.document({"worker": worker.id, "stopped": True})
    return 0


def _folder(work: Path | None) -> Path:
    """A folder for what lives no longer than this process."""
    import atexit
    import shutil
    import tempfile

    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="terret-worker-", dir=work))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _models(spec: str) -> Any:
    """A model for each episode: one client for all of them, unless every episode begins a script anew."""
    from terret.models import connect

    if spec.startswith(("scripted:", "replay:")):
        connect(spec)
        return _Anew(spec)
    return _Shared(connect(spec))


class _Anew:
    """Connects every episode by itself."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    def __call__(self, episode: str) -> Any:
        from terret.models import connect

        return connect(self._spec)


class _Shared:
    """A model that outlives the episodes that use it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.identity = model.identity

    def __call__(self, episode: str) -> Any:
        return self

    async def complete(self, request: Any, on_token: Any = None) -> Any:
        return await self._model.complete(request, on_token)

    async def aclose(self) -> None:
        """It stays open for the next episode."""
