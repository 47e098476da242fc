"""HTTP models: what comes back, what is sent, and what every failure becomes."""

from __future__ import annotations

import asyncio
import json
import socket
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from endpoint_double import STALL, Answer, FakeEndpoint, delta, sse, streamed, whole

from terret.errors import (
    ConfigError,
    ModelAuth,
    ModelContextExceeded,
    ModelError,
    ModelNotFound,
    ModelRateLimited,
    ModelReplyInvalid,
    ModelRequestInvalid,
    ModelTimeout,
    ModelUnavailable,
)
from terret.models import (
    HttpModel,
    Message,
    ModelIdentity,
    Reply,
    Request,
    Retries,
    Sampling,
    Timeouts,
    ToolCall,
    ToolSpec,
)

KEY = "sk-very-secret-0123456789"
ASK = Request((Message("system", "be brief"), Message("user", "hello there")), Sampling(max_tokens=7))


class Waits:
    """A sleep that only writes down."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def model(endpoint: FakeEndpoint, **options: Any) -> HttpModel:
    options = {"sleep": Waits(), "rng": lambda: 0.0, **options}
    return HttpModel(endpoint.url, "some-model", KEY, **options)


def exchange(
    *answers: Answer, request: Request = ASK, **options: Any
) -> tuple[Reply | ModelError, FakeEndpoint, list[str]]:
    """One call against these answers: the reply or the error, the endpoint, the streamed pieces."""
    pieces: list[str] = []

    async def run() -> tuple[Reply | ModelError, FakeEndpoint, list[str]]:
        async with FakeEndpoint(*answers) as endpoint:
            client = model(endpoint, **options)
            try:
                return await client.complete(request, pieces.append), endpoint, pieces
            except ModelError as error:
                return error, endpoint, pieces
            finally:
                await client.aclose()

    return asyncio.run(run())


def reply_of(*answers: Answer, **options: Any) -> Reply:
    reply = exchange(*answers, **options)[0]
    assert isinstance(reply, Reply), reply
    return reply


def error_of(*answers: Answer, **options: Any) -> ModelError:
    error = exchange(*answers, **options)[0]
    assert isinstance(error, ModelError), error
    return error


# replies


def test_a_stream_is_put_together_and_passed_on() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    reply, _, pieces = exchange(streamed("Hel", "lo", " ä😀", usage=usage))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish, reply.retries) == ("Hello ä😀", "stop", 0)
    assert pieces == ["Hel", "lo", " ä😀"]
    assert (reply.usage.input, reply.usage.output, reply.usage.cached, reply.usage.estimated) == (12, 3, 8, False)
    assert reply.first_token_s is not None
    assert 0 < reply.first_token_s <= reply.seconds


def test_the_request_on_the_wire() -> None:
    tool = ToolSpec("look", "Look at a file.", {"type": "object"})
    call = ToolCall("c1", "look", '{"path":"a"}')
    request = Request(
        (Message("assistant", "", (call,)), Message("tool", "text", tool_call_id="c1")),
        Sampling(0.5, 0.9, 11, seed=3, stop=("END",)),
        (tool,),
    )
    _, endpoint, _ = exchange(streamed("x"), request=request)
    assert endpoint.heads[0].startswith("POST /v1/chat/completions HTTP/1.1")
    assert f"authorization: bearer {KEY}" in endpoint.heads[0].lower()
    function = {"name": "look", "description": "Look at a file.", "parameters": {"type": "object"}}
    assert endpoint.calls[0] == {
        "model": "some-model",
        "messages": [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"path":"a"}'}}
                ],
            },
            {"role": "tool", "content": "text", "tool_call_id": "c1"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 11,
        "seed": 3,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": function}],
    }


def test_an_endpoint_that_answers_in_one_piece() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    reply, _, pieces = exchange(whole("all at once", usage=usage))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.usage.input, pieces) == ("all at once", 5, ["all at once"])
    assert reply.first_token_s is None


def test_text_in_parts_and_no_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert reply_of(Answer({"choices": [{"message": {"content": parts}, "finish_reason": "length"}]})).text == "ab"
    assert reply_of(whole(None)).text == ""


@pytest.mark.parametrize(
    ("said", "option", "value"),
    [
        ("Unrecognized request argument: stream_options", "stream_options", None),
        ("Streaming is not supported by this model", "stream", False),
        ("Unsupported parameter: use 'max_completion_tokens'", "max_completion_tokens", 7),
    ],
)
def test_an_option_the_endpoint_does_not_know_is_left_out(said: str, option: str, value: object) -> None:
    refusal = Answer({"error": {"message": said}}, status=400)
    reply, endpoint, _ = exchange(refusal, whole("fine"))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.retries, len(endpoint.calls)) == ("fine", 0, 2)
    assert endpoint.calls[1].get(option) == value


def test_an_option_is_left_out_only_once() -> None:
    error, endpoint, _ = exchange(Answer({"error": {"message": "stream_options: no"}}, status=400))
    assert isinstance(error, ModelRequestInvalid)
    assert ["stream_options" in call for call in endpoint.calls] == [True, False]


def test_usage_is_estimated_and_marked_when_the_endpoint_gives_none() -> None:
    usage = reply_of(streamed("word " * 70)).usage
    assert usage.estimated
    assert usage.output == 100
    assert usage.input == 6


def test_prefix_cache_of_llama_cpp() -> None:
    timed = streamed("a", usage={"prompt_tokens": 50, "completion_tokens": 1}, timings={"cache_n": 49, "prompt_n": 1})
    assert reply_of(timed).usage.cached == 49


def test_cost_counts_cached_tokens_at_their_price() -> None:
    identity = ModelIdentity("s", "http", "n", price_in=2e-6, price_out=8e-6, price_cached=1e-6)
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
    assert reply_of(streamed("a", usage=usage), identity=identity).usage.cost == pytest.approx(
        60 * 2e-6 + 40e-6 + 80e-6
    )


def _call(index: int | None, id: str | None, name: str | None, arguments: object) -> dict[str, Any]:
    call: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    return {**call, **({} if index is None else {"index": index}), **({} if id is None else {"id": id})}


@pytest.mark.parametrize(
    "deltas",
    [
        [
            _call(0, "a", "look", ""),
            _call(0, None, None, '{"p":'),
            _call(0, None, None, "1}"),
            _call(1, "b", "run", "{}"),
        ],
        [_call(0, "a", "look", '{"p"'), _call(0, "a", "look", ":1}"), _call(1, "b", "run", "")],
        [_call(None, "a", "look", '{"p":'), _call(None, None, None, "1}"), _call(None, "b", "run", "{}")],
        [_call(1, "b", "run", "{}"), _call(0, "a", "look", {"p": 1})],
    ],
    ids=["pieces", "repeated-names", "no-index", "object-and-order"],
)
def test_tool_calls_are_assembled_from_deltas(deltas: list[dict[str, Any]]) -> None:
    chunks = [delta(tool_calls=[call]) for call in deltas]
    reply = reply_of(Answer(sse(*chunks, delta(finish="tool_calls")), content_type="text/event-stream"))
    assert [call.name for call in reply.tool_calls] == ["look", "run"]
    assert [json.loads(call.arguments) for call in reply.tool_calls] == [{"p": 1}, {}]
    assert [call.id for call in reply.tool_calls] == ["a", "b"]
    assert reply.finish == "tool_calls"


def test_a_tool_call_without_id_gets_one_and_malformed_arguments_stay_as_they_are() -> None:
    chunks = (delta("text", tool_calls=[_call(0, None, "look", "{bad")]), delta(finish="stop"))
    reply = reply_of(Answer(sse(*chunks), content_type="text/event-stream"))
    assert reply.tool_calls == (ToolCall("call_0", "look", "{bad"),)
    assert (reply.text, reply.finish) == ("text", "tool_calls")


@pytest.mark.parametrize(
    ("said", "finish"),
    [("length", "length"), ("max_tokens", "length"), ("content_filter", "content_filter"), ("eos", "stop")],
)
def test_finish_reasons(said: str, finish: str) -> None:
    body = Answer(sse(delta("a"), delta(finish=said)), content_type="text/event-stream")
    assert reply_of(body).finish == finish


def test_calls_share_one_connection() -> None:
    async def run() -> int:
        async with FakeEndpoint(streamed("a"), whole("b"), streamed("c")) as endpoint:
            client = model(endpoint)
            texts = [(await client.complete(ASK)).text for _ in range(3)]
            await client.aclose()
            assert texts == ["a", "b", "c"]
            return endpoint.connections

    assert asyncio.run(run()) == 1


# failures

FAILURES = [
    (401, '{"error":{"message":"bad key"}}', ModelAuth, 1),
    (403, "no", ModelAuth, 1),
    (404, '{"error":{"message":"no such model"}}', ModelNotFound, 1),
    (400, '{"error":{"message":"unknown role"}}', ModelRequestInvalid, 1),
    (422, '{"detail":"bad field"}', ModelRequestInvalid, 1),
    (400, '{"error":{"code":"context_length_exceeded","message":"too big"}}', ModelContextExceeded, 1),
    (400, '{"error":{"message":"This model\'s maximum context length is 4096 tokens"}}', ModelContextExceeded, 1),
    (400, '{"error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}', ModelContextExceeded, 1),
    (400, '{"error":{"type":"exceed_context_size_error","message":"request (9031 tokens)"}}', ModelContextExceeded, 1),
    (413, "", ModelRequestInvalid, 1),
    (429, '{"error":{"message":"slow down"}}', ModelRateLimited, 3),
    (429, '{"error":{"code":"insufficient_quota","message":"pay"}}', ModelRateLimited, 1),
    (500, "<html><body>Oops</body></html>", ModelUnavailable, 3),
    (502, "", ModelUnavailable, 3),
    (503, '{"error":"loading"}', ModelUnavailable, 3),
    (501, '{"error":{"message":"not built in"}}', ModelRequestInvalid, 1),
    (307, "", ModelUnavailable, 1),
    (408, "", ModelTimeout, 3),
    (200, "<!doctype html><title>Login</title>", ModelReplyInvalid, 1),
    (200, "", ModelReplyInvalid, 1),
    (200, "[]", ModelReplyInvalid, 1),
    (200, "{}", ModelReplyInvalid, 1),
    (200, '{"choices":[]}', ModelReplyInvalid, 1),
    (200, '{"choices":[{}]}', ModelReplyInvalid, 1),
    (200, '{"choices":"none"}', ModelReplyInvalid, 1),
    (200, '{"choices":[{"message":{"content":', ModelReplyInvalid, 1),
    (200, '{"error":{"message":"overloaded"}}', ModelUnavailable, 3),
    (200, '{"error":{"message":"slow down","code":429}}', ModelRateLimited, 3),
    (200, '{"error":{"message":"bad","code":"400"}}', ModelRequestInvalid, 1),
    (200, '{"error":{"message":"the context window is full"}}', ModelContextExceeded, 1),
]


@pytest.mark.parametrize(("status", "body", "kind", "tries"), FAILURES)
def test_every_failure_has_its_type(status: int, body: str, kind: type[ModelError], tries: int) -> None:
    error, endpoint, pieces = exchange(Answer(body, status=status), retries=Retries(limit=2))
    assert type(error) is kind
    assert len(endpoint.calls) == tries
    assert not pieces
    assert "\n" not in str(error)


STREAM_FAILURES = [
    (sse(delta("par"), "not json", delta("tial")), ModelReplyInvalid),
    (sse('{"choices": 3}'), ModelReplyInvalid),
    (sse(delta("cut off"), done=False), ModelReplyInvalid),
    (sse(delta("cut off")), ModelReplyInvalid),
    (sse(), ModelReplyInvalid),
    (b"", ModelReplyInvalid),
    (b"<html>not events</html>", ModelReplyInvalid),
    (b"data: \xff\xfe\n\n", ModelReplyInvalid),
    (sse(delta("a"), {"error": {"message": "exceeds the context window", "code": 400}}), ModelContextExceeded),
    (sse({"error": {"message": "boom", "code": 500}}), ModelUnavailable),
]


@pytest.mark.parametrize(("body", "kind"), STREAM_FAILURES)
def test_a_broken_stream_is_no_reply(body: bytes, kind: type[ModelError]) -> None:
    assert type(error_of(Answer(body, content_type="text/event-stream"), retries=Retries(limit=0))) is kind


def test_a_connection_lost_in_the_middle_is_no_reply() -> None:
    started = sse(delta("half"), done=False)
    lost = Answer([started, STALL], content_type="text/event-stream", length=100_000)

    async def run() -> ModelError:
        async with FakeEndpoint(lost) as endpoint:
            client = model(endpoint)
            heard = asyncio.Event()
            task = asyncio.create_task(client.complete(ASK, lambda text: heard.set()))
            await heard.wait()
            endpoint.hang_up()
            with pytest.raises(ModelError) as caught:
                await task
            await client.aclose()
            return caught.value

    assert isinstance(asyncio.run(run()), ModelReplyInvalid)


def test_a_reply_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terret.models._http.REPLY_LIMIT", 1000)
    endless = Answer([sse(delta("x" * 100), done=False)] * 20, content_type="text/event-stream")
    assert isinstance(error_of(endless), ModelReplyInvalid)


def test_refused_connections_are_tried_again_then_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    waits = Waits()

    async def run() -> None:
        client = HttpModel(f"http://127.0.0.1:{port}/v1", "m", sleep=waits, rng=lambda: 0.0, retries=Retries(limit=3))
        try:
            await client.complete(ASK)
        finally:
            await client.aclose()

    with pytest.raises(ModelUnavailable, match="cannot be reached") as caught:
        asyncio.run(run())
    assert caught.value.retryable
    assert waits.seconds == [0.25, 0.5, 1.0]


# retries


def test_back_off_doubles_with_jitter_up_to_its_cap() -> None:
    busy = Answer("{}", status=503)
    for draw, expected in ((0.0, [1.0, 2.0, 4.0, 5.0]), (1.0, [2.0, 4.0, 8.0, 10.0])):
        waits = Waits()
        policy = Retries(limit=4, base_s=2.0, cap_s=10.0)
        reply = reply_of(
            busy, busy, busy, busy, streamed("up"), sleep=waits, rng=lambda draw=draw: draw, retries=policy
        )
        assert reply.retries == 4
        assert waits.seconds == expected


@pytest.mark.parametrize(("header", "waited"), [("7", 7.0), ("0.5", 0.5), ("nonsense", 0.25), ("-3", 0.25)])
def test_retry_after_is_honoured(header: str, waited: float) -> None:
    waits = Waits()
    reply_of(Answer("{}", status=429, headers={"Retry-After": header}), streamed("up"), sleep=waits)
    assert waits.seconds == [waited]


def test_a_retry_after_date_in_the_past_means_the_usual_wait() -> None:
    waits = Waits()
    date = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    reply_of(Answer("{}", status=503, headers=date), streamed("up"), sleep=waits)
    assert waits.seconds == [0.25]


def test_a_server_that_asks_for_too_long_ends_the_call() -> None:
    error, endpoint, _ = exchange(Answer("{}", status=429, headers={"Retry-After": "3600"}), streamed("up"))
    assert isinstance(error, ModelRateLimited)
    assert len(endpoint.calls) == 1


# time-outs


@pytest.mark.parametrize(
    ("answer", "timeouts", "said"),
    [
        (Answer([STALL]), Timeouts(first_token=0.05), "gave no token within 0.05 s"),
        (
            Answer([sse(delta("a"), done=False), STALL], content_type="text/event-stream"),
            Timeouts(stall=0.05),
            "stalled",
        ),
        (
            Answer([sse(delta("a"), done=False), STALL], content_type="text/event-stream"),
            Timeouts(total=0.05),
            "finish",
        ),
        (Answer([b": ping\n\n" * 50, STALL], content_type="text/event-stream"), Timeouts(first_token=0.05), "no token"),
    ],
    ids=["silent", "stalled", "total", "pings"],
)
def test_a_stalled_answer_times_out(answer: Answer, timeouts: Timeouts, said: str) -> None:
    error, endpoint, _ = exchange(answer, timeouts=timeouts)
    assert isinstance(error, ModelTimeout)
    assert said in error.message
    assert len(endpoint.calls) <= 1


def test_a_server_that_keeps_the_stream_open_after_its_end_costs_no_reply() -> None:
    body = sse(delta("a"), delta(finish="stop"))
    reply = reply_of(Answer([body, STALL], content_type="text/event-stream"), timeouts=Timeouts(stall=5.0))
    assert reply.text == "a"


def test_cancelling_hangs_up() -> None:
    async def run() -> int:
        async with FakeEndpoint(Answer([STALL])) as endpoint:
            client = model(endpoint)
            task = asyncio.create_task(client.complete(ASK))
            await endpoint.called.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await endpoint.left.wait()
            await client.aclose()
            return len(endpoint.calls)

    assert asyncio.run(run()) == 1


# secrets and misuse


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_the_key_is_never_shown(status: int) -> None:
    echo = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": status}, "key": KEY}
    error = error_of(Answer(echo, status=status), retries=Retries(limit=0))
    shown = str(error) + repr(error) + json.dumps(error.to_dict()) + "".join(traceback.format_exception(error))
    assert KEY not in shown
    assert "[secret]" in shown


def test_credentials_in_the_address_are_never_shown() -> None:
    client = HttpModel("http://user:hunter2@localhost:1/v1?token=hunter3", "m", KEY)
    shown = repr(client) + str(client.identity)
    assert "localhost:1/v1" in shown
    assert "hunter" not in shown
    assert KEY not in shown
    with pytest.raises(ConfigError) as caught:
        HttpModel("ftp://user:hunter2@host/v1", "m")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://h/v1", "http://", "http://h:port/v1", "http://[::1/v1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError):
        HttpModel(url, "m")


def test_a_key_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        HttpModel("http://h/v1", "m", "sk-line\nbreak")
    assert "sk-line" not in str(caught.value)


def test_a_closed_client_says_so() -> None:
    async def run(act: Callable[[HttpModel], Awaitable[object]]) -> None:
        client = HttpModel("http://127.0.0.1:1/v1", "m")
        await client.aclose()
        await act(client)

    with pytest.raises(ModelUnavailable, match="closed"):
        asyncio.run(run(lambda client: client.complete(ASK)))
