# Two commands: `make up` and `make test`. See README.md.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
BASE := $(VENV)/.base-installed
DEV := $(VENV)/.dev-installed
BENCH := $(VENV)/.bench-installed
GENERATORS := $(VENV)/generators
FIRST_PYTHON := $(shell sed -n 's/^requires-python = ">=\([0-9.]*\),.*/\1/p' pyproject.toml)
CODE := config sessions timesync audit synckairos clients tests deploy benchmarks manage.py

.PHONY: help up test slow generated bench load check audit format demo requirements clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(PY):
	@deploy/venv.sh $(VENV) $(PYTHON)

# --no-deps: the compiled lists are complete for every Python; pip then has nothing to resolve, and `pip check` agrees.
$(BASE): requirements/base.txt | $(PY)
	$(PIP) install --no-deps --require-hashes -r requirements/base.txt
	$(PIP) check
	@touch $@

$(DEV): requirements/dev.txt $(BASE)
	$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	$(PIP) check
	@touch $@

$(BENCH): requirements/bench.txt $(BASE)
	$(PIP) install --no-deps --require-hashes -r requirements/bench.txt
	$(PIP) check
	@touch $@

# In an environment of their own: their libraries are none of ours.
$(GENERATORS)/.installed: requirements/generators.txt | $(PY)
	$(PY) -m venv $(GENERATORS)
	$(GENERATORS)/bin/python -m pip --disable-pip-version-check --quiet \
	  install --no-deps --require-hashes -r requirements/generators.txt
	$(GENERATORS)/bin/python -m pip --disable-pip-version-check --quiet check
	@touch $@

up: $(BASE) ## start everything on this machine and print where it is
	@exec $(PY) deploy/up.py

demo: $(BASE) ## a short game in the terminal, against a stack of its own
	@exec $(PY) deploy/demo.py

# Three on two cores, for tests wait a lot. Each empties its servers: of those that are named, each run needs its own.
TESTED_TOGETHER = $(if $(TEST_REDIS_URL)$(TEST_DATABASE_URL),$(words $(or $(TEST_REDIS_URL),$(TEST_DATABASE_URL))),3)

test: $(DEV) ## all tests (a few minutes at most); ARGS='-k name' narrows them
	$(PY) -m pytest -n $(TESTED_TOGETHER) --dist loadfile --no-loadscope-reorder $(ARGS)

slow: $(DEV) ## the long chaos and load runs
	$(PY) -m pytest -m slow --timeout 600 $(ARGS)

generated: $(DEV) $(GENERATORS)/.installed ## clients that generators make of the OpenAPI document play a game
	GENERATORS=$(GENERATORS) $(PY) -m pytest -n 0 tests/generated $(ARGS)

bench: $(BENCH) ## measure beside the floor and write docs/performance.md; ARGS=--short to see that it works
	$(PY) benchmarks/run.py $(ARGS)

load: $(BENCH) ## load as users make it: SCENARIO=blitz, quiz, auction, exam or standup; SECONDS=60
	$(PY) benchmarks/load.py $(or $(SCENARIO),quiz) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

check: $(DEV) ## format, lint, types, imports, migrations, deployment settings
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) deploy/check.py

audit: $(DEV) ## published holes in the compiled requirements; says aloud when no service can be asked
	$(PY) deploy/audit.py

format: $(DEV) ## rewrite the code in the house's format
	$(VENV)/bin/ruff check --fix-only $(CODE)
	$(VENV)/bin/ruff format $(CODE)

requirements: $(DEV) ## compile the pinned lists from the ranges, for every Python that is promised
	cd requirements && for list in base dev bench generators parquet; do \
	  ../$(VENV)/bin/uv pip compile --quiet --universal --python-version $(FIRST_PYTHON) --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make requirements' \
	    -o $$list.txt $$list.in $(ARGS); done

clean: ## forget the virtual environment and the local data
	rm -rf $(VENV) var
