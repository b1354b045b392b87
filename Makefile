# Bare `make` lists the targets. Everything runs in .venv, made from pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# one run at a time: threads that spin cost more than they bring (docs/decisions/0003-threads.md)
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help install demo test test-slow lint docs bench parity eval-models clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## make .venv with nodeflow and what its tests need

# An own torch build that is installed first (CPU, CUDA, ...) is left alone; else the range in pyproject.toml decides.
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

demo: install ## draw a picture from a prompt: output/demo.png
	$(BIN)/nodeflow run workflows/text-to-image.json --out output/demo.png

test: install ## run the tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -m "not slow"

test-slow: install ## run the long tests too
	$(BIN)/python -m pytest

lint: install ## ruff and mypy
	$(BIN)/ruff check nodeflow nodes tests benchmarks training docs
	$(BIN)/ruff format --check nodeflow nodes tests benchmarks training docs
	$(BIN)/mypy nodeflow

docs: install ## make docs/nodes/, docs/examples/, docs/problems.md and the schema anew from the code
	$(BIN)/python -m docs.generate

bench: install ## measure, and print ratios
	$(BIN)/python -m benchmarks

parity: install ## compare with latents recorded from ComfyUI (needs the parity data beside the repository)
	$(BIN)/python -m benchmarks.parity

eval-models: install ## score the built-in models
	$(BIN)/python -m training.evaluate

clean: ## remove what the other targets made
	rm -rf $(VENV) output build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
