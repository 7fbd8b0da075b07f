# make demo   a spoken, interruptible conversation without a key; leaves demo-output/
# make test   everything that CI checks
# make clients   other people's clients against the emulator, one from npm (needs node)
# make browser   calls over WebRTC: to a YAML bot, and from a real browser to an example; needs
#                Chromium, leaves browser.png
# They create what they need in .venv (needs Python 3.11 or newer and this Makefile only).

PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
# Many tests wait for real time; a file's tests share what it took to set them up.
PARALLEL := -q -n 2 --dist loadfile

.PHONY: clients browser demo barge-ins test ready cards style types arch unit lowest clean

demo: $(VENV)/.ready
	$(BIN)/pipeline-live demo --out demo-output $(ARGS)

# 200 interruptions of every kind over TLS, in real time, every sample accounted for; minutes.
barge-ins: $(VENV)/.ready
	PIPELINE_LIVE_CALLS=50 $(BIN)/python -m pytest -q --timeout 900 tests/processors/test_wire_random.py

test: ready cards style types arch unit lowest

# Virtual sound cards; without them the tests that need some are skipped and say so.
cards:
	@scripts/virtual-audio.sh install

# Apart from the tests: WebRTC and playwright take 250 MB, and Chromium is not a Python package.
browser: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[web]' playwright
	$(BIN)/python -m pytest -q tests/builder/test_served.py -k browser
	$(BIN)/python scripts/browser_call.py

# Both environments at once.
ready:
	@$(MAKE) --no-print-directory -j2 $(VENV)/.ready $(LOWEST)/.ready

style: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready
	$(BIN)/mypy

arch: $(VENV)/.ready
	$(BIN)/lint-imports

unit: $(VENV)/.ready
	$(BIN)/python -m pytest $(PARALLEL)

# The lowest supported Pipecat and google-genai; what does not touch them need not run twice.
lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python -m pytest $(PARALLEL) tests/processors tests/session tests/pipecat

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,local,transcribe]'
	touch $@

$(LOWEST)/.ready: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e '.[dev,local]'
	touch $@

# Fills in the table of docs/emulator.md.
clients: $(VENV)/.ready
	mkdir -p $(VENV)/clients
	cp tests/clients/package.json tests/clients/genai_js_client.mjs $(VENV)/clients
	npm install --prefix $(VENV)/clients --silent --no-audit --no-fund --no-package-lock
	$(BIN)/python tests/clients/run.py --npm $(VENV)/clients --docs docs/emulator.md

clean:
	rm -rf $(VENV) $(LOWEST) demo-output
