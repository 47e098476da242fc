"""``terret policy``: explain decisions and check policy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.cli._words import plural
from terret.errors import ConfigError


@click.group("policy", no_args_is_help=False, short_help=COMMANDS["policy"])
def command() -> None:
    """Explain what an agent may do, and check policy files."""


@command.command("explain")
@click.argument("shell_command", metavar="[COMMAND]", required=False)
@click.option("--primitive", metavar="NAME", help="What acts: fs.write, net.connect, ... [default: shell.run]")
@click.option("--path", "subject", metavar="P", help="The path that a file primitive acts on.")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="A further policy file.")
@click.option("--task", type=click.Path(path_type=Path), metavar="FILE", help="A task whose permissions apply.")
@click.option(
    "--project", type=click.Path(path_type=Path), metavar="DIR", help="Where .terret/policy.yaml is looked for."
)
@output_options
def explain(
    out: Output,
    shell_command: str | None,
    primitive: str | None,
    subject: str | None,
    policy: Path | None,
    task: Path | None,
    project: Path | None,
) -> int:
    """Say what would be decided about a shell COMMAND, or about --primitive NAME, by which rule of which file.

    Nothing is run. The user's policy file, the project's, --policy and the permissions of --task apply, and what was
    approved before; the strictest decision wins.
    """
    from terret.permissions import Approvals, LayeredPolicy, approvals_file, default_layers
    from terret.task import Permissions

    name, args = _effect(shell_command, primitive, subject)
    permissions = Permissions()
    folder = project or Path()
    if task is not None:
        from terret.cli.run import project_folder
        from terret.task import load_task

        loaded = load_task(task)
        permissions = loaded.permissions
        folder = project or project_folder(loaded, task.parent)
    layers = default_layers(folder, policy)
    found = LayeredPolicy(permissions, "H1", layers, Approvals(approvals_file(), folder)).explain(name, args)
    decision = found.decision
    out.document(
        {
            "primitive": name,
            "args": args,
            "effect": decision.effect,
            "rule": decision.rule,
            "reason": decision.reason,
            "where": decision.where,
            "files": [layer.policy.name for layer in layers],
            "rulings": [ruling._asdict() for ruling in found.rulings],
        }
    )
    out.line(f"{decision.effect}: {shell_command or ' '.join(part for part in (name, subject) if part)}")
    out.line(f"  rule {decision.rule}" + (f" at {decision.where}" if decision.where else ""))
    out.line(f"  because {decision.reason}")
    others = [ruling for ruling in found.rulings if ruling.rule != decision.rule]
    for ruling in others:
        at = f" at {ruling.where}" if ruling.where else ""
        out.line(f"  also {ruling.effect} by {ruling.rule}{at}, about: {ruling.subject}")
    return 0


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_options
def check(out: Output, files: tuple[Path, ...]) -> int:
    """Report everything that is wrong with policy FILES, examples that do not hold included.

    Exit code 0 when nothing is, 2 otherwise.
    """
    from terret.permissions import check_policy, load_policy

    found = {str(file): check_policy(file) for file in files}
    for file, problems in found.items():
        for problem in problems:
            error = ConfigError(problem.message, value=problem.value, where=problem.where, hint=problem.hint)
            out.line(f"error: {error}")
        if not problems:
            rules = load_policy(file).rules
            examples = sum(len(rule.spec.match) + len(rule.spec.not_match) for rule in rules)
            out.line(f"{file}: ok, {plural(len(rules), 'rule')}, {plural(examples, 'example')}")
    errors = sum(map(len, found.values()))
    out.document({"errors": errors, "files": found})
    return 2 if errors else 0


@command.command("schema")
@output_options
def print_schema(out: Output) -> int:
    """Print the JSON Schema of a policy file, for editors."""
    import json

    from terret.permissions import policy_schema

    out.document(policy_schema())
    out.line(json.dumps(policy_schema(), indent=2))
    return 0


def _effect(shell_command: str | None, primitive: str | None, subject: str | None) -> tuple[str, dict[str, Any]]:
    """The primitive asked about and its arguments.

    Raises:
        ConfigError: The parts do not fit together.
    """
    name = primitive or ("shell.run" if subject is None else "fs.write")
    if name.startswith("shell."):
        if shell_command is None:
            raise ConfigError("there is no command to explain", hint='write: terret policy explain "git push"')
        return name, {"command": shell_command}
    if shell_command is not None:
        raise ConfigError(f"{name} takes no command", value=shell_command, hint="use --path, or drop --primitive")
    if name.startswith("fs.") and name != "fs.search" and subject is None:
        raise ConfigError(f"{name} needs a path", hint="add --path src/a.py")
    return name, {} if subject is None else {"path": subject}
