# `make demo` and `make test` do all the set-up: they need Python 3.11 or newer, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test sample docs notebooks benchmarks clean

demo: $(VENV)/demo-ready
	$(BIN)/exportstats demo

test: $(VENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

# What the package needs to run, and nothing else.
$(VENV)/demo-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

# What the checks need beside.
$(VENV)/test-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/demo-ready

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# Made anew from the code; the tests say so when they are stale.
sample: $(VENV)/demo-ready
	$(BIN)/python data/make_sample.py

docs: $(VENV)/test-ready
	$(BIN)/python docs/make_docs.py

notebooks: $(VENV)/test-ready
	$(BIN)/jupyter lab notebooks

benchmarks: $(VENV)/test-ready
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo-output build dist
