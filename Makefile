# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: demo test check serve install install-gpu lock clean

demo: $(VENV)/.runtime
	@$(BIN)/python examples/demo.py

serve: $(VENV)/.runtime
	@$(BIN)/kura serve

test: check
	@$(BIN)/python -m pytest -n 3 --dist loadfile

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

install: $(VENV)/.runtime

# make install-gpu GPU=cuda (or metal, vulkan, rocm): llama.cpp compiled for the GPU; its toolkit must be there.
install-gpu:
	@$(PYTHON) deploy/install.py $(VENV) deploy/requirements.txt $(or $(GPU),$(error say which: make install-gpu GPU=cuda, metal, vulkan or rocm))
	@touch $(VENV)/.runtime

# 1. The build tools, 2. llama-cpp-python compiled for this machine (pip keeps the wheel), 3. everything, by hash.
$(VENV)/.runtime: deploy/requirements.txt deploy/requirements-build.txt pyproject.toml
	@$(PYTHON) deploy/install.py $(VENV) deploy/requirements.txt
	@touch $@

$(VENV)/.dev: deploy/requirements-dev.txt deploy/requirements-build.txt pyproject.toml
	@$(PYTHON) deploy/install.py $(VENV) deploy/requirements-dev.txt
	@touch $@ $(VENV)/.runtime

lock: $(VENV)/.dev
	@$(BIN)/pip install --quiet uv
	@$(LOCK) deploy/requirements-build.in -o deploy/requirements-build.txt
	@$(LOCK) pyproject.toml -o deploy/requirements.txt
	@$(LOCK) pyproject.toml --extra dev --extra openai -c deploy/requirements.txt -o deploy/requirements-dev.txt

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache build dist
