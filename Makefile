# Tocsin's daily commands; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CITY ?= boston
ARGS ?=
STRICT ?=
JOBS ?= 2
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host \
	--no-emit-find-links --no-emit-options
# Jars of an Apache Kafka broker: made by `make services`, or where TOCSIN_KAFKA_LIBS says.
TOCSIN_KAFKA_LIBS ?= $(CURDIR)/$(VENV)/kafka
export STRICT TOCSIN_KAFKA_LIBS

.PHONY: help setup services peers demo test test-browser screenshots lint bench format lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo 'Variables: CITY=$(CITY) for demo; ARGS="..." handed on by demo and test; JOBS=$(JOBS) processes for test; STRICT=1 makes a skipped test a failure; PYTHON=python3.12 for setup'

setup: $(VENV)/.project ## install everything into .venv, pinned and hashed by requirements.lock

$(VENV)/.locked: requirements.lock
	@test -n "$(PYTHON)" || { echo 'setup: no Python 3.11 or newer found; apt-get install python3 python3-venv, or make setup PYTHON=/path/to/python3' >&2; exit 2; }
	@echo 'setup: installing into $(VENV), about a minute' >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@touch $@

UI := $(shell find sinks/cockpit/ui -type f -not -path '*/node_modules/*' -not -path '*/__pycache__/*' 2>/dev/null)

$(VENV)/.project: pyproject.toml $(UI) $(VENV)/.locked
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

services: setup ## fetch an Apache Kafka broker by Maven, for tests and benchmarks on real services
	@if [ load_tests/services/pom.xml -nt $(VENV)/kafka/.fetched ]; then rm -rf $(VENV)/kafka; fi
	@if ! ls "$(TOCSIN_KAFKA_LIBS)"/kafka_*.jar >/dev/null 2>&1; then \
		command -v mvn >/dev/null || { echo 'services: no Maven found; apt-get install maven openjdk-17-jre-headless' >&2; exit 2; }; \
		echo 'services: fetching Apache Kafka into $(TOCSIN_KAFKA_LIBS)' >&2; \
		mvn --quiet --batch-mode -Dstyle.color=never --strict-checksums --file load_tests/services/pom.xml dependency:copy-dependencies \
			-DoutputDirectory="$(TOCSIN_KAFKA_LIBS)"; \
		touch "$(TOCSIN_KAFKA_LIBS)/.fetched"; \
	fi

peers: setup ## install Quix Streams into an environment of its own, as a peer of the intake benchmark
	@test -x $(VENV)/quix/bin/python || $(PYTHON) -m venv $(VENV)/quix
	@$(VENV)/quix/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement load_tests/services/quix.lock

demo: setup ## play a city through the whole pipeline and serve the cockpit's feed
	@$(BIN)/tocsin demo $(CITY) $(ARGS)

test: lint ## lint, types, import rules and all tests, on real services where they are; says what was not tested
	@if command -v mvn >/dev/null; then $(MAKE) services; fi
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

test-browser: setup ## the cockpit's page in Chromium: axe, keyboard, languages, catching up after a reload, a restart and a minute without a network
	TOCSIN_BROWSER=whole $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests/browser $(ARGS)

screenshots: setup ## draw every page, light and dark, into docs/screens
	TOCSIN_SCREENS=docs/screens $(BIN)/python -m pytest -q -n 0 tests/browser/test_screens.py

lint: setup ## ruff, formatting, types and import rules, the page's types among them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet . || { echo 'lint: not formatted; make format' >&2; exit 1; }
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python sinks/cockpit/ui/hatch_build.py check

bench: setup ## measure speed against a peer, on a real broker (Java and Maven); kill the embedded process, then those of the Kafka shell, while records arrive
	@$(MAKE) services
	$(BIN)/tocsin bench intake
	$(BIN)/tocsin bench assess
	$(BIN)/python -m load_tests.chaos_embedded --kills 5 --records 50000
	$(BIN)/tocsin bench end-to-end --records 200000 --kill 2
	$(BIN)/tocsin bench latency

format: setup ## put the code into its form, fix what ruff can fix
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

lock: setup ## renew requirements.lock from pyproject.toml; ARGS=--upgrade takes newer versions
	CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet $(ARGS) --extra dev $(LOCK) --output-file requirements.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet $(ARGS) $(LOCK) --output-file load_tests/services/quix.lock load_tests/services/quix.in

clean: ## remove what was built, cached or kept by a demo, the environment included
	rm -rf $(VENV) build dist var sinks/cockpit/static sinks/cockpit/ui/node_modules .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
