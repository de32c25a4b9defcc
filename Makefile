# Two commands: `make run` and `make test`. The rest is what they and the CI are made of.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STARTED := $(shell date +%s)
LANES = $(BIN)/python -m tests.lanes --since $(STARTED)
SHELL := bash
# The environment may forbid it, and without it every process compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE
PIP := install --disable-pip-version-check --no-deps --require-hashes --only-binary :all:

# Installs a locked list, and says how far it is: pip itself prints everything or nothing.
define install
@set -o pipefail; all=$$(grep -c '^[a-z].*==' $(1)); n=0; \
PYTHONUNBUFFERED=1 $(BIN)/python -m pip $(PIP) -r $(1) | while read -r line; do case $$line in \
	Ignoring*) all=$$((all - 1));; \
	Collecting*|Processing*|Requirement\ already*) n=$$((n + 1)); \
		test $$((n % 10)) -ne 0 || echo "  $$n of $$all packages";; \
	Installing\ collected*) echo "  All are here. Unpacking them takes about half a minute ...";; \
	esac; done
endef

.PHONY: run test full soak bench check audit lock ready requisites tools clients
.DEFAULT_GOAL := run

run: .venv/.installed
	@exec $(BIN)/python manage.py serve --prepare

.venv/.installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "Sideline needs Python 3.11, 3.12 or 3.13 on the PATH."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing what Sideline needs into .venv, once; it takes a minute or two ..."
	$(call install,requirements.txt)
	@touch $@

.venv/.developing: .venv/.installed requirements-dev.txt
	@echo "Installing what its tests need, once ..."
	$(call install,requirements-dev.txt)
	@touch $@

# Both at once: one waits for the network while the other unpacks.
ready:
	@$(MAKE) -s --no-print-directory -j 2 .venv/.developing requisites

requisites:
	@sh tests/requisites.sh

# What is in which lane: docs/testing.md. For one file: .venv/bin/python -m pytest tests/gate/test_api.py
test: ready
	@$(LANES) behaviour $(if $(BUDGET),--budget)

# What checks the API's descriptions and tests the clients in docs/clients. None of it reports home.
tools: tests/tools/node_modules/.installed

tests/tools/node_modules/.installed: tests/tools/package-lock.json tests/tools/requirements.txt .venv/.developing
	@sh tests/requisites.sh npm
	@echo "Installing the linters of the API and the generators of its clients (once) ..."
	@cd tests/tools && npm ci --ignore-scripts --silent
	@$(BIN)/python -m venv tests/tools/.venv
	@tests/tools/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r tests/tools/requirements.txt
	@touch $@

# After a change of the API.
clients: tools
	@DJANGO_SETTINGS_MODULE=project.settings SIDELINE_DATA_DIR=.venv/check $(BIN)/python -m tests.clients.generate

# What CI runs beside that.
full: ready tools
	@$(LANES) extended timing postgres

soak: ready
	@$(LANES) soak

.venv/.benching: .venv/.developing requirements-bench.txt
	$(call install,requirements-bench.txt)
	@touch $@

# For example: make bench BENCH="--scenarios 100,saturated --rounds 3" ANSWERS="--scenarios 200"
bench: .venv/.benching requisites
	$(BIN)/python -m pytest -q -m bench
	$(BIN)/python -m tests.bench $(BENCH)
	$(BIN)/python -m tests.bench.answers $(ANSWERS)

check: .venv/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit -q -c pyproject.toml -r project cameras chats
	SIDELINE_DATA_DIR=.venv/check $(BIN)/mypy
	$(BIN)/lint-imports
	SIDELINE_DATA_DIR=.venv/check $(BIN)/python manage.py makemigrations --check --dry-run
	SIDELINE_DATA_DIR=.venv/check SIDELINE_PUBLIC_URL=https://cameras.example.org \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

# Asks an advisory service for every locked package; where none is reached, it fails and says so.
audit: .venv/.developing
	$(BIN)/python -m tests.audit requirements.txt requirements-dev.txt

# After a change of pyproject.toml; the lock holds hashes and no address.
lock: .venv/.developing
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --no-annotate --group dev -c requirements.txt -o requirements-dev.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --no-annotate tests/tools/requirements.in -o tests/tools/requirements.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --no-annotate --group bench -c requirements.txt -c requirements-dev.txt -o requirements-bench.txt
