# make demo   set everything up and see it work, with no key and no network beyond the package index
# make test   set everything up and run the tests

PYTHON ?= python3
VENV ?= .venv
TAGGER ?= yes
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install models demo test attack check numbers constraints clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[bot,faiss,dev]'
	touch $@

# The tagger is worth having and not needed: without it everything works on statistics, and says so.
# `make demo TAGGER=no` goes without.
models: install
	@[ "$(TAGGER)" = no ] || $(BIN)/musrec models install || echo 'Going on without the tagger.'

demo: models
	$(BIN)/musrec demo

test: models
	$(BIN)/python -m pytest

# The attacks that the tests make, at full size: hours. Writes docs/reliability.md.
attack: models
	$(BIN)/python -m tests.attack

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every figure in the documents, measured again: half an hour on two cores.
MEASURED := genre similarity closeness artists descriptors tagger recommend playlists
numbers: models
	{ printf '# Numbers\n\nWritten by `make numbers`; each table by the command above it.\n'; \
	  for what in $(MEASURED); do \
	    printf '\n`musrec evaluate %s`\n\n' $$what; $(BIN)/musrec evaluate $$what || exit 1; \
	  done; } > docs/numbers.new
	mv docs/numbers.new docs/numbers.md

constraints:
	$(PYTHON) -m venv build/uv && build/uv/bin/pip install --quiet uv
	{ echo '# What is installed, exactly, on every Python from 3.11 to 3.13: `make constraints` writes this file.'; \
	  build/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
	    --no-header --no-annotate --no-emit-index-url --quiet; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build demo
