# Everything goes through .venv, which `make setup` builds and which costs nothing when it is already right.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench chaos clean
BIN := .venv/bin

help:
	@echo "make setup   build .venv with everything in it (quick when nothing changed)"
	@echo "make demo    fetch a small coding model and let it fix a real bug"
	@echo "make test    lint, types, import floors and all tests"
	@echo "make lint    lint, types and import floors only"
	@echo "make format  apply the code style"
	@echo "make bench   every benchmark with a bound"
	@echo "make chaos   kill -9 everywhere: POINTS episodes (1000) must lose nothing and do nothing twice"
	@echo "make clean   remove .venv and caches"

setup:
	@bash scripts/setup

demo: setup
	@$(BIN)/terret model pull qwen2.5-coder-1.5b
	@$(BIN)/terret demo

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

test: lint
	@$(BIN)/terret model pull smollm2-135m
	@$(BIN)/python -m pytest

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup
	@set -e; for file in benchmarks/[a-z]*.py; do \
		name=$$(basename "$$file" .py); echo "== $$name"; $(BIN)/python -m "benchmarks.$$name"; done

POINTS ?= 1000

chaos: setup
	@$(BIN)/python -m benchmarks.chaos --points $(POINTS)

clean:
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
