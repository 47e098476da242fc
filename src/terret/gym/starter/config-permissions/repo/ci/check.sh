#!/usr/bin/env bash
set -euo pipefail
export PYTHONPATH=src
python scripts/lint.py
python -m pytest -q
python -m relay check deploy/staging.toml deploy/production.toml
