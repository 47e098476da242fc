"""``terret run``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from terret.cli._authority import NAMES, authority_of, authority_options
from terret.cli._options import agent_options, isolation, machine_options, sampling, split, store_option, with_budget
from terret.cli._output import Output, output_options
from terret.cli._people import human_options, queue_of
from terret.cli._table import COMMANDS


@click.command("run", short_help=COMMANDS["run"])
@click.argument("task", type=click.Path(path_type=Path))
@click.option("--model", required=True, envvar="TERRET_MODEL", metavar="SPEC", help="The model, see below.")
@agent_options
@click.option("--no-memory", is_flag=True, help="Leave out what earlier episodes on the repository left.")
@machine_options
@store_option
@human_options
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="A policy file for this episode.")
@authority_options
@click.option("--out", "folder", type=click.Path(path_type=Path), default=Path("episodes"), show_default=True)
@output_options
def command(out: Output, task: Path, model: str, folder: Path, **options: Any) -> int:
    """Run one TASK file with a model; the episode's package lands in a new folder below --out.

    Models are local/NAME (see `terret model list`), http://HOST:PORT/v1#NAME (any OpenAI-compatible endpoint,
    TERRET_API_KEY), openai/NAME (OPENAI_BASE_URL, OPENAI_API_KEY), scripted:FILE (replies from a file) and
    replay:EPISODE (the replies of an earlier episode).

    From level H2 on an episode reads what earlier ones on the same repository left (known failures, notes) and adds
    to it, unless --no-memory is given; its record says which.

    With --human a person answers what the agent asks (ask_human) and approves what the task's ask_write and ask_run
    name; a FOLDER also takes hints, patches and the order to stop. Without one, what needs an approval is denied.

    The user's policy file, the repository's .terret/policy.yaml and --policy FILE bind the agent too; the strictest
    decision wins (see `terret policy explain`).

    With --grant, --deny or --grant-file the agent has these capabilities and no others, within what the policy allows:
    --grant 'filesystem:workspace:**=read,list,write' --grant 'shell:pytest=execute;uses=3'. With --deny alone the
    rest is up to the policy. --mandate FILE, see `terret mandate new`, is spent on the one call it was signed for.

    With --store (or TERRET_STORE) the journal lives in PostgreSQL, and any machine that reaches it can go on.

    Ctrl-C leaves an episode that `terret resume` goes on with. Exit code 0: the change works;
    1: it does not; 3: the machine or the model's endpoint failed.
    """
    from terret.task import load_task

    loaded = with_budget(load_task(task), options.pop("budgets"))
    from terret.cli._conduct import present

    use_memory = not options.pop("no_memory")
    with authority_of({name: options.pop(name) for name in NAMES}) as authority:
        episode = launch(out, loaded, task.parent, model, folder, use_memory=use_memory, authority=authority, **options)
    return present(out, episode)


def launch(
    out: Output,
    task: Any,
    base_folder: Path,
    model: str,
    folder: Path,
    *,
    level: str = "H1",
    image: str | None = None,
    dialect: str | None = None,
    seed: int = 0,
    temperature: float | None = None,
    max_tokens: int | None = None,
    durability: Any = "normal",
    tier: str | None = None,
    no_sandbox: bool = False,
    ablations: tuple[str, ...] = (),
    use_memory: bool = False,
    human: str | None = None,
    human_timeout: float | None = None,
    policy: Path | None = None,
    store: str | None = None,
    authority: Mapping[str, Any] | None = None,
) -> Any:
    """Run a loaded task in a new folder below ``folder``; returns the :class:`terret.runtime.Episode`.

    ``authority`` is what :func:`terret.cli._authority.authority_of` made of its options.
    """
    from terret.cli._conduct import conduct, with_model
    from terret.journal import SigningKey, default_key_path
    from terret.memory import memory_for, repository_identity
    from terret.models import connect
    from terret.permissions import Approvals, approvals_file, default_layers
    from terret.runtime import environment_scrubber, episode_id, run_episode

    project = project_folder(task, base_folder)
    layers = default_layers(project, policy)
    chosen: Any
    chosen, allow_none = isolation(tier, no_sandbox)
    queue = queue_of(human, human_timeout, confined=not allow_none)
    key = SigningKey.load_or_create(default_key_path())
    scrubber = environment_scrubber()
    memory = memory_for(repository_identity(task.repository, base_folder), scrubber=scrubber) if use_memory else None
    client = connect(model)
    package = folder / episode_id(task.name)
    return conduct(
        out,
        package,
        lambda listener: with_model(
            client,
            run_episode(
                task,
                model=client,
                folder=package,
                key=key,
                level=level.upper(),
                base_folder=base_folder,
                seed=seed,
                store=store,
                durability=durability,
                tier=chosen,
                allow_none=allow_none,
                image=image,
                dialect_name=dialect,
                sampling=sampling(temperature, max_tokens, seed),
                listener=listener,
                scrubber=scrubber,
                ablate=frozenset(split(ablations)),
                memory=memory,
                human=queue,
                layers=layers,
                approvals=Approvals(approvals_file(), project) if layers else None,
                **(authority or {}),
            ),
        ),
    )


def project_folder(task: Any, base_folder: Path) -> Path:
    """The folder whose policy file binds a task: its repository's, or the task file's own when that is elsewhere."""
    path = task.repository.path
    return base_folder if path is None else base_folder / Path(path).expanduser()
