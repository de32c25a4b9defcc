# Two commands: `make run` and `make test`. The rest is what they and the CI are made of.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all:

.PHONY: run test soak bench check audit lock requisites node-tests
.DEFAULT_GOAL := run

run: .venv/.installed
	@exec $(BIN)/python manage.py serve --prepare

.venv/.installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "Sideline needs Python 3.11, 3.12 or 3.13 on the PATH."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing what Sideline needs (once) ..."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.developing: .venv/.installed requirements-dev.txt
	@$(PIP) -r requirements-dev.txt
	@touch $@

requisites:
	@sh tests/requisites.sh

test: .venv/.developing requisites node-tests
	$(BIN)/python -m pytest -q
	$(BIN)/python -m tests.with_postgres $(BIN)/python -m pytest -q -m "not soak and not one_database"

soak: .venv/.developing requisites
	$(BIN)/python -m pytest -q -m soak --timeout 1800

.venv/.benching: .venv/.developing requirements-bench.txt
	@$(PIP) -r requirements-bench.txt
	@touch $@

# For example: make bench BENCH="--scenarios 100,saturated --rounds 3" ANSWERS="--scenarios 200"
bench: .venv/.benching requisites
	$(BIN)/python -m tests.bench $(BENCH)
	$(BIN)/python -m tests.bench.answers $(ANSWERS)

node-tests: requisites
	node --test tests/js/

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
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --no-annotate --group bench -c requirements.txt -c requirements-dev.txt -o requirements-bench.txt
