# Two commands do everything: `make run` serves, `make test` tests.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## Make .venv with the pinned dependencies

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("normserve needs Python 3.11 or newer; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "This Python has no venv: apt-get install python3-venv"; exit 1; }
	@echo "Installing the pinned dependencies into .venv: about 2 GB, which takes some minutes without any output"
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) --editable '.[dev]'
	@touch $@

run: install ## Serve on 127.0.0.1:8000 with a worker a core, data in ./data
	@$(BIN)/normserve up

# Tests start Python often: where the environment forbids bytecode, each start would compile our code again.
quick test test-long: export PYTHONDONTWRITEBYTECODE =

quick: .venv/installed-dev ## Run the tests that need no service, no PostgreSQL, no browser and no half second of a core
	$(BIN)/pytest -m 'not long and not service and not postgresql and not slow and not page'

test: .venv/installed-dev postgres chromium proxies ## Run every test but the long ones (10 to 13 minutes on 2 cores)
	$(BIN)/pytest

test-long: .venv/installed-dev postgres chromium proxies ## Run the tests that take long, and print their figures beside the limits
	$(BIN)/pytest -m long --timeout 1800

check: .venv/installed-dev ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

coverage: .venv/installed-dev postgres chromium proxies ## Run every test and show the lines that none of them reaches
	$(BIN)/pytest --cov --cov-report=term-missing:skip-covered

bench: .venv/installed-dev postgres wrk chromium ## Measure the speed that docs/benchmarks.md shows
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/uploads.py
	$(BIN)/python benchmarks/first_row.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/where_time_goes.py
	PYTHONPATH=. $(BIN)/python benchmarks/allocator.py
	$(BIN)/python benchmarks/article.py
	$(BIN)/python benchmarks/storing.py
	$(BIN)/python benchmarks/estimates.py
	$(BIN)/python benchmarks/training_time.py
	PYTHONPATH=. $(BIN)/python benchmarks/dispatching.py
	PYTHONPATH=. $(BIN)/python benchmarks/comparisons.py
	PYTHONPATH=. $(BIN)/python benchmarks/deleting.py
	PYTHONPATH=. $(BIN)/python benchmarks/listing.py
	PYTHONPATH=. $(BIN)/python benchmarks/disk.py
	PYTHONPATH=. $(BIN)/python benchmarks/intake.py
	PYTHONPATH=. $(BIN)/python benchmarks/metrics.py
	PYTHONPATH=. $(BIN)/python benchmarks/streams.py
	PYTHONPATH=. $(BIN)/python benchmarks/page.py
	PYTHONPATH=. $(BIN)/python benchmarks/serving.py
	PYTHONPATH=. $(BIN)/python benchmarks/edge.py

bench-peers: .venv/installed-dev wrk ## Compare with MLflow and LitServe, installed for the time of the comparison
	PYTHONPATH=. $(BIN)/python benchmarks/peers.py
	PYTHONPATH=. $(BIN)/python benchmarks/serving_peer.py

sbom: ## Write docs/sbom.json, the software bill of materials of the pinned packages
	@mkdir -p build && $(PYTHON) -m venv build/sbom && \
	build/sbom/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 && \
	build/sbom/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		-o docs/sbom.json constraints.txt

figures: .venv/installed ## Train the article's arms with ten seeds on each net and renew the figures and tables
	$(BIN)/python benchmarks/figures.py

screenshots: .venv/installed-dev chromium ## Take pictures of the pages with a trained comparison, into docs/pages
	PYTHONPATH=. $(BIN)/python benchmarks/screenshots.py

postgres: # The tests start PostgreSQL and PgBouncer themselves: find their programs, or install them
	@{ command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 && \
	{ command -v pgbouncer || ls /usr/sbin/pgbouncer; } >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql pgbouncer >/dev/null; \
	else \
		echo "The tests need PostgreSQL 15 or newer and PgBouncer:" \
			"apt-get install postgresql pgbouncer, or brew install postgresql pgbouncer"; exit 1; \
	fi

chromium: .venv/installed-dev # The tests of the pages open a browser: find it, or install it
	@$(BIN)/python -m tests.web.browser 2>/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium-headless-shell fonts-dejavu-core >/dev/null; \
	else \
		echo "The tests of the pages need Chromium: apt-get install chromium-headless-shell," \
			"or $(BIN)/playwright install chromium (macOS, other Linux)"; exit 1; \
	fi

proxies: # The tests start nginx and Caddy themselves: find them, or install them without starting them
	@{ command -v nginx || ls /usr/sbin/nginx; } >/dev/null 2>&1 && command -v caddy >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && \
		{ [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && \
			chmod +x /usr/sbin/policy-rc.d && trap 'rm /usr/sbin/policy-rc.d' EXIT; }; } && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light caddy >/dev/null; \
	else \
		echo "The tests need nginx and Caddy: apt-get install nginx-light caddy, or brew install nginx caddy"; exit 1; \
	fi

wrk: # The client of the benchmarks of serving
	@command -v wrk >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq wrk >/dev/null; \
	else echo "The benchmarks need wrk: apt-get install wrk, or brew install wrk"; exit 1; fi

.PHONY: help install run quick test test-long check coverage bench bench-peers sbom figures screenshots postgres chromium proxies wrk
