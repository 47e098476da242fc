"""Tools by which the agent states where it is."""

# The primitives are no argument of a tool, so no docstring describes them.
# ruff: noqa: D417

from __future__ import annotations

from terret.tools._declare import tool
from terret.tools._result import Primitives, ToolFailure, ToolResult


@tool
async def update_task_state(
    primitives: Primitives,
    hypothesis: str | None = None,
    inspected_files: list[str] | None = None,
    open_questions: list[str] | None = None,
    next_steps: list[str] | None = None,
) -> str:
    """Note where the work stands; what is left out stays as it is.

    Args:
        hypothesis: What you think is wrong, and why.
        inspected_files: Files you have read.
        open_questions: What you do not know yet.
        next_steps: What you will do next.
    """
    given = {
        "hypothesis": hypothesis,
        "inspected_files": inspected_files,
        "open_questions": open_questions,
        "next_steps": next_steps,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise ToolFailure("nothing_given", "give at least one of " + ", ".join(given))
    await primitives.update_state(changes)
    return "noted: " + ", ".join(changes)


@tool
async def ask_human(primitives: Primitives, question: str) -> str:
    """Ask the person in charge what only they can know; the answer may take long, or not come at all.

    Args:
        question: One question, with what you found out so far.
    """
    if not question.strip():
        raise ToolFailure("bad_arguments", "the question is empty")
    return await primitives.ask(question.strip())


@tool
async def declare_complete(primitives: Primitives, summary: str) -> ToolResult:
    """End the task; only when it is done and checked.

    Args:
        summary: What was changed, and how you know that it works.
    """
    if not summary.strip():
        raise ToolFailure("bad_arguments", "the summary is empty")
    reasons = await primitives.declare(summary)
    if not reasons:
        return ToolResult("accepted")
    text = "\n".join(["not accepted:", *(f"- {reason}" for reason in reasons)])
    return ToolResult(text, ok=False, failure={"type": "refused", "detail": "; ".join(reasons)})
