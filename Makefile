# make book    render the book into _build/html
# make test    run everything: unit tests, equation oracles, every chapter
#
# Both need Python 3.11 or newer and make, nothing else: the first call makes .venv and installs
# what requirements.txt names (about 6 GB with PyTorch), later calls start at once. If `python3` is
# an older one, name another: make book PYTHON=python3.12

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

# A Python that is too old is found before anything is made. An installation that fails leaves no
# .ready behind, so that the next call goes on with it.
$(READY): requirements.txt pyproject.toml
	@rm -f $@
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "This needs Python 3.11 or newer, but $(PYTHON) is: $$($(PYTHON) --version 2>&1)."; \
		echo "Name a newer one, such as: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(VENV) has an older Python than 3.11: remove the folder, and call make again."; exit 1; }
	@echo "Installing into $(VENV), which takes some minutes the first time."
	@{ $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .; } || { \
		echo "Installing has failed, for the reason above (no network? a full disk?)."; \
		echo "Call make again when that is mended: it goes on where it stopped."; exit 1; }
	@touch $@
