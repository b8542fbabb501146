# Needs make and Python 3.11 or newer; everything else is put into .venv. `make PYTHON=python3.12 demo` chooses one.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.installed-test
CHECKED := runlog runner relay tailcast tests benchmarks hatch_build.py
PAGE := $(BIN)/python relay/ui/build.py
# More workers than the two cores that they are meant for: most tests wait for processes more than they compute.
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Of `make soak`.
SECONDS ?= 600

.PHONY: help demo check test lint types ui bench soak slow clean

help:
	@echo "make demo   show it all in half a minute: no key, no network"
	@echo "make check  format, lint, types, and the tests that need neither Claude's CLI nor a browser"
	@echo "make test   format, lint, types, all tests"
	@echo "make lint   format and lint only"
	@echo "make ui     build the web page"
	@echo "make bench  measure speed"
	@echo "make soak   all faults at once, for SECONDS=600; then a table of what has to be zero"
	@echo "make slow   the tests that take minutes"
	@echo "make clean  remove .venv, what was built, and caches; runs stay"

demo: $(INSTALLED)
	@$(BIN)/tailcast demo

check: lint
	@$(BESIDE) _check

test: lint
	@$(BESIDE) _test

# At the same time; each says what it has to say when it is done.
BESIDE = $(MAKE) --no-print-directory --jobs=4 --output-sync=target types _page

.PHONY: _page _check _test
_page: $(TESTABLE)
	$(PAGE) run test

# With the recursion mark: what these print is shown as it comes.
_check: $(TESTABLE)
	+$(PYTEST) -m "not soak and not claude and not browser"

_test: $(TESTABLE)
	+$(PYTEST) -m "not soak"

lint: $(TESTABLE)
	$(BIN)/ruff check $(wildcard $(CHECKED))
	$(BIN)/ruff format --check $(wildcard $(CHECKED))

types: $(TESTABLE)
	$(BIN)/mypy
	$(PAGE) run check

ui: $(TESTABLE)
	@$(PAGE)

bench: $(TESTABLE)
	$(BIN)/python -m benchmarks

soak: $(TESTABLE)
	$(BIN)/python -m tests.faults --seconds $(SECONDS)
	TAILCAST_STEPS=$(SECONDS) $(BIN)/python -m pytest -q -n 0 tests/faults/test_model.py

slow: $(TESTABLE)
	$(BIN)/python -m pytest -m soak -n 0

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis relay/ui/dist relay/ui/node_modules
	find $(wildcard $(CHECKED)) -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp file for what is installed: done once, and again when the project file or the pinned versions change.
$(INSTALLED): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory _venv
	@echo "Installing Tailcast into $(VENV) (the Claude CLI comes along, some 100 MB, and the web page is built: a minute or two) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(TESTABLE): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory _venv
	@echo "Installing Tailcast and its test tools into $(VENV) (the Claude CLI comes along) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@ $(INSTALLED)

.PHONY: _venv
_venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 …"; exit 2; }
	@test -x $(BIN)/python || { echo "Making $(VENV) …"; $(PYTHON) -m venv $(VENV); }
