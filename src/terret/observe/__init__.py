"""Observability: the sensorium put before an agent each turn, and OpenTelemetry spans of an episode."""

from __future__ import annotations

from terret.observe._export import export_otlp_http, export_otlp_json, otlp_json, traces_address
from terret.observe._otel import otel_spans
from terret.observe._sensorium import SENSORIUM_LIMIT, SensoriumView, sensorium
from terret.observe._spans import SCHEMA_URL, SEMCONV_VERSION, Span, span_id, trace_id
from terret.observe._view import view_of

__all__ = [
    "SCHEMA_URL",
    "SEMCONV_VERSION",
    "SENSORIUM_LIMIT",
    "SensoriumView",
    "Span",
    "export_otlp_http",
    "export_otlp_json",
    "otel_spans",
    "otlp_json",
    "sensorium",
    "span_id",
    "trace_id",
    "traces_address",
    "view_of",
]
