# Every target sets up the environment that it needs first. `make` alone lists the targets.
PYTHON ?= python3
# pip compiles to bytecode in one process; `compileall -j 0` does it on all cores. Without bytecode each process would
# compile what it imports again wherever PYTHONDONTWRITEBYTECODE is set: 14 s instead of 6 s for torch, Ray and MLflow.
PIP_OPTIONS ?= --quiet --disable-pip-version-check --no-compile
# Some packages ship templates that are not Python, so its exit status says nothing.
compile = @$(1)/bin/python -m compileall -q -j 0 $(1)/lib >/dev/null 2>&1 || true
VENV := .venv
BIN := $(VENV)/bin
TPU_VENV := .venv-tpu
TPU_BIN := $(TPU_VENV)/bin
SWEEP := sweeps/smoke.yaml

export RAY_USAGE_STATS_ENABLED = 0
export MLFLOW_DISABLE_TELEMETRY = true
export NO_MKDOCS_2_WARNING = 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-slow test-long test-tpu lint audit format docs docs-serve pictures hooks clean-env
.DEFAULT_GOAL := help

help: ## Lists the targets.
	@echo "Usage: make TARGET"
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Use
demo: $(VENV)/.installed ## Runs sweeps/smoke.yaml here and writes its report.
	$(BIN)/clt-ray run $(SWEEP)
	$(BIN)/clt-ray report $(SWEEP)
	@echo "MLflow UI: $(BIN)/clt-ray ui $(SWEEP)"

##@ Check
test: $(VENV)/.installed-dev lint ## Runs the linter, the type checker and all but the slow tests.
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 -m 'not slow and not serial'
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m 'serial and not slow'

# Many of the slow tests wait, so three processes share two cores.
test-slow: $(VENV)/.installed-dev ## Runs the tests that take minutes each.
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 3 -m 'slow and not serial'
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m 'slow and serial and not long'

test-long: $(VENV)/.installed-dev ## Runs the longest tests, which break whole sweeps in many ways.
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m long

test-tpu: $(TPU_VENV)/.installed ## Runs the tests of the TPU backend on virtual devices.
	HF_HUB_OFFLINE=1 $(TPU_BIN)/python -m pytest -n 2 -m 'not serial' tests/xla
	HF_HUB_OFFLINE=1 $(TPU_BIN)/python -m pytest -m serial tests/xla

lint: $(VENV)/.installed-dev ## Checks style, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit: $(VENV)/.installed-dev ## Checks versions, files and licences of the packages, offline.
	$(BIN)/python deploy/audit.py

##@ Develop
format: $(VENV)/.installed-dev ## Formats the code and applies the linter's safe fixes.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

hooks: $(VENV)/.installed-dev ## Installs Git hooks that lint and type-check each commit.
	$(BIN)/pre-commit install

clean-env: ## Deletes the environments .venv and .venv-tpu.
	rm -rf $(VENV) $(TPU_VENV)

##@ Document
docs: $(VENV)/.installed-dev ## Builds the documentation site into site/; a warning is an error.
	$(BIN)/mkdocs build --strict

docs-serve: $(VENV)/.installed-dev ## Serves the site at http://127.0.0.1:8000 while you edit it.
	$(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

pictures: $(VENV)/.installed-dev ## Makes the README's pictures again; needs `make demo`, Chromium.
	$(BIN)/python docs/images/make.py

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_OPTIONS) --constraint constraints.txt --editable .
	$(call compile,$(VENV))
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_OPTIONS) --constraint constraints.txt --editable '.[dev,docs]'
	$(call compile,$(VENV))
	@touch $@

# torch_xla has an environment of its own, because each release works with one release of torch only.
$(TPU_VENV)/.installed: pyproject.toml constraints.txt constraints-tpu.txt
	$(PYTHON) -m venv $(TPU_VENV)
	grep -v '^torch==' constraints.txt | cat - constraints-tpu.txt > $(TPU_VENV)/constraints.txt
	$(TPU_BIN)/python -m pip install $(PIP_OPTIONS) --constraint $(TPU_VENV)/constraints.txt --editable '.[tpu,dev]'
	$(call compile,$(TPU_VENV))
	@touch $@
