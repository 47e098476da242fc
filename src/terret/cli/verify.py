"""``terret verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terret.cli._options import TIERS, isolation
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.runtime import VerifyReport, VerifyStep

MARKS = {True: "ok  ", False: "no  ", None: "--  "}
"""A step that was proved, refused, or not tried."""


@click.command("verify", short_help=COMMANDS["verify"])
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--no-rerun", is_flag=True, help="Prove the record only; do not apply the patch and run the checks.")
@click.option("--key", metavar="HEX", help="The public key it must be signed with, 64 hex digits.")
@click.option("--tier", type=click.Choice(TIERS), help="Isolation for running the checks.")
@click.option("--no-sandbox", is_flag=True, help="Run the checks without isolation.")
@click.option("--export", type=click.Choice(["in-toto"]), help="Also write a DSSE-signed in-toto statement.")
@click.option("--to", type=click.Path(path_type=Path), help="File for --export; stdout by default.")
@output_options
def command(
    out: Output,
    package: Path,
    no_rerun: bool,
    key: str | None,
    tier: str | None,
    no_sandbox: bool,
    export: str | None,
    to: Path | None,
) -> int:
    """Prove or refuse PACKAGE, on any machine, offline and without a model.

    PACKAGE is a package's folder, also after `terret gc` has packed it; a .tar.gz, .zip or archive.db with packages; or
    the folder of a sequence.

    Walks the hash chain, the anchors and the signature; derives every trace, record and report again and
    compares bytes; applies the patch to a fresh workspace and runs the checks again. Each kind of damage has its
    own exit code, 10 to 22.
    """
    from terret.operate import archive_of
    from terret.runtime import verify_package

    if to is not None and export is None:
        raise ConfigError("--to without --export", value=str(to), hint="add --export in-toto")
    tell = out.note if export and to is None else out.line

    def step(proved: VerifyStep) -> None:
        tell(f"{MARKS[proved.ok]}{proved.name:<9} {proved.detail}")

    chosen: Any
    chosen, allow_none = isolation(tier, no_sandbox)
    if (package / "sequence.jsonl").is_file():
        if export:
            raise ConfigError("--export is for one package", value=str(package), hint="name an episode of the sequence")
        return _sequence(out, package, key, step, rerun=not no_rerun, tier=chosen, allow_none=allow_none)
    archive = None if package.exists() else archive_of(package)
    if archive is not None or package.is_file():
        if export:
            raise ConfigError(
                "--export is for a package folder", value=str(package), hint="terret import brings it back"
            )
        options: dict[str, Any] = {"rerun": not no_rerun, "tier": chosen, "allow_none": allow_none}
        return _wrapped(out, package, archive, key, step, **options)
    verified = verify_package(
        package, rerun=not no_rerun, expected_key=checked_key(key), tier=chosen, allow_none=allow_none, listener=step
    )
    envelope = _envelope(package, key) if export else None
    if envelope is not None and to is not None:
        _write(to, envelope)
        tell(f"ok  export    {to}")
    elif envelope is not None and not out.as_json:
        _print(envelope)
    tell(_conclusion(verified, key))
    out.document({"package": str(package), **_plain(verified), **({"envelope": envelope} if envelope else {})})
    return 0


def _wrapped(out: Output, source: Path, archive: Path | None, key: str | None, step: Any, **options: Any) -> int:
    """Prove every package in a file, or the one that an archive beside the folder's place holds."""
    import tempfile

    from terret.cli._words import plural
    from terret.operate import unpacked
    from terret.runtime import verify_package

    proved: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="terret-verify-") as scratch:
        for folder in unpacked(archive or source, Path(scratch), episode=source.name if archive else None):
            verified = verify_package(folder, expected_key=checked_key(key), listener=step, **options)
            out.line(_conclusion(verified, key))
            proved.append({"package": f"{archive or source}#{verified.episode}", **_plain(verified)})
    if archive is None and len(proved) > 1:
        out.line(f"verified: {plural(len(proved), 'package')}")
    out.document(proved[0] if archive else {"source": str(source), "packages": proved})
    return 0


def _sequence(out: Output, folder: Path, key: str | None, step: Any, **options: Any) -> int:
    """Prove every package of a sequence, and that each starts where the accepted ones before it end."""
    import msgspec

    from terret.gym import verify_sequence

    report = verify_sequence(folder, expected_key=checked_key(key), listener=step, **options)
    accepted = sum(task.accepted for task in report.tasks)
    text = f"verified: a sequence of {len(report.tasks)} tasks, {accepted} accepted, signed by {report.key}"
    out.line(text if key else f"{text} (give --key to insist on a signer)")
    out.document({"sequence": str(folder), **msgspec.to_builtins(report)})
    return 0


def checked_key(key: str | None) -> str | None:
    """A public key as given with ``--key``; raises ConfigError when it is none."""
    if key is not None and (len(key) != 64 or set(key.lower()) - set("0123456789abcdef")):
        raise ConfigError("--key is not a public key", value=key, hint="give 64 hex digits")
    return key.lower() if key else None


def _conclusion(verified: VerifyReport, key: str | None) -> str:
    text = f"verified: {verified.episode} is {verified.label or 'ungraded'}, signed by {verified.key}"
    return text if key else f"{text} (give --key to insist on a signer)"


def _plain(verified: VerifyReport) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(verified)
    return plain


def _envelope(package: Path, key: str | None) -> dict[str, Any]:
    from terret.journal import SigningKey, check_package, default_key_path
    from terret.verification import dsse, statement

    signer: Any = SigningKey.load_or_create(default_key_path())
    return dsse(statement(check_package(package, checked_key(key))), signer)


def _print(envelope: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(envelope, indent=2))


def _write(path: Path, envelope: dict[str, Any]) -> None:
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(envelope, indent=2) + "\n", "utf-8")
