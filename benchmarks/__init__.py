"""Benchmarks with bounds: ``python -m benchmarks.NAME [--json]`` exits non-zero when a bound is missed."""
