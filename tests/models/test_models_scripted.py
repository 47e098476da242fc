"""Scripted models: lists and files of replies, injected failures, malformed scripts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terret.errors import ConfigError, ModelError, ModelRateLimited, ModelTimeout, ScriptExhausted
from terret.models import Message, Reply, Request, ScriptedModel, ToolCall, Usage, connect

ASK = Request((Message("user", "hello"),))


def answers(model: ScriptedModel, count: int) -> list[Reply]:
    async def run() -> list[Reply]:
        return [await model.complete(ASK) for _ in range(count)]

    return asyncio.run(run())


def test_texts_replies_and_functions_in_order() -> None:
    own = Reply("b", usage=Usage(1, 2))
    model = ScriptedModel(["a", own, lambda request: request.messages[0].content, lambda _: Reply("d")])
    first, second, third, fourth = answers(model, 4)
    assert [first.text, third.text, fourth.text] == ["a", "hello", "d"]
    assert second == own
    assert first.usage == Usage(2, 1, estimated=True)
    assert (model.given, model.requests) == (4, [ASK] * 4)


def test_the_end_of_the_script() -> None:
    with pytest.raises(ScriptExhausted, match="no reply left"):
        answers(ScriptedModel(["only"]), 2)


def test_replies_of_an_earlier_process_are_passed_over() -> None:
    model = ScriptedModel(["a", "b", "c"])
    model.advance(2)
    assert answers(model, 1)[0].text == "c"


def test_a_failure_is_raised_once() -> None:
    model = ScriptedModel([ModelTimeout("slow"), "after"])
    with pytest.raises(ModelTimeout, match="slow"):
        answers(model, 1)
    assert answers(model, 1)[0].text == "after"


def test_text_is_streamed() -> None:
    pieces: list[str] = []
    asyncio.run(ScriptedModel(["whole"]).complete(ASK, pieces.append))
    assert pieces == ["whole"]


SCRIPT = """
model: {name: rehearsal, context: 4096, dialect: tools, image: guided}
replies:
  - plain text
  - text: with a call
    tool_calls: [{name: read_file, arguments: {path: a.py}}]
  - tool_calls: [{id: own, name: run, arguments: "{broken"}]
  - {text: cut, finish: length}
  - {error: E_MODEL_RATE, message: too many}
"""


def test_a_script_file(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(SCRIPT)
    model = connect(f"scripted:{path}", settings={})
    assert isinstance(model, ScriptedModel)
    identity = model.identity
    assert (identity.name, identity.context, identity.dialect, identity.image) == ("rehearsal", 4096, "tools", "guided")
    assert (identity.provider, identity.spec) == ("scripted", f"scripted:{path}")
    assert identity.digest
    plain, call, broken, cut = answers(model, 4)
    assert plain.text == "plain text"
    assert call.tool_calls == (ToolCall("call_0", "read_file", '{"path":"a.py"}'),)
    assert (call.finish, broken.tool_calls) == ("tool_calls", (ToolCall("own", "run", "{broken"),))
    assert cut.finish == "length"
    with pytest.raises(ModelRateLimited, match="too many"):
        answers(model, 1)


def test_a_json_list_is_a_script_too(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text('["a", {"text": "b"}]')
    assert [reply.text for reply in answers(ScriptedModel.from_file(path), 2)] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    ["{", "replies: 3", "- 3", "- {txt: a}", "- {error: E_NOPE}", "- {error: E_BUDGET}", "just text", "", "\x00"],
)
def test_a_malformed_script_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        ScriptedModel.from_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_script(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary"):
        with pytest.raises(ConfigError):
            ScriptedModel.from_file(tmp_path / name)


def test_every_model_failure_can_be_injected(tmp_path: Path) -> None:
    codes = {kind.code for kind in [ModelError, *ModelError.__subclasses__()]}
    path = tmp_path / "script.yaml"
    path.write_text("\n".join(f"- {{error: {code}}}" for code in sorted(codes)))
    model = ScriptedModel.from_file(path)
    for code in sorted(codes):
        with pytest.raises(ModelError) as caught:
            answers(model, 1)
        assert caught.value.code == code
