"""The list of commands and the top-level help, as data, so that asking for help imports nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence

COMMANDS = {
    "run": "Run one task with a model and leave an episode package.",
    "show": "Show an episode: label, timeline, patch or events.",
    "verify": "Prove or refuse an episode package, offline.",
    "resume": "Go on with an interrupted episode from its journal.",
    "ps": "List episodes: running, paused, suspended, finished.",
    "top": "Watch episodes live.",
    "logs": "Print an episode's events; follow a running one.",
    "pause": "Put a running episode aside at the end of its turn.",
    "kill": "End the process of an episode, which stays resumable; or order it to stop.",
    "replay": "Run an episode again on its own record; say where it first differs.",
    "fork": "Explore another future of an episode from one of its turns.",
    "diff": "Compare two episodes at their first difference.",
    "audit": "Say who did what under which authority; show the chain behind one effect.",
    "worker": "Run episodes from the queue of a fleet of machines.",
    "submit": "Put an episode into the queue of a fleet.",
    "queue": "Show a fleet's workers and episodes; set its limits.",
    "cancel": "Take episodes of a fleet out of its queue, or stop them.",
    "fetch": "Bring the package of a fleet's finished episode here.",
    "model": "List, fetch and remove local models.",
    "task": "Write and check task files.",
    "mandate": "Sign, list, check and take back permissions for one call each.",
    "policy": "Explain what an agent may do; check policy files.",
    "suite": "List, validate and run suites of tasks.",
    "sequence": "Run tasks one after the other in one repository.",
    "ladder": "Measure what each harness level adds, for any models and suite.",
    "export": "Hand an episode to other systems, such as OpenTelemetry.",
    "import": "Take in packages and archives from elsewhere, if they prove sound.",
    "gc": "Pack old episodes into one archive that stays verifiable.",
    "metrics": "Print or serve Prometheus metrics and health of episodes.",
    "init": "Write guides for agents about a repository; say what is stale.",
    "doctor": "Say what this machine offers and how to get what is missing.",
    "demo": "Watch a small model fix a real bug, then verify the package.",
    "completion": "Print a completion script for bash, zsh or fish.",
}
"""Command name to its one-line help."""

_TOP = """\
Usage: terret COMMAND [ARGS]...

  Run software agents under explicit authority; keep a record anyone can verify.

Commands:
{commands}

Options:
  --version   Print the version.
  -h, --help  Print this help; `terret COMMAND --help` explains a command.

Every command takes --json (one JSON document on stdout) and --quiet.
Exit codes: 0 done; 1 the episode failed; 2 bad input; 3 infrastructure; 4 journal;
10-22 damaged package; 70 defect in terret; 130 interrupted.
"""


def top_help() -> str:
    """What ``terret --help`` prints."""
    width = max(map(len, COMMANDS))
    return _TOP.format(commands="\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()))


def quick_answer(args: Sequence[str]) -> str | None:
    """The answer to a command line that needs no command; ``None`` for any other."""
    if "_TERRET_COMPLETE" in os.environ:
        return None
    if list(args) in ([], ["--help"], ["-h"], ["help"]):
        return top_help()
    if list(args) == ["--version"]:
        from terret import __version__

        return f"terret {__version__}\n"
    return None
