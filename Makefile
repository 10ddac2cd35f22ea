# Every target sets up .venv by itself; it needs only make and Python 3.11 or newer.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
FIND_PYTHON := for p in $(PYTHON) python3.11 python3 python3.12 python3.13 python; do \
	if "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$p"; exit 0; fi; done; \
	echo 'Graftwork needs Python 3.11 or newer with venv on PATH (or make PYTHON=/path/to/python3.11)' >&2; exit 2

.PHONY: help check lint test demo clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

.venv/.stamp: pyproject.toml constraints.txt
	@python=$$($(FIND_PYTHON)); \
	echo "Setting up .venv with $$("$$python" --version): a few minutes the first time"; \
	test -x .venv/bin/pip || "$$python" -m venv .venv; \
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev,examples,sql]' -c constraints.txt
	@touch $@

check: lint test ## everything that must pass: lint, then all tests

lint: .venv/.stamp ## formatting, rules, types and the direction of imports; runs no test
	@echo '== ruff format'; $(PY) -m ruff format --quiet --check .
	@echo '== ruff check'; $(PY) -m ruff check --quiet .
	@echo '== mypy'; $(PY) -m mypy
	@echo '== pyright'; $(PY) -m pyright
	@echo '== import-linter'; .venv/bin/lint-imports --no-logo --no-cache

test: .venv/.stamp ## all tests, the check of the wheel among them
	@echo '== pytest'; $(PY) -m pytest -n 2 --dist worksteal

demo: .venv/.stamp ## evolve examples/bin_packing without a model, on Ray, under a local Prefect server
	@run=runs/demo-$$(date +%Y%m%d-%H%M%S); \
	echo "Evolving examples/bin_packing in $$run"; \
	$(PY) -m graftwork run examples/bin_packing --prefect --pool ray --seed 0 --candidates 1000 --run "$$run"; \
	$(PY) -m graftwork show "$$run"; \
	$(PY) -m graftwork export "$$run" -o "$$run/champion.py"; \
	cd "$$run" && '$(CURDIR)/$(PY)' champion.py < /dev/null

clean: ## remove caches and build output; .venv and runs/ stay
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name .venv -prune -o -name runs -prune -o -name __pycache__ -type d -exec rm -rf {} +
