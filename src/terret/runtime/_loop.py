"""The loop: ask, read one answer, act, observe, until there is a reason to stop."""

from __future__ import annotations

from typing import cast

from terret.errors import BudgetExhausted
from terret.models import FormatError
from terret.runtime._agent import Agent, Image
from terret.runtime._stop import Stop, StopReason
from terret.tools import ToolFailure


async def run_loop(agent: Agent, image: Image) -> Stop:
    """Drive an image until the task is declared complete, a budget ends or the agent is stuck.

    Raises:
        Suspended: An infrastructure fault; the episode can be resumed.
    """
    try:
        while not await agent.over():
            agent.begin_turn()
            await agent.hear()
            question = await image.ask()
            if question is None:
                continue
            reply = await agent.kernel.complete(question.transcript, question.sampling, question.request_tools)
            actions = question.dialect.parse(reply, question.tools)
            if not isinstance(actions, FormatError):
                actions = await image.consider(reply, actions)
            if isinstance(actions, FormatError):
                await image.rejected(reply, agent.reject(question.dialect.name, actions))
                continue
            by = agent.edits.author(agent.kernel.turn)
            results = [(action, await agent.act(action, question.dialect.name, by)) for action in actions]
            await image.observed(reply, results)
        assert agent.kernel.completed is not None
        return Stop("completed", agent.kernel.completed.summary)
    except Stop as stop:
        return stop
    except ToolFailure as failure:
        return Stop("denied", failure.message)
    except BudgetExhausted as error:
        return Stop(cast("StopReason", f"budget_{error.resource}"), error.message)
