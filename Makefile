# Bare `make` lists the targets. Everything runs in .venv, made from pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# one run at a time: threads that spin cost more than they bring (docs/decisions/0003-threads.md)
export OMP_WAIT_POLICY ?= PASSIVE
# three processes for the tests (they wait a lot); each takes whole files, in order. PARALLEL= runs them one after another
PARALLEL ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: help install web demo test test-slow test-browser lint lint-web docs bench parity fuzz eval-models clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.installed $(VENV)/crate/.installed ## make .venv with nodeflow and what its tests need

# An own torch build that is installed first (CPU, CUDA, ...) is left alone; else the range in pyproject.toml decides.
$(VENV)/.installed: pyproject.toml constraints.txt hatch_build.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

web: install ## build the canvas anew, if web/ has changed since (make install does it too)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps --editable .

# roc-validator wants an older rich than we do, so the tests call it in an environment of its own.
$(VENV)/crate/.installed: tests/share/validator.txt | $(VENV)/.installed
	$(PYTHON) -m venv $(VENV)/crate
	$(VENV)/crate/bin/python -m pip install --quiet --requirement tests/share/validator.txt
	touch $@

demo: install ## draw a picture from a prompt: output/demo.png
	$(BIN)/nodeflow run workflows/text-to-image.json --out output/demo.png

test: install ## run the tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL)

test-slow: install ## run the long tests too
	$(BIN)/python -m pytest $(PARALLEL)

test-browser: web ## run the canvas's tests (in Chromium: apt-get install chromium, or NODEFLOW_CHROMIUM=/path)
	$(BIN)/python -m pytest tests/browser

PYTHON_SOURCES := nodeflow nodes tests benchmarks training docs hatch_build.py
lint: install ## ruff and mypy
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/mypy nodeflow

lint-web: web/node_modules ## lint, types and unit tests of the canvas (needs npm)
	cd web && npm run lint && npm run typecheck && npm test

web/node_modules: web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules

docs: install ## make docs/nodes/, docs/examples/, docs/problems.md and the schema anew from the code
	$(BIN)/python -m docs.generate

bench: install ## measure, and print ratios
	$(BIN)/python -m benchmarks

parity: install ## compare with latents recorded from ComfyUI (needs the parity data beside the repository)
	$(BIN)/python -m benchmarks.parity

fuzz: install ## fuzz every reader for 100,000 executions each, and write the record into docs/fuzz.md
	$(BIN)/python -m pip install --quiet --constraint constraints.txt 'atheris>=3.0'
	$(BIN)/python -m tests.fuzz.run --record docs/fuzz.md

eval-models: install ## score the built-in models
	$(BIN)/python -m training.evaluate

clean: ## remove what the other targets made
	rm -rf $(VENV) output build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
