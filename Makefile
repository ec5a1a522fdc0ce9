# make book, make test: nothing is needed before them but Python 3.11, git and a network for pip. `make help` lists all.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PY := .venv/bin/python
READY := .venv/.ready
HTML := _build/html
NOTEBOOKS = $(shell find book -name '*.ipynb' -not -path 'book/exercises/*' -not -path '*/.*' | sort)
PYTEST := $(PY) -m pytest -q -n 2 --dist loadfile
NBVAL := --nbval-lax --nbval-sanitize-with tools/sanitize.cfg

# Two test processes for two cores: one thread each. Sums in a fixed order also give the same digits everywhere.
export PYTHONHASHSEED := 0
export OMP_NUM_THREADS := 1

# How other processors compute: with other vector instructions, or with sums shared by two threads.
SETTING := default avx2 threads
VECTORS := import torch; print(torch.backends.cpu.get_cpu_capability().lower())

.PHONY: help setup moved book serve lab test check portable elsewhere chromium lint format refresh tidy exercises generated clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1|\2/p' Makefile | column -t -s '|'

setup: $(READY) ## make the environment .venv (every other target does it when needed)

$(READY): requirements.txt constraints.txt pyproject.toml
	@python=$$(for name in python3.11 python3 python3.12 python3.13; do \
		"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done); \
	if [ -z "$$python" ]; then echo "Python 3.11 is needed: install python3.11 (with its venv module)." >&2; exit 1; fi; \
	[ -x $(PY) ] || "$$python" -m venv .venv || { echo "Could not make .venv: install the package python3-venv." >&2; exit 1; }
	@echo "Installing into .venv; .venv/pip.log tells how far it is."
	@$(call install,-r requirements.txt)
	@$(call install,--no-deps --no-build-isolation -e .)
	@pwd -P > $@

# With --quiet, pip keeps to itself why an installation failed.
install = $(PY) -m pip install --disable-pip-version-check $(1) > .venv/pip.log 2>&1 || { tail -n 40 .venv/pip.log >&2; exit 1; }

# The scripts in .venv name its folder: once the clone is renamed, moved or copied, they run the old one or nothing.
ifneq ($(shell [ -s $(READY) ] && { [ -x $(PY) ] && [ "$$(cat $(READY))" = "$$(pwd -P)" ] || echo moved; }),)
$(READY): moved
endif

moved:
	@echo "This folder was moved or copied, or its Python is gone: .venv is made anew."
	@rm -rf .venv

book: $(READY) ## build the book, strictly: a warning is an error
	@$(PY) tools/build.py
	@echo "The book: file://$(CURDIR)/$(HTML)/index.html (or: make serve)"

serve: book ## serve the built book and print its address
	@$(PY) tools/serve.py $(HTML)

lab: $(READY) ## open the notebooks in JupyterLab
	@find book work -name '*.ipynb' -not -path '*/.*' -exec $(PY) -m jupyter trust {} + >/dev/null 2>&1 || true
	$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/book/intro.ipynb

test: book chromium ## all tests: package, notebooks, exercises, the built book in a browser
	$(PYTEST) $(NBVAL) tests $(NOTEBOOKS)

check: lint ## the fast lane: style, stored form of the notebooks, quick tests
	$(PY) tools/refresh.py --check
	$(PYTEST) -m "not slow" tests

portable: $(addprefix portable-,$(SETTING)) ## all notebooks, computed as on other processors: make portable SETTING=avx2

portable-threads: $(READY)
	OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive $(PYTEST) -n 1 $(NBVAL) $(NOTEBOOKS)

portable-%: $(READY)
	@export ATEN_CPU_CAPABILITY=$*; \
	if [ "$$($(PY) -c '$(VECTORS)' 2>/dev/null)" != $* ]; then echo "This machine cannot compute with $*: left out."; \
	else set -x; $(PYTEST) $(NBVAL) $(NOTEBOOKS); fi

elsewhere: $(READY) ## other people's computers, as far as one machine can be them: make elsewhere WORDS="disk compiler"
	@$(PY) tools/elsewhere.py $(WORDS)

chromium:
	@if ! command -v chromium >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
		else echo "No chromium: the browser tests are skipped. To run them: sudo apt-get install chromium"; fi; fi

lint: $(READY) ## ruff on code and notebooks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(READY) ## let ruff mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

refresh: $(READY) ## execute notebooks again and store their outputs: make refresh NB="book/a/b.ipynb ..."
	$(PY) tools/refresh.py $(NB)

tidy: $(READY) ## take back what JupyterLab did to the files of notebooks; executes nothing
	@$(PY) tools/tidy.py $(NB)

exercises: $(READY) ## generate book/exercises from book/solutions
	$(PY) tools/exercises.py

generated: $(READY) ## generate the appendices that are made from the book
	$(PY) tools/appendices.py

clean: ## remove the built book
	rm -rf _build
