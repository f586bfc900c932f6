# Sluiceway needs Python 3.11 or later and make; everything else comes from uv.lock.

PYTHON   ?= python3
PORT     ?= 8080
DATA_DIR ?= .sluiceway
# Many tests wait for processes of their own: half as many again as there are cores keep them all busy.
JOBS     ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))
ARGS     ?=
EXAMPLES ?= 300
SEED     ?= $(shell date +%s)
SEED     := $(SEED)

UV_VERSION := 0.13.8
UV  := .bootstrap/uv-$(UV_VERSION)
BIN := .venv/bin
# The environment is the one beside this file, whatever the caller's shell has activated or set.
SYNC = env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never .bootstrap/bin/uv

# The tests start hundreds of processes. Where nothing compiled is kept, each would compile the program and its libraries
# anew, which takes longer than most of what it is started for.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup app api demo test fuzz screenshots lint types contracts check bench bench-quick prove crash fmt lock advisories libraries-advisories clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: .venv/.ready ## Make .venv from uv.lock (nothing to do: returns at once)

.venv/.ready: pyproject.toml uv.lock | $(UV)
	@$(SYNC) sync --quiet --frozen --python $(PYTHON)
	@touch .venv/.ready-to-run $@

# Running needs a quarter of what developing needs. Tools that are there already stay.
.venv/.ready-to-run: pyproject.toml uv.lock | $(UV)
	@$(SYNC) sync --quiet --frozen --no-dev --inexact --python $(PYTHON)
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Sluiceway needs Python 3.11 or later; say which one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@echo 'Setting up ...'
	@$(PYTHON) -m venv .bootstrap
	@.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# Costs nothing while frontend/ is as it was. Needs Node 20.19 or later; where there is none, one is fetched into .bootstrap.
app: ## Build the app from frontend/ (nothing to do: returns at once)
	@$(PYTHON) frontend/build.py

api: setup app ## Write docs/api/app.json and the app's types from it, after a change of what /app offers
	@WRITE_DOCUMENTS=1 $(BIN)/pytest -q tests/api/app/test_documents.py
	@$(PYTHON) frontend/build.py npm run --silent api

# One simple command, so that make runs the program itself with no shell between: a signal reaches it, and it stops cleanly.
# DATABASE_URL, if set here or in the environment, reaches it through the environment.
demo: .venv/.ready-to-run app ## Run the demo on PORT (8080), data in DATA_DIR (.sluiceway); DATABASE_URL for a PostgreSQL of your own
	@$(BIN)/sluiceway demo --port $(PORT) --data-dir $(DATA_DIR)

test: setup app ## Run every test, the checks below among them (ARGS="-k name" narrows it)
	@$(BIN)/pytest -n $(JOBS) $(ARGS)

# Other requests each time; the same ones again with the SEED that it prints first.
fuzz: setup ## Ask what the documents allow and forbid, EXAMPLES (300) of each a time, from a SEED
	@echo 'EXAMPLES=$(EXAMPLES) SEED=$(SEED)'
	@SLUICEWAY_FUZZ_EXAMPLES=$(EXAMPLES) SLUICEWAY_FUZZ_SEED=$(SEED) $(BIN)/pytest tests/fuzz -n $(JOBS) --timeout 3600 $(ARGS)

screenshots: setup app ## Take the pictures of README and docs anew, from a demo (ARGS="--to FOLDER /rules" for others)
	@$(BIN)/python -m tests.e2e.app.screenshots $(ARGS)

lint: setup ## Ruff: rules and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: setup ## Mypy and basedpyright, both strict
	@$(BIN)/mypy
	@$(BIN)/basedpyright

contracts: setup ## Who may import whom
	@$(BIN)/lint-imports

check: lint types contracts app ## All of it, cheapest first
	@$(BIN)/pytest -n $(JOBS) -m 'not slow and not quality' $(ARGS)

bench: setup ## The benchmarks, in full: over an hour (ARGS="--only hot,reads --seconds 60 --repeat 3")
	@$(BIN)/python -m bench $(ARGS)

bench-quick: setup ## The benchmarks, a minute's worth: fails on errors and a dirty audit, never on times
	@$(BIN)/python -m bench --quick $(ARGS)

prove: setup ## Every part of the proof at length, hours of it; writes evidence/ (ARGS="crash cut-commits" for some)
	@$(BIN)/python -m tests.prove $(ARGS)

# Hours, if asked for: what it finds is added to what evidence/ has.
CRASHES = --servers 2000 --workers 2000 --postgres 500 --everything 50 --stops 50 --points
crash: setup ## Kill servers, workers and PostgreSQL under load, for an hour or as ARGS say (ARGS="--servers 100 --points")
	@$(BIN)/python -m tests.crash $(or $(ARGS),$(CRASHES))

fmt: setup app ## Format, and fix what ruff and biome can fix
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format
	@$(PYTHON) frontend/build.py npm run fmt

lock: $(UV) ## Renew uv.lock after a change of dependencies
	@$(SYNC) lock --python $(PYTHON)

# SECURITY.md says until when what it finds is to be replaced.
advisories: libraries-advisories ## Ask osv.dev and npm which of the locked libraries are known to have a hole
	@$(PYTHON) frontend/build.py npm audit

libraries-advisories: $(UV)
	@$(SYNC) audit --preview-features audit-command --frozen $(ARGS)

clean: ## Remove what these targets made, except the data in DATA_DIR
	@rm -rf .venv .bootstrap .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist frontend/node_modules src/sluiceway/web/static
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
