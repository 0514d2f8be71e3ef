# `make demo` and `make test` do all the set-up: they need Python 3.11 or newer with venv, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := $(VENV)/lowest
LOWEST_TESTS := tests/archive tests/core tests/io tests/stats tests/charts tests/cli/test_golden.py

.PHONY: demo test test-whole test-lowest sample docs notebooks benchmarks release clean

demo: $(VENV)/demo-ready
	$(BIN)/exportstats demo

test: $(VENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n logical --dist worksteal

# What `make test` looks at a part of: more examples, and all cases of the tests marked `sampled`.
test-whole: $(VENV)/test-ready
	$(BIN)/pytest -n logical --dist worksteal --hypothesis-profile=ci -m "hypothesis or sampled"

# What the package needs to run, and nothing else. A stamp is set when all is there: what was
# stopped half way is gone on with the next time.
$(VENV)/demo-ready: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

# What the checks need beside.
$(VENV)/test-ready: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt pip
	$(BIN)/pip install --constraint constraints.txt --group dev --editable '.[archive,notebooks,ray,spark]'
	@touch $@ $(VENV)/demo-ready

# pip is the last thing that venv makes; where it is missing, the rest is of a try that failed.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python has no venv; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

# The lowest versions that pyproject.toml names do too, in an environment of their own; that an old
# one uses what a new one deprecates is not looked at.
test-lowest: $(LOWEST)/ready
	$(LOWEST)/bin/pytest -W ignore::DeprecationWarning -n logical --dist worksteal $(LOWEST_TESTS)

$(LOWEST)/ready: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m venv --clear $(LOWEST)
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], *p["optional-dependencies"]["archive"], sep="\n")' | sed 's/>=/==/' >$(LOWEST)/requirements.txt
	grep -E '^(duckdb|hypothesis|polars|pytest|pytest-xdist|PyYAML)==' constraints.txt >>$(LOWEST)/requirements.txt
	$(LOWEST)/bin/pip install --disable-pip-version-check --requirement $(LOWEST)/requirements.txt --editable .
	@touch $@

# Made anew from the code; the tests say so when they are stale.
sample: $(VENV)/demo-ready
	$(BIN)/python data/make_sample.py

docs: $(VENV)/test-ready
	$(BIN)/python docs/make_docs.py
	$(BIN)/python docs/make_site.py build/site

notebooks: $(VENV)/test-ready
	$(BIN)/jupyter lab notebooks

benchmarks: $(VENV)/test-ready
	$(BIN)/python -m benchmarks

# What is published, in dist/. Each of PYTHONS that is on the PATH is tried.
PYTHONS := python3.11 python3.12 python3.13 python3.14
release: $(VENV)/test-ready
	$(BIN)/python .ci/release.py $(PYTHONS)

clean:
	rm -rf $(VENV) demo-output build dist
