# `make help` lists what there is. Everything runs in .venv, which is made from the hash-locked requirements.
SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
export PYTHON
# Else every process that a test starts compiles the program anew.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(VENV)/bin/python -m pytest --numprocesses=2 --dist=loadfile
QUICK := not tools and not slow and not nightly

.DEFAULT_GOAL := help
.PHONY: help demo check test tools test-all test-dates test-versions lint format dashboards manifests screenshots docs docs-pages bench bench-backfill soak fuzz audit release lock clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.made ## Run it all: PostgreSQL with a booking platform, the exporter, and Prometheus and Grafana where installed.
	@$(VENV)/bin/ledger-exporter demo

check: $(VENV)/.made ## Check style and types, and run the unit tests that need no tools: for the editor loop.
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --quiet --check .
	@$(VENV)/bin/mypy
	@HYPOTHESIS_EXAMPLES=$${HYPOTHESIS_EXAMPLES:-8} $(PYTEST) -m "$(QUICK)" tests/unit

test: $(VENV)/.made ## Run the tests that need Python alone, on an embedded PostgreSQL 18.
	@HYPOTHESIS_EXAMPLES=$${HYPOTHESIS_EXAMPLES:-8} $(PYTEST) -m "$(QUICK)"

tools: ## Install what the other tests need (PostgreSQL, Prometheus and others) with apt and Go, after saying what.
	@scripts/install-tools

test-all: $(VENV)/.made $(VENV)/.release $(VENV)/.fuzz $(VENV)/.docs ## Run all tests but the nightly ones. `make tools` comes first.
	@scripts/install-tools --check
	@HYPOTHESIS_EXAMPLES=$${HYPOTHESIS_EXAMPLES:-12} $(PYTEST) -m "not nightly"
	@scripts/test-dates

test-versions: $(VENV)/.made $(VENV)/.release $(VENV)/.fuzz $(VENV)/.docs ## Run the nightly tests: second servers, large histories, 60 days.
	@scripts/install-tools --check
	@$(PYTEST) -m nightly
	@HYPOTHESIS_EXAMPLES=500 HYPOTHESIS_RANDOM=1 $(PYTEST) -m "not nightly" tests/integration/test_incremental.py tests/integration/test_truth.py
	@$(VENV)/bin/python -m tests.replay

test-dates: $(VENV)/.made ## Run the tests that know dates at three instants, by another clock: a part of test-all.
	@scripts/install-tools --check
	@scripts/test-dates

lint: $(VENV)/.made docs ## Check style (ruff), types (mypy --strict) and the documentation.
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

format: $(VENV)/.made ## Format the code.
	@$(VENV)/bin/ruff format .

dashboards: $(VENV)/.made ## Write grafana/dashboards/*.json from grafana/build/.
	@$(VENV)/bin/python -m grafana.build

manifests: $(VENV)/.made ## Write deploy/kubernetes/monitoring/prometheus-rules.yaml from prometheus/rules/.
	@$(VENV)/bin/python -m deploy.kubernetes

screenshots: $(VENV)/.made ## Take the pictures of docs/ of a running Grafana: make screenshots GRAFANA_URL=http://127.0.0.1:3000
	@$(VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-pictures.txt
	@$(VENV)/bin/python -m grafana.build.screenshots

docs: $(VENV)/.docs ## Build the documentation as a site, dist/docs; every warning is an error.
	@$(VENV)/bin/python -m sphinx --quiet --fail-on-warning --keep-going --nitpicky docs dist/docs

docs-pages: $(VENV)/.made ## Write docs/metrics.md and docs/configuration.md from the declarations in the code.
	@$(VENV)/bin/python -m scripts.metrics_page
	@$(VENV)/bin/python -m scripts.configuration_page

bench: $(VENV)/.made ## Measure this exporter beside its peers; less: make bench ROWS=1M ONLY=refreshes,conditions OUT=figures.json
	@$(VENV)/bin/python -m bench

bench-backfill: $(VENV)/.made ## Measure what telling 60 days of the past takes; the file has 1 GB: see TMPDIR.
	@$(VENV)/bin/python -m bench.backfill

soak: $(VENV)/.made ## Run ten hours' worth of refreshes under load in minutes, and fail on a leak: make soak SECONDS=180
	@$(VENV)/bin/python -m tests.soak $(SECONDS)

fuzz: $(VENV)/.fuzz ## Fuzz requests, both configurations and ledger contents: make fuzz SECONDS=30 (each, in each way)
	@scripts/install-tools --check
	@$(VENV)/bin/python -m tests.fuzz $(SECONDS)

audit: $(VENV)/.made ## Ask the advisory database about every locked dependency.
	@scripts/audit

release: $(VENV)/.release ## Build wheel, source distribution and SBOM into dist/.
	@scripts/release dist

lock: $(VENV)/.made ## Lock the dependencies anew, with hashes.
	@scripts/lock

clean: ## Remove what make made.
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made: requirements-build.txt requirements-dev.txt pyproject.toml scripts/make-venv
	@scripts/make-venv $(VENV)
	@touch $@

$(VENV)/.release: requirements-release.txt $(VENV)/.made
	@$(VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-release.txt
	@touch $@

$(VENV)/.fuzz: requirements-fuzz.txt $(VENV)/.made
	@$(VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-fuzz.txt
	@touch $@

$(VENV)/.docs: requirements-docs.txt $(VENV)/.made
	@$(VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-docs.txt
	@touch $@
