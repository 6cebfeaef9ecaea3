PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check conformance evaluate torture bench lint format clean

demo: $(VENV)/.core  ## Drive the real server over stdio with a real MCP client.
	$(BIN)/weft demo

# Three on two cores, because half of the time is spent waiting for other processes.
test: $(VENV)/.dev  ## Run all tests, three at a time; those of a file stay together.
	$(BIN)/python -m pytest --numprocesses=3 --dist=loadfile

check: $(VENV)/.dev  ## Format, lint, types; the layers are checked by the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

conformance: $(VENV)/.dev  ## The public MCP conformance suite, which comes from npm.
	$(BIN)/python -m pytest conformance

evaluate: $(VENV)/.dev  ## What an agent can do, in how many calls, reading how much.
	$(BIN)/python -m pytest -q tests/evaluation

format: $(VENV)/.dev  ## Format and apply the safe fixes.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

torture: $(VENV)/.dev  ## Kill syncs 500 times, fill the disk, reorder everything; takes half an hour.
	TORTURE_KILLS=500 TORTURE_EXAMPLES=200 TORTURE_ENTITIES=1000000 \
		$(BIN)/python -m pytest tests/integration

bench: $(VENV)/.bench  ## Print ratios side by side with the floor and with peers.
	$(BIN)/python -m bench

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Weft needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[dev]'
	touch $@ $(VENV)/.core

$(VENV)/.bench: $(VENV)/.dev
	$(INSTALL) -e '.[dev,bench]'
	touch $@

clean:  ## Remove everything that make created.
	rm -rf $(VENV) build dist
