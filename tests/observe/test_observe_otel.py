"""OpenTelemetry spans: names of the pinned conventions, ids that never change, files and an endpoint that get them."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from terret.cli import main
from terret.errors import ConfigError, InfrastructureError, JournalError, MissingExtra
from terret.journal import ActionParsed, Event, Faulted, Outcome, read_journal_jsonl
from terret.observe import (
    SEMCONV_VERSION,
    export_otlp_http,
    export_otlp_json,
    otel_spans,
    otlp_json,
    span_id,
    trace_id,
    traces_address,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "journal"
GENAI = {
    *("operation.name", "provider.name", "conversation.id", "agent.name", "agent.version", "tool.name", "tool.type"),
    *("request.model", "request.temperature", "request.top_p", "request.max_tokens", "request.seed"),
    *("request.stop_sequences", "response.finish_reasons", "response.time_to_first_chunk"),
    *("usage.input_tokens", "usage.output_tokens", "usage.cache_read.input_tokens"),
    *("evaluation.name", "evaluation.score.value", "evaluation.score.label", "evaluation.explanation"),
}


@pytest.fixture
def events():
    return read_journal_jsonl((GOLDEN / "journal.jsonl").read_bytes())


def attributes(item):
    return {entry["key"]: next(iter(entry["value"].values())) for entry in item["attributes"]}


def named(spans, prefix):
    return [span for span in spans if span["name"].startswith(prefix)]


def after(events, *payloads):
    """The first three events and more."""
    return [
        *events[:3],
        *(
            Event(3 + n, events[2].ts + 1.0 + n, events[0].episode, 0, data, [], "", "")
            for n, data in enumerate(payloads)
        ),
    ]


def test_one_root_and_a_child_for_every_call_and_action(events):
    root, *children = otel_spans(events)
    assert (root["name"], "parentSpanId" in root) == ("invoke_agent free", False)
    assert {child["parentSpanId"] for child in children} == {root["spanId"]}
    assert [span["name"] for span in named(children, "chat")] == ["chat scripted"]
    assert [attributes(span)["gen_ai.tool.name"] for span in named(children, "execute_tool")] == [
        *("read_file", "run", "write_file", "run", "run", "declare_complete")
    ]
    assert {span["traceId"] for span in [root, *children]} == {trace_id(events[0].episode)}


def test_ids_have_otlp_s_form_and_derive_from_episode_and_effect(events):
    spans = otel_spans(events)
    assert all(re.fullmatch(r"[0-9a-f]{32}", span["traceId"]) for span in spans)
    assert all(re.fullmatch(r"[0-9a-f]{16}", span["spanId"]) for span in spans)
    assert len({span["spanId"] for span in spans}) == len(spans)
    (chat,) = named(spans, "chat")
    assert chat["spanId"] == span_id(events[0].episode, 0, "e0")
    assert named(spans, "execute_tool read_file")[0]["spanId"] == span_id(events[0].episode, 0, "execute_tool e1")
    assert trace_id("a") != trace_id("b")
    assert span_id("a", 0, "e0") != span_id("a", 1, "e0") != span_id("b", 1, "e0")


@pytest.mark.parametrize("cut", range(1, 40))
def test_an_episode_still_running_names_the_same_spans(events, cut):
    whole = {span["spanId"] for span in otel_spans(events)}
    part = {span["spanId"] for span in otel_spans(events[:cut])}
    # An action is named by its first effect, which has not begun yet when the action is all there is.
    assert len(part - whole) <= isinstance(events[cut - 1].data, ActionParsed)


def test_times_come_from_the_journal_and_never_run_backwards(events):
    root, *children = otel_spans(events)
    assert root["startTimeUnixNano"] == "1700000000250000000"
    assert int(root["endTimeUnixNano"]) == round(events[-1].ts * 1e6) * 1000
    for span in children:
        assert int(root["startTimeUnixNano"]) <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert int(span["endTimeUnixNano"]) <= int(root["endTimeUnixNano"])


def test_a_model_call_carries_the_conventions_attributes(events):
    found = attributes(named(otel_spans(events), "chat")[0])
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.request.model"] == "scripted"
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == ("812", "40")
    assert found["gen_ai.response.finish_reasons"] == {"values": [{"stringValue": "stop"}]}
    assert found["terret.effect"] == "e0"


def test_every_gen_ai_name_is_one_of_the_pinned_conventions(events):
    used = set()
    for span in otel_spans(events):
        for item in [span, *span.get("events", ())]:
            used |= {key for key in attributes(item) if key.startswith("gen_ai.")}
    assert used <= {f"gen_ai.{name}" for name in GENAI}


def test_the_names_are_those_the_official_package_has():
    module = pytest.importorskip(
        "opentelemetry.semconv._incubating.attributes.gen_ai_attributes", reason="comes with the extra otel"
    )
    official = {value for name, value in vars(module).items() if name.startswith("GEN_AI_")}
    assert {f"gen_ai.{name}" for name in GENAI} <= official
    assert re.fullmatch(r"\d+\.\d+\.\d+", SEMCONV_VERSION)


def test_failures_carry_their_type_and_a_status(events):
    runs = named(otel_spans(events), "execute_tool run")
    assert [attributes(span).get("error.type") for span in runs] == ["exit_code", "denied", None]
    assert ["status" in span for span in runs] == [True, True, False]
    assert runs[0]["status"] == {"code": 2, "message": "exit_code"}


def test_checks_and_the_verdict_are_evaluation_events(events):
    root = otel_spans(events)[0]
    results = [attributes(event) for event in root["events"] if event["name"] == "gen_ai.evaluation.result"]
    assert [
        (r["gen_ai.evaluation.name"], r["gen_ai.evaluation.score.label"], r.get("gen_ai.evaluation.score.value"))
        for r in results
    ] == [
        ("pytest", "pass", 1.0),
        ("hidden 1", "pass", 1.0),
        ("regression", "unknown", None),
        ("terret.verdict", "unverified_success", 1.0),
    ]
    assert results[2]["error.type"] == "no_result"


def test_the_root_tells_level_label_and_totals(events):
    found = attributes(otel_spans(events)[0])
    assert (found["terret.level"], found["terret.label"], found["terret.finished"]) == (
        "H1",
        "unverified_success",
        True,
    )
    assert (found["gen_ai.usage.input_tokens"], found["terret.cost_usd"]) == ("812", 0.00125)
    assert {event["name"] for event in otel_spans(events)[0]["events"]} == {
        *(
            "gen_ai.evaluation.result",
            "terret.reply.rejected",
            "terret.declared",
            "terret.intervention",
            "terret.fault",
        ),
    }


def test_what_was_said_and_shown_is_not_exported(events):
    text = otlp_json(events).decode()
    for secret in ("python -m pytest -q", "look at login", "def login", "empty string is truthy", "read_output"):
        assert secret not in text


def test_a_call_that_faulted_or_never_ended_is_an_error(events):
    fault = Outcome("e0", "error", {"fault": "E_MODEL_TIMEOUT", "message": "late"}, 5.0)
    spans = otel_spans(after(events, fault, Faulted("model", "E_MODEL_TIMEOUT", "late")))
    (chat,) = named(spans, "chat")
    assert attributes(chat)["error.type"] == "E_MODEL_TIMEOUT"
    assert attributes(spans[0])["error.type"] == "E_MODEL_TIMEOUT"
    (chat,) = named(otel_spans(after(events)), "chat")
    assert attributes(chat)["error.type"] == "unfinished"


def test_a_call_s_span_does_not_hold_the_dead_time_before_a_resumption(events):
    late = after(events, Outcome("e0", "ok", {}, 250.0))
    late[-1] = Event(3, events[2].ts + 9000.0, "e", 0, late[-1].data, [], "", "")
    (chat,) = named(otel_spans(late), "chat")
    assert int(chat["endTimeUnixNano"]) - int(chat["startTimeUnixNano"]) == 250_000_000


def test_the_kind_of_a_call_says_whether_it_left_the_process(events):
    assert named(otel_spans(events), "chat")[0]["kind"] == 3
    opened = events[0].data
    opened.model["provider"] = "local"
    (chat,) = named(otel_spans(events), "chat")
    assert (chat["kind"], attributes(chat)["gen_ai.provider.name"]) == (1, "local")


@pytest.mark.parametrize("cut", [slice(0, 0), slice(1, None)])
def test_events_without_an_opening_are_an_error_line(events, cut):
    with pytest.raises(JournalError, match="no episode to export"):
        otel_spans(events[cut])


# files


def test_the_file_is_otlp_json_and_the_same_every_time(events, tmp_path):
    path = tmp_path / "spans.json"
    assert export_otlp_json(events, path) == 8
    first = path.read_bytes()
    export_otlp_json(events, path)
    assert path.read_bytes() == first == otlp_json(events)
    assert [item.name for item in tmp_path.iterdir()] == ["spans.json"]
    (resource,) = json.loads(first)["resourceSpans"]
    assert attributes(resource["resource"])["service.name"] == "terret"
    assert resource["schemaUrl"].endswith(SEMCONV_VERSION)
    assert len(resource["scopeSpans"][0]["spans"]) == 8


def test_the_file_parses_as_the_protocol_s_own_message(events):
    pytest.importorskip("opentelemetry.proto", reason="comes with the extra otel")
    from base64 import b64encode

    from google.protobuf.json_format import Parse
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    def in_base64(match):
        return f'"{match[1]}":"{b64encode(bytes.fromhex(match[2])).decode()}"'

    # OTLP/JSON differs from protobuf's own JSON form in exactly this: ids are hex.
    text = re.sub(r'"(traceId|spanId|parentSpanId)":"([0-9a-f]+)"', in_base64, otlp_json(events).decode())
    spans = Parse(text, TracesData()).resource_spans[0].scope_spans[0].spans
    assert len(spans) == 8
    assert spans[0].trace_id.hex() == trace_id(events[0].episode)


def test_a_file_that_cannot_be_written_is_an_error_line(events, tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        export_otlp_json(events, tmp_path / "missing" / "spans.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        export_otlp_json(events, tmp_path / "folder")
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


# an endpoint


class Collector:
    """A loopback server that keeps what is posted and answers with one status."""

    def __init__(self, status=200):
        posted = self.posted = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted.append((self.path, self.headers["Content-Type"], self.headers["Content-Encoding"], body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def sdk():
    pytest.importorskip("opentelemetry.sdk", reason="comes with the extra otel")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="comes with the extra otel")


@pytest.mark.usefixtures("sdk")
def test_the_endpoint_gets_the_same_spans_as_the_file(events):
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    with Collector() as collector:
        assert export_otlp_http(events, collector.address) == 8
    ((path, kind, _, body),) = collector.posted
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    sent = ExportTraceServiceRequest.FromString(body).resource_spans[0]
    written = json.loads(otlp_json(events))["resourceSpans"][0]
    for span, twin in zip(sent.scope_spans[0].spans, written["scopeSpans"][0]["spans"], strict=True):
        assert (span.trace_id.hex(), span.span_id.hex()) == (twin["traceId"], twin["spanId"])
        assert span.parent_span_id.hex() == twin.get("parentSpanId", "")
        assert (span.name, span.kind) == (twin["name"], twin["kind"])
        assert str(span.start_time_unix_nano) == twin["startTimeUnixNano"]
        assert str(span.end_time_unix_nano) == twin["endTimeUnixNano"]
        assert attributes(MessageToDict(span)) == attributes(twin)
        assert [event.name for event in span.events] == [event["name"] for event in twin.get("events", ())]
        assert span.status.code == twin.get("status", {}).get("code", 0)
    assert sent.scope_spans[0].schema_url == written["schemaUrl"]


@pytest.mark.usefixtures("sdk")
def test_a_refusal_is_one_error_line_and_nothing_is_printed(events, capfd):
    with Collector(status=400) as collector, pytest.raises(InfrastructureError, match="did not take the spans"):
        export_otlp_http(events, collector.address, timeout_s=1.0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("sdk")
def test_nobody_listening_is_an_error_line(events, capfd):
    with Collector() as collector:
        address = collector.address
    with pytest.raises(InfrastructureError, match="did not take the spans"):
        export_otlp_http(events, address, timeout_s=0.2)
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_the_error_names_it(events, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"terret\[otel\]"):
        export_otlp_http(events, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://x.example/otlp/v1/traces", "https://x.example/otlp/v1/traces"),
    ],
)
def test_the_address_of_traces(given, address):
    assert traces_address(given) == address


@pytest.mark.parametrize(
    "given", ["", "localhost:4318", "ftp://x", "http://", "http://x:port", "grpc://x:4317", "http://[::1"]
)
def test_an_address_that_is_no_endpoint(given):
    with pytest.raises(ConfigError, match="not an OTLP endpoint"):
        traces_address(given)


# the command


def test_the_command_writes_a_file(tmp_path, capsys, events):
    target = tmp_path / "spans.json"
    assert main(["export", "otel", str(GOLDEN), "--out", str(target)]) == 0
    assert target.read_bytes() == otlp_json(events)
    assert trace_id(events[0].episode) in capsys.readouterr().out


def test_the_command_prints_spans_without_a_target(capsys, events):
    assert main(["export", "otel", str(GOLDEN)]) == 0
    assert capsys.readouterr().out.encode() == otlp_json(events)


@pytest.mark.usefixtures("sdk")
def test_the_command_sends_to_an_endpoint(capsys):
    with Collector() as collector:
        assert main(["export", "otel", str(GOLDEN), "--endpoint", collector.address, "--json"]) == 0
    assert len(collector.posted) == 1
    assert json.loads(capsys.readouterr().out)["spans"] == 8


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["export", "otel", "nowhere"], 2),
        (["export", "otel", str(GOLDEN), "--out", "/nowhere/at/all.json"], 2),
        (["export", "otel", str(GOLDEN), "--endpoint", "nonsense"], 2),
        (["export", "otel", str(GOLDEN), "--endpoint", "http://x", "--out", "y"], 2),
    ],
)
def test_bad_input_is_one_error_line(args, code, capsys):
    assert main(args) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1
