"""Writes spans where telemetry systems read them: an OTLP/JSON file, or an OTLP endpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from terret.errors import ConfigError, InfrastructureError, MissingExtra
from terret.journal import EpisodeOpened, Event
from terret.observe._otel import otel_spans
from terret.observe._spans import SCHEMA_URL, Span, attribute_list

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_SCOPE = "terret.observe"


def otlp_json(events: Sequence[Event]) -> bytes:
    """The spans as one OTLP/JSON line (``TracesData``); same events, same bytes. Raises what ``otel_spans`` raises."""
    spans = otel_spans(events)
    document = {
        "resourceSpans": [
            {
                "resource": {"attributes": attribute_list(_resource(events))},
                "scopeSpans": [{"scope": {"name": _SCOPE}, "spans": spans, "schemaUrl": SCHEMA_URL}],
                "schemaUrl": SCHEMA_URL,
            }
        ]
    }
    return msgspec.json.encode(document) + b"\n"


def export_otlp_json(events: Sequence[Event], path: Path) -> int:
    """Write an OTLP/JSON file, as the collector's file receiver reads it; returns the number of spans.

    The file is replaced at once or not at all.

    Raises:
        JournalError: There is no episode in the events.
        ConfigError: The file cannot be written.
    """
    content = otlp_json(events)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"the export cannot be written: {error.strerror}", where=str(path)) from None
    return len(otel_spans(events))


def export_otlp_http(events: Sequence[Event], endpoint: str, *, timeout_s: float = 10.0) -> int:
    """Send the spans to an OTLP/HTTP endpoint (protobuf); returns their number.

    ``/v1/traces`` is appended to an address without a path. Headers come from ``OTEL_EXPORTER_OTLP_HEADERS``.

    Raises:
        ConfigError: The address is not HTTP.
        InfrastructureError: The endpoint did not take the spans within ``timeout_s`` seconds.
        JournalError: There is no episode in the events.
        MissingExtra: The extra ``otel`` is not installed.
    """
    address = traces_address(endpoint)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError:
        raise MissingExtra("OTLP over HTTP needs opentelemetry", hint="pip install 'terret[otel]'") from None
    spans = _readable(events)
    exporter = OTLPSpanExporter(endpoint=address, timeout=timeout_s)
    said = _Heard()
    with said:
        try:
            result = exporter.export(spans)
            failed = None if result is SpanExportResult.SUCCESS else said.text or "the spans were refused"
        except OSError as error:
            failed = str(error) or type(error).__name__
        finally:
            exporter.shutdown()
    if failed is not None:
        raise InfrastructureError(
            f"the endpoint did not take the spans: {failed}", where=address, hint="check the address, or use --out FILE"
        )
    return len(spans)


def traces_address(endpoint: str) -> str:
    """The address that spans are posted to.

    Raises:
        ConfigError: It is not an HTTP address.
    """
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError("not an OTLP endpoint", value=endpoint, hint="give one like http://localhost:4318")
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + "/v1/traces"


class _Heard:
    """Keeps what the exporter logs, so that a failure can be told in one line and nothing else is printed."""

    def __init__(self) -> None:
        self.text = ""

    def __enter__(self) -> None:
        import logging

        heard = self

        class Keeper(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                heard.text = " ".join(record.getMessage().split())[:300]

        self._logger = logging.getLogger("opentelemetry.exporter")
        self._before = (self._logger.propagate, self._logger.level)
        self._handler = Keeper()
        self._logger.addHandler(self._handler)
        self._logger.propagate = False
        self._logger.setLevel(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.propagate = self._before[0]
        self._logger.setLevel(self._before[1])


def _resource(events: Sequence[Event]) -> dict[str, Any]:
    opened = events[0].data
    version = opened.versions.get("terret") if isinstance(opened, EpisodeOpened) else None
    return {"service.name": "terret", "service.version": version, "service.instance.id": events[0].episode}


def _readable(events: Sequence[Event]) -> list[ReadableSpan]:
    """The spans as the SDK's objects, ids and times as they are."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event as SpanEvent
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    kinds = {1: SpanKind.INTERNAL, 3: SpanKind.CLIENT}

    def context(trace: str, identity: str) -> SpanContext:
        return SpanContext(int(trace, 16), int(identity, 16), is_remote=False, trace_flags=TraceFlags(1))

    found = otel_spans(events)
    resource = Resource(_plain(attribute_list(_resource(events))), SCHEMA_URL)
    scope = InstrumentationScope(_SCOPE, schema_url=SCHEMA_URL)
    return [
        ReadableSpan(
            name=span["name"],
            context=context(span["traceId"], span["spanId"]),
            parent=context(span["traceId"], span["parentSpanId"]) if "parentSpanId" in span else None,
            resource=resource,
            attributes=_plain(span["attributes"]),
            events=[
                SpanEvent(event["name"], _plain(event["attributes"]), int(event["timeUnixNano"]))
                for event in span.get("events", ())
            ],
            kind=kinds[span["kind"]],
            status=Status(StatusCode.ERROR, span["status"]["message"]) if "status" in span else Status(),
            start_time=int(span["startTimeUnixNano"]),
            end_time=int(span["endTimeUnixNano"]),
            instrumentation_scope=scope,
        )
        for span in found
    ]


def _plain(attributes: Sequence[Span]) -> dict[str, Any]:
    return {item["key"]: _value(item["value"]) for item in attributes}


def _value(value: Span) -> Any:
    if "arrayValue" in value:
        return [_value(item) for item in value["arrayValue"]["values"]]
    if "intValue" in value:
        return int(value["intValue"])
    return next(iter(value.values()))
