# make book    render the book into _build/html
# make test    run everything: unit tests, equation oracles, every chapter
#
# Both need Python 3.11 or newer and make, nothing else: the first call makes .venv and installs
# what requirements.txt names (about 6 GB with PyTorch), later calls start at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: book test lint address clean

book: $(READY)
	$(BIN)/jupyter-book build . -W -n --keep-going

test: $(READY)
	$(BIN)/python -m pytest --nbval

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# make address URL=https://github.com/owner/name
address: $(READY)
	$(BIN)/python scripts/set_address.py $(URL)

clean:
	rm -rf _build .pytest_cache .ruff_cache build *.egg-info

$(READY): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@
