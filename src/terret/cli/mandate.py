"""``terret mandate``: signed permissions for one call each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from terret.cli._output import Output, output_options, table
from terret.cli._table import COMMANDS
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.mandates import Slip

_FILE = click.Path(path_type=Path)
_SECRET = "[secret:"


@click.group("mandate", no_args_is_help=False, short_help=COMMANDS["mandate"])
def command() -> None:
    """Sign, list, check and take back mandates: permissions for one call each, spent exactly once."""


@command.command("new")
@click.argument("primitive", required=False)
@click.option("--task", type=_FILE, metavar="FILE", help="The task that the call belongs to.")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="One of the exact arguments; JSON or text.")
@click.option("--args", "file", type=_FILE, metavar="FILE", help="All of them, as a JSON object.")
@click.option("--like", nargs=2, metavar="EPISODE EFFECT", help="Exactly a recorded call, such as one refused.")
@click.option(
    "--lifetime", type=click.FloatRange(0, 86400, min_open=True), default=3600.0, metavar="S", show_default=True
)
@click.option("--episode", metavar="ID", help="Only in this episode; in any of the task by default.")
@click.option("--note", default="", metavar="TEXT", help="What it is for, for people.")
@click.option("--to", type=_FILE, metavar="FILE", help="Where it is written; among your mandates by default.")
@output_options
def new(out: Output, primitive: str | None, lifetime: float, note: str, to: Path | None, **options: Any) -> int:
    """Sign a mandate for one call of PRIMITIVE (net.request, shell.run, ...) with your key.

    It is bound to the task, the primitive, what it acts on and the exact arguments. The easiest way is to let an
    agent try: `terret audit EPISODE --denied` lists what it was refused, and --like EPISODE e12 signs just that.
    """
    from terret.journal import SigningKey, default_key_path
    from terret.mandates import ANYWHERE, Issuer, mandates_folder, write_slip

    call = _recorded(primitive, options) if options["like"] else _spelled(primitive, options)
    issuer = Issuer(SigningKey.load_or_create(default_key_path()))
    episode = options["episode"]
    process = ANYWHERE if episode is None else f"{episode}:0"
    folder = mandates_folder()
    place, slip = write_slip(issuer, folder, **call, process=process, lifetime_s=lifetime, note=note, file=to)
    out.document(_document(slip, place, "unspent", ""))
    out.line(f"signed: {slip.primitive} {_target(slip)}, once, until {_when(slip)}")
    out.line(f"  spend it with: terret run TASK --mandate {place}")
    return 0


@command.command("list")
@output_options
def list_mandates(out: Output) -> int:
    """List your mandates and how each stands: unspent, spent, revoked, expired, ..."""
    from terret.cli._mandates import own_registry, state_of
    from terret.mandates import mandates_folder, read_slip

    folder = mandates_folder()
    rows: list[tuple[str, ...]] = [("ID", "STATE", "UNTIL", "TASK", "CALL", "NOTE")]
    documents: list[dict[str, Any]] = []
    with own_registry() as (registry, trusted):
        for file in sorted(folder.glob("*.json")):
            try:
                slip = read_slip(file)
            except ConfigError as error:
                documents.append({"id": file.stem, "state": "damaged", "why": error.message, "file": str(file)})
                rows.append((file.stem[:12], "damaged", "", "", "", ""))
                continue
            state, why = state_of(slip, registry, trusted)
            documents.append(_document(slip, file, state, why))
            call = f"{slip.primitive} {_target(slip)}"
            rows.append((slip.mandate.id[:12], state, _when(slip), slip.task_name, call[:60], slip.note[:30]))
    out.document(documents)
    for line in table(rows) if documents else ["no mandates"]:
        out.line(line)
    out.line()
    out.line(f"kept in {folder}; sign one with: terret mandate new")
    return 0


@command.command("verify")
@click.argument("mandate")
@click.option("--trust", "trusted", multiple=True, metavar="KEY", help="Whose signature counts too, in hex.")
@output_options
def verify(out: Output, mandate: str, trusted: tuple[str, ...]) -> int:
    """Say whether MANDATE (a file, or the beginning of an id) is genuine, in time, unspent, and for what it says.

    Exit code 0 when it can be spent, 1 otherwise.
    """
    from terret.cli._mandates import own_registry, state_of

    place, slip = _found(mandate)
    with own_registry() as (registry, own):
        state, why = state_of(slip, registry, own | set(trusted))
    out.document(_document(slip, place, state, why))
    out.line(f"{state}: {slip.primitive} {_target(slip)}, task {slip.task_name}, until {_when(slip)}")
    out.line(f"  {why}")
    for name, value in slip.args.items():
        out.line(f"  {name}: {json.dumps(value)}")
    return 0 if state == "unspent" else 1


@command.command("revoke")
@click.argument("mandate")
@output_options
def revoke(out: Output, mandate: str) -> int:
    """Take MANDATE (a file, or the beginning of an id) back, so that it can never be spent on this machine.

    Exit code 0 when it cannot be spent any more, 1 when it was spent before.
    """
    from terret.cli._mandates import REVOKED
    from terret.mandates import Claim, Registry, registry_file

    place, slip = _found(mandate)
    identity = f"{REVOKED}:{slip.mandate.id}"
    claim = Claim(slip.mandate.id, identity, slip.mandate.binding, slip.mandate.expires_ms)
    with Registry(registry_file()) as registry:
        state = registry.spend(claim).state
        spent = registry.spent_on(claim)
    told = {"fresh": "revoked", "pending": "revoked", "expired": "expired"}.get(state, "spent")
    why = {"revoked": "it cannot be spent any more", "expired": "it had expired"}.get(
        told, f"too late: spent on {spent}"
    )
    out.document(_document(slip, place, told, why))
    out.line(f"{told}: {slip.primitive} {_target(slip)}; {why}")
    return 1 if told == "spent" else 0


def _spelled(primitive: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """The call that the options spell out, as :func:`terret.mandates.write_slip` takes it."""
    from hashlib import sha256

    from terret.task import load_task, task_json

    if primitive is None or options["task"] is None:
        raise ConfigError(
            "a mandate is for a call in a task", hint="write PRIMITIVE --task FILE, or --like EPISODE e12"
        )
    task = load_task(options["task"])
    args = _arguments(options["file"])
    for pair in options["pairs"]:
        name, sign, text = pair.partition("=")
        if not sign or not name:
            raise ConfigError("an argument is NAME=VALUE", value=pair)
        try:
            args[name] = json.loads(text)
        except ValueError:
            args[name] = text
    if not args:
        raise ConfigError("a mandate is for exact arguments", value=primitive, hint="add --arg url=... or --args FILE")
    return {
        "task_name": task.name,
        "task": sha256(task_json(task)).hexdigest(),
        "primitive": primitive,
        "args": args,
    }


def _arguments(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"the arguments cannot be read: {error.strerror}", where=str(file)) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the arguments are not JSON: {error}", where=str(file)) from None
    if not isinstance(found, dict):
        raise ConfigError("the arguments are no JSON object", where=str(file))
    return cast("dict[str, Any]", found)


def _recorded(primitive: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """A call on record."""
    from terret.cli._episode import find_episode, read_events
    from terret.journal import Denied, EpisodeOpened, Intent

    if primitive is not None or options["task"] is not None or options["pairs"] or options["file"] is not None:
        raise ConfigError("--like says all about the call", hint="leave PRIMITIVE, --task, --arg and --args out")
    name, effect = options["like"]
    events, _ = read_events(find_episode(name))
    opened = events[0].data if events else None
    asked = next((e.data for e in events if isinstance(e.data, Intent | Denied) and e.data.effect == effect), None)
    if asked is None or not isinstance(opened, EpisodeOpened):
        raise ConfigError("the episode has no such effect", value=effect, hint=f"terret audit {name} lists them")
    if _SECRET in json.dumps(asked.args):
        raise ConfigError("the record hides a secret of this call", value=effect, hint="spell the call out instead")
    return {"task_name": opened.task_name, "task": opened.task, "primitive": asked.primitive, "args": asked.args}


def _found(name: str) -> tuple[Path, Slip]:
    from terret.mandates import mandates_folder, read_slip

    given = Path(name)
    if given.is_file() or "/" in name or name.endswith(".json"):
        return given, read_slip(given)
    matches = sorted(path for path in mandates_folder().glob("*.json") if path.name.startswith(name))
    if len(matches) != 1:
        many = f"{len(matches)} mandates begin like this" if matches else "no such mandate"
        raise ConfigError(many, value=name, hint="terret mandate list shows yours")
    return matches[0], read_slip(matches[0])


def _document(slip: Slip, place: Path, state: str, why: str) -> dict[str, Any]:
    mandate = slip.mandate
    return {
        "id": mandate.id,
        "state": state,
        "why": why,
        "file": str(place),
        "task_name": slip.task_name,
        "task": slip.task,
        "process": slip.process,
        "primitive": slip.primitive,
        "resource": slip.context.resource,
        "args": slip.args,
        "issued": mandate.issued_ms / 1000,
        "expires": mandate.expires_ms / 1000,
        "public_key": mandate.public_key,
        "note": slip.note,
    }


def _target(slip: Slip) -> str:
    return " ".join(slip.context.resource.partition(":")[2].split())


def _when(slip: Slip) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(slip.mandate.expires_ms / 1000))
