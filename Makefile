# Everything a person types. `make help` lists the verbs; nothing is written outside .state/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

STATE := $(CURDIR)/.state
VENV := $(STATE)/venv
PYTHON := $(VENV)/bin/python
UV_VERSION := 0.13.9
UV := $(STATE)/uv/bin/uv
TORCH := torch==2.13.0
INSTALLED := $(STATE)/installed
CHECKOV := $(STATE)/checkov/bin/checkov

export UV_CACHE_DIR ?= $(STATE)/cache/uv
export UV_LINK_MODE ?= copy
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Bytecode is kept, and kept here: without it an import of Feast or MLflow costs 5 to 10 s each time.
export PYTHONPYCACHEPREFIX := $(STATE)/cache/pycache
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := true

# Torch is installed apart from the lock: from a folder of wheels where one is given, else the build that fits this
# machine (CPU unless a GPU is found).
TORCH_SOURCE := $(if $(PIP_FIND_LINKS),--find-links "$(PIP_FIND_LINKS)",--torch-backend=auto)

.PHONY: help install up down status logs test test-slow lint format lock image bench bench-quality bench-serving bench-gateway bench-startup bench-fraud bench-fraud-quality bench-plan bench-orchestration bench-prioritize clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

$(UV):
	@command -v python3.11 >/dev/null || python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "Python 3.11 is needed and $$(python3 --version 2>&1) was found; on Debian 12: apt-get install python3 python3-venv" >&2; exit 1; }
	@mkdir -p $(STATE)
	@$$(command -v python3.11 || command -v python3) -m venv $(STATE)/uv \
	  || { echo "python3 cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(STATE)/uv/bin/python -m pip install --quiet --no-cache-dir uv==$(UV_VERSION)

$(INSTALLED): requirements.lock pyproject.toml | $(UV)
	@echo "Installing into .state/venv (about 2.5 GB, once)"
	@exec 9>$(STATE)/install.lock; flock 9; \
	  [ -x $(PYTHON) ] || $(UV) venv --quiet --python "$$(command -v python3.11 || command -v python3)" $(VENV); \
	  $(UV) pip install --quiet --python $(PYTHON) --require-hashes -r requirements.lock; \
	  $(UV) pip install --quiet --python $(PYTHON) $(TORCH_SOURCE) "$(TORCH)"; \
	  $(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation -e .; \
	  touch $@

install: $(INSTALLED) ## install the environment into .state/venv

up: $(INSTALLED) ## start everything, train the first model if there is none, print a forecast
	@$(PYTHON) -m local up

down: $(INSTALLED) ## stop everything; what was trained stays
	@$(PYTHON) -m local down

status: $(INSTALLED) ## show every process
	@$(PYTHON) -m local status

logs: $(INSTALLED) ## show the processes' logs and follow them
	@$(PYTHON) -m local logs --follow

test: $(INSTALLED) $(CHECKOV) ## lint, types, import rules and every test but the slow ones
	@$(PYTHON) -m pytest -n 2 --dist loadfile -m "not slow" --durations=15 --durations-min=5

test-slow: $(INSTALLED) ## the slow tests
	@$(PYTHON) -m pytest -m slow --durations=15 --durations-min=5

lint: $(INSTALLED) ## ruff, mypy and the import rules alone
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports

format: $(INSTALLED) ## format the code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

COMPILE := pip compile --quiet --python-version 3.11 --python-platform linux --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links

lock: | $(UV) ## resolve the locks anew after a change of pyproject.toml
	@$(UV) $(COMPILE) pyproject.toml --all-extras --group dev -o requirements.lock
	@for image in "gateway --extra postgres" "worker --extra gateway --extra postgres" "predictor --extra postgres" "trainer --extra postgres --extra gcp" tracking; do \
	  $(UV) $(COMPILE) pyproject.toml --extra $$image -c requirements.lock -o "images/requirements/$${image%% *}.lock"; done
	@echo checkov | $(UV) $(COMPILE) - -o images/requirements/checkov.lock

$(CHECKOV): images/requirements/checkov.lock | $(UV)
	@$(UV) venv --quiet --clear --python "$$(command -v python3.11 || command -v python3)" $(STATE)/checkov
	@$(UV) pip install --quiet --python $(STATE)/checkov/bin/python --require-hashes -r images/requirements/checkov.lock
	@touch $@

image: ## build one image with docker or podman: make image TARGET=gateway
	@$$(command -v docker || command -v podman) build --file images/Dockerfile --target $(TARGET) \
	  --build-arg CODE_REVISION="$$(git rev-parse HEAD)" --tag ai-orchestration/$(TARGET):dev .

bench: bench-gateway bench-startup bench-serving bench-quality bench-fraud bench-fraud-quality bench-orchestration bench-prioritize bench-plan ## every bench; tables for docs/benchmarks.md

bench-quality: $(INSTALLED) ## forecast quality against baselines and peers
	@$(PYTHON) -m bench.quality_crypto

bench-serving: $(INSTALLED) ## predictor speed against FastAPI, a bare ASGI app and the session alone
	@$(PYTHON) -m bench.serving

bench-gateway: $(INSTALLED) ## start-up and request cost of the gateway
	@$(PYTHON) -m bench.gateway

bench-startup: $(INSTALLED) ## start-up cost of MLflow and the scheduler
	@$(PYTHON) -m bench.startup

bench-fraud: $(INSTALLED) ## features of ten million transactions, decision log, fraud predictor and gateway
	@for bench in fraud_features decision_log fraud_serving fraud_gateway; do $(PYTHON) -m bench.$$bench || exit 1; done

bench-fraud-quality: $(INSTALLED) ## fraud detection on the public sets, where they are at hand
	@$(PYTHON) -m bench.fraud_quality

bench-prioritize: $(INSTALLED) ## ranking of 100,000 tasks
	@$(PYTHON) -m bench.prioritize

bench-orchestration: $(INSTALLED) ## what orchestration adds to calls of a predictor, on SQLite and PostgreSQL
	@$(PYTHON) -m bench.orchestration

bench-plan: $(INSTALLED) ## plans on PSPLIB, where it is at hand, beside plain CP-SAT and PyJobShop; up to three hours, goes on after a kill
	@$(PYTHON) -m bench.plan

clean: ## stop everything and delete the state folder, the environment included
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m local down
	@rm -rf $(STATE)
