VENV := .venv
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := $(VENV)/Scripts
else
PYTHON ?= python3
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Install what requirements/$(1).txt names, each file checked against its hash, and then Weft itself.
# The locks are complete; without --no-deps an older pip looks beyond them for extras.
define install
$(PIP) --no-deps --require-hashes -r requirements/$(1).txt
$(PIP) --no-deps --no-build-isolation -e .
endef

.PHONY: demo test check conformance embedding evaluate evaluate-model torture bench coverage docs reference lock release \
	format clean

demo: $(VENV)/.core  ## Drive the real server over stdio with a real MCP client.
	$(BIN)/weft demo

WORK ?= out/embedding

# Four on two cores, because half of the time is spent waiting for other processes. Files keep the
# order of their names, so that the long ones come first and the short ones of tests/unit last.
SIDE_BY_SIDE := --numprocesses=4 --dist=loadfile --no-loadscope-reorder

test: $(VENV)/.dev  ## Run all tests, four at a time; those of a file stay together.
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

check: $(VENV)/.dev  ## Format, lint, types; the layers are checked by the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

conformance: $(VENV)/.dev  ## The public MCP conformance suite, which comes from npm.
	$(BIN)/python -m pytest conformance

evaluate: $(VENV)/.dev  ## What an agent can do, in how many calls, reading how much.
	$(BIN)/python -m pytest -q tests/evaluation

evaluate-model: $(VENV)/.dev  ## The same for a model: set MODEL_URL (up to /v1), MODEL_NAME, MODEL_KEY.
	$(BIN)/python -m tests.evaluation.play_model $(WISHES)

format: $(VENV)/.dev  ## Format and apply the safe fixes.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

torture: $(VENV)/.dev  ## Kill syncs 500 times, fill the disk, call at random, serve bombs; takes an hour.
	TORTURE_KILLS=500 TORTURE_EXAMPLES=200 TORTURE_ENTITIES=1000000 TORTURE_CALLS=10000 \
		$(BIN)/python -m pytest tests/integration
	TORTURE_BYTES=5000000 $(BIN)/python -m pytest -rP tests/acceptance/hostile/test_syncs.py \
		tests/unit/document/test_hostile_documents.py
	TORTURE_FAULT_SHARE=1 $(BIN)/python -m pytest tests/contract

coverage: $(VENV)/.dev  ## Run all tests and report which lines ran, subprocesses included.
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term:skip-covered \
		--cov-report=xml:out/coverage.xml --cov-report=html:out/coverage

docs: $(VENV)/.dev  ## Build the site from docs/ into out/site; a warning is an error.
	$(BIN)/python scripts/reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

reference: $(VENV)/.dev  ## Write the generated tables and pages of README.md and docs/.
	$(BIN)/python scripts/reference.py

lock: $(VENV)/.dev  ## Write requirements/*.txt from pyproject.toml; UPGRADE=1 takes newer versions.
	$(BIN)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

release: $(VENV)/.dev  ## Check, set the version, build and tag: make release VERSION=0.2.0 [DRY_RUN=1]
	$(BIN)/python scripts/release.py $(VERSION) $(if $(DRY_RUN),--dry-run)

embedding:  ## Learn the packaged model anew from Debian's documentation; takes an hour, keeps its steps in WORK.
	$(PYTHON) -m venv $(WORK)/venv
	$(WORK)/venv/bin/python -m pip install --quiet --no-deps -r scripts/embedding/requirements.txt
	PYTHONPATH=src OMP_NUM_THREADS=1 $(WORK)/venv/bin/python -m scripts.embedding $(WORK) $(JUDGE)

bench: $(VENV)/.bench  ## Print ratios side by side with the floor and with peers.
	$(BIN)/python -m bench

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Weft needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml requirements/core.txt | $(VENV)/pyvenv.cfg
	$(call install,core)
	touch $@

$(VENV)/.dev: pyproject.toml requirements/dev.txt | $(VENV)/pyvenv.cfg
	$(call install,dev)
	touch $@ $(VENV)/.core

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	$(call install,bench)
	touch $@

clean:  ## Remove everything that make created.
	rm -rf $(VENV) build dist out
