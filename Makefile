# Two commands matter: `make up` starts everything, `make test` proves it. The rest is for developers.
PYTHON ?= python3
BIN := .venv/bin
# Tests side by side. They wait a good part of the time: two leave cores idle, four wait for each other's on two cores.
PROCESSES ?= 3
.DEFAULT_GOAL := help
# A run starts hundreds of processes: where none may keep what it compiled, each compiles all of Tandem again (0.8 s).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup runtime up test tests-of-the-gate test-fast test-all reliability check format docs lock audit

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## make the Python environment (.venv), for developers
	@$(PYTHON) scripts/bootstrap.py --development

runtime: ## make the Python environment with what runs, and nothing else
	@$(PYTHON) scripts/bootstrap.py

up: runtime ## start everything in the foreground; Ctrl-C stops it
	@exec $(BIN)/tandem up --stop-with-parent

test: setup ## the gate: every check, and every test that is not long
	@$(MAKE) --no-print-directory -j 2 check tests-of-the-gate

tests-of-the-gate: setup
	@$(BIN)/python -m pytest -n $(PROCESSES) -m "not long"

test-fast: setup ## unit and contract tests alone: no Kafka, no PostgreSQL
	@$(BIN)/python -m pytest -n 2 -m "not long" tests/unit tests/contract

test-all: setup ## every check and every test, the long ones too, and more random examples
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -n $(PROCESSES) -m "not long" --hypothesis-profile=all
	@$(BIN)/python -m pytest -n $(PROCESSES) -m long tests/reliability/sweep
	@$(BIN)/python -m pytest -n 2 -m long --ignore=tests/reliability/sweep --ignore=tests/reliability/test_reliability.py
	@$(BIN)/python -m pytest -m long tests/reliability/test_reliability.py
	@$(BIN)/python scripts/audit.py --go-on-unasked

reliability: setup ## the fault run; SEED= tells the same story again, EVENTS= its length (10,000)
	@SEED=$(SEED) EVENTS=$(EVENTS) $(BIN)/python -m tests.reliability

check: setup ## format, lint, types, arrows, spelling, sizes
	@$(BIN)/python scripts/check.py

format: setup ## rewrite the code in the house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

docs: setup ## write the pages that come from the code
	@$(BIN)/python -m scripts.docs

lock: setup ## write the locks after a change of dependencies; UPGRADE="name name" moves these, UPGRADE=all everything
	@$(BIN)/python scripts/lock.py $(if $(filter all,$(UPGRADE)),--upgrade,$(UPGRADE:%=--upgrade-package=%))

audit: setup ## ask for known vulnerabilities of the locked packages; needs the network
	@$(BIN)/python scripts/audit.py
