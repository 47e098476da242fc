"""Local models: real weights run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from terret.errors import ModelContextExceeded, ModelRequestInvalid, ModelUnavailable
from terret.models import LocalModel, Message, Request, Sampling, connect, installed

pytestmark = pytest.mark.model

SMALL, CODER = "smollm2-135m", "qwen2.5-coder-1.5b"
PREFIX = "The quick brown fox jumps over the lazy dog. " * 20
T = TypeVar("T")


def ask(text: str, **sampling: object) -> Request:
    return Request((Message("user", text),), Sampling(**{"max_tokens": 16, **sampling}))  # type: ignore[arg-type]


STORY = ask("Tell me a story about a fox.")


def local(name: str, context: int = 2048) -> LocalModel:
    if installed(name) is None:
        pytest.skip(f"the weights are not here; run: terret model pull {name}")
    model = connect(f"local/{name}", settings={}, context=context)
    assert isinstance(model, LocalModel)
    return model


def with_model(act: Callable[[LocalModel], Awaitable[T]], name: str = SMALL) -> T:
    async def run() -> T:
        model = local(name)
        try:
            return await act(model)
        finally:
            await model.aclose()

    return asyncio.run(run())


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_a_reply_is_streamed_and_counted(capfd: pytest.CaptureFixture[str]) -> None:
    pieces: list[str] = []
    reply = with_model(lambda model: model.complete(STORY, pieces.append))
    assert reply.text
    assert "".join(pieces) == reply.text
    assert len(pieces) > 3
    assert (reply.finish, reply.usage.output, reply.usage.estimated) == ("length", 16, False)
    assert reply.usage.input > 5
    assert reply.first_token_s is not None
    assert 0 < reply.first_token_s < reply.seconds
    assert capfd.readouterr() == ("", "")


def test_temperature_zero_repeats_itself_and_a_seed_does() -> None:
    drawn = ask("Tell me a story about a fox.", temperature=1.0, seed=5)

    async def act(model: LocalModel) -> list[str]:
        return [(await model.complete(request)).text for request in (STORY, STORY, drawn, drawn)]

    first, second, third, fourth = with_model(act)
    assert first == second
    assert third == fourth
    assert with_model(act)[0] == first


def test_a_repeated_prefix_comes_from_the_cache() -> None:
    async def act(model: LocalModel) -> tuple[int, int, int]:
        first = await model.complete(ask(PREFIX + "What did the fox do?"))
        second = await model.complete(ask(PREFIX + "Who was lazy?"))
        return first.usage.cached, second.usage.cached, second.usage.input

    cold, warm, total = with_model(act)
    assert cold == 0
    assert 150 < warm < total


def test_the_engine_is_shared_and_freed_by_the_last_model() -> None:
    async def run() -> list[int]:
        counts: list[int] = []
        one, two = local(SMALL), local(SMALL)
        await asyncio.gather(one.complete(STORY), two.complete(STORY))
        counts.append(threads())
        await one.aclose()
        assert (await two.complete(STORY)).text
        counts.append(threads())
        await two.aclose()
        counts.append(threads())
        return counts

    both, after_one, after_both = asyncio.run(run())
    assert after_one >= both - 2
    assert after_both < both - 3


def test_a_closed_model_says_so() -> None:
    async def act(model: LocalModel) -> None:
        await model.aclose()
        await model.complete(STORY)

    with pytest.raises(ModelUnavailable, match="closed"):
        with_model(act)


def test_a_prompt_beyond_the_window() -> None:
    with pytest.raises(ModelContextExceeded):
        with_model(lambda model: model.complete(ask("word " * 3000)))


def test_a_cancelled_call_frees_its_slot() -> None:
    async def act(model: LocalModel) -> float:
        begun = asyncio.Event()
        long = ask("Tell me a very long story.", max_tokens=1500, temperature=1.0, seed=1)
        task = asyncio.create_task(model.complete(long, lambda text: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await model.complete(ask("Hello", max_tokens=2))).seconds

    assert with_model(act) < 10


def test_weights_that_are_none(tmp_path: Path) -> None:
    weights = tmp_path / "bad.gguf"
    weights.write_bytes(b"GGUF but not really")
    model = connect(f"local/{weights}", settings={})

    async def run() -> None:
        try:
            await model.complete(STORY)
        finally:
            await model.aclose()

    with pytest.raises(ModelUnavailable, match="cannot load") as caught:
        asyncio.run(run())
    assert caught.value.hint
    assert str(weights) in str(caught.value)


def test_a_model_without_the_tokens_cannot_fill_in() -> None:
    with pytest.raises(ModelRequestInvalid):
        with_model(lambda model: model.infill("a", "b", Sampling()))


@pytest.mark.slow
def test_the_coder_fills_a_gap() -> None:
    prefix, suffix = "def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n"
    sampling = Sampling(max_tokens=12, stop=("\n",))
    reply = with_model(lambda model: model.infill(prefix, suffix, sampling), CODER)
    assert reply.text.strip() == "a + b"
    assert reply.finish == "stop"
    assert reply.usage.input > 10
