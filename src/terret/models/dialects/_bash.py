"""``bash``: one fenced shell script; a script that is only ``submit`` ends the task."""

from __future__ import annotations

import re
from collections.abc import Sequence

from terret.models._types import Message, Reply, ToolSpec
from terret.models.dialects._action import Action, FormatError, refuse, remark
from terret.models.dialects._calls import make_action
from terret.models.dialects._fences import closed, listed, scan
from terret.models.dialects._reply import answer

SHELL_TAGS = frozenset({"bash", "sh", "shell"})

_SUBMIT = re.compile(r"""submit(?: +(?:"([^"\n]*)"|'([^'\n]*)'|([^\n"';&|<>]*)))?""")
_ECHO = re.compile(r"""echo +["']?TASK_COMPLETED?\b[^\n]*""")
_JOINED = re.compile(r"(?:^|&&|\|\||;) *submit *(?:$|[;&|])")


class BashDialect:
    """Exactly one block fenced as ``bash`` (or ``sh``, ``shell``), prose around it is free."""

    name = "bash"

    def instructions(self, tools: Sequence[ToolSpec]) -> str:
        """The form of a command, and how to end."""
        return (
            "Act by ending every reply with exactly one shell script, in one fenced block:\n\n"
            "```bash\nCOMMANDS\n```\n\n"
            "It runs in the root of the repository, and you get its output in the next message. Every script starts in "
            "a fresh shell: a `cd` or `export` does not outlive it. No command may wait for input.\n"
            "When the task is done and you saw the tests pass, send a script of nothing but `submit`, optionally with "
            'a summary: `submit "what was changed and how it was checked"`.'
        )

    def request_tools(self, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """None."""
        return ()

    def parse(self, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
        """``run`` with the script, or ``declare_complete``."""
        text = answer(reply)
        if isinstance(text, FormatError):
            return text
        script = _script(text, reply)
        if isinstance(script, FormatError):
            return script
        command, prose = script
        summary = _summary(command, prose)
        if summary is not None:
            made = make_action("declare_complete", {"summary": summary}, tools, excerpt=command)
        elif _submits_too(command):
            return refuse("submit_not_alone", "`submit` must be the only command of its script", command)
        else:
            made = make_action("run", {"command": command}, tools, excerpt=command)
        return made if isinstance(made, FormatError) else (made,)

    def feedback(self, action: Action | None, text: str) -> Message:
        """A user message."""
        return remark(text if action is None else f"Output:\n{text}")


def _script(text: str, reply: Reply) -> tuple[str, str] | FormatError:
    fences = scan(text)
    refused = closed(fences, reply)
    if refused:
        return refused
    blocks = [block for block in fences.blocks if block.tag in SHELL_TAGS]
    if len(blocks) > 1:
        message = f"the reply has {len(blocks)} ```bash blocks ({listed(blocks)}); write exactly one per reply"
        return refuse("several_blocks", message, text)
    if not blocks:
        if fences.blocks:
            tags = ", ".join(f"```{block.tag[:20]}" for block in fences.blocks[:4])
            return refuse("wrong_fence", f"the script must stand in a ```bash block; the reply has {tags}", text)
        if reply.finish == "length":
            return refuse("truncated", "the reply was cut off before it came to a script; answer shorter", text[-200:])
        return refuse("no_block", "the reply holds no script; write exactly one ```bash block", text)
    command = blocks[0].body.strip("\n")
    lines = [line for line in command.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return refuse("empty_block", "the ```bash block holds no command", command)
    if lines[0].startswith("$ "):
        return refuse("prompt_sign", "leave out the `$ ` in front of commands, and show no output", command)
    return command, fences.prose


def _summary(command: str, prose: str) -> str | None:
    """The summary of a script that only submits; None for any other script."""
    lines = [line.strip() for line in command.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1:
        return None
    line = lines[0]
    if _ECHO.fullmatch(line) and not any(sign in line for sign in ";&|>"):
        return prose or "done"
    found = _SUBMIT.fullmatch(line)
    if not found:
        return None
    return next((text.strip() for text in found.groups() if text), "") or prose or "done"


def _submits_too(command: str) -> bool:
    if "<<" in command:
        return False
    return any(_JOINED.search(line.strip()) for line in command.split("\n"))
