# Two commands on a fresh machine: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
PIP_OPTIONS ?= --quiet --disable-pip-version-check
VENV := .venv
BIN := $(VENV)/bin
TPU_VENV := .venv-tpu
TPU_BIN := $(TPU_VENV)/bin
SWEEP := sweeps/smoke.yaml

export RAY_USAGE_STATS_ENABLED = 0
export MLFLOW_DISABLE_TELEMETRY = true

.PHONY: demo test test-slow test-tpu lint format types clean-env
.DEFAULT_GOAL := demo

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_OPTIONS) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install $(PIP_OPTIONS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/clt-ray run $(SWEEP)
	$(BIN)/clt-ray report $(SWEEP)
	@echo "MLflow UI: $(BIN)/clt-ray ui $(SWEEP)"

test: $(VENV)/.installed-dev lint
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 -m 'not slow and not serial'
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m 'serial and not slow'

test-slow: $(VENV)/.installed-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow

# torch_xla has an environment of its own: it needs a torch of its own release.
$(TPU_VENV)/.installed: pyproject.toml constraints.txt constraints-tpu.txt
	$(PYTHON) -m venv $(TPU_VENV)
	grep -v '^torch==' constraints.txt | cat - constraints-tpu.txt > $(TPU_VENV)/constraints.txt
	$(TPU_BIN)/python -m pip install $(PIP_OPTIONS) --constraint $(TPU_VENV)/constraints.txt --editable '.[tpu,dev]'
	@touch $@

test-tpu: $(TPU_VENV)/.installed
	HF_HUB_OFFLINE=1 $(TPU_BIN)/python -m pytest tests/xla

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean-env:
	rm -rf $(VENV) $(TPU_VENV)
